"""The one pause that holds everybody."""

from __future__ import annotations

import math

SHORTEST_HOLD_S = 0.1
"""An API that keeps asking for less, but takes nothing, is not taken at its word."""


class Pause:
    """Until when nobody may go, and how often in a row that had to be.

    A reply to a request that was already in flight when the current hold began is no new offence: it can make the
    hold longer when it says so itself, but it adds no strike. `strikes` counts the holds since something got through.
    """

    __slots__ = ("_held_s", "since", "strikes", "until")

    def __init__(self, now: float) -> None:
        self.since = -math.inf
        self.until = now
        self.strikes = 0
        self._held_s = 0.0

    def offends(self, now: float, sent_at: float) -> bool:
        """Notes a throttled reply to a request sent at `sent_at`; returns whether it is a fresh offence."""
        if sent_at <= self.since:
            return False
        self.strikes += 1
        self.since = now
        return True

    def hold(self, now: float, wait_s: float) -> None:
        """Holds everybody for so many seconds from now, unless they are held for longer already."""
        until = now + wait_s
        self._held_s += max(0.0, until - max(self.until, now))
        self.until = max(self.until, until)

    def waited_s(self, now: float) -> float:
        """Seconds for which everybody was held until now."""
        return max(0.0, self._held_s - self.left_s(now))

    def left_s(self, now: float) -> float:
        """Seconds that everybody still has to hold."""
        return max(0.0, self.until - now)
