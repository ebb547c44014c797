from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeClock, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import (
    ACCEPTED,
    BROKEN,
    LATENCY,
    LOST,
    NO_CONNECTION,
    NO_KEY,
    OK,
    REFUSED,
    THROTTLED,
    TIMEOUT,
    UNLIMITED,
    House,
    Rows,
    scripted,
)

from batchupdate.config import MaxFailures
from batchupdate.config.rate import Rate
from batchupdate.engine.pool_limits import CLAIM_BATCH, PoolLimits
from batchupdate.engine.worker_pool import FREE_REPEATS
from batchupdate.errors import SafetyStop
from batchupdate.model import Fault, FaultKind, Outcome, Reply, Request, Result, Verdict
from batchupdate.util.clock import minute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The plain way.


async def test_every_row_is_sent_once_in_order_and_ends_updated(clock: FakeClock) -> None:
    house = House(clock, 1000)
    await house.work(8)
    assert house.api.rows == list(range(2, 1002))
    assert set(house.rows.outcomes.values()) == {Outcome.UPDATED}
    assert house.pool.counts[Outcome.UPDATED] == 1000
    assert house.pool.traffic.sent == 1000
    assert house.pool.traffic.retried == house.pool.traffic.throttled == 0
    house.check_conservation()


async def test_nothing_to_do_ends_at_once(clock: FakeClock) -> None:
    house = House(clock, 0)
    await house.work()
    assert house.rows.results == []


@pytest.mark.parametrize("concurrency", [1, 3, 50])
async def test_no_more_requests_are_in_flight_than_allowed_and_all_of_them_are_used(
    clock: FakeClock, concurrency: int
) -> None:
    house = House(clock, 200)
    await house.work(concurrency)
    assert house.api.most_open == concurrency
    assert clock.time - 1000 == pytest.approx(LATENCY * math.ceil(200 / concurrency))


async def test_every_request_takes_a_turn_repeats_too(clock: FakeClock) -> None:
    house = House(clock, 4, scripted({3: [BROKEN, BROKEN, OK]}), rate=Rate(2.0))
    await house.work()
    times = [at for at, _ in house.api.seen]
    assert len(times) == 6
    assert all(later - earlier >= 0.5 - 1e-9 for earlier, later in itertools.pairwise(times))


async def test_a_result_tells_status_request_id_location_attempts_and_duration(clock: FakeClock) -> None:
    answer = Reply(202, {"location": "/jobs/7", "x-request-id": "abc"}, b"", 0.1234)
    house = House(clock, 1, scripted({2: [BROKEN, answer]}))
    await house.work()
    result = house.rows.of(2)
    assert (result.outcome, result.http_status, result.attempts) == (Outcome.ACCEPTED, 202, 2)
    assert (result.location, result.request_id, result.duration_ms) == ("/jobs/7", "abc", 123.4)
    assert result.finished_at == clock.unix()


async def test_what_a_server_writes_into_its_id_and_place_is_bounded_and_harmless(clock: FakeClock) -> None:
    hostile = "a\x1b]0;x\x07\u202eb" + "c" * 8000
    house = House(clock, 1, scripted({2: [Reply(202, {"location": hostile, "x-request-id": hostile})]}))
    await house.work()
    result = house.rows.of(2)
    assert result.request_id == result.location == "a ]0;x b" + "c" * 491 + "…"


async def test_a_location_is_kept_only_where_a_change_can_be_followed(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [Reply(201, {"location": "/things/2"})]}))
    await house.work()
    assert house.rows.of(2).location == ""


async def test_what_needs_attention_is_logged_and_what_went_well_is_not(clock: FakeClock) -> None:
    house = House(clock, 3, scripted({3: [REFUSED]}))
    await house.work()
    (event,) = house.log.entries
    assert (event["event"], event["row"], event["id"], event["status"]) == ("failed", 3, "id-3", 400)


# What a killed process would leave behind.


async def test_a_request_is_noted_as_out_before_it_leaves_and_no_more_than_may_be_in_flight(clock: FakeClock) -> None:
    house = House(clock, 200, scripted({5: [BROKEN, THROTTLED, OK], 9: [LOST, OK]}))
    send = house.api.send

    async def watched(sent: Request) -> Reply | Fault:
        assert sent.row in house.rows.out
        return await send(sent)

    house.pool._send = watched
    await house.work(8)
    assert house.rows.most_out == 8
    house.check_conservation()


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [(BROKEN, Outcome.FAILED, 500), (THROTTLED, Outcome.NOT_ATTEMPTED, 429), (LOST, Outcome.UNKNOWN, None)],
)
async def test_of_a_row_that_waits_for_its_next_try_it_is_noted_what_a_stop_would_report(
    clock: FakeClock, answer: Reply | Fault, outcome: Outcome, status: int | None
) -> None:
    house = House(clock, 1, scripted({2: [answer]}))
    running = house.start()
    await clock.advance(LATENCY + 0.01)
    noted = house.rows.waiting[2]
    assert (noted.outcome, noted.http_status, noted.attempts) == (outcome, status, 1)
    house.pool.stop()
    await house.finish(running)
    assert house.rows.results == [(noted, False)]


# Rows that are claimed.


async def test_a_slow_run_claims_hardly_anything_ahead(clock: FakeClock) -> None:
    house = House(clock, 100, rate=Rate(2.0))
    running = house.start()
    await clock.advance(10.0)
    assert len(house.rows.claimed) - len(house.api.rows) <= 1
    house.pool.stop()
    await house.finish(running)


async def test_a_fast_run_claims_no_more_than_a_batch_ahead(clock: FakeClock) -> None:
    house = House(clock, 1500, claim_s=0.01)
    ahead = []
    house.api.latency = lambda: ahead.append(len(house.rows.claimed) - len(house.api.rows)) or LATENCY
    await house.work(64)
    assert 0 < max(ahead) <= CLAIM_BATCH


async def test_a_row_to_repeat_does_not_wait_for_the_end_of_the_file(clock: FakeClock) -> None:
    house = House(clock, 200, scripted({2: [BROKEN, OK]}), rate=Rate(10.0))
    await house.work()
    assert house.api.rows.index(2, 1) < 15


# Repeats.


async def test_a_row_is_given_up_after_its_last_attempt_and_no_sooner(clock: FakeClock) -> None:
    house = House(clock, 2, scripted({2: [BROKEN]}), rules=PoolLimits(max_attempts=3))
    await house.work()
    assert house.api.times[2] == 3
    result = house.rows.of(2)
    assert (result.outcome, result.attempts, house.rows.final(2)) == (Outcome.FAILED, 3, True)
    assert "(after 3 attempts)" in result.error
    assert house.pool.traffic.retried == 2


async def test_one_attempt_means_that_nothing_is_repeated(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [BROKEN]}), rules=PoolLimits(max_attempts=1))
    await house.work()
    assert house.api.times[2] == 1


async def test_a_waiting_row_holds_no_worker(clock: FakeClock) -> None:
    house = House(clock, 30, scripted({2: [Reply(500, {"retry-after": "60"}), OK]}))
    await house.work(1)
    assert house.api.rows == [*range(2, 32), 2]
    assert house.api.seen[-2][0] < 1000 + 30 * LATENCY
    assert house.api.seen[-1][0] == pytest.approx(1000 + LATENCY + 60)


async def test_a_row_waits_for_the_longer_of_its_own_backoff_and_what_the_api_asks(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [Reply(500, {"retry-after": "0"}), Reply(500, {"retry-after": "9"}), OK]}))
    await house.work()
    first, second, third = [at for at, _ in house.api.seen]
    assert second - first == pytest.approx(LATENCY + 1)
    assert third - second == pytest.approx(LATENCY + 9)


async def test_an_unanswered_request_leaves_its_row_unknown_even_if_a_later_one_is_refused(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [LOST, REFUSED]}))
    await house.work()
    assert house.rows.of(2).outcome is Outcome.UNKNOWN
    assert house.rows.of(2).attempts == 2


async def test_what_went_unanswered_once_is_not_forgotten_over_later_answers(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [LOST, BROKEN, THROTTLED, REFUSED]}))
    await house.work()
    assert (house.rows.of(2).outcome, house.rows.of(2).attempts) == (Outcome.UNKNOWN, 4)


async def test_an_unanswered_request_is_not_repeated_where_that_is_not_safe(clock: FakeClock) -> None:
    house = House(clock, 2, scripted({2: [TIMEOUT, OK]}), repeatable=False)
    await house.work()
    assert house.api.times[2] == 1
    assert house.rows.of(2).outcome is Outcome.UNKNOWN
    assert house.rows.final(2)


async def test_a_request_that_never_left_is_not_counted_as_sent(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [NO_CONNECTION, OK]}))
    await house.work()
    assert house.rows.of(2).attempts == 1
    assert house.pool.traffic.sent == 1


# Holds.


async def test_a_throttled_row_loses_no_attempt_and_all_workers_wait_as_asked(clock: FakeClock) -> None:
    house = House(clock, 40, scripted({4: [THROTTLED, THROTTLED, OK]}), rules=PoolLimits(max_attempts=1))
    await house.work()
    assert set(house.rows.outcomes.values()) == {Outcome.UPDATED}
    assert house.rows.of(4).attempts == 3
    assert house.pool.traffic.throttled == 2
    assert house.pool.traffic.waited_s == pytest.approx(20)
    began = 1000 + LATENCY
    assert not any(began + 1e-9 < at < began + 10 - 1e-9 for at, _ in house.api.seen)


@pytest.mark.parametrize("rate", [UNLIMITED, Rate(20.0), Rate(1.0)])
async def test_throttled_rows_go_first_after_the_hold(clock: FakeClock, rate: Rate) -> None:
    house = House(clock, 60, rate=rate)
    house.api.script = lambda row, nth: THROTTLED if nth == 1 and row in {5, 6} else OK
    await house.work(4)
    first_try = house.api.rows.index(6)
    again = {house.api.rows.index(5, house.api.rows.index(5) + 1), house.api.rows.index(6, first_try + 1)}
    held_at = next(at for at, row in house.api.seen if row == 5) + LATENCY
    after = [place for place, (at, _) in enumerate(house.api.seen) if at >= held_at + 10 - 1e-9]
    assert min(after) in again


async def test_rows_that_were_turned_away_together_go_out_again_in_the_same_order(clock: FakeClock) -> None:
    house = House(clock, 40, lambda row, nth: THROTTLED if nth == 1 and 10 <= row < 18 else OK)
    await house.work(8)
    again = [row for _, row in house.api.seen if 10 <= row < 18][8:]
    assert again == list(range(10, 18))


async def test_rows_that_nothing_overtakes_wait_as_long_as_it_takes(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [Reply(429, {"retry-after": "1"})] * 100 + [OK]}))
    await house.work(1)
    assert house.rows.of(2).outcome is Outcome.UPDATED


# When to stop.


async def test_a_refused_key_stops_the_run_and_leaves_the_rest_untouched(clock: FakeClock) -> None:
    house = House(clock, 100, scripted({5: [NO_KEY]}))
    with pytest.raises(SafetyStop, match="row 5: 401"):
        await house.work()
    assert house.rows.of(5).outcome is Outcome.FAILED
    assert not house.rows.final(5)
    assert max(house.api.rows) <= 9
    house.check_conservation()


@pytest.mark.parametrize(
    ("first_refused", "said"),
    [
        (2, "row 2: 401 the API rejected the key. The key was refused. It is in the drawer."),
        (12, "The key was accepted for 10 rows and is refused now: it may have expired, or been revoked. It is in"),
    ],
)
async def test_a_key_that_was_never_accepted_differs_from_one_that_is_refused_later(
    clock: FakeClock, first_refused: int, said: str
) -> None:
    house = House(
        clock,
        40,
        lambda row, _nth: NO_KEY if row >= first_refused else OK,
        rules=PoolLimits(about_key="It is in the drawer."),
    )
    with pytest.raises(SafetyStop) as stopped:
        await house.work(1)
    assert said in stopped.value.message


async def test_refused_and_broken_requests_say_nothing_about_the_key(clock: FakeClock) -> None:
    replies = {2: [Reply(403)], 3: [BROKEN, NO_KEY]}
    house = House(clock, 2, scripted(replies), rules=PoolLimits(about_key="It is in the drawer."))
    with pytest.raises(SafetyStop, match="The key was refused"):
        await house.work(1)


async def test_the_reason_that_is_told_is_the_refused_key_and_not_the_count_of_failures(clock: FakeClock) -> None:
    house = House(clock, 100, lambda _row, _nth: NO_KEY, rules=PoolLimits(max_failures=MaxFailures(count=0)))
    with pytest.raises(SafetyStop, match="401"):
        await house.work()


async def test_an_untrusted_certificate_stops_the_run_with_nothing_attempted(clock: FakeClock) -> None:
    house = House(clock, 100, lambda _row, _nth: Fault(FaultKind.CERTIFICATE, "self-signed"))
    with pytest.raises(SafetyStop, match="self-signed"):
        await house.work(1)
    assert house.rows.outcomes == {2: Outcome.NOT_ATTEMPTED}
    assert not house.rows.final(2)
    assert house.pool.traffic.sent == 0


@pytest.mark.parametrize(("allowed", "sent"), [(0, 1), (3, 4)])
async def test_one_failure_more_than_allowed_stops_the_run(clock: FakeClock, allowed: int, sent: int) -> None:
    house = House(clock, 50, lambda _row, _nth: REFUSED, rules=PoolLimits(max_failures=MaxFailures(count=allowed)))
    with pytest.raises(SafetyStop, match=f"--max-failures allows {allowed}"):
        await house.work(1)
    assert len(house.api.rows) == sent


async def test_a_share_of_failures_counts_from_the_20th_row_on(clock: FakeClock) -> None:
    house = House(clock, 100, lambda _row, _nth: REFUSED, rules=PoolLimits(max_failures=MaxFailures(percent=10.0)))
    with pytest.raises(SafetyStop, match=r"20 of 20 rows failed, and --max-failures allows 10%"):
        await house.work(1)


async def test_a_share_of_failures_that_is_just_allowed_stops_nothing(clock: FakeClock) -> None:
    house = House(
        clock,
        100,
        lambda row, _nth: REFUSED if row % 10 == 1 else OK,
        rules=PoolLimits(max_failures=MaxFailures(percent=10.0)),
    )
    await house.work(1)
    assert house.pool.counts[Outcome.FAILED] == 10


async def test_an_api_that_takes_nothing_for_too_long_stops_the_run(clock: FakeClock) -> None:
    house = House(clock, 50, lambda row, _nth: OK if row < 5 else THROTTLED, rules=PoolLimits(give_up_after_s=60.0))
    with pytest.raises(SafetyStop, match=r"epted no request for 6\d s"):
        await house.work(1)
    assert house.rows.outcomes[5] is Outcome.NOT_ATTEMPTED
    assert not house.rows.final(5)
    house.check_conservation()


async def test_an_api_that_never_answers_for_too_long_stops_the_run(clock: FakeClock) -> None:
    house = House(clock, 50, lambda row, _nth: OK if row < 5 else TIMEOUT, rules=PoolLimits(give_up_after_s=60.0))
    house.api.latency = lambda: 15.0
    with pytest.raises(SafetyStop, match="accepted no request"):
        await house.work(1)
    assert Outcome.FAILED not in house.rows.outcomes.values()
    house.check_conservation()


async def test_refusals_with_successes_between_them_do_not_add_up(clock: FakeClock) -> None:
    house = House(
        clock,
        60,
        lambda row, nth: THROTTLED if nth == 1 and row % 3 == 0 else OK,
        rules=PoolLimits(give_up_after_s=15.0),
    )
    await house.work(1)
    assert house.pool.counts[Outcome.UPDATED] == 60


async def test_one_refusal_after_a_long_quiet_time_does_not_stop_a_slow_run(clock: FakeClock) -> None:
    house = House(clock, 5, scripted({4: [THROTTLED, OK]}), rate=Rate(1 / 3600))
    await house.work()
    assert set(house.rows.outcomes.values()) == {Outcome.UPDATED}


async def test_an_api_that_was_never_reached_stops_the_run_after_as_many_holds_as_a_row_has_attempts(
    clock: FakeClock,
) -> None:
    house = House(clock, 50, lambda _row, _nth: NO_CONNECTION, rules=PoolLimits(max_attempts=3))
    with pytest.raises(SafetyStop, match="never reached: no connection"):
        await house.work(8)
    assert clock.time < 1030
    assert set(house.rows.outcomes.values()) == {Outcome.NOT_ATTEMPTED}
    house.check_conservation()


@pytest.mark.parametrize("first", [OK, THROTTLED, LOST])
async def test_an_api_that_was_reached_once_is_waited_for_much_longer(clock: FakeClock, first: Reply | Fault) -> None:
    answers: list[Reply | Fault] = [first, *[NO_CONNECTION] * 7, OK]
    house = House(clock, 3, lambda _row, _nth: answers.pop(0) if answers else OK, rules=PoolLimits(max_attempts=3))
    await house.work(1)
    assert set(house.rows.outcomes.values()) == {Outcome.UPDATED}


async def test_why_nothing_gets_through_is_known_at_the_first_attempt_until_something_does(clock: FakeClock) -> None:
    house = House(clock, 30, lambda _row, _nth: NO_CONNECTION if clock.time < 1010 else OK, rate=Rate(10.0))
    running = house.start()
    await clock.advance(LATENCY + 0.01)
    assert house.pool.trouble == "No connection; trying again, for up to 600 s (--give-up-after)."
    await house.finish(running)
    assert house.pool.counts[Outcome.UPDATED] == 30
    assert house.pool.trouble == ""


async def test_one_row_that_fails_is_no_trouble_of_the_api(clock: FakeClock) -> None:
    house = House(clock, 30, scripted({5: [BROKEN], 6: [LOST], 7: [THROTTLED, OK]}), rate=Rate(10.0))
    seen = set()
    house.api.latency = lambda: seen.add(house.pool.trouble) or LATENCY  # type: ignore[func-returns-value]
    await house.work()
    assert seen == {""}


# An API that is down.


async def test_an_api_that_only_fails_is_asked_less_and_less_and_then_given_up(clock: FakeClock) -> None:
    rules = PoolLimits(max_attempts=100, give_up_after_s=120.0)
    house = House(clock, 500, lambda _row, _nth: BROKEN, rules=rules, concurrency=8)
    with pytest.raises(SafetyStop, match=r" accepted no request for \d+ s. Its last word: 500"):
        await house.work(8)
    assert 1120 <= clock.time < 1260
    assert len(house.api.seen) < 40
    house.check_conservation()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", [61, 250, 86_400])
async def test_a_wait_longer_than_the_run_would_wait_at_all_ends_it_at_once(
    clock: FakeClock, asked: int, status: int
) -> None:
    refused = Reply(status, {"retry-after": str(asked)})
    house = House(clock, 5, lambda _row, _nth: refused, rules=PoolLimits(give_up_after_s=60.0))
    back = minute(clock.unix() + LATENCY + asked)
    with pytest.raises(SafetyStop, match=f"asks to wait {asked} s, until {back}, longer than the 60 s") as stopped:
        await house.work(1)
    assert stopped.value.hint == f"After {back}, run it again: the run resumes here."
    assert clock.time < 1010
    house.check_conservation()


async def test_an_outage_is_probed_with_single_requests_and_then_the_run_goes_on(clock: FakeClock) -> None:
    house = House(clock, 300, concurrency=8)
    house.api.script = lambda _row, _nth: NO_CONNECTION if 1005 <= clock.time < 1065 else OK
    house.api.latency = lambda: 1.0
    await house.work(8)
    assert house.pool.counts[Outcome.UPDATED] == 300
    outage = [at for at, _ in house.api.seen if 1010 <= at < 1064]
    assert 3 <= len(outage) <= 12
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(outage))


async def test_a_budget_of_repeats_keeps_an_unwell_api_from_being_hammered(clock: FakeClock) -> None:
    answers = lambda row, nth: BROKEN if row % 2 and nth == 1 else OK  # noqa: E731 - reads as a table
    house = House(clock, 1000, answers, rules=PoolLimits(retry_budget=0.1))
    await house.work(4)
    assert len(house.api.seen) == 1000 + FREE_REPEATS + 100
    assert house.pool.counts[Outcome.UPDATED] == 500 + FREE_REPEATS + 100
    assert house.rows.of(999).error.endswith("not sent again, for the run's retry budget is spent")


async def test_throttled_rows_cost_nothing_of_the_budget_of_repeats(clock: FakeClock) -> None:
    house = House(clock, 600, lambda _row, nth: Reply(429) if nth == 1 else OK, rules=PoolLimits(retry_budget=0.0))
    await house.work(4)
    assert house.pool.counts[Outcome.UPDATED] == 600


# Stopping from outside.


async def test_stop_while_waiting_at_the_limiter_sends_nothing_further(clock: FakeClock) -> None:
    house = House(clock, 50, rate=Rate(0.1))
    running = house.start()
    await clock.advance(15.0)
    house.pool.stop()
    await house.finish(running)
    assert house.api.rows == [2, 3]
    assert house.rows.released == [4]
    assert clock.time == 1015.0
    house.check_conservation()


async def test_stop_while_claiming_gives_back_what_comes_of_it(clock: FakeClock) -> None:
    house = House(clock, 50, claim_s=5.0)
    running = house.start()
    await clock.advance(1.0)
    house.pool.stop()
    await house.finish(running)
    assert house.api.rows == []
    assert house.rows.released == house.rows.claimed == list(range(2, 52))


async def test_stop_lets_what_is_in_flight_finish(clock: FakeClock) -> None:
    house = House(clock, 50)
    house.api.latency = lambda: 30.0
    running = house.start()
    await clock.advance(1.0)
    house.pool.stop()
    await settle()
    assert not running.done()
    assert house.pool.in_flight == 4
    await house.finish(running)
    assert list(house.rows.outcomes.values()) == [Outcome.UPDATED] * 4
    house.check_conservation()


async def test_stop_while_a_row_waits_for_its_next_try_keeps_what_is_known_of_it_for_the_next_run(
    clock: FakeClock,
) -> None:
    slow = {"retry-after": "500"}
    house = House(clock, 4, scripted({2: [Reply(500, slow)], 3: [LOST], 4: [Reply(429, slow)], 5: [LOST, THROTTLED]}))
    running = house.start()
    await clock.advance(0.5)
    house.pool.stop()
    await house.finish(running)
    assert house.rows.outcomes == {
        2: Outcome.FAILED,
        3: Outcome.UNKNOWN,
        4: Outcome.NOT_ATTEMPTED,
        5: Outcome.UNKNOWN,
    }
    assert not any(final for _, final in house.rows.results)
    assert all("the run stopped before another try" in result.error for result, _ in house.rows.results)
    house.check_conservation()


async def test_stop_while_the_last_row_is_waited_for_ends_at_once(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [Reply(500, {"retry-after": "200"})]}))
    running = house.start()
    await clock.advance(50.0)
    house.pool.stop()
    await settle()
    assert running.done()
    assert clock.time == 1050.0


async def test_stop_before_the_start_sends_nothing(clock: FakeClock) -> None:
    house = House(clock, 5)
    house.pool.stop()
    await house.work()
    assert house.api.rows == []


async def test_stopping_twice_is_stopping_once_and_the_first_reason_counts(clock: FakeClock) -> None:
    house = House(clock, 50, rate=Rate(0.1))
    running = house.start()
    await clock.advance(1.0)
    house.pool.stop(SafetyStop("first"))
    house.pool.stop(SafetyStop("second"))
    with pytest.raises(SafetyStop, match="first"):
        await house.finish(running)
    house.check_conservation()


async def test_stop_that_comes_together_with_a_turn_loses_no_row(clock: FakeClock) -> None:
    house = House(clock, 50, rate=Rate(1.0))
    running = house.start(2)
    await clock.advance(0.5)
    clock.time = 1001.0
    clock._wake_next()  # the turn is given, and its worker has not woken up yet
    house.pool.stop()
    await house.finish(running)
    assert house.api.rows == [2]
    assert house.rows.released == [3]
    house.check_conservation()


async def test_stop_that_comes_together_with_the_turn_of_a_repeat_keeps_its_result(clock: FakeClock) -> None:
    house = House(clock, 1, scripted({2: [BROKEN, OK]}), rate=Rate(0.5))
    running = house.start(2)
    await clock.advance(1.9)
    clock.time = 1002.0
    clock._wake_next()
    house.pool.stop()
    await house.finish(running)
    assert house.rows.outcomes == {2: Outcome.FAILED}
    assert not house.rows.final(2)
    house.check_conservation()


# Cancelling.


async def test_cancelling_leaves_what_was_in_flight_unknown_and_gives_back_the_rest(clock: FakeClock) -> None:
    house = House(clock, 500)
    house.api.latency = lambda: 30.0
    running = house.start()
    await clock.advance(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await house.finish(running)
    assert set(house.rows.outcomes) == {2, 3, 4, 5}
    assert set(house.rows.outcomes.values()) == {Outcome.UNKNOWN}
    assert all(result.attempts == 1 and not final for result, final in house.rows.results)
    house.check_conservation()


async def test_cancelling_again_while_rows_are_handed_back_loses_none_of_them(clock: FakeClock) -> None:
    house = House(clock, 500, claim_s=5.0)
    running = house.start()
    await clock.advance(1.0)
    running.cancel()
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await house.finish(running)
    assert house.rows.released == house.rows.claimed != []


async def test_a_cancellation_after_stop_cuts_the_drain_short(clock: FakeClock) -> None:
    house = House(clock, 50)
    house.api.latency = lambda: 1e6
    running = house.start()
    await clock.advance(1.0)
    house.pool.stop()
    await clock.advance(30.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await house.finish(running)
    assert list(house.rows.outcomes.values()) == [Outcome.UNKNOWN] * 4
    house.check_conservation()


# Things that fail.


@pytest.mark.parametrize("after", [0, 1, CLAIM_BATCH // 2, CLAIM_BATCH])
async def test_a_claim_that_fails_lets_nothing_further_leave_and_what_is_in_flight_finish(
    clock: FakeClock, after: int
) -> None:
    house = House(clock, 5000)
    house.rows.fail_after = after
    with pytest.raises(SafetyStop, match="can't be written"):
        await house.work(8)
    assert set(house.rows.outcomes.values()) <= {Outcome.UPDATED}
    house.check_conservation()


async def test_a_claim_that_fails_while_the_head_waits_for_its_turn_stops_it_there(clock: FakeClock) -> None:
    house = House(clock, 5000, rate=Rate(1000.0), claim_s=0.01)
    house.rows.fail_after = 100
    with pytest.raises(SafetyStop):
        await house.work(8)
    assert len(house.api.rows) < 100
    house.check_conservation()


async def test_a_bug_in_the_source_is_raised_as_it_is(clock: FakeClock) -> None:
    house = House(clock, 50)

    async def claim(_count: int) -> list[Request]:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    house.rows.claim = claim  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await house.work()


async def test_a_bug_in_sending_ends_the_run_and_leaves_its_row_unknown(clock: FakeClock) -> None:
    house = House(clock, 50)

    def broken(row: int, _nth: int) -> Reply:
        if row == 7:
            raise ZeroDivisionError
        return OK

    house.api.script = broken
    with pytest.raises(ZeroDivisionError):
        await house.work()
    assert house.rows.outcomes[7] is Outcome.UNKNOWN
    house.check_conservation()


DISK = OSError("no space")


@pytest.mark.parametrize(
    ("second", "raised", "noted"),
    [
        (SafetyStop("The disk is full."), SafetyStop, "ZeroDivisionError(7)"),
        (KeyError("k"), ZeroDivisionError, "KeyError('k')"),
    ],
)
async def test_of_several_errors_one_with_a_sentence_is_raised_else_the_first_and_the_others_are_noted(
    clock: FakeClock, second: Exception, raised: type[Exception], noted: str
) -> None:
    house, finish = House(clock, 4), Rows.finish

    def broken(row: int, _nth: int) -> Reply:
        if row == 2:
            raise ZeroDivisionError(7)
        return OK

    def unkept(result: Result, *, final: bool = True) -> None:
        if result.row == 4:  # it is cancelled because of the first error
            raise second from DISK
        finish(house.rows, result, final=final)

    house.api.script = broken
    house.rows.finish = unkept  # type: ignore[method-assign]
    with pytest.raises(raised) as found:
        await house.work(4)
    assert found.value.__notes__ == [f"Another worker ended with {noted}."]
    assert [entry["why"] for entry in house.log.entries if entry["event"] == "worker_failed"] == [noted]
    if found.value is second:
        assert second.__cause__ is DISK


async def test_a_release_that_fails_is_told(clock: FakeClock) -> None:
    house = House(clock, 50, rate=Rate(0.1))

    async def release(_numbers: Sequence[int]) -> None:
        await asyncio.sleep(0)
        raise SafetyStop("The disk is full.")

    house.rows.release = release  # type: ignore[method-assign]
    running = house.start()
    await clock.advance(1.0)
    house.pool.stop()
    with pytest.raises(SafetyStop, match="disk is full"):
        await house.finish(running)


async def test_a_release_that_fails_is_told_even_when_cancelled(clock: FakeClock) -> None:
    house = House(clock, 50, rate=Rate(0.1))

    async def release(_numbers: Sequence[int]) -> None:
        await clock.sleep_until(clock.time + 1)
        raise SafetyStop("The disk is full.")

    house.rows.release = release  # type: ignore[method-assign]
    running = house.start()
    await clock.advance(1.0)
    running.cancel()
    await settle()
    running.cancel()
    with pytest.raises(SafetyStop, match="disk is full"):
        await house.finish(running)


async def test_an_unanswered_row_of_an_earlier_session_stays_unknown_when_it_is_refused(clock: FakeClock) -> None:
    house = House(clock, 1, lambda _row, _nth: REFUSED)
    house.rows.left = deque([Request(2, "id-2", "/things/2", "{}", sent=2, unanswered=True)])
    await house.work()
    assert (house.rows.of(2).outcome, house.rows.of(2).attempts) == (Outcome.UNKNOWN, 3)
    assert house.pool.traffic.retried == 1


# Whatever happens.

answers = st.sampled_from([OK, ACCEPTED, BROKEN, REFUSED, Reply(412), LOST, TIMEOUT, NO_CONNECTION, THROTTLED])
scripts = st.lists(st.lists(answers, min_size=1, max_size=6), min_size=1, max_size=40)


ends = st.tuples(st.sampled_from(["let be", "stop", "cancel", "stop, cancel", "key"]), st.floats(0, 20))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    script=scripts,
    concurrency=st.integers(1, 9),
    rate=st.sampled_from([UNLIMITED, Rate(1000.0), Rate(7.0), Rate(0.5)]),
    claim_s=st.sampled_from([0.0, 0.3]),
    end=ends,
    attempts=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_whatever_happens_every_row_ends_once_or_is_given_back(
    script: list[list[Reply | Fault]],
    concurrency: int,
    rate: Rate,
    claim_s: float,
    end: tuple[str, float],
    attempts: int,
    seed: int,
) -> None:
    asyncio.run(check_any_script(script, (concurrency, rate, claim_s, attempts, seed), end))


async def check_any_script(
    script: list[list[Reply | Fault]], drawn: tuple[int, Rate, float, int, int], end: tuple[str, float]
) -> None:
    concurrency, rate, claim_s, attempts, seed = drawn
    how, when = end
    clock, chance = FakeClock(), random.Random(seed)  # noqa: S311 - no secret
    rows = {number: [*answers, OK] for number, answers in enumerate(script, 2)}
    if how == "key":
        rows[2 + chance.randrange(len(script))] = [NO_KEY]
    told: dict[int, list[Reply | Fault]] = defaultdict(list)

    def answer(row: int, nth: int) -> Reply | Fault:
        told[row].append(scripted(rows)(row, nth))
        return told[row][-1]

    house = House(clock, len(script), answer, rate=rate, claim_s=claim_s, rules=PoolLimits(max_attempts=attempts))
    house.api.latency = lambda: chance.choice([0.0, 0.05, 0.3, 2.0])
    running = house.start(concurrency)
    disturbing = asyncio.create_task(disturb(house, running, how, when))
    try:
        await house.finish(running)
        stopped = house.pool._backlog.closed
    except (SafetyStop, asyncio.CancelledError):
        stopped = True
    disturbing.cancel()

    house.check_conservation()
    assert house.api.most_open <= concurrency
    firsts = list(dict.fromkeys(house.api.rows))
    assert firsts == sorted(firsts)
    assert house.pool.traffic.throttled == sum(answers.count(THROTTLED) for answers in told.values())
    if not stopped:
        assert sorted(house.rows.outcomes) == sorted(rows)
    for result, final in house.rows.results:
        check_result(result, told[result.row], attempts, final=final)


async def disturb(house: House, running: asyncio.Task[None], how: str, when: float) -> None:
    await house.clock.sleep_until(1000 + when)
    if how.startswith("stop"):
        house.pool.stop()
    if how == "stop, cancel":
        await house.clock.sleep_until(1000 + when + 0.2)
    if how.endswith("cancel"):
        running.cancel()


def check_result(result: Result, told: list[Reply | Fault], attempts: int, *, final: bool) -> None:
    """What a row's answers allow to be said of it."""
    costly = [answer for answer in told if answer not in (THROTTLED, NO_CONNECTION)]
    assert len(costly) <= attempts
    left = sum(answer is not NO_CONNECTION for answer in told)
    if result.outcome is Outcome.UNKNOWN and result.http_status is None and not final:
        assert result.attempts - left in {0, 1}  # one more may have been cancelled in flight
    else:
        assert result.attempts == left
    if result.outcome in {Outcome.UPDATED, Outcome.ACCEPTED}:
        assert told[-1] in (OK, ACCEPTED)
        assert final
    if LOST in told or TIMEOUT in told:
        assert result.outcome in {Outcome.UPDATED, Outcome.ACCEPTED, Outcome.UNKNOWN}
    if result.outcome is Outcome.NOT_ATTEMPTED:
        assert not costly or not final
        assert not final


def test_a_verdict_is_asked_for_once_an_answer() -> None:
    asked: list[Any] = []

    async def check() -> None:
        clock = FakeClock()
        house = House(clock, 10)
        inner: Callable[[Request, Reply | Fault], Verdict] = house.pool._judge

        def judged(request: Request, answer: Reply | Fault) -> Verdict:
            asked.append(answer)
            return inner(request, answer)

        house.pool._judge = judged
        await house.work()

    asyncio.run(check())
    assert len(asked) == 10


EXPIRED = Fault(FaultKind.EXPIRED, "401 the API does not take the credentials any more")


async def test_rows_whose_credentials_had_expired_are_sent_again_at_no_cost(clock: FakeClock) -> None:
    house = House(
        clock, 30, lambda row, nth: EXPIRED if row in {3, 9, 17} and nth == 1 else OK, rules=PoolLimits(max_attempts=1)
    )
    await house.work(4)
    assert {house.rows.of(row).outcome for row in range(2, 32)} == {Outcome.UPDATED}
    assert house.rows.of(3).attempts == 2  # requests that left
    assert house.pool.traffic.sent == 33
    house.check_conservation()


async def test_credentials_that_are_refused_again_and_again_stop_the_run(clock: FakeClock) -> None:
    house = House(clock, 30, lambda _row, _nth: EXPIRED)
    with pytest.raises(SafetyStop, match="row 2: 401 the API does not take the credentials any more"):
        await house.work(1)
    assert house.api.rows == [2, 2, 2]
    assert not house.rows.final(2)
    house.check_conservation()


async def test_without_credentials_the_run_stops_with_nothing_attempted(clock: FakeClock) -> None:
    refused = Fault(FaultKind.NO_CREDENTIALS, "no token from login.example.com: 401 invalid_client")
    house = House(clock, 5, lambda _row, _nth: refused)
    with pytest.raises(SafetyStop, match=r"no token from login\.example\.com: 401 invalid_client"):
        await house.work(1)
    assert house.rows.of(2).outcome is Outcome.NOT_ATTEMPTED
