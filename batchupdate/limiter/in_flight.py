"""How many requests may be out at once: no more than the user says, and fewer where the API takes fewer.

Two signs say that it takes fewer. One: requests are turned away whenever many are out, and none when few are. Two:
replies take longer and longer the more are out, which means that they stand in a queue at the other end.
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
"""A cap that lets through less than this share of what got through before is taken back."""

FEW = 20
"""So many requests must have passed with fewer out, or it may be the rate."""

GROW_EVERY_S = 15.0
"""A cap that holds is tried one higher after this time, and later after each time that this failed."""

LONGEST_GROW_S = 240.0

BAR_S = 60.0
"""Once the crowding was blamed wrongly it is not blamed again for this time; four times as long at each repetition."""

ROUND = 20
"""So many replies make one judgement of how long they take."""

SLOW = 2.0
"""Replies that take so many times as long as with few out stand in a queue."""

BASE_DRIFT = 1.02
"""The time that a reply takes with few out is forgotten at this rate a round, for it may change for good."""


class InFlight:
    """Counts the requests that are out and says how many may be.

    Args:
        most: the user's number; infinite for none.
        adaptive: whether to learn that the API takes fewer.
    """

    __slots__ = (
        "_above",
        "_adaptive",
        "_bar_s",
        "_barred_until",
        "_base_s",
        "_below",
        "_counted_from",
        "_episodes",
        "_every_s",
        "_grow_at",
        "_least",
        "_most",
        "_passed_per_s",
        "_passes",
        "_peak",
        "_queued",
        "_raised",
        "_round",
        "_round_s",
        "_trial_ends_at",
        "_trial_passes",
        "_trial_per_s",
        "count",
        "learned",
    )

    def __init__(self, most: float, *, adaptive: bool) -> None:
        self._most = most
        self._adaptive = adaptive
        self.count = 0
        self.learned = most
        """How many the API takes at once, as far as known."""
        self._grow_at, self._every_s = math.inf, GROW_EVERY_S
        self._base_s, self._round, self._round_s, self._peak = math.inf, 0, 0.0, 0
        self._raised = self._queued = False
        self._passes, self._counted_from, self._passed_per_s = 0, -math.inf, 0.0
        self._trial_ends_at, self._trial_passes, self._trial_per_s = -math.inf, 0, 0.0
        self._barred_until, self._bar_s = -math.inf, BAR_S
        self._forget()

    def _forget(self) -> None:
        self._least, self._episodes, self._above, self._below = math.inf, 0, 0, 0

    def refused(self, now: float, crowd: int) -> bool:
        """Notes a fresh refusal of a request that left as the `crowd`-th out; returns whether crowding is to blame."""
        if not self._adaptive or crowd < 2:  # noqa: PLR2004 - alone is no crowd
            self._forget()
            return False
        if self.learned < self._most:
            return self._refused_in_spite(now, crowd)
        if now < self._barred_until:
            return False
        self._least = min(self._least, crowd)
        self._episodes += 1
        seen = self._above + self._below
        if self._episodes < EPISODES or self._below < FEW:
            return False
        if (self._above / seen) ** self._episodes > CHANCE:  # it may well be chance
            self._forget()
            return False
        self._queued = False
        self._try_cap(now, self._least - 1)
        self._forget()
        return True

    def _try_cap(self, now: float, cap: float) -> None:
        """Sets a cap for a trial: if less gets through with it, it was the rate after all."""
        self._trial_ends_at, self._trial_passes, self._trial_per_s = now + TRIAL_S, 0, self._per_s(now)
        self._cap(now, cap)

    def _per_s(self, now: float) -> float:
        """How many get through lately (requests per second)."""
        return max(self._passes / max(now - self._counted_from, TRIAL_S), self._passed_per_s)

    def _count(self, now: float) -> None:
        self._passes += 1
        if now - self._counted_from >= TRIAL_S:
            self._passed_per_s = self._passes / (now - self._counted_from)
            self._passes, self._counted_from = 0, now
        if now < self._trial_ends_at:
            self._trial_passes += 1
        elif self._trial_ends_at > -math.inf:
            self._trial_ends_at = -math.inf
            if self._trial_passes < WORSE * self._trial_per_s * TRIAL_S:
                self._acquit(now)

    def _acquit(self, now: float) -> None:
        self._cap(now, self._most)
        self._barred_until = now + self._bar_s
        self._bar_s *= 4
        self._forget()

    def _refused_in_spite(self, now: float, crowd: int) -> bool:
        """A refusal although a cap is kept: one higher was too many, or else it is the rate after all."""
        if self._raised:
            self._raised = False
            self._every_s = min(LONGEST_GROW_S, self._every_s * 2)
            self._queued = False
            self._cap(now, self.learned - self._step())
            return True
        if crowd <= self.learned:
            self._acquit(now)
            return False
        return True  # it left before the cap

    def _step(self) -> float:
        return max(1.0, 0.02 * self.learned)

    def passed(self, now: float, crowd: int, latency_s: float | None) -> None:
        """Notes a request that left as the `crowd`-th out and got through."""
        if not self._adaptive:
            return
        self._count(now)
        if crowd >= self._least:
            self._above += 1
        else:
            self._below += 1
        if now >= self._grow_at and crowd >= self.learned:
            self._raised = True
            self._cap(now, min(self._most, self.learned + self._step()))
        if latency_s is not None:
            self._watch(now, crowd, latency_s)

    def _cap(self, now: float, cap: float) -> None:
        self.learned = max(1.0, cap)
        self._grow_at = now + self._every_s if self.learned < self._most else math.inf

    def _watch(self, now: float, crowd: int, latency_s: float) -> None:
        """Judges a round of replies by the time that they took."""
        self._round += 1
        self._round_s += latency_s
        self._peak = max(self._peak, crowd)
        if self._round < max(ROUND, crowd):
            return
        mean_s, peak = self._round_s / self._round, self._peak
        self._round, self._round_s, self._peak = 0, 0.0, 0
        self._base_s = min(mean_s, self._base_s * BASE_DRIFT)
        if mean_s > SLOW * self._base_s and peak > 1:
            self._queued = True
            self._cap(now, max(1.0, min(peak, self.learned) * max(0.5, SLOW * self._base_s / mean_s)))
        elif (
            self._queued and self.learned < self._most and peak >= self.learned and mean_s < SLOW * 0.75 * self._base_s
        ):
            self._cap(now, min(self._most, self.learned + max(1.0, math.sqrt(self.learned) / 2)))
