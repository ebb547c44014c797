"""Many rows in one request: whatever the server does, each row has an outcome of its own, and it is true."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from fakes import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import LOST, NO_CONNECTION, TIMEOUT, UNLIMITED, Rows
from structlog.testing import LogCapture

from batchupdate.api.batch_reply import BatchJudge
from batchupdate.api.verdict import Policy
from batchupdate.config.rate import Rate
from batchupdate.config.settings import parse_max_failures
from batchupdate.engine.batches import Packing
from batchupdate.engine.pool_limits import PoolLimits
from batchupdate.engine.worker_pool import WorkerPool
from batchupdate.errors import SafetyStop
from batchupdate.limiter import Limiter
from batchupdate.model import Fault, FaultKind, Outcome, Reply, Request
from batchupdate.targets import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 8
BATCH = Batch(
    path="/batch", size=SIZE, template=[{"id": "{id}", "...": "{fields}"}], results="results", status="status"
)
Answer = Reply | Fault


@dataclass
class Server:
    """Applies what it takes. Before that, `whole` may answer a request by its rows and its number, and `one` a row."""

    clock: FakeClock
    whole: Callable[[list[int], int], tuple[Answer, bool] | None] = lambda _rows, _nth: None
    one: Callable[[int, int], int] = lambda _row, _nth: 200
    requests: list[list[int]] = field(default_factory=list)
    applied: Counter[int] = field(default_factory=Counter)
    unsure: set[int] = field(default_factory=set)
    tried: Counter[int] = field(default_factory=Counter)
    out: set[int] = field(default_factory=set)

    async def send(self, request: Request) -> Answer:
        rows = [one.row for one in request.rows]
        assert not self.out & {*rows}, "two requests for one row at the same time"
        self.out |= {*rows}
        self.requests.append(rows)
        try:
            await self.clock.sleep_until(self.clock.time + 0.1)
            instead = self.whole(rows, len(self.requests))
            if instead is not None and instead[1] and isinstance(instead[0], Reply):
                self.unsure |= {*rows}
            if instead is None or instead[1]:
                results = [self.change(row) for row in rows]
            return Reply(200, {}, json.dumps({"results": results[::-1]}).encode()) if instead is None else instead[0]
        finally:
            self.out -= {*rows}

    def change(self, row: int) -> dict[str, Any]:
        self.tried[row] += 1
        status = self.one(row, self.tried[row])
        self.applied[row] += status == 200
        return {"id": f"id-{row}", "status": status}


class House:
    """A pool that sends batches to such a server."""

    def __init__(
        self,
        server: Server,
        count: int,
        *,
        size: int = SIZE,
        repeatable: bool = True,
        rate: Rate = UNLIMITED,
        max_attempts: int = 3,
        packing: Callable[[], Packing] | None = None,
        max_failures: str | None = None,
    ) -> None:
        clock, self.server = server.clock, server
        self.rows = Rows(count, clock)
        policy = Policy(repeatable, max_wait_s=300.0)
        judge = BatchJudge(BATCH, policy, policy, clock.now)
        self.limiter = Limiter(rate, 1, clock, lambda strikes: 2.0**strikes, concurrency=4)
        self.log = LogCapture()
        self.pool = WorkerPool(
            source=self.rows,
            sink=self.rows,
            turns=self.limiter,
            send=server.send,
            judge=lambda request, answer: judge(answer, [one.record_id for one in request.rows]),
            listen=None,
            delay=float,
            rules=PoolLimits(
                max_attempts=max_attempts,
                max_failures=parse_max_failures(max_failures) if max_failures else None,
                claim_batch=512 if repeatable else 4 * size,
                packing=packing or (lambda: Packing(size)),
            ),
            clock=clock,
            log=structlog.wrap_logger(None, processors=[self.log]),
        )

    def work(self, concurrency: int = 4) -> None:
        asyncio.run(self.server.clock.run(self.pool.run(concurrency)))

    def check(self) -> None:
        """Every claimed row has one result or was given back, and each result is true of the server."""
        rows, server = self.rows, self.server
        ended = [result.row for result, _ in rows.results]
        assert sorted(ended + rows.released) == sorted(rows.claimed)
        assert not rows.out
        assert not rows.waiting
        for result, _ in rows.results:
            if result.outcome is Outcome.UPDATED:
                assert server.applied[result.row]
            elif result.outcome in {Outcome.FAILED, Outcome.NOT_ATTEMPTED}:
                assert not server.applied[result.row] or (
                    result.outcome is Outcome.FAILED and result.row in server.unsure
                )
            sent = sum(result.row in request for request in server.requests)
            assert result.attempts <= sent
        traffic = self.pool.traffic
        assert traffic.sent <= len(server.requests)


def house(count: int, clock: FakeClock | None = None, **options: Any) -> House:
    whole, one = options.pop("whole", None), options.pop("one", None)
    server = Server(clock or FakeClock())
    server.whole, server.one = whole or server.whole, one or server.one
    return House(server, count, **options)


def test_rows_go_out_in_full_batches_in_order_and_the_last_ones_together() -> None:
    full = house(20)
    full.work()
    assert full.server.requests == [[*range(2, 10)], [*range(10, 18)], [*range(18, 22)]]
    assert Counter(full.rows.outcomes.values()) == {Outcome.UPDATED: 20}
    assert (full.pool.traffic.sent, full.pool.traffic.retried) == (3, 0)
    full.check()


@given(
    kinds=st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
    size=st.integers(1, 6),
    max_bytes=st.none() | st.integers(1, 40),
)
def test_only_rows_of_a_kind_go_out_together_as_many_as_fit_and_each_kind_in_its_order(
    kinds: list[str], size: int, max_bytes: int | None
) -> None:
    ready = deque(Request(row, "", "", kind) for row, kind in enumerate(kinds))
    packing = Packing(size, max_bytes, lambda request: 1 + request.row % 9, 2, lambda request: request.fields)
    sent: list[Request] = []
    while ready:
        first, waiting = ready[0], [one for one in ready if one.fields == ready[0].fields]
        taken = packing.take(ready).rows
        assert [*taken] == waiting[: len(taken)]
        assert taken[0] is first
        following = waiting[len(taken) : len(taken) + 1]
        room = math.inf if max_bytes is None else max_bytes - 2
        assert len(taken) == size or not following or sum(1 + one.row % 9 for one in [*taken, *following]) > room
        sent += taken
    assert sorted(one.row for one in sent) == [*range(len(kinds))]


def test_a_turn_is_one_request_of_many_rows() -> None:
    slow = house(80, rate=Rate(2.0))
    slow.work()
    assert len(slow.server.requests) == 10
    assert slow.server.clock.time - 1000.0 == pytest.approx(4.6, abs=0.2)


def test_each_row_ends_as_its_own_result_says() -> None:
    mixed = house(16, one=lambda row, _: 404 if row in {3, 12} else 202 if row == 5 else 200)
    mixed.work()
    assert {row: outcome for row, outcome in mixed.rows.outcomes.items() if outcome is not Outcome.UPDATED} == {
        3: Outcome.FAILED,
        12: Outcome.FAILED,
        5: Outcome.ACCEPTED,
    }
    assert mixed.rows.of(3).http_status == 404
    assert len(mixed.server.requests) == 2


def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_bad_row_is_alone() -> None:
    bad = {7, 30}
    refusing = house(64, size=32, whole=lambda rows, _: (Reply(400), False) if bad & {*rows} else None)
    refusing.work()
    assert {row for row, outcome in refusing.rows.outcomes.items() if outcome is Outcome.FAILED} == bad
    assert len(refusing.server.requests) <= 2 + 2 * 2 * 5
    assert sorted(map(len, refusing.server.requests))[:2] == [1, 1]
    refusing.check()


def test_rows_of_a_reply_that_wait_go_on_together_and_the_others_have_ended() -> None:
    def one(row: int, nth: int) -> int:
        return 503 if row in {4, 6} and nth == 1 else 500 if row in {5, 7} and nth == 1 else 200

    waiting = house(8, one=one)
    waiting.work()
    assert [sorted(rows) for rows in sorted(waiting.server.requests[1:])] == [[4, 6], [5, 7]]
    assert Counter(waiting.rows.outcomes.values()) == {Outcome.UPDATED: 8}
    waiting.check()


def test_a_batch_that_fails_time_and_again_goes_on_in_halves_so_that_one_row_costs_only_itself() -> None:
    poisoned = house(16, whole=lambda rows, _: (Reply(500), False) if 5 in rows else None)
    poisoned.work()
    assert [row for row, outcome in poisoned.rows.outcomes.items() if outcome is Outcome.FAILED] == [5]
    assert len(poisoned.server.requests) <= 2 + 3 + 2 * 3 + 3
    poisoned.check()


def test_a_request_that_is_too_long_makes_all_later_ones_shorter() -> None:
    narrow = house(
        160,
        size=32,
        whole=lambda rows, _: (Reply(413), False) if len(rows) > 8 else None,
        packing=lambda: Packing(32, None, lambda _: 100),
    )
    narrow.work(concurrency=1)
    assert Counter(narrow.rows.outcomes.values()) == {Outcome.UPDATED: 160}
    assert len([rows for rows in narrow.server.requests if len(rows) > 8]) <= 4
    narrow.check()


def test_one_row_that_is_too_long_does_not_make_all_later_requests_short() -> None:
    lengths = {5: 5_000_000}
    huge = house(
        160,
        size=32,
        whole=lambda rows, _: (Reply(413), False) if 5 in rows else None,
        packing=lambda: Packing(32, None, lambda request: lengths.get(request.row, 100)),
    )
    huge.work(concurrency=1)
    assert [row for row, outcome in huge.rows.outcomes.items() if outcome is Outcome.FAILED] == [5]
    assert [len(rows) for rows in huge.server.requests if min(rows) > 33] == [32] * 4
    huge.check()


def test_rows_to_blame_are_alone_and_count_as_failures_before_other_halves_go_out() -> None:
    bad = house(640, size=64, whole=lambda _rows, _nth: (Reply(400), False), max_failures="2")
    with pytest.raises(SafetyStop, match="3 of 3 rows failed"):
        bad.work(concurrency=1)
    assert [len(rows) for rows in bad.server.requests] == [64, 32, 16, 8, 4, 2, 1, 1, 2, 1]
    bad.check()


def test_an_endpoint_that_takes_no_batch_and_no_row_stops_the_run_after_few_requests() -> None:
    wrong = house(5000, size=100, whole=lambda _rows, _nth: (Reply(404), False))
    with pytest.raises(SafetyStop, match=r"the API refused every batch, and 50 rows in a row.*check batch\.path"):
        wrong.work(concurrency=1)
    assert len(wrong.server.requests) <= 2 * 50 + 7
    assert [final for _, final in wrong.rows.results].count(True) == 49
    wrong.check()


def test_rows_that_are_refused_stop_no_run_of_which_a_batch_was_accepted() -> None:
    gone = house(200, size=8, whole=lambda rows, _: (Reply(404), False) if max(rows) > 9 else None)
    gone.work(concurrency=1)
    assert Counter(gone.rows.outcomes.values()) == {Outcome.UPDATED: 8, Outcome.FAILED: 192}
    gone.check()


def test_a_row_that_may_have_been_applied_is_not_called_not_attempted_over_what_others_of_its_batch_had() -> None:
    """One row was turned away, and of another nobody knows; then both are turned away until the run stops."""

    async def check() -> None:
        clock = FakeClock()
        both = house(
            8, clock, one=lambda row, nth: 429 if row == 4 or (row == 5 and nth > 1) else 200 + 303 * (row == 5)
        )
        running = asyncio.create_task(both.pool.run(1))
        while both.server.tried[5] < 2:
            await clock.run(clock.sleep_until(clock.time + 0.05))
        await clock.run(clock.sleep_until(clock.time + 0.2))
        both.pool.stop()
        await clock.run(asyncio.wait_for(running, None))
        assert (both.rows.of(4).outcome, both.rows.of(5).outcome) == (Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN)

    asyncio.run(check())


def test_a_record_that_is_always_turned_away_within_a_reply_costs_only_its_row() -> None:
    turned_away = house(160, one=lambda row, _: 429 if row == 5 else 200)
    turned_away.work()
    assert [row for row, outcome in turned_away.rows.outcomes.items() if outcome is not Outcome.UPDATED] == [5]
    assert turned_away.rows.of(5).outcome is Outcome.FAILED
    turned_away.check()


def test_an_api_that_takes_a_part_of_every_batch_is_not_down() -> None:
    """Each reply turns one row away for a minute, and the run's patience is ten minutes."""
    asked: Counter[int] = Counter()

    def whole(rows: list[int], _: int) -> tuple[Answer, bool] | None:
        asked.update(rows)
        results = [{"id": f"id-{row}", "status": 429 if row == min(rows) else 200} for row in rows]
        partly.server.applied.update(rows[1:])
        return Reply(200, {"retry-after": "60"}, json.dumps({"results": results}).encode()), False

    partly = house(8 * 25, whole=whole)
    with pytest.raises(SafetyStop):  # at the end, each row that is turned away is alone
        partly.work(concurrency=1)
    assert Counter(partly.rows.outcomes.values())[Outcome.UPDATED] == 7 * 25
    assert asked[8 * 25 + 1] == 1


def test_a_key_that_is_refused_stops_the_run_and_no_row_of_the_batch_is_final() -> None:
    refused = house(100, whole=lambda _rows, _nth: (Reply(401), False))
    with pytest.raises(SafetyStop, match="401"):
        refused.work(concurrency=2)
    assert not any(final for _, final in refused.rows.results)
    assert len(refused.server.requests) <= 2
    refused.check()


def test_a_batch_goes_out_again_with_new_credentials_and_stops_the_run_if_they_are_no_better() -> None:
    expired = Fault(FaultKind.EXPIRED, "expired")
    renewed = house(16, max_attempts=1, whole=lambda _rows, nth: (expired, False) if nth == 1 else None)
    renewed.work(concurrency=1)
    assert renewed.server.requests == [[*range(2, 10)], [*range(2, 10)], [*range(10, 18)]]
    assert {renewed.rows.of(row).attempts for row in range(2, 10)} == {2}
    renewed.check()
    wrong = house(16, whole=lambda _rows, _nth: (expired, False))
    with pytest.raises(SafetyStop, match="expired"):
        wrong.work(concurrency=1)
    assert len(wrong.server.requests) == 3
    assert not any(final for _, final in wrong.rows.results)
    wrong.check()


@pytest.mark.parametrize("fault", [LOST, TIMEOUT])
def test_a_lost_batch_is_unknown_row_by_row_where_repeating_is_not_safe(fault: Fault) -> None:
    lost = house(24, repeatable=False, whole=lambda rows, _: (fault, 4 in rows) if {4, 13} & {*rows} else None)
    lost.work()
    assert Counter(lost.rows.outcomes.values()) == {Outcome.UNKNOWN: 16, Outcome.UPDATED: 8}
    assert len(lost.server.requests) == 3
    lost.check()


def test_a_429_costs_no_row_an_attempt_and_the_batch_stays_as_it_is() -> None:
    throttled = house(
        16, max_attempts=1, whole=lambda _, nth: (Reply(429, {"retry-after": "5"}), False) if nth == 1 else None
    )
    throttled.work(concurrency=1)
    assert throttled.server.requests == [[*range(2, 10)], [*range(2, 10)], [*range(10, 18)]]
    assert (throttled.pool.traffic.throttled, throttled.pool.traffic.retried) == (1, 1)
    assert {throttled.rows.of(row).attempts for row in range(2, 10)} == {2}
    throttled.check()


def test_a_run_that_is_stopped_keeps_what_is_true_of_waiting_rows_and_gives_back_the_others() -> None:
    async def check() -> None:
        clock = FakeClock()
        stopped = house(64, clock, whole=lambda _rows, nth: (Reply(500), False) if nth > 2 else None)
        running = asyncio.create_task(stopped.pool.run(1))
        while len(stopped.server.requests) < 4:
            await clock.run(clock.sleep_until(clock.time + 0.05))
        stopped.pool.stop()
        await clock.run(asyncio.wait_for(running, None))
        outcomes = Counter(stopped.rows.outcomes.values())
        assert outcomes[Outcome.UPDATED] == 16
        assert outcomes[Outcome.FAILED] >= 8
        assert not any(final for result, final in stopped.rows.results if result.outcome is Outcome.FAILED)
        assert stopped.rows.released
        stopped.check()

    asyncio.run(check())


def test_bodies_are_kept_within_the_bytes_that_the_api_takes_and_a_long_row_goes_alone() -> None:
    lengths = {row: 90 if row == 6 else 10 for row in range(2, 22)}
    bounded = house(20, packing=lambda: Packing(8, 50, lambda request: lengths[request.row], 10))
    bounded.work(concurrency=1)
    assert bounded.server.requests[:3] == [[2, 3, 4, 5], [6], [7, 8, 9, 10]]
    bounded.check()


@given(st.data())
@settings(deadline=None)
def test_outcomes_equal_what_the_server_did_whatever_it_refuses_and_whenever_it_dies(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60), label="rows")
    size = data.draw(st.integers(2, 12), label="size")
    repeatable = data.draw(st.booleans(), label="repeatable")
    bad = data.draw(st.sets(st.integers(2, count + 1), max_size=6), label="refused by themselves")
    poison = data.draw(st.sets(st.integers(2, count + 1), max_size=2), label="refuse the whole")
    instead = st.sampled_from(
        [
            *(None, None, None, Reply(429), Reply(500), Reply(502), Reply(200), Reply(200, {}, b'{"results": []}')),
            *(LOST, TIMEOUT, NO_CONNECTION, Reply(413), Reply(400)),
        ]
    )
    script: deque[tuple[Answer | None, bool]] = deque(
        data.draw(st.lists(st.tuples(instead, st.booleans()), max_size=12))
    )
    started: list[bool] = []

    def whole(rows: list[int], _: int) -> tuple[Answer, bool] | None:
        answer, applies = script.popleft() if script and started else (None, False)
        started.append(True)  # the first reply shows that the declaration is right
        if answer is None:
            return (Reply(422), False) if poison & {*rows} else None
        ambiguous = isinstance(answer, Fault) and answer.ambiguous
        said = isinstance(answer, Reply) and (answer.status >= 500 or answer.status == 200)
        return answer, applies and bool(ambiguous or said)

    one_by_one = house(
        count, size=size, repeatable=repeatable, whole=whole, one=lambda row, _: 404 if row in bad else 200
    )
    ends = True
    try:
        one_by_one.work(concurrency=data.draw(st.integers(1, 4), label="at once"))
    except SafetyStop:
        ends = False
    one_by_one.check()
    outcomes = one_by_one.rows.outcomes
    if ends:
        assert len(outcomes) == count
    if not repeatable:
        assert max(one_by_one.server.applied.values(), default=0) <= 1
    for row, outcome in outcomes.items():
        if row in bad | poison:
            assert outcome is not Outcome.UPDATED


@given(st.data())
@settings(deadline=None)
def test_whatever_single_results_say_and_however_often_each_row_ends_as_its_last_one_says(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(1, 30), label="rows"), data.draw(st.integers(2, 10), label="size")
    statuses = st.lists(st.sampled_from([429, 503, 500, 404, 202]), max_size=3)
    scripts = data.draw(st.dictionaries(st.integers(2, count + 1), statuses, max_size=8), label="what rows get first")
    stops_after = data.draw(st.none() | st.integers(1, 12), label="stopped after so many requests")

    def one(row: int, nth: int) -> int:
        script = scripts.get(row, [])
        return script[nth - 1] if nth <= len(script) else 200

    def whole(_: list[int], nth: int) -> None:
        if nth == stops_after:
            answering.pool.stop()

    answering = house(count, size=size, one=one, whole=whole, max_attempts=5)
    answering.work(concurrency=data.draw(st.integers(1, 3), label="at once"))
    answering.check()
    for row, outcome in answering.rows.outcomes.items():
        had = [one(row, nth) for nth in range(1, answering.server.tried[row] + 1)]
        last = {200: Outcome.UPDATED, 202: Outcome.ACCEPTED, 429: Outcome.NOT_ATTEMPTED}.get(had[-1], Outcome.FAILED)
        maybe = last is Outcome.NOT_ATTEMPTED and {500, 503} & {*had}
        assert outcome is (Outcome.UNKNOWN if maybe else last)
    assert stops_after or len(answering.rows.outcomes) == count
