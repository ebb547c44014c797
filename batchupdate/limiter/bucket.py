"""The token bucket of the ceiling `--rate R --burst B`: aiolimiter's, kept on our clock."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    import asyncio

    from batchupdate.util.clock import Clock

PARTS = 2.0**30
"""A wait is rounded up to so many parts of a turn, so that it does not end just before there is room."""

SHORTEST_WAIT_S = 1e-9
"""Added to a time of day-long clocks it still makes a later one, so that a wait always ends after it began."""


class TokenBucket(AsyncLimiter):
    """`AsyncLimiter(max_rate=burst, time_period=burst / per_s)`.

    A bucket of `burst` that drains at `per_s`: no window of t seconds gives more than per_s * t + burst turns, from the
    first second on. `AsyncLimiter` asks the event loop for the time. Here it asks the clock that is a parameter of
    every stage: tests bring their own, and uvloop's time ticks in milliseconds and stands still within a round of the
    loop, which would keep a burst of 1 at 1,000/s or less.

    Args:
        per_s: turns per second, finite.
        burst: how many turns may be taken at once after a quiet time, from 1.
        clock: where time comes from.
    """

    __slots__ = ("_clock_loop",)

    def __init__(self, per_s: float, burst: int, clock: Clock) -> None:
        super().__init__(max_rate=burst, time_period=burst / per_s)
        # Where nobody waits inside it, an `AsyncLimiter` needs only the time of its loop.
        self._clock_loop = cast("asyncio.AbstractEventLoop", SimpleNamespace(time=clock.monotonic))

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._clock_loop

    def take(self) -> bool:
        """Takes a turn if there is room for one now. `acquire` doesn't suspend then, so one step runs it to its end."""
        if not self.has_capacity():
            return False
        try:
            self.acquire().send(None)
        except StopIteration:
            return True
        raise AssertionError("there was room, and acquire() waits")

    def room_in_s(self) -> float:
        """Seconds until there is room for a turn; zero if there is now. `AsyncLimiter` keeps that to itself."""
        if self.has_capacity():
            return 0.0
        missing = math.ceil((self._level + 1 - self.max_rate) * PARTS) / PARTS
        return max(missing / self._rate_per_sec, SHORTEST_WAIT_S)
