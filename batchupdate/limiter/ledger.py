"""All limits that the replies tell of, as one pace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchupdate.limiter.told import Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Allowance

MOST_LIMITS = 8
"""No API tells of more limits at once; more are ignored, so that memory stays bounded."""


class Ledger:
    """All limits that the replies tell of; the tightest counts."""

    __slots__ = ("_limits", "closed_until", "exhausted", "horizon_s", "per_s", "tank")

    def __init__(self) -> None:
        self._limits: list[Told] = []
        self.per_s = math.inf
        """The rate to go at (requests per second); infinite where nothing useful is told."""
        self.closed_until = -math.inf
        """Nothing is left before this time."""
        self.horizon_s = 0.0
        """The longest time to a reset that was told, up to a minute: what is done shows no later (seconds)."""
        self.exhausted = False
        """Whether somebody else uses up what was meant to last."""
        self.tank: Told | None = None
        """A limit that gives back little by little, and does not tell how fast."""

    @property
    def known_per_s(self) -> float:
        """The tightest rate that limit and window come to (requests per second); infinite where none is told."""
        return min((told.per_s for told in self._limits), default=math.inf)

    @property
    def most_trust(self) -> float:
        """How many times the told rate one may go at, as long as something is left.

        A window that is guessed may be a second too long, as it is rounded up.
        """
        if all(told.guessed for told in self._limits):
            return self.horizon_s / (self.horizon_s - 1)
        return 1.0

    @property
    def tight(self) -> bool:
        """Whether next to nothing was left of a limit at some time lately."""
        return any(told.tight() for told in self._limits)

    def doubt(self) -> None:
        """See `Told.doubt`; for when the told rate is used up, and nothing was refused."""
        for told in self._limits:
            told.doubt()

    def hear(
        self,
        now: float,
        sent_at: float,
        allowances: Sequence[Allowance],
        number: int,
        sent_since: int,
        round_trip_s: float,
    ) -> None:
        """Takes in what one reply says; `sent_since` requests left after the one that it answers."""
        self.per_s, self.closed_until, self.tank, self.exhausted = math.inf, -math.inf, None, False
        for index, allowance in enumerate(allowances[:MOST_LIMITS]):
            if index == len(self._limits):
                self._limits.append(Told())
            told = self._limits[index]
            told.hear(allowance, sent_at, number, round_trip_s)
            self.horizon_s = max(self.horizon_s, told.horizon_s)
            pace = told.pace(now, sent_since, round_trip_s)
            if pace == 0.0:
                self.closed_until = max(self.closed_until, told.resets_at)
                pace = told.per_s  # for when it opens
            self.per_s = min(self.per_s, pace)
            self.exhausted = self.exhausted or told.exhausted(now)
            if told.trickles:
                self.tank = told
