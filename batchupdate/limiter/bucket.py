"""The token bucket of the ceiling `--rate R --burst B`: aiolimiter's, kept on our clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    import asyncio

    from batchupdate.util.clock import Clock

ROUNDING_S = 1e-10
"""Added to every wait, so that it does not end just before there is room: clocks that count days round that much."""


class TokenBucket(AsyncLimiter):
    """`AsyncLimiter(max_rate=burst, time_period=burst / per_s)`.

    A bucket of `burst` that drains at `per_s`: no window of t seconds gives more than per_s * t + burst turns, from the
    first second on. `AsyncLimiter` asks the event loop for the time; here it asks the clock that every stage is given,
    which ticks more finely than uvloop's.

    Args:
        per_s: turns per second, finite.
        burst: how many turns may be taken at once after a quiet time, from 1.
        clock: where time comes from.
        empty: whether no turn may be had at first, as after a burst.
    """

    def __init__(self, per_s: float, burst: int, clock: Clock, *, empty: bool = False) -> None:
        super().__init__(max_rate=burst, time_period=burst / per_s)
        self._clock_loop = cast("asyncio.AbstractEventLoop", SimpleNamespace(time=clock.monotonic))
        if empty:
            self._level, self._last_check = float(burst), clock.monotonic()

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
        return (self._level + 1 - self.max_rate) / self._rate_per_sec + ROUNDING_S

    def book(self, count: int) -> None:
        """Takes turns ahead of their time: the first after `room_in_s`, and then one every 1 / `per_s` seconds."""
        self.has_capacity()  # lets it drain until now
        self._level += count
