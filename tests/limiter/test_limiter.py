from __future__ import annotations

import asyncio
import math
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.config.rate import Rate
from batchupdate.limiter import Limiter
from batchupdate.limiter.pause import SHORTEST_HOLD_S

if TYPE_CHECKING:
    from collections.abc import Callable

UNLIMITED = Rate(math.inf)
TINY = 1e-6

seconds = st.floats(0, 5, allow_nan=False)
rates = st.floats(0.2, 200, allow_nan=False)


def limiter_of(
    clock: FakeClock, rate: Rate, burst: int = 1, delay: Callable[[int], float] = lambda strikes: 2.0**strikes
) -> Limiter:
    return Limiter(rate, burst, clock, delay)


async def take(limiter: Limiter, count: int) -> list[float]:
    return [await limiter.turn() for _ in range(count)]


async def test_the_first_second_gives_no_more_than_the_rate(clock: FakeClock) -> None:
    turns = await clock.run(take(limiter_of(clock, Rate(10.0)), 30))
    assert sum(turn < turns[0] + 1.0 - TINY for turn in turns) == 10


async def test_turns_are_spread_evenly(clock: FakeClock) -> None:
    turns = await clock.run(take(limiter_of(clock, Rate(4.0)), 5))
    assert [turn - turns[0] for turn in turns] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


async def test_a_burst_may_be_taken_at_once_after_a_quiet_time(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(2.0), burst=3)
    assert await clock.run(take(limiter, 4)) == pytest.approx([1000, 1000, 1000, 1000.5])
    await clock.advance(100)
    start = clock.time
    assert await clock.run(take(limiter, 4)) == pytest.approx([start, start, start, start + 0.5])


async def test_an_unlimited_rate_never_waits(clock: FakeClock) -> None:
    limiter = limiter_of(clock, UNLIMITED)
    assert set(await clock.run(take(limiter, 1000))) == {1000.0}
    assert limiter.try_turn() == 1000.0


async def test_nobody_passes_during_a_hold_and_everybody_after_it(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(10.0))
    await limiter.turn()
    waiting = asyncio.create_task(limiter.turn())
    await clock.advance(0.05)
    limiter.hold(clock.time, 30.0)
    await clock.advance(29.9)
    assert not waiting.done()
    assert limiter.try_turn() is None
    assert limiter.holding_s == pytest.approx(0.1)
    await clock.advance(0.2)
    assert waiting.result() == pytest.approx(1030.05)


async def test_a_hold_that_comes_while_a_caller_sleeps_out_another_one_still_holds_it(clock: FakeClock) -> None:
    limiter = limiter_of(clock, UNLIMITED)
    limiter.hold(clock.time, 5.0)
    waiting = asyncio.create_task(limiter.turn())
    await clock.advance(4.0)
    limiter.hold(clock.time, 10.0)
    assert await clock.run(waiting_for(waiting)) == pytest.approx(1014.0)


async def waiting_for(task: asyncio.Task[float]) -> float:
    return await task


async def test_replies_that_were_in_flight_when_the_hold_began_are_one_offence(clock: FakeClock) -> None:
    limiter = limiter_of(clock, UNLIMITED, burst=8)
    sent = [await limiter.turn() for _ in range(8)]
    await clock.advance(0.1)
    assert [limiter.hold(at, None) for at in sent] == [True] + [False] * 7
    assert limiter.holding_s == 2.0  # the first strike, not the eighth


async def test_a_request_that_left_in_the_same_moment_as_the_hold_began_is_no_new_offence(clock: FakeClock) -> None:
    limiter = limiter_of(clock, UNLIMITED)  # a clock can be as coarse as 16 ms
    sent = [await limiter.turn() for _ in range(3)]
    assert [limiter.hold(at, None) for at in sent] == [True, False, False]
    limiter.passed(sent[0])
    await clock.run(limiter.turn())
    await clock.advance(0.01)
    limiter.hold(clock.time, None)
    assert limiter.holding_s == 4.0


async def test_the_backoff_grows_with_every_new_offence_and_starts_anew_once_a_request_gets_through(
    clock: FakeClock,
) -> None:
    limiter = limiter_of(clock, UNLIMITED)
    held = []
    for _ in range(3):
        sent_at = await clock.run(limiter.turn())
        await clock.advance(0.01)
        limiter.hold(sent_at, None)
        held.append(limiter.holding_s)
    assert held == [2.0, 4.0, 8.0]
    sent_at = await clock.run(limiter.turn())
    limiter.passed(sent_at)
    await clock.advance(0.01)
    limiter.hold(await clock.run(limiter.turn()), None)
    assert limiter.holding_s == 2.0


async def test_a_late_success_of_a_request_from_before_the_hold_does_not_reset_the_backoff(clock: FakeClock) -> None:
    limiter = limiter_of(clock, UNLIMITED)
    before = await limiter.turn()
    await clock.advance(0.01)
    limiter.hold(before, None)
    limiter.passed(before)
    again = await clock.run(limiter.turn())
    await clock.advance(0.01)
    limiter.hold(again, None)
    assert limiter.holding_s == 4.0


async def test_a_longer_retry_after_of_a_reply_in_flight_extends_the_hold_and_a_shorter_one_does_not(
    clock: FakeClock,
) -> None:
    limiter = limiter_of(clock, UNLIMITED)
    sent_at = await limiter.turn()
    await clock.advance(1.0)
    limiter.hold(sent_at, 10.0)
    assert not limiter.hold(sent_at, 20.0)
    assert limiter.holding_s == 20.0
    limiter.hold(sent_at, 5.0)
    limiter.hold(sent_at, None)
    assert limiter.holding_s == 20.0


async def test_waited_s_counts_every_second_of_overlapping_holds_once_and_none_ahead(clock: FakeClock) -> None:
    limiter = limiter_of(clock, UNLIMITED)
    assert limiter.waited_s == 0.0
    limiter.hold(clock.time, 10.0)
    assert limiter.waited_s == 0.0
    await clock.advance(6.0)
    assert limiter.waited_s == pytest.approx(6.0)
    limiter.hold(clock.time, 10.0)  # until 16
    await clock.advance(50.0)
    limiter.hold(clock.time, 1.0)
    await clock.advance(50.0)
    assert limiter.waited_s == pytest.approx(17.0)


async def test_callers_get_their_turns_in_the_order_in_which_they_asked(clock: FakeClock) -> None:
    limiter, order = limiter_of(clock, Rate(5.0)), []

    async def call(name: int) -> None:
        await limiter.turn()
        order.append(name)

    async def everybody() -> None:
        await asyncio.gather(*[call(name) for name in range(20)])

    await clock.run(everybody())
    assert order == list(range(20))


async def test_a_turn_at_once_is_refused_where_somebody_waits_in_line(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(1.0))
    assert limiter.try_turn() == 1000.0
    assert limiter.try_turn() is None
    waiting = asyncio.create_task(limiter.turn())
    await clock.advance(0.5)
    clock.time = 1001.0  # its turn has come, and it has not woken up yet
    assert limiter.try_turn() is None
    assert await clock.run(waiting_for(waiting)) == 1001.0


async def test_a_caller_that_is_cancelled_takes_no_turn_and_lets_the_next_one_have_it(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(1.0))
    await limiter.turn()
    first, second = asyncio.create_task(limiter.turn()), asyncio.create_task(limiter.turn())
    await clock.advance(0.5)
    first.cancel()
    assert await clock.run(waiting_for(second)) == pytest.approx(1001.0)
    assert first.cancelled()


@settings(deadline=None)  # a busy machine is no finding
@given(
    rate=rates,
    burst=st.integers(1, 10),
    gaps=st.lists(st.tuples(seconds, st.integers(1, 6)), min_size=1, max_size=12),
    holds=st.lists(st.tuples(seconds, st.floats(SHORTEST_HOLD_S, 20.0)), max_size=4),
)
def test_no_window_holds_more_than_its_share_and_no_turn_comes_later_than_it_may(
    rate: float, burst: int, gaps: list[tuple[float, int]], holds: list[tuple[float, float]]
) -> None:
    asyncio.run(check_any_pattern(rate, burst, gaps, holds))


async def check_any_pattern(
    rate: float, burst: int, gaps: list[tuple[float, int]], holds: list[tuple[float, float]]
) -> None:
    clock = FakeClock()
    limiter = limiter_of(clock, Rate(rate), burst)
    asked: list[float] = []
    given_at: dict[int, float] = {}
    held: list[tuple[float, float]] = []

    async def call(name: int) -> None:
        given_at[name] = await limiter.turn()

    async def arrivals() -> None:
        calls = []
        for gap, count in gaps:
            await clock.sleep_until(clock.time + gap)
            for _ in range(count):
                asked.append(clock.time)
                calls.append(asyncio.create_task(call(len(calls))))
        await asyncio.gather(*calls)

    async def holder() -> None:
        for gap, wait_s in holds:
            await clock.sleep_until(clock.time + gap)
            held.append((clock.time, clock.time + wait_s))
            limiter.hold(clock.time, wait_s)

    async def both() -> None:
        await asyncio.gather(arrivals(), holder())

    await clock.run(both())
    turns = [given_at[name] for name in range(len(asked))]
    assert turns == sorted(turns)
    assert not any(start + TINY < turn < end - TINY for turn in turns for start, end in held)
    check_windows(turns, rate, burst)
    for index, turn in enumerate(turns):
        earliest = max(asked[index], bucket_has_room(turns[:index], rate, burst))
        assert turn <= after_holds(earliest, held) + TINY


def after_holds(time: float, held: list[tuple[float, float]]) -> float:
    for start, end in sorted(held):
        if start <= time + TINY:
            time = max(time, end)
    return time


def check_windows(turns: list[float], rate: float, burst: int) -> None:
    for first, start in enumerate(turns):
        for last in range(first, len(turns)):
            assert last - first + 1 <= rate * (turns[last] - start) + burst + TINY


def bucket_has_room(turns: list[float], rate: float, burst: int) -> float:
    """When one turn more may be had: a bucket that leaks `rate` per second and holds `burst`; another algorithm."""
    level, before = 0.0, 0.0
    for turn in turns:
        level = max(0.0, level - rate * (turn - before)) + 1
        before = turn
    return before + max(0.0, level - (burst - 1)) / rate if turns else 0.0


async def test_an_api_that_keeps_asking_for_no_wait_at_all_is_held_by_our_own_backoff(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(math.inf), 1, delay=lambda strikes: 2.0**strikes)
    waits = []
    for _ in range(4):
        clock.time += 0.01
        sent_at = await clock.run(limiter.turn())
        clock.time += 0.01
        limiter.hold(sent_at, 0.0)
        waits.append(round(limiter.holding_s, 6))
    assert waits == [0.0, 4.0, 8.0, 16.0]


@given(st.lists(st.tuples(st.floats(0.2, 30), st.floats(0.1, 6)), min_size=2, max_size=5), st.integers(1, 20))
@settings(deadline=None, max_examples=40)
async def test_while_the_rate_changes_no_window_holds_more_than_the_rates_in_force_and_one_burst(
    stretches: list[tuple[float, float]], burst: int
) -> None:
    clock, turns = FakeClock(), list[tuple[float, float]]()
    limiter, earned = limiter_of(clock, Rate(stretches[0][0]), burst), 0.0
    since, per_s = clock.time, stretches[0][0]

    async def taking() -> None:
        while True:
            turn = await limiter.turn()
            turns.append((turn, earned + per_s * (turn - since)))

    taker = asyncio.create_task(taking())
    for new_per_s, lasts_s in stretches:
        earned, since, per_s = earned + per_s * (clock.time - since), clock.time, new_per_s
        limiter.set_limits(Rate(per_s), burst, 600.0)
        await clock.advance(lasts_s)
    taker.cancel()
    ahead = [number - allowed for number, (_, allowed) in enumerate(turns, 1)]
    assert all(one - least <= burst - 1 + TINY for one, least in zip(ahead, accumulate(ahead, min), strict=True))


async def test_a_higher_rate_counts_at_once_for_those_who_wait_at_the_old_one(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(1 / 3600))
    await clock.run(take(limiter, 1))
    waiting = asyncio.create_task(take(limiter, 3))
    await clock.advance(10)
    limiter.set_limits(Rate(2.0), 1, 600.0)
    await clock.advance(2)
    assert waiting.done()


async def test_between_an_adaptive_and_a_fixed_rate_turns_that_are_out_come_back_to_no_harm(clock: FakeClock) -> None:
    limiter = limiter_of(clock, Rate(10.0))
    before = [await clock.run(limiter.turn()) for _ in range(4)]
    limiter.set_limits(Rate(math.inf, auto=True), 1, 600.0)
    own = [await clock.run(limiter.turn()) for _ in range(2)]
    await clock.advance(0.1)
    limiter.passed(before[0])
    limiter.failed(before[1])
    limiter.hold(before[2], None)
    limiter.passed(own[0])
    limiter.set_limits(Rate(10.0), 1, 600.0)
    limiter.passed(own[1])
    limiter.passed(before[3])
    limiter.set_limits(Rate(3.0, auto=True), 1, 600.0)
    await clock.run(take(limiter, 3))
    assert limiter.rate_per_s == 3.0


@pytest.mark.parametrize("rate", [Rate(5.0), UNLIMITED, Rate(math.inf, auto=True)])
async def test_halted_it_gives_no_turn_and_the_time_counts_for_nothing_afterwards(clock: FakeClock, rate: Rate) -> None:
    limiter = Limiter(rate, 1, clock, lambda strikes: 2.0**strikes)
    first = await clock.run(limiter.turn())
    limiter.failed(first)
    down_for_s = limiter.down_for_s
    limiter.halt()
    waiting = asyncio.create_task(limiter.turn())
    await clock.advance(10_000)
    assert not waiting.done()
    assert limiter.holding_s == math.inf
    assert limiter.try_turn() is None
    limiter.go_on()
    await clock.advance(1)
    assert waiting.done()
    assert limiter.down_for_s <= down_for_s + 1
    assert limiter.holding_s < 1


@pytest.mark.parametrize("asked_s", [None, 60.0])
async def test_an_adaptive_rate_learns_nothing_from_the_time_for_which_it_was_halted(asked_s: float | None) -> None:
    rates_at_the_end = []
    for halted_s in (0.0, 100_000.0):
        clock = FakeClock()
        limiter = Limiter(Rate(math.inf, auto=True), 1, clock, lambda strikes: 2.0**strikes)
        for number in range(60):
            sent_at = await clock.run(limiter.turn())
            await clock.advance(0.02)
            if number == 30:
                limiter.hold(sent_at, asked_s)
                limiter.halt()
                await clock.advance(halted_s)
                limiter.go_on()
            else:
                limiter.passed(sent_at)
        rates_at_the_end.append(limiter.rate_per_s)
    assert rates_at_the_end[1] >= 0.9 * rates_at_the_end[0]
    assert rates_at_the_end[1] <= 1.1 * rates_at_the_end[0]
