"""What replies say of one limit, turned into a pace.

All times are those at which requests leave, not those at which replies come back: a request that leaves `reset_s` after
the one whose reply told so reaches the API when the limit renews, for it is on its way just as long. So the way there
and back, known or not, falls out of every sum.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchupdate.model import Allowance

MARGIN = 0.017
"""Share of a told rate that is left unused: requests that overtake each other crowd the edges of a window."""

SURE = 3
"""So many signs in a row say whether a limit rolls or has windows."""

ENOUGH_USED = 4
"""So much must have been used up before its return says something."""

LONGEST_HORIZON_S = 60.0

LONG_S = 2.0
"""A window with less than this left is not paced by what remains in it: whole seconds are too coarse for that."""

MOST_REQUESTS = 1e9
"""No limit is larger; a number beyond this is a way to say "none", or nonsense."""

LONGEST_WINDOW_S = 31 * 86_400.0
"""No window is longer; see `MOST_REQUESTS`."""

EARLY = 0.15
"""A window that is used up with this share of it still to come was not used up by us alone."""

PLENTY = 4
"""Half of a smaller limit says nothing."""

REFUTES = 1.25
"""A limit that gives back so many times what it told, or more, told it wrongly."""

PROVEN_S = 15.0
"""A told rate that held when it was doubted is not doubted again for this time."""

TIGHT = 0.02
"""A limit of which only this share is left at its lowest is used up well enough."""

ALL_BACK = 0.5
"""A limit that gets back this share of what was used, or more, at one moment has windows."""

APART_TRIPS = 0.25
"""Requests that leave so many round trips apart arrive in the order in which they left."""

SAMPLE_S = 0.05
"""What remains is noted this often, for up to `MOST_SAMPLES` times."""

MOST_SAMPLES = 64

ROUNDING_S = 1.5
"""A reset told in whole seconds wanders by one, and by the way's own jitter, without meaning anything."""


def sane(number: float | None, least: float, most: float) -> float | None:
    """The number, or None where it can't be meant: not a number, or out of all proportion."""
    return number if number is not None and least <= number <= most else None


class Told:
    """One limit, as the replies so far tell it."""

    __slots__ = (
        "_evidence",
        "_last_reset_at",
        "_learned_s",
        "_number",
        "_proven_until",
        "_refuted",
        "_renewed_at",
        "_samples",
        "_seen",
        "_windowed",
        "horizon_s",
        "limit",
        "remaining",
        "resets_at",
        "rolling",
        "window_s",
    )

    def __init__(self) -> None:
        self.limit: float | None = None
        self.window_s: float | None = None
        self.remaining: float | None = None
        self.resets_at = -math.inf
        self.rolling = False
        """Whether it gives back little by little, as a bucket does, and not everything at one moment."""
        self._seen = -math.inf
        self._number = 0
        self._evidence = 0
        self._windowed = False
        self._learned_s: float | None = None
        self._last_reset_at = -math.inf
        self.horizon_s = 0.0
        """The longest time to a reset that was told, up to a minute."""
        self._renewed_at = -math.inf
        self._refuted = False
        self._proven_until = -math.inf
        self._samples: deque[tuple[float, float]] = deque(maxlen=MOST_SAMPLES)

    @property
    def per_s(self) -> float:
        """The rate that limit and window come to (requests per second); infinite where they are not told."""
        if self._refuted:
            return math.inf
        window_s = self.window_s
        if window_s is None and self._windowed:
            window_s = self._learned_s
        elif self.guessed:
            window_s = self.horizon_s  # all of it came back within this time; a bucket's next token comes sooner
        return self.limit / window_s if self.limit and window_s else math.inf

    @property
    def guessed(self) -> bool:
        """Whether its window is only guessed, from the longest time to a reset: a second too long by rounding up."""
        return self.window_s is None and self.rolling and self.horizon_s >= LONG_S + 1

    @property
    def trickles(self) -> bool:
        """Whether it seems to give back little by little, at a rate that it does not tell."""
        return (self.rolling or self._refuted) and math.isinf(self.per_s)

    def hear(self, allowance: Allowance, sent_at: float, number: int, round_trip_s: float) -> None:
        """Takes in what the reply to the request of `sent_at` says; older news than the last is only half heard."""
        self.limit = sane(allowance.limit, 1e-3, MOST_REQUESTS) or self.limit
        self.window_s = sane(allowance.window_s, 1e-3, LONGEST_WINDOW_S) or self.window_s
        remaining = sane(allowance.remaining, 0.0, MOST_REQUESTS)
        reset_s = sane(allowance.reset_s, 0.0, LONGEST_WINDOW_S)
        resets_at = self.resets_at if reset_s is None else sent_at + reset_s
        self.horizon_s = min(LONGEST_HORIZON_S, max(self.horizon_s, reset_s or 0.0))
        if sent_at < self._seen:  # an earlier request that was overtaken: it can still make the reset more precise
            if reset_s is not None and not self.rolling and sent_at > self._renewed_at:
                self.resets_at = min(self.resets_at, resets_at)
            return
        self._renew(sent_at, remaining, resets_at, number - self._number, APART_TRIPS * round_trip_s)
        self.remaining, self._seen, self._number = remaining, sent_at, number
        if remaining is not None and (not self._samples or sent_at >= self._samples[-1][0] + SAMPLE_S):
            self._samples.append((sent_at, remaining))

    def _renew(self, sent_at: float, remaining: float | None, resets_at: float, between: int, apart_s: float) -> None:
        """Notices that something was given back: a rolling limit does so little by little, one with windows at once."""
        gain = 0.0 if remaining is None or self.remaining is None else remaining - self.remaining
        used = (self.limit or remaining or 0.0) - (self.remaining or 0.0)
        if gain > 0 and used >= ENOUGH_USED and gain >= ALL_BACK * used:
            self._weigh(-1)
            if not self.rolling and sent_at > self.resets_at - 0.5:
                self._learn_window(resets_at)
        elif gain > 0 and sent_at > self._seen + apart_s:
            self._weigh(1 if used >= ENOUGH_USED else 0)
        elif sent_at > self.resets_at + apart_s:  # the moment came, and nothing was given back
            sure = between < ALL_BACK * (self.limit or 0)  # else it may have come back, and been used up again
            self._weigh(2 if gain <= 0 and sure and (self.limit or 0) - (remaining or 0) >= ENOUGH_USED else 0)
        elif resets_at > self.resets_at + ROUNDING_S:
            self._weigh(2)  # the reset moves along without anything having renewed
        else:  # of several roundings up, the least is nearest
            self.resets_at = resets_at if self.rolling else min(self.resets_at, resets_at)
            return
        self.resets_at, self._renewed_at = resets_at, sent_at

    def _weigh(self, evidence: int) -> None:
        """Takes in evidence for a rolling limit (above zero) or one with windows; one sign alone may mislead."""
        self._evidence = max(-SURE, min(SURE, self._evidence + evidence))
        if abs(self._evidence) == SURE:
            self.rolling = self._evidence > 0
            self._windowed = not self.rolling

    def _learn_window(self, resets_at: float) -> None:
        """Everything was given back at once: from one such moment to the next it is a window, in whole seconds."""
        if resets_at > self._last_reset_at + 0.5 and math.isfinite(self._last_reset_at):
            window_s = float(max(1, round(resets_at - self._last_reset_at)))
            self._learned_s = min(self._learned_s or math.inf, window_s)
        self._last_reset_at = resets_at

    def pace(self, now: float, sent_since: int, round_trip_s: float) -> float:
        """The rate to go at (requests/s): infinite where nothing useful is told, zero where nothing is left."""
        left_s = self.resets_at - now
        steady = self.per_s * (1 - MARGIN)
        if self.remaining is None or left_s <= 0 or self.rolling or self._refuted:
            return steady
        budget = self.remaining - sent_since
        if left_s < max(LONG_S, 3 * round_trip_s) and (budget > 0 or steady < math.inf):
            return steady
        return max(0.0, budget) / left_s

    def exhausted(self, now: float) -> bool:
        """Whether nothing is left although it ought to last longer: somebody else must be using it up, too."""
        if self.remaining != 0 or not self.limit or self.limit <= 1:
            return False
        return self.rolling or self.resets_at - now > EARLY * (self.window_s or LONG_S)

    def doubt(self) -> None:
        """Stops to believe in a window at whose rate so much stays left that it must be shorter than told."""
        if self._seen < self._proven_until or not self._samples:
            return
        if not self.limit or not self.window_s or self.limit < PLENTY:
            return
        since = self._samples[-1][0] - max(1.0, self.window_s)
        if self._samples[0][0] <= since:
            self._refuted = all(left > self.limit / 2 for at, left in self._samples if at >= since)

    def tight(self) -> bool:
        """Whether next to nothing of it was left at some time lately."""
        if not self.limit or self.limit < PLENTY or not self._samples:
            return False
        since = self._samples[-1][0] - max(1.0, self.window_s or 0.0)
        return min(left for at, left in self._samples if at >= since) <= max(1.0, TIGHT * self.limit)

    def compare(self, given_per_s: float) -> None:
        """Takes in how much a doubted limit really gives back: a full bucket looks like one that is told too low."""
        if self._refuted and self.limit and self.window_s and given_per_s < REFUTES * self.limit / self.window_s:
            self._refuted, self._proven_until = False, self._seen + PROVEN_S

    def held(self, since: float) -> tuple[float, float, float]:
        """The first time from `since` on that is noted, what remained then, and the most that remained from then on."""
        samples = [sample for sample in self._samples if sample[0] >= since]
        return *samples[0], max(left for _, left in samples)
