from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from batchupdate.config.rate import Rate
from batchupdate.limiter import Limiter
from batchupdate.limiter.pause import FAILURES_IN_A_ROW

if TYPE_CHECKING:
    from fakes import FakeClock


def limiter_of(clock: FakeClock, *, concurrency: int = 8, adaptive: bool = False) -> Limiter:
    def delay(pauses: int) -> float:
        return 2.0**pauses

    return Limiter(Rate(math.inf, auto=adaptive), 1, clock, delay, concurrency=concurrency)


def take(limiter: Limiter) -> float:
    turn = limiter.try_turn()
    assert turn is not None
    return turn


def fail(limiter: Limiter, clock: FakeClock, times: int) -> list[bool]:
    paused = []
    for _ in range(times):
        clock.time += max(0.01, limiter.holding_s)
        turn = take(limiter)
        clock.time += 0.01
        paused.append(limiter.failed(turn))
    return paused


async def test_failures_in_a_row_pause_everybody_for_longer_and_longer(clock: FakeClock) -> None:
    limiter = limiter_of(clock)
    assert fail(limiter, clock, FAILURES_IN_A_ROW) == [False] * (FAILURES_IN_A_ROW - 1) + [True]
    assert limiter.holding_s == 2.0
    fail(limiter, clock, 1)
    assert limiter.holding_s == 4.0
    fail(limiter, clock, 1)
    assert limiter.holding_s == 8.0


async def test_one_that_gets_through_in_between_starts_the_count_anew(clock: FakeClock) -> None:
    limiter = limiter_of(clock)
    fail(limiter, clock, FAILURES_IN_A_ROW - 1)
    limiter.passed(take(limiter))
    assert not any(fail(limiter, clock, FAILURES_IN_A_ROW - 1))


async def test_failures_that_were_in_flight_when_the_pause_began_do_not_make_it_longer(clock: FakeClock) -> None:
    limiter = limiter_of(clock)
    turns = [take(limiter) for _ in range(8)]
    clock.time += 0.1
    assert sum(limiter.failed(turn) for turn in turns) == 1
    assert limiter.holding_s == 2.0


async def test_after_a_pause_single_requests_go_out_until_one_gets_through_and_then_more_and_more(
    clock: FakeClock,
) -> None:
    limiter = limiter_of(clock)
    fail(limiter, clock, FAILURES_IN_A_ROW)
    clock.time += 2.0
    probe = take(limiter)
    assert limiter.try_turn() is None
    assert limiter.next_turn_at == math.inf
    clock.time += 0.1
    limiter.passed(probe)
    out = [take(limiter), take(limiter)]
    assert limiter.try_turn() is None
    for turn in out:
        clock.time += 0.1
        limiter.passed(turn)
    assert len([take(limiter) for _ in range(4)]) == 4
    assert limiter.try_turn() is None


async def test_a_row_that_failed_before_opens_no_outage_but_prolongs_one(clock: FakeClock) -> None:
    limiter = limiter_of(clock)
    assert not any(limiter.failed(take(limiter), again=True) for _ in range(3 * FAILURES_IN_A_ROW))
    assert (limiter.down_for_s, limiter.probing) == (0.0, False)
    fail(limiter, clock, FAILURES_IN_A_ROW)
    assert limiter.probing
    clock.time += limiter.holding_s
    assert limiter.failed(take(limiter), again=True)
    assert limiter.holding_s == 4.0


async def test_a_late_success_from_before_the_outage_does_not_end_it(clock: FakeClock) -> None:
    limiter = limiter_of(clock)
    early = take(limiter)
    fail(limiter, clock, FAILURES_IN_A_ROW)
    limiter.passed(early)
    clock.time += 2.0
    take(limiter)
    assert limiter.try_turn() is None


async def test_how_long_nothing_got_through_is_told_until_something_does(clock: FakeClock) -> None:
    limiter = limiter_of(clock)
    assert limiter.down_for_s == 0.0
    fail(limiter, clock, 1)
    clock.time += 30.0
    assert limiter.down_for_s == pytest.approx(30.0)
    limiter.hold(take(limiter), 5.0)
    clock.time += 5.0
    assert limiter.down_for_s == pytest.approx(35.0)
    limiter.passed(take(limiter))
    assert limiter.down_for_s == 0.0


async def test_fast_errors_never_speed_an_adaptive_run_up(clock: FakeClock) -> None:
    limiter = limiter_of(clock, adaptive=True)
    rate = limiter.rate_per_s
    for _ in range(200):
        clock.time = max(clock.time + 0.01, limiter.next_turn_at)
        limiter.failed(take(limiter))
        assert limiter.rate_per_s <= rate


async def test_whoever_waits_for_room_goes_as_soon_as_one_comes_back(clock: FakeClock) -> None:
    limiter = limiter_of(clock, concurrency=2)
    first, _ = take(limiter), take(limiter)
    waiting = asyncio.create_task(limiter.turn())
    await clock.advance(1.0)
    assert not waiting.done()
    limiter.cancelled(first)
    await clock.advance(0.0)
    assert waiting.result() == clock.time
