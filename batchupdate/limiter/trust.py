"""How far to believe the rate that replies tell: others may share it, or it may not be meant as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchupdate.limiter.ledger import Ledger

LEAST = 0.05

EVERY_S = 0.5
"""Trust grows or shrinks in steps so long, or of two round trips."""

REGAINED = 0.004
"""Share of the told rate by which trust returns in each second. An amount, not a factor: runs that share one limit and
lose a share each time, but win the same amount, come to equal shares."""

LESS_REMAINS = 0.97
"""By this it shrinks in each step in which others seem to use up the limit, too,"""

REFUSED = 0.93
"""and by this at a refusal."""

OURS = 0.9
"""Of a limit of which we got so much ourselves, lately, others do not use a part."""


class Trust:
    """A factor for the told rate: `share`, from next to nothing to 1, and beyond where the window is only guessed."""

    __slots__ = ("_at", "share")

    def __init__(self, now: float) -> None:
        self.share = 1.0
        self._at = now

    def due(self, now: float, round_trip_s: float) -> bool:
        """Whether the next step may be taken."""
        return now - self._at > max(EVERY_S, 2 * round_trip_s)

    def step(self, now: float, told: Ledger, measured_per_s: float) -> None:
        """Takes the next step, after what was let in lately (requests per second)."""
        elapsed_s, self._at = now - self._at, now
        ours = measured_per_s > OURS * told.known_per_s
        if told.exhausted and not ours:
            self.share = max(LEAST, self.share * LESS_REMAINS)
        elif not told.tight:
            self.share = min(told.most_trust, self.share + REGAINED * elapsed_s)
            if ours:
                told.doubt()

    def refused(self, now: float, told: Ledger, measured_per_s: float) -> None:
        """Notes a refusal in spite of obedience: others share the limit, unless a few came a little early."""
        self._at = now
        if self.share <= OURS or measured_per_s <= OURS * self.share * told.per_s:
            self.share = max(LEAST, self.share * REFUSED)
