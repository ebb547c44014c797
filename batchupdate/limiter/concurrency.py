"""How many requests may be in flight where the API takes fewer at once than the user allows.

The sign of that: requests are refused whenever many are in flight, and none when few are.
"""

from __future__ import annotations

import math

EPISODES = 3
"""So many refusals, each at a crowding that next to nothing survived, put the blame on the crowding."""

SURVIVED = 1 / 8
"""Where more than this share of the requests survived such a crowding, it was chance: in one of 500 cases all three
refusals fall on so rare moments."""

RAISE_S = 15.0
"""A cap is tried one higher after this time, twice as long after each time that this was refused."""


class Concurrency:
    """Learns how many requests the API takes at once.

    Args:
        most: the user's number; infinite for none.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._raise_s = RAISE_S
        self.forget()

    def forget(self) -> None:
        """Takes back a cap, and what was counted towards one."""
        self.cap = self._most
        """How many the API takes at once, as far as known."""
        self._raise_at, self._raised = math.inf, False
        self._count_anew()

    def _count_anew(self) -> None:
        """Starts to count anew the refusals, the smallest refused crowd, and what passed with that many and fewer."""
        self._episodes, self._crowd, self._crowded, self._uncrowded = 0, math.inf, 0, 0

    def passed(self, now: float, crowd: int) -> None:
        """Notes a request that left as the `crowd`-th in flight and got through."""
        if crowd >= self._crowd:
            self._crowded += 1
        else:
            self._uncrowded += 1
        if now >= self._raise_at and crowd >= self.cap:
            self._raised = True
            self._set(now, self.cap + self._step)

    def refused(self, now: float, crowd: int) -> bool:
        """Notes a fresh refusal of a request that left as the `crowd`-th; returns whether crowding is to blame."""
        if self.cap < self._most:
            return self._refused_at_cap(now, crowd)
        if crowd < self._crowd:
            self._count_anew()
            self._crowd = crowd
        self._episodes += 1
        if self._episodes < EPISODES:
            return False
        blamed = self._crowd > 1 and self._crowded < SURVIVED * (self._crowded + self._uncrowded)
        if blamed:
            self._set(now, self._crowd - 1)
        self._count_anew()
        return blamed

    def _refused_at_cap(self, now: float, crowd: int) -> bool:
        """A refusal although a cap is kept: one higher was too many, or else it is the rate after all."""
        if self._raised:
            self._raised = False
            self._raise_s *= 2
            self._set(now, self.cap - self._step)
        elif crowd <= self.cap:
            self.forget()
            return False
        return True

    @property
    def _step(self) -> float:
        return max(1.0, 0.02 * self.cap)

    def _set(self, now: float, cap: float) -> None:
        self.cap = min(self._most, cap)
        self._raise_at = now + self._raise_s
