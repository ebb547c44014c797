"""Which requests left lately, and which of them were refused: so many were let in between any two moments."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort

MOST_REQUESTS = 65_536
"""So many requests are remembered at the most: minutes at any rate that a limit over minutes allows."""


class SendLog:
    """Counts by the time of leaving, so that requests which left together count together, whenever they come back.

    Requests that are still out count as let in: all that left before the first refusal were.
    """

    def __init__(self) -> None:
        self._times: list[float] = []
        self._crowds: list[int] = []
        self._refused: list[float] = []
        self.refused = 0
        """How many were refused in all."""

    def sent(self, now: float, crowd: int) -> float:
        """Notes that a request leaves as the `crowd`-th in flight; returns when, which no other one shares."""
        if self._times:
            now = max(now, math.nextafter(self._times[-1], math.inf))
        self._times.append(now)
        self._crowds.append(crowd)
        if len(self._times) > MOST_REQUESTS:
            del self._times[: MOST_REQUESTS // 2], self._crowds[: MOST_REQUESTS // 2]
            del self._refused[: bisect_left(self._refused, self._times[0])]
        return now

    def refuse(self, sent_at: float) -> None:
        """Notes that the request that left then was refused."""
        self.refused += 1
        insort(self._refused, sent_at)

    def withdraw(self, sent_at: float, count: int) -> None:
        """Notes that so many from that time on never left."""
        start = bisect_left(self._times, sent_at)
        for at in self._times[start : start + count]:
            insort(self._refused, at)

    def crowd(self, sent_at: float) -> int:
        """How many were in flight once the request of that time had left."""
        return self._crowds[self._index(sent_at)]

    def sent_since(self, sent_at: float) -> int:
        """How many requests have left later."""
        return len(self._times) - bisect_right(self._times, sent_at)

    def first_since(self, since: float) -> float:
        """When the first request from `since` on left, or else the last: a count from there has whole intervals."""
        return self._times[self._index(since)]

    def let_in(self, since: float, until: float) -> int:
        """How many requests were let in of those that left from `since` on and before `until`."""
        sent = bisect_left(self._times, until) - bisect_left(self._times, since)
        return max(0, sent - bisect_left(self._refused, until) + bisect_left(self._refused, since))

    def _index(self, at: float) -> int:
        return min(bisect_left(self._times, at), len(self._times) - 1)
