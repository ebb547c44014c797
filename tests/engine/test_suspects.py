"""Rows that are refused by themselves, and APIs that refuse everybody."""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from typing import TYPE_CHECKING

import pytest
from limiter_servers import FixedWindow, Server, SlidingWindow
from pools import BROKEN, LOST, NO_CONNECTION, OK, UNLIMITED, House

from batchupdate.config.rate import Rate
from batchupdate.engine.pool_limits import PoolLimits
from batchupdate.engine.suspects import ALONE_AT_LEAST, PROVEN, Suspects
from batchupdate.errors import SafetyStop
from batchupdate.model import Outcome, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes import FakeClock

    from batchupdate.model import Fault

pytestmark = pytest.mark.slow

AUTO = Rate(math.inf, auto=True)
FULL, FULL_1_S = Reply(429), Reply(429, {"retry-after": "1"})
DOWN, DOWN_1_S = Reply(503), Reply(503, {"retry-after": "1"})
PLACES = {
    "first": {2},
    "in the middle": {50},
    "every tenth": set(range(11, 102, 10)),
    "ten first": set(range(2, 12)),
    "ten in a row": set(range(40, 50)),
}


def bad(rows: set[int], answer: Reply | Fault) -> Callable[[int, int], Reply | Fault]:
    return lambda row, _nth: answer if row in rows else OK


@pytest.mark.parametrize("rate", [Rate(20.0), AUTO])
@pytest.mark.parametrize("answer", [FULL, FULL_1_S, DOWN, DOWN_1_S, BROKEN, LOST])
@pytest.mark.parametrize("place", PLACES)
async def test_rows_that_never_get_through_keep_no_other_from_it_and_end_soon(
    clock: FakeClock, place: str, answer: Reply | Fault, rate: Rate
) -> None:
    rows = PLACES[place]
    house = House(clock, 100, bad(rows, answer), rate=rate, concurrency=8)
    await house.work(8)
    ended = Outcome.UNKNOWN if answer is LOST else Outcome.FAILED
    assert house.rows.outcomes == {row: ended if row in rows else Outcome.UPDATED for row in range(2, 102)}
    assert all(house.rows.final(row) for row in rows)
    assert clock.time - 1000 < (40 if len(rows) == 1 else 240)
    assert len(house.api.seen) <= 100 + 8 * len(rows)
    house.check_conservation()


async def test_its_result_says_that_it_was_refused_every_time_while_others_were_not(clock: FakeClock) -> None:
    house = House(clock, 100, bad({50}, FULL), rate=Rate(20.0))
    await house.work()
    times = house.api.times[50]
    message = f"429 too many requests; refused {times} times, every time, while 99 other requests got through"
    assert house.rows.of(50).error == message
    assert house.rows.of(50).attempts == times == ALONE_AT_LEAST + 1


async def test_a_bad_row_does_not_teach_the_limiter_a_slower_rate(clock: FakeClock) -> None:
    """Every tenth row is refused from the 30th on; 2,500 others show what the rate has become."""
    house = House(clock, 2500, lambda row, _nth: FULL if row % 10 == 0 and 30 <= row < 330 else OK, rate=AUTO)
    house.api.latency = lambda: 0.01
    await house.work(64)
    good = [at for at, row in house.api.seen if row > 2000]
    assert house.pool.counts[Outcome.FAILED] == 30
    assert len(good) / (good[-1] - good[0]) > 500
    assert house.pool.traffic.allowed_per_s is None


async def test_while_a_bad_row_waits_by_itself_nobody_pauses(clock: FakeClock) -> None:
    house = House(clock, 2000, bad({10}, Reply(429, {"retry-after": "20"})), rate=Rate(10.0))
    await house.work()
    tries = [at for at, row in house.api.seen if row == 10]
    assert house.pool.traffic.waited_s == pytest.approx(40, abs=1)  # its first two refusals may have been the API's
    assert all(later - earlier >= 20 for earlier, later in itertools.pairwise(tries))


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("rate", [AUTO, UNLIMITED, Rate(1.0)])
@pytest.mark.parametrize(
    ("server", "rows"), [(FixedWindow(1, 60), 25), (FixedWindow(5, 60), 60), (SlidingWindow(20, 10), 300)]
)
@pytest.mark.parametrize("concurrency", [1, 8, 32])
async def test_under_a_limit_of_the_api_no_row_is_given_up(
    clock: FakeClock,
    server: Server,
    rows: int,
    rate: Rate,
    concurrency: int,
    *,
    retry_after: bool,
) -> None:
    server = type(server)(server.amount, server.window_s)  # type: ignore[attr-defined,call-arg] # a fresh one

    def answer(_row: int, _nth: int) -> Reply:
        if server.take(clock.time):
            return OK
        wait_s = {"retry-after": str(int(server.state(clock.time)[2]) + 1)} if retry_after else {}
        return Reply(429, wait_s)

    house = House(clock, rows, answer, rate=rate, concurrency=concurrency)
    chance = random.Random(concurrency)  # noqa: S311 - no secret
    house.pool._delay = lambda attempt: chance.uniform(0, 2.0 ** (attempt - 1))
    house.limiter._delay = lambda strikes: chance.uniform(0, min(60, 2.0 ** (strikes - 1)))
    await house.work(concurrency)
    assert house.pool.counts[Outcome.UPDATED] == rows
    house.check_conservation()


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7])
async def test_where_rows_are_refused_by_chance_none_is_given_up(clock: FakeClock, share: float) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    house = House(clock, 1000, lambda _row, _nth: FULL if chance.random() < share else OK)
    house.limiter._delay = lambda strikes: chance.uniform(0, min(60, 2.0 ** (strikes - 1)))
    await house.work(8)
    assert house.pool.counts[Outcome.UPDATED] == 1000


async def test_ten_minutes_in_which_the_api_takes_nothing_cost_no_row(clock: FakeClock) -> None:
    house = House(clock, 100, rate=Rate(20.0), rules=PoolLimits(give_up_after_s=3600.0))
    house.api.script = lambda _row, _nth: FULL if 1002 < clock.time < 1602 else OK
    await house.work(8)
    assert house.pool.counts[Outcome.UPDATED] == 100


@pytest.mark.parametrize(
    ("answer", "outcome", "most"),
    [
        (FULL, Outcome.NOT_ATTEMPTED, 52),
        (FULL_1_S, Outcome.NOT_ATTEMPTED, 1046),
        (DOWN, Outcome.FAILED, 52),
        (BROKEN, Outcome.FAILED, 31),
        (LOST, Outcome.UNKNOWN, 31),
    ],
)
async def test_an_api_that_takes_nothing_is_asked_no_more_often_and_given_up(
    clock: FakeClock, answer: Reply | Fault, outcome: Outcome, most: int
) -> None:
    """So many requests it took before rows were told from APIs, with the same pauses."""
    house = House(clock, 2000, lambda _row, _nth: answer, rate=Rate(20.0), concurrency=8)
    house.limiter._delay = lambda strikes: min(60.0, 2.0 ** (strikes - 1)) / 2
    with pytest.raises(SafetyStop, match=r"accepted no request for 6\d\d s"):
        await house.work(8)
    assert 1600 <= clock.time < 1670
    assert set(house.rows.outcomes.values()) == {outcome}
    assert not any(final for _, final in house.rows.results)
    assert len(house.api.seen) <= most
    house.check_conservation()


async def test_an_api_that_dies_after_a_row_failed_by_itself_is_still_given_up(clock: FakeClock) -> None:
    house = House(clock, 500, rate=Rate(20.0))
    house.limiter._delay = lambda strikes: min(60.0, 2.0**strikes)
    house.api.script = lambda row, _nth: FULL if row == 5 else BROKEN if clock.time > 1010 else OK
    with pytest.raises(SafetyStop, match="accepted no request"):
        await house.work(8)
    assert clock.time < 1700
    assert Outcome.UPDATED in house.rows.outcomes.values()
    house.check_conservation()


async def test_no_connection_is_never_put_down_to_a_row(clock: FakeClock) -> None:
    house = House(clock, 500, rate=Rate(20.0))
    house.api.script = lambda _row, _nth: NO_CONNECTION if clock.time > 1002 else OK
    with pytest.raises(SafetyStop, match="accepted no request"):
        await house.work(8)
    assert Outcome.FAILED not in house.rows.outcomes.values()


@pytest.mark.parametrize("answer", [FULL, Reply(429, {"retry-after": "7200"}), DOWN, BROKEN])
async def test_resuming_gets_past_a_bad_row_at_the_head(clock: FakeClock, answer: Reply) -> None:
    """A session that ends at once, and others: whatever the first row is answered, all others get through."""
    left = [Request(row, f"id-{row}", f"/things/{row}", "{}") for row in range(2, 62)]
    for _ in range(3):
        house = House(clock, 0, bad({2, 3}, answer), rate=Rate(20.0))
        house.rows.left = deque(left)
        house.pool._listen = None
        try:
            await house.work(4)
        except SafetyStop as stopped:
            assert "asks to wait 7200 s" in str(stopped)  # noqa: PT017 - only then it may stop
        done = {result.row for result, final in house.rows.results if final}
        times = house.api.times
        left = [one._replace(sent=one.sent + times[one.row]) for one in left if one.row not in done]
    assert {one.row for one in left} <= {2, 3}


# The rules one by one: rows are letters here, and requests leave in order.


def after(story: str) -> tuple[Suspects, list[int]]:
    """What is known after a story: `a` is refused, `+` another row gets through; how often each was alone by then."""
    suspects, passed, alone = Suspects(), 0, []
    for at, what in enumerate(story):
        if what == "+":
            passed += 1
            suspects.passed(float(at))
        else:
            alone.append(suspects.refused(ord(what), float(at), passed, others=True))
    return suspects, alone


@pytest.mark.parametrize(
    ("story", "alone"),
    [
        ("+a", [0]),
        ("+a+a", [0, 0]),  # it may have come at the wrong time twice
        ("+aa+a", [0, 0, 1 + 1]),
        ("aa+a", [0, 0, 2]),
        ("+aab+a", [0, 0, 0, 0]),  # another was refused as well
        ("+aa+ab+a", [0, 0, 2, 0, 2]),  # what came in between takes the last one back
        ("+aa+aba", [0, 0, 2, 0, 0]),  # and as long as another is refused, it is the API
        ("+aa+bb+ab+a+b", [0, 0, 0, 0, 2, 2, 2, 2]),  # two suspects at once are no proof against either
        ("+aa+a+a+b+b", [0, 0, 2, 3, 1, 2]),  # single rows are refused here: then a first refusal counts
        ("+aa+a+a+bc+b", [0, 0, 2, 3, 1, 0, 1]),  # but not of two rows
    ],
)
def test_a_refusal_counts_against_its_row_only_where_no_other_was_refused_between_two_that_got_through(
    story: str, alone: list[int]
) -> None:
    assert after(story)[1] == alone


def test_what_left_before_a_refused_request_or_while_its_row_was_out_again_says_nothing() -> None:
    suspects = Suspects()
    suspects.refused(1, 1.0, 1, others=True)
    suspects.refused(1, 3.0, 1, others=True)
    suspects.passed(2.0)
    suspects.leaves(1)
    suspects.passed(4.0)
    assert suspects.rows[1].alone == 0


def test_one_row_proves_that_single_rows_are_refused_only_once_that_is_sure() -> None:
    assert not after("+aa+" + (PROVEN - 2) * "a+")[0].proven
    assert after("+aa+" + (PROVEN - 1) * "a+")[0].proven


@pytest.mark.parametrize(("refused", "enough"), [("", 6), ("bcdefgh", 8)])
def test_the_more_the_api_refuses_the_more_it_takes_to_give_a_row_up(refused: str, enough: int) -> None:
    def given_up(times: int) -> bool:
        return after(refused + "++++++aa+" + (times - 1) * "a+")[0].given_up(ord("a"), 7 + times)

    assert not given_up(enough - 1)
    assert given_up(enough)


def test_a_failure_is_a_rows_own_where_others_got_through_since_its_last() -> None:
    suspects = Suspects()
    assert not suspects.failed(1, 5)
    assert not suspects.failed(1, 5)
    assert suspects.failed(1, 6)
    assert suspects.failed(1, 6)
    suspects.ended(1)
    assert not suspects.failed(1, 9)
