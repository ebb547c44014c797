"""How far to trust the rate that replies advertise: others may share the limit, or the numbers may be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchupdate.limiter.advertised_limits import AdvertisedLimits

LEAST = 0.05

STEP_S = 0.5
"""Trust grows in steps so long, or of two round trips."""

REGAINED_PER_S = 0.004
"""Share of the advertised rate by which trust grows in each second. An amount, not a factor: runs that share one limit,
lose a share each time and win the same amount come to equal shares (additive increase, multiplicative decrease)."""

REFUSED = 0.93
"""By this factor it shrinks at a refusal."""

OURS = 0.9
"""Where we got this share of a limit ourselves, lately, others do not use a part of it."""


class Trust:
    """A factor for the advertised rate: `share`, from next to nothing to 1."""

    __slots__ = ("_at", "share")

    def __init__(self, now: float) -> None:
        self.share = 1.0
        self._at = now

    def due(self, now: float, round_trip_s: float) -> bool:
        """Whether the next step may be taken."""
        return now - self._at > max(STEP_S, 2 * round_trip_s)

    def step(self, now: float, limits: AdvertisedLimits, measured_per_s: float) -> None:
        """Takes the next step, after what was let in lately (requests per second)."""
        elapsed_s, self._at = now - self._at, now
        if not limits.nearly_empty:
            self.share = min(1.0, self.share + REGAINED_PER_S * elapsed_s)
            if measured_per_s > OURS * limits.known_per_s:
                limits.refute_if_much_is_left()

    def refused(self, now: float, limits: AdvertisedLimits, measured_per_s: float) -> None:
        """Notes a refusal below the advertised rate: others share it, unless a few requests came a little early."""
        self._at = now
        if self.share <= OURS or measured_per_s <= OURS * self.share * limits.per_s:
            self.share = max(LEAST, self.share * REFUSED)
