"""How many requests left, and how many of them were turned away, between any two moments of the last minutes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

SLOT_S = 0.02
"""Turns that are closer together than this share a slot."""

MOST_SLOTS = 4096
"""So many slots are kept at the most: more than a minute at any rate, and longer at slow ones."""


class History:
    """Counts by the time of leaving, so that requests which left together count together, whenever they come back.

    Requests that are still out count as let in: all that left before the first refusal were.
    """

    __slots__ = ("_numbers", "_refused", "_times", "next_slot", "refused")

    def __init__(self, now: float) -> None:
        self._times = [now]
        self._numbers = [0]
        self._refused = [0]
        self.refused = 0
        """How many were turned away in all."""
        self.next_slot = now
        """A turn from this time on has to be noted; one before it falls into the last slot."""

    def note(self, now: float, number: int) -> None:
        """Notes that the turn of this number, counted from 1, was given."""
        self._times.append(now)
        self._numbers.append(number - 1)
        self._refused.append(0)
        self.next_slot = now + SLOT_S
        if len(self._times) > MOST_SLOTS:
            for slots in (self._times, self._numbers, self._refused):
                del slots[: MOST_SLOTS // 2]

    def refuse(self, sent_at: float) -> None:
        """Notes that the request of this turn was turned away."""
        self.refused += 1
        self._refused[max(0, bisect_right(self._times, sent_at) - 1)] += 1

    def first_turn(self, since: float) -> float:
        """When the first turn from `since` on was given, as far as noted; counts from there begin with a whole step."""
        return self._times[min(bisect_left(self._times, since), len(self._times) - 1)]

    def let_in(self, since: float, number: int) -> int:
        """How many requests were let in of those that left from `since` on and before the turn of this number."""
        start = min(bisect_left(self._times, since), len(self._times) - 1)
        end = max(start, bisect_left(self._numbers, number - 1))
        return max(0, number - 1 - self._numbers[start] - sum(self._refused[start:end]))
