"""Which requests left lately, and which of them were refused: so many were let in between any two moments."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

MOST_REQUESTS = 65_536
"""So many requests are remembered at the most: minutes at any rate that a limit over minutes allows."""


class SendLog:
    """Counts by the time of leaving, so that requests which left together count together, whenever they come back.

    Requests that are still out count as let in: all that left before the first refusal were.
    """

    __slots__ = ("_numbers", "_refused", "_times", "refused")

    def __init__(self, now: float) -> None:
        self._times = [now]
        self._numbers = [0]
        self._refused = [0]
        self.refused = 0
        """How many were refused in all."""

    def sent(self, now: float, number: int) -> None:
        """Notes that the request of this number, counted from 1, leaves."""
        self._times.append(now)
        self._numbers.append(number - 1)
        self._refused.append(0)
        if len(self._times) > MOST_REQUESTS:
            for column in (self._times, self._numbers, self._refused):
                del column[: MOST_REQUESTS // 2]

    def refuse(self, sent_at: float) -> None:
        """Notes that the request that left then was refused."""
        self.refused += 1
        self._refused[max(0, bisect_right(self._times, sent_at) - 1)] += 1

    def first_since(self, since: float) -> float:
        """When the first request from `since` on left: a count from there begins with a whole interval."""
        return self._times[min(bisect_left(self._times, since), len(self._times) - 1)]

    def let_in(self, since: float, number: int) -> int:
        """How many requests were let in of those that left from `since` on and before the one of this number."""
        start = min(bisect_left(self._times, since), len(self._times) - 1)
        end = max(start, bisect_left(self._numbers, number - 1))
        return max(0, number - 1 - self._numbers[start] - sum(self._refused[start:end]))
