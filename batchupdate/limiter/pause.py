"""The one pause that holds everybody, because the API refuses requests or fails."""

from __future__ import annotations

import math

SHORTEST_HOLD_S = 0.1
"""An API that keeps asking for less, but takes nothing, is not taken at its word."""

FAILURES_IN_A_ROW = 5
"""So many failures with nothing in between that got through mean that the API is down."""


class Pause:
    """Until when nobody may go, and how often in a row that had to be.

    A refusal (429) pauses everybody at once; failures (no connection, 5xx, timeouts) do from the fifth in a row on.
    Replies to requests that were in flight when a pause began belong to what caused it, whatever they say.
    """

    def __init__(self, now: float) -> None:
        self.until = now
        self.since = -math.inf
        """When the last pause began."""
        self.strikes = 0
        """How many pauses began since something got through."""
        self.failures = 0
        """How many requests failed since something got through."""
        self.down = False
        """Whether the API is taken to be down, for it fails all the time."""
        self.down_since = math.inf
        """Since when nothing got through; infinite while requests do."""
        self._held_s = 0.0

    def offends(self, now: float, sent_at: float, *, failed: bool = False) -> bool:
        """Notes that the request of `sent_at` was refused, or failed; returns whether a pause begins now."""
        self.down_since = min(self.down_since, now)
        self.failures += failed
        if sent_at <= self.since or (failed and self.failures < FAILURES_IN_A_ROW):
            return False
        self.down = self.down or failed
        self.strikes += 1
        self.since = now
        return True

    def passed(self, sent_at: float) -> None:
        """Notes that the request of `sent_at` got through."""
        self.down_since = math.inf
        if sent_at > self.since:
            self.down = False
            self.strikes = self.failures = 0

    def hold(self, now: float, wait_s: float) -> None:
        """Holds everybody for so many seconds from now, unless they are held for longer already."""
        until = now + wait_s
        self._held_s += max(0.0, until - max(self.until, now))
        self.until = max(self.until, until)

    def waited_s(self, now: float) -> float:
        """Seconds for which everybody was held until now."""
        return max(0.0, self._held_s - max(0.0, self.until - now))
