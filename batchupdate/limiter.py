"""Whose turn it is: the rate, the burst, and the one pause that holds everybody.

The rate is kept by the generic cell rate algorithm (ITU-T I.371, "virtual scheduling"), which is a token bucket
without a timer: in any window of t seconds at most `rate * t + burst` turns are given, from the first second on.
A plain token bucket that starts full and is refilled while it empties lets twice the rate through at the start.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.clock import Clock
    from batchupdate.rates import Rate


SHORTEST_HOLD_S = 0.1
"""An API that keeps asking for less, but takes nothing, is not taken at its word."""


class Limiter:
    """Gives turns, in the order in which they are asked for.

    Args:
        rate: turns per second.
        burst: how many turns may be taken at once after a quiet time.
        clock: where time comes from.
        delay: seconds to hold after the n-th throttled reply in a row (from 1) that names no wait itself.
    """

    def __init__(self, rate: Rate, burst: int, clock: Clock, delay: Callable[[int], float]) -> None:
        self._clock = clock
        self._delay = delay
        self._interval = 1 / rate.per_s  # zero for an unlimited rate
        self._tolerance = self._interval * (burst - 1)
        self._next = clock.monotonic()  # the theoretical arrival time of the next turn
        self._held_since = -math.inf
        self._held_until = clock.monotonic()
        self._strikes = 0
        self._line = asyncio.Lock()
        self._held_s = 0.0
        self.rate = rate

    @property
    def waited_s(self) -> float:
        """Seconds for which everybody was held so far."""
        return max(0.0, self._held_s - self.holding_s)

    @property
    def holding_s(self) -> float:
        """Seconds that everybody still has to hold; zero if nobody has to."""
        return max(0.0, self._held_until - self._clock.monotonic())

    async def turn(self) -> float:
        """Waits for the caller's turn and takes it. Returns the time on the clock at which it was given."""
        async with self._line:
            while (given := self._take()) is None:  # a hold may have come while we slept: look again
                await self._clock.sleep_until(max(self._next - self._tolerance, self._held_until), precise=True)
            return given

    def try_turn(self) -> float | None:
        """Takes a turn if it may be had at once and nobody waits for one; returns when it was given, or None."""
        return None if self._line.locked() else self._take()

    def _take(self) -> float | None:
        now = self._clock.monotonic()
        if now < max(self._next - self._tolerance, self._held_until):
            return None
        self._next = max(self._next, now) + self._interval
        return now

    def hold(self, sent_at: float, wait_s: float | None) -> bool:
        """Holds everybody, because the request that was sent at `sent_at` was told to slow down.

        A reply to a request that was already in flight when the current hold began is no new offence: it can make
        the hold longer when it says so itself, but it does not raise the backoff. Returns whether it was one.
        """
        now = self._clock.monotonic()
        fresh = sent_at > self._held_since
        if fresh:
            self._strikes += 1
            self._held_since = now
        if wait_s is None or (wait_s < SHORTEST_HOLD_S and self._strikes > 1):
            wait_s = self._delay(self._strikes) if fresh else 0.0
        until = now + wait_s
        self._held_s += max(0.0, until - max(self._held_until, now))
        self._held_until = max(self._held_until, until)
        return fresh

    def passed(self, sent_at: float) -> None:
        """Notes that a request got through; if it was sent after the hold, the backoff starts anew."""
        if sent_at > self._held_since:
            self._strikes = 0
