"""How many requests may be in flight: no more than the user says, and fewer where the API takes fewer at once.

The sign of that: requests are refused whenever many are in flight, and none when few are.
"""

from __future__ import annotations

import math

EPISODES = 3
"""So many refusals, each at a crowding that next to nothing survived, put the blame on the crowding."""

CHANCE = 0.002
"""Refusals that have nothing to do with the crowding all fall on crowded moments with at most this probability."""

TRIAL_S = 5.0
"""A cap is on trial for this time."""

WORSE = 0.93
"""A cap that lets through less than this share of what got through before is taken back,"""

BARRED_S = 60.0
"""and none is set for this time."""

RAISE_S = 15.0
"""A cap is tried one higher after this time, twice as long after each time that this was refused."""


class Concurrency:
    """Counts the requests in flight and says how many may be.

    Args:
        most: the user's number; infinite for none.
        adaptive: whether to learn that the API takes fewer.
    """

    def __init__(self, most: float, *, adaptive: bool) -> None:
        self._most = most
        self._adaptive = adaptive
        self.in_flight = 0
        self.cap = most
        """How many the API takes at once, as far as known."""
        self._raise_at, self._raise_s, self._raised = math.inf, RAISE_S, False
        self._passes, self._counted_from, self._passed_per_s = 0, -math.inf, 0.0
        self._trial_ends_at, self._trial_passes, self._trial_per_s = math.inf, 0, 0.0
        self._barred_until = -math.inf
        self._forget()

    def _forget(self) -> None:
        """Starts to count anew the refusals, the smallest refused crowd, and what passed with that many and fewer."""
        self._episodes, self._crowd, self._crowded, self._uncrowded = 0, math.inf, 0, 0

    def refused(self, now: float, crowd: int) -> bool:
        """Notes a fresh refusal of a request that left as the `crowd`-th; returns whether crowding is to blame."""
        if not self._adaptive or crowd < 2:  # noqa: PLR2004 - alone is no crowd
            self._forget()
            return False
        if self.cap < self._most:
            return self._refused_below_cap(now, crowd)
        if now < self._barred_until:
            return False
        self._crowd = min(self._crowd, crowd)
        self._episodes += 1
        if self._episodes < EPISODES or not self._uncrowded:
            return False
        if (self._crowded / (self._crowded + self._uncrowded)) ** self._episodes > CHANCE:  # it may well be chance
            self._forget()
            return False
        lately = max(self._passes / max(now - self._counted_from, TRIAL_S), self._passed_per_s)
        self._trial_ends_at, self._trial_passes, self._trial_per_s = now + TRIAL_S, 0, lately
        self._set(now, self._crowd - 1)
        self._forget()
        return True

    def _refused_below_cap(self, now: float, crowd: int) -> bool:
        """A refusal although a cap is kept: one higher was too many, or else it is the rate after all."""
        if self._raised:
            self._raised = False
            self._raise_s *= 2
            self._set(now, self.cap - self._step())
            return True
        if crowd <= self.cap:
            self._lift(now)
            return False
        return True  # it left before the cap

    def _step(self) -> float:
        return max(1.0, 0.02 * self.cap)

    def passed(self, now: float, crowd: int) -> None:
        """Notes a request that left as the `crowd`-th in flight and got through."""
        if not self._adaptive:
            return
        self._passes += 1
        self._trial_passes += 1
        if now - self._counted_from >= TRIAL_S:
            self._passed_per_s = self._passes / (now - self._counted_from)
            self._passes, self._counted_from = 0, now
        if crowd >= self._crowd:
            self._crowded += 1
        else:
            self._uncrowded += 1
        if now >= self._trial_ends_at:
            self._trial_ends_at = math.inf
            if self._trial_passes - 1 < WORSE * self._trial_per_s * TRIAL_S:
                self._lift(now)
        if now >= self._raise_at and crowd >= self.cap:
            self._raised = True
            self._set(now, min(self._most, self.cap + self._step()))

    def forget_cap(self) -> None:
        """Takes back a cap, and what was counted towards one."""
        self.cap, self._raise_at, self._raised, self._trial_ends_at = self._most, math.inf, False, math.inf
        self._forget()

    def _set(self, now: float, cap: float) -> None:
        self.cap = max(1.0, cap)
        self._raise_at = now + self._raise_s if self.cap < self._most else math.inf

    def _lift(self, now: float) -> None:
        """Takes a cap back: it was the rate after all."""
        self._set(now, self._most)
        self._barred_until = now + BARRED_S
        self._forget()
