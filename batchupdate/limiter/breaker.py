"""Notices that an API is down, and when it is back."""

from __future__ import annotations

FAILURES_IN_A_ROW = 5
"""So many failures with nothing in between that got through mean that the API is down."""


class Breaker:
    """Counts failures in a row: connect failures, 5xx, timeouts, lost connections.

    `open` says that the API is taken to be down: everybody is held, and after each pause a single request is let
    through to see whether it is back. `pauses` counts these pauses, so that each can be longer than the one before.
    """

    __slots__ = ("_since", "failures", "open", "pauses")

    def __init__(self) -> None:
        self.failures = 0
        self._since = 0.0
        self.open = False
        self.pauses = 0

    def failed(self, now: float, sent_at: float) -> bool:
        """Notes a failure; returns whether everybody has to pause for it.

        Those that were in flight when a pause began belong to the failures that caused it.
        """
        self.failures += 1
        if self.failures < FAILURES_IN_A_ROW or (self.open and sent_at <= self._since):
            return False
        self.open, self._since = True, now
        self.pauses += 1
        return True

    def answered(self, sent_at: float) -> bool:
        """Notes that a request got through; returns whether that ends an outage."""
        if self.open and sent_at <= self._since:
            return False  # it left before the outage was noticed, and says nothing of now
        ended, self.open = self.open, False
        self.failures = self.pauses = 0
        return ended
