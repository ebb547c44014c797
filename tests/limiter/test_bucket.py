"""The ceiling's promise, by aiolimiter's bucket: never more than R * t + B in any window of t seconds."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest
from aiolimiter import AsyncLimiter
from fakes import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.config.rate import Rate
from batchupdate.limiter import Limiter
from batchupdate.limiter.bucket import TokenBucket

ROUNDING = 1e-6
"""Share of a turn that a float's rounding may come to over the time of a test."""

rates = st.floats(math.log(0.02), math.log(5000)).map(math.exp)
# Gaps are in turns at the rate, so that slow and fast buckets see the same patterns.
gaps = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 100))
callers = st.lists(
    st.tuples(gaps, st.integers(1, 8), st.sampled_from(["", "cancel", "repeat"])), min_size=1, max_size=10
)


def most_over_the_rate(turns: list[float], per_s: float) -> float:
    """How far the busiest window is above `per_s * t`: what a bucket that drains at this rate holds at its fullest."""
    level = fullest = 0.0
    before = turns[0]
    for turn in turns:
        level = max(0.0, level - per_s * (turn - before)) + 1
        fullest, before = max(fullest, level), turn
    return fullest


async def arrivals(clock: FakeClock, limiter: Limiter, per_s: float, plan: list[tuple[float, int, str]]) -> list[float]:
    """The turns of callers that come in groups, are cancelled while they wait, or send again after a refusal."""
    turns: list[float] = []

    async def call(*, again: bool) -> None:
        for _ in range(1 + again):
            sent_at = await limiter.turn()
            turns.append(clock.time)
            if again:
                limiter.hold(sent_at, 0.5 / per_s)
            else:
                limiter.passed(sent_at)

    async def work() -> None:
        tasks = []
        for gap, count, what in plan:
            await clock.sleep_until(clock.time + gap / per_s)
            group = [asyncio.create_task(call(again=what == "repeat")) for _ in range(count)]
            tasks += group
            if what == "cancel":
                await clock.sleep_until(clock.time + 0.5 / per_s)
                for task in group[::2]:
                    task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    await clock.run(work())
    return turns


@settings(deadline=None)
@given(per_s=rates, burst=st.integers(1, 50), plan=callers, adaptive=st.booleans())
def test_no_window_holds_more_than_the_rate_and_the_burst_with_cancelled_waiters_and_repeats(
    per_s: float, burst: int, plan: list[tuple[float, int, str]], adaptive: bool
) -> None:
    clock = FakeClock()
    limiter = Limiter(Rate(per_s, auto=adaptive), burst, clock, lambda _: 0.5 / per_s, concurrency=8)
    turns = asyncio.run(arrivals(clock, limiter, per_s, plan))
    assert not turns or most_over_the_rate(turns, per_s) <= burst + ROUNDING


@settings(deadline=None)
@given(per_s=rates, burst=st.integers(1, 50), turns_asked=st.integers(1, 200))
def test_a_full_queue_gets_the_burst_at_once_and_the_rate_from_then_on(
    per_s: float, burst: int, turns_asked: int
) -> None:
    clock = FakeClock()
    limiter = Limiter(Rate(per_s), burst, clock, lambda _: 1.0)

    async def take() -> list[float]:
        return [await limiter.turn() for _ in range(turns_asked)]

    turns = asyncio.run(clock.run(take()))
    due = [max(0, number - burst + 1) for number in range(turns_asked)]  # in turns at the rate
    assert [(turn - 1000) * per_s for turn in turns] == pytest.approx(due, rel=1e-5, abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(per_s=rates, burst=st.integers(1, 50), plan=st.lists(gaps, min_size=1, max_size=30))
def test_our_clock_in_place_of_the_loops_changes_nothing_in_what_aiolimiter_decides(
    per_s: float, burst: int, plan: list[float]
) -> None:
    clock = FakeClock()

    class VirtualLoop(asyncio.SelectorEventLoop):
        """An event loop whose time is the fake clock's."""

        def time(self) -> float:
            return clock.time

    plain, ours = AsyncLimiter(burst, burst / per_s), TokenBucket(per_s, burst, clock)

    async def compare() -> None:
        for gap in plan:
            clock.time += gap / per_s
            room = plain.has_capacity()
            if room:
                await plain.acquire()
            assert ours.take() is room

    loop = VirtualLoop()
    try:
        loop.run_until_complete(compare())
    finally:
        loop.close()


@pytest.mark.parametrize("per_s", [0.02, 3.0, 5000.0])
def test_the_bucket_says_when_it_has_room_again(per_s: float) -> None:
    clock = FakeClock()
    bucket = TokenBucket(per_s, 3, clock)
    assert bucket.room_in_s() == 0.0
    for gap in (0.0, 0.3, 0.0):
        clock.time += gap / per_s
        assert bucket.take()
    assert not bucket.take()
    assert bucket.room_in_s() == pytest.approx(0.7 / per_s, rel=1e-6)
    clock.time += bucket.room_in_s()
    assert bucket.take()


async def test_a_turn_for_which_there_is_room_is_given_without_a_round_of_the_event_loop(clock: FakeClock) -> None:
    limiter = Limiter(Rate(5.0), 4, clock, lambda _: 1.0)
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    for _ in range(4):
        await limiter.turn()
    assert others == []
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(limiter.turn(), 0)
    assert others == ["ran"]
