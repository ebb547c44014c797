"""A rate that is kept exactly, and a pace that may change at any time. Both count in seconds of one monotonic clock."""

from __future__ import annotations

CATCH_UP_S = 0.002
"""A pace makes good for waking up so much too late, no more: a quiet time earns no burst."""


class Gate:
    """The generic cell rate algorithm (ITU-T I.371, "virtual scheduling"): a token bucket without a timer.

    In any window of t seconds at most `per_s * t + burst` turns are given, from the first second on. A plain token
    bucket that starts full and is refilled while it empties lets twice the rate through at the start.

    Args:
        per_s: turns per second; infinite for no limit.
        burst: how many turns may be taken at once after a quiet time, from 1.
        now: the time on the clock.
    """

    __slots__ = ("_interval", "_next", "_tolerance")

    def __init__(self, per_s: float, burst: int, now: float) -> None:
        self._interval = 1 / per_s  # zero for an unlimited rate
        self._tolerance = self._interval * (burst - 1)
        self._next = now  # the theoretical arrival time of the next turn

    def opens_at(self) -> float:
        """When the next turn may be taken, at the earliest."""
        return self._next - self._tolerance

    def take(self, now: float) -> bool:
        """Takes a turn, if there is one now."""
        due = self._next
        if now < due - self._tolerance:
            return False
        self._next = (max(now, due)) + self._interval
        return True


class Pace:
    """Even spacing at a rate that changes while it runs.

    What counts is the last turn and the rate of now. So a rate that rises never gives more than the one turn that has
    become due, and one that falls acts at once.
    """

    __slots__ = ("_from",)

    def __init__(self, now: float) -> None:
        self._from = now - CATCH_UP_S  # where the interval to the next turn begins

    def opens_at(self, per_s: float) -> float:
        """When the next turn may be taken at this rate (turns per second), at the earliest."""
        return self._from + 1 / per_s

    def take(self, now: float, per_s: float) -> None:
        """Takes the turn that is due."""
        due = self._from + 1 / per_s
        self._from = max(now - CATCH_UP_S, due)
