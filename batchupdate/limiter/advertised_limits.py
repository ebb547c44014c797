"""All limits that the replies advertise, as one rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchupdate.limiter.advertised import AdvertisedLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Allowance

MOST_LIMITS = 8
"""No API advertises more limits at once; more are ignored, so that memory stays bounded."""


class AdvertisedLimits:
    """All limits that the replies advertise; the tightest counts."""

    __slots__ = ("_limits", "closed_until", "horizon_s", "per_s", "rolling")

    def __init__(self) -> None:
        self._limits: list[AdvertisedLimit] = []
        self.per_s = math.inf
        """The rate to send at (requests per second); infinite where nothing useful is advertised."""
        self.closed_until = -math.inf
        """Nothing is left before this time."""
        self.horizon_s = 0.0
        """The longest time to a reset, up to a minute: a change of pace shows no later (seconds)."""
        self.rolling: AdvertisedLimit | None = None
        """A limit that refills little by little, at a rate that is not advertised."""

    @property
    def known_per_s(self) -> float:
        """The tightest rate that limit and window come to (requests per second); infinite where none is known."""
        return min((limit.per_s for limit in self._limits), default=math.inf)

    @property
    def nearly_empty(self) -> bool:
        """Whether next to nothing was left of a limit at some time lately."""
        return any(limit.nearly_empty() for limit in self._limits)

    def refute_if_much_is_left(self) -> None:
        """See `AdvertisedLimit.refute_if_much_is_left`; for when the advertised rate is used up, and none refused."""
        for limit in self._limits:
            limit.refute_if_much_is_left()

    def update(
        self, now: float, sent_at: float, allowances: Sequence[Allowance], number: int, sent_since: int, trip_s: float
    ) -> None:
        """Takes in the reply to request `number`, which left at `sent_at`, and since which `sent_since` left."""
        self.per_s, self.closed_until, self.rolling = math.inf, -math.inf, None
        for index, allowance in enumerate(allowances[:MOST_LIMITS]):
            if index == len(self._limits):
                self._limits.append(AdvertisedLimit())
            limit = self._limits[index]
            limit.update(allowance, sent_at, number, trip_s)
            self.horizon_s = max(self.horizon_s, limit.horizon_s)
            pace = limit.pace(now, sent_since, trip_s)
            if pace == 0.0:
                self.closed_until = max(self.closed_until, limit.resets_at)
                pace = limit.per_s  # for when it opens
            self.per_s = min(self.per_s, pace)
            if limit.refills_at_unknown_rate:
                self.rolling = limit
