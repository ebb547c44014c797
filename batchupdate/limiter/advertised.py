"""What replies advertise of one limit, turned into a rate.

All times are those at which requests leave, not those at which replies come back: a request that leaves `reset_s` after
the one whose reply said so reaches the API when the limit renews, for it is on its way just as long. So the time on the
way, known or not, falls out of every sum.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchupdate.model import Allowance

MARGIN = 0.017
"""Share of an advertised rate that is left unused: requests that overtake each other crowd the edges of a window."""

SURE = 3
"""So many signs in a row say whether a limit rolls or has windows."""

LEAST_USED = 4
"""So much must have been used up, or be the limit, before what remains says something."""

LONGEST_HORIZON_S = 60.0

SHORT_WINDOW_S = 2.0
"""A window with less than this left is not paced by what remains in it: whole seconds are too coarse for that."""

MOST_REQUESTS = 1e9
"""No limit is larger; a number beyond this is a way to say "none", or nonsense."""

LONGEST_WINDOW_S = 31 * 86_400.0
"""No window is longer; see `MOST_REQUESTS`."""

HALF = 0.5
"""A limit that gets back this share of what was used, or more, at one moment has windows; and one of which more than
this share stays left although its rate is used up is larger than advertised."""

REFUTES = 1.25
"""A limit that refills so many times faster than it advertises advertises wrongly."""

OVERTAKING_TRIPS = 0.25
"""Requests that leave so many round trips apart arrive in the order in which they left."""

SAMPLE_S = 0.05
"""What remains is noted this often, for up to `MOST_SAMPLES` times."""

MOST_SAMPLES = 64

ROUNDING_S = 1.5
"""A reset in whole seconds wanders by one, and by the jitter of the way, without meaning anything."""


def plausible(number: float | None, least: float, most: float) -> float | None:
    """The number, or None where it can't be meant: not a number, or out of all proportion."""
    return number if number is not None and least <= number <= most else None


class AdvertisedLimit:
    """One limit, as the replies so far advertise it."""

    __slots__ = (
        "_evidence",
        "_last_reset_at",
        "_learned_s",
        "_number",
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
        self.rolling = self._windowed = False
        """Whether it refills little by little, as a bucket does, or all at one moment; neither as long as not known."""
        self.horizon_s = 0.0
        """The longest time to a reset, up to a minute."""
        self._evidence = self._number = 0
        self._seen = self._renewed_at = self._last_reset_at = -math.inf
        self._learned_s: float | None = None
        self._refuted = False
        self._samples: deque[tuple[float, float]] = deque(maxlen=MOST_SAMPLES)

    @property
    def per_s(self) -> float:
        """The rate that limit and window come to (requests per second); infinite where they are not known."""
        window_s = self._learned_s if self.window_s is None and self._windowed else self.window_s
        return self.limit / window_s if self.limit and window_s and not self._refuted else math.inf

    @property
    def refills_at_unknown_rate(self) -> bool:
        """Whether it seems to refill little by little, at a rate that is not advertised."""
        return (self.rolling or self._refuted) and math.isinf(self.per_s)

    def update(self, allowance: Allowance, sent_at: float, number: int, trip_s: float) -> None:
        """Takes in the reply to the request of `sent_at`; of one that was overtaken only the reset."""
        self.limit = plausible(allowance.limit, 1e-3, MOST_REQUESTS) or self.limit
        self.window_s = plausible(allowance.window_s, 1e-3, LONGEST_WINDOW_S) or self.window_s
        remaining = plausible(allowance.remaining, 0.0, MOST_REQUESTS)
        reset_s = plausible(allowance.reset_s, 0.0, LONGEST_WINDOW_S)
        resets_at = self.resets_at if reset_s is None else sent_at + reset_s
        self.horizon_s = min(LONGEST_HORIZON_S, max(self.horizon_s, reset_s or 0.0))
        if sent_at < self._seen:
            if reset_s is not None and not self.rolling and sent_at > self._renewed_at:
                self.resets_at = min(self.resets_at, resets_at)
            return
        self._renew(sent_at, remaining, resets_at, number - self._number, OVERTAKING_TRIPS * trip_s)
        self.remaining, self._seen, self._number = remaining, sent_at, number
        if remaining is not None and (not self._samples or sent_at >= self._samples[-1][0] + SAMPLE_S):
            self._samples.append((sent_at, remaining))

    def _renew(self, sent_at: float, remaining: float | None, resets_at: float, between: int, apart_s: float) -> None:
        """Notices that something was given back: a rolling limit does so little by little, one with windows at once."""
        gain = 0.0 if remaining is None or self.remaining is None else remaining - self.remaining
        used = (self.limit or remaining or 0.0) - (self.remaining or 0.0)
        if gain > 0 and used >= LEAST_USED and gain >= HALF * used:
            self._weigh(-1)
            if not self.rolling and sent_at > self.resets_at - 0.5:
                self._learn_window(resets_at)
        elif gain > 0 and sent_at > self._seen + apart_s:
            self._weigh(1 if used >= LEAST_USED else 0)
        elif sent_at > self.resets_at + apart_s:  # the moment came, and nothing was given back
            sure = between < HALF * (self.limit or 0)  # else it may have come back, and been used up again
            self._weigh(2 if gain <= 0 and sure and (self.limit or 0) - (remaining or 0) >= LEAST_USED else 0)
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

    def pace(self, now: float, sent_since: int, trip_s: float) -> float:
        """The rate to send at (requests/s): infinite where nothing useful is known, zero where nothing is left."""
        left_s = self.resets_at - now
        steady = self.per_s * (1 - MARGIN)
        if self.remaining is None or left_s <= 0 or self.rolling or self._refuted:
            return steady
        budget = self.remaining - sent_since
        if left_s < max(SHORT_WINDOW_S, 3 * trip_s) and (budget > 0 or steady < math.inf):
            return steady
        return max(0.0, budget) / left_s

    def _lately(self) -> list[float]:
        """What remained in the samples of the last window, a second at least."""
        since = self._samples[-1][0] - max(1.0, self.window_s or 0.0)
        return [left for at, left in self._samples if at >= since]

    def refute_if_much_is_left(self) -> None:
        """Stops to believe in a window at whose rate so much stays left that it must be shorter than advertised."""
        if not self._samples or not self.limit or not self.window_s or self.limit < LEAST_USED:
            return
        if self._samples[0][0] <= self._samples[-1][0] - max(1.0, self.window_s):
            self._refuted = min(self._lately()) > HALF * self.limit

    def compare(self, refill_per_s: float) -> None:
        """Takes in how fast a refuted limit really refills: a full bucket looks like one that advertises too little."""
        if self._refuted and self.limit and self.window_s and refill_per_s < REFUTES * self.limit / self.window_s:
            self._refuted = False

    def nearly_empty(self) -> bool:
        """Whether next to nothing of it was left at some time lately."""
        if not self.limit or self.limit < LEAST_USED or not self._samples:
            return False
        return min(self._lately()) <= 1.0

    def remained(self, since: float) -> tuple[float, float, float]:
        """The first time from `since` on that is noted, what remained then, and the most that remained from then on."""
        samples = [sample for sample in self._samples if sample[0] >= since]
        return *samples[0], max(left for _, left in samples)
