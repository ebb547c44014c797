"""Even spacing at a rate that may change at any time."""

from __future__ import annotations

CATCH_UP_S = 0.002
"""A pace makes good for waking up so much too late, no more: a quiet time earns no burst."""


class Pacer:
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
