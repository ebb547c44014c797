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
"""A cap is tried one higher after this time, three times as long after each refusal at the cap."""


class Concurrency:
    """Learns how many requests the API takes at once.

    Args:
        most: the user's number; infinite for none.
    """

    def __init__(self, most: float) -> None:
        self._most, self._raise_s = most, RAISE_S
        self.forget()

    def forget(self) -> None:
        """Takes back a cap, and what was counted towards one."""
        self.cap = self._most
        """How many the API takes at once, as far as known."""
        self._raise_at = math.inf
        self._count_anew()

    def _count_anew(self) -> None:
        """Counts anew: refusals, the smallest refused crowd, and what passed with fewer in flight and with as many."""
        self._episodes, self._crowd, self._survived = 0, math.inf, [0, 0]

    def passed(self, now: float, crowd: int) -> None:
        """Notes a request that left as the `crowd`-th in flight and got through."""
        self._survived[crowd >= self._crowd] += 1
        if now >= self._raise_at and crowd >= self.cap:
            self._keep(now, self.cap + 1)

    def refused(self, now: float, crowd: int) -> bool:
        """Notes a fresh refusal of a request that left as the `crowd`-th; returns whether crowding is to blame."""
        if self.cap < self._most:
            if crowd < max(2, self.cap):  # it was the rate after all
                self.forget()
                return False
            self._raise_s *= 3
            self._keep(now, self.cap - 1)
            return True
        if crowd < self._crowd:
            self._count_anew()
            self._crowd = crowd
        self._episodes += 1
        if self._episodes < EPISODES:
            return False
        blamed = self._crowd > 1 and self._survived[True] < SURVIVED * sum(self._survived)
        if blamed:
            self._keep(now, self._crowd - 1)
        self._count_anew()
        return blamed

    def _keep(self, now: float, cap: float) -> None:
        self.cap, self._raise_at = min(self._most, cap), now + self._raise_s
