"""What replies advertise of the API's limits, turned into a rate.

All times are those at which requests leave, not those at which replies come back: a request that leaves `reset_s` after
the one whose reply said so reaches the API when the limit renews, for it is on its way just as long. So the time on the
way, known or not, falls out of every sum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.limiter.send_log import SendLog
    from batchupdate.model import Allowance

SLOWEST_PER_S = 1 / 60
"""However little an API lets through, it is asked this often."""

MARGIN = 0.017
"""Share of an advertised rate that is left unused: requests that overtake each other crowd the edges of a window."""

SURE = 3
"""So many signs in a row say whether a limit rolls or has windows."""

LEAST_USED = 4
"""So much must have been used up, or be the limit, before what remains says something."""

LONGEST_HORIZON_S = 60.0
"""What remains is spent within this time, however far away the reset is."""

SHORT_WINDOW_S = 2.0
"""A window with less than this left is not paced by what remains in it: whole seconds are too coarse for that."""

HALF = 0.5
"""A limit that gets back this share of what was used, or more, at one moment has windows; and one of which more than
this share stays left although its rate is used up is larger than advertised."""

REFILL_REQUESTS = 8
"""A refill is counted over a second, or over so many requests."""

REFUSED, REGAINED_PER_S = 0.93, 0.004
"""By this factor trust shrinks at a refusal, and by this share of the advertised rate it grows in each second. An
amount, not a factor: runs that share one limit, lose a share each time and win the same amount come to equal shares
(additive increase, multiplicative decrease)."""

OURS = 0.9
"""Where we got this share of a limit ourselves, lately, others do not use a part of it."""


class AdvertisedLimit:
    """One limit, as the replies so far advertise it."""

    def __init__(self, now: float, log: SendLog) -> None:
        self._log = log
        self._limit = self._window_s = self._remaining = self._learned_s = 0.0
        self._evidence = 0  # above zero that it refills little by little, as a bucket does; below, that it has windows
        self._rolling = False
        self._seen = self._emptied_at = -math.inf
        self._halved_at = now  # when more than half of it was last used
        self._checks = [(now, 0.0)] * 2  # when what remained was noted to count the refill from, and what did
        self.resets_at = -math.inf
        self._refill_per_s = math.inf  # as counted, in requests/s; infinite where that can't be, or need not be
        self.horizon_s = 0.0
        """The longest time to a reset, up to a minute: a change of pace shows no later (seconds)."""
        self.refuted = False
        """Whether it allows more than it advertises."""

    @property
    def per_s(self) -> float:
        """The rate that it comes to (requests/s); infinite where that is not known."""
        window_s = self._window_s or (self._learned_s if self._evidence == -SURE else 0.0)
        known = self._limit and window_s and not self.refuted
        return self._limit / window_s if known else self._refill_per_s

    def nearly_empty(self, now: float) -> bool:
        """Whether next to nothing of it was left at some time lately."""
        return now - self._emptied_at < max(1.0, self._window_s)

    def update(self, allowance: Allowance, sent_at: float, trip_s: float, rate: float) -> None:
        """Takes in the reply to the request of `sent_at`; `rate` is the one in force (requests/s)."""
        limit, remaining, reset_s, window_s = (n if n is not None and 0 <= n < math.inf else None for n in allowance)
        self._limit = limit or self._limit
        self._window_s = window_s or self._window_s
        self.horizon_s = min(LONGEST_HORIZON_S, max(self.horizon_s, reset_s or 0.0))
        if remaining is not None:
            self._renew(sent_at, remaining, self.resets_at if reset_s is None else sent_at + reset_s, trip_s)
            self._refute(sent_at, remaining)
            self._count(sent_at, remaining, max(1.0, REFILL_REQUESTS * min(1.0, 1 / rate)))
            self._remaining, self._seen = remaining, sent_at

    def _renew(self, sent_at: float, remaining: float, resets_at: float, apart_s: float) -> None:
        """Notices that something was given back: a rolling limit does so little by little, one with windows at once."""
        gain = remaining - self._remaining
        used = (self._limit or remaining) - self._remaining
        enough = used >= LEAST_USED and math.isfinite(self._seen)
        if enough and gain >= HALF * used:
            self._evidence = max(-SURE, self._evidence - 1)  # one sign alone may mislead
            if math.isfinite(self.resets_at) and (window_s := round(resets_at - self.resets_at)) > 0:
                self._learned_s = min(self._learned_s or math.inf, window_s)
        elif sent_at > apart_s + (self._seen if gain > 0 else self.resets_at):  # or it was due, and nothing came
            self._evidence = min(SURE, self._evidence + enough)
        elif not self._rolling:  # of several roundings up, the least is nearest
            resets_at = min(self.resets_at, resets_at)
        self.resets_at = resets_at
        if abs(self._evidence) == SURE:
            self._rolling = self._evidence > 0

    def _refute(self, sent_at: float, remaining: float) -> None:
        """Notices that much is always left, although we use what is advertised: then it is more than that."""
        if remaining <= 1 and self._limit >= LEAST_USED:
            self._emptied_at = sent_at
        if remaining <= HALF * self._limit or self._limit < LEAST_USED:
            self._halved_at = sent_at
        elif self._window_s and sent_at > self._halved_at + max(1.0, self._window_s):
            used_per_s = self._log.let_in(self._halved_at, sent_at) / (sent_at - self._halved_at)
            self.refuted = self.refuted or used_per_s > OURS * self._limit / self._window_s
            self._halved_at = sent_at

    def _count(self, sent_at: float, remaining: float, over_s: float) -> None:
        """Counts how fast it refills: that is what was let in, and what remains more than before."""
        if remaining >= self._limit - 1 or self._seen == -math.inf:  # what comes back to a full one is lost
            self._checks = [(sent_at, remaining)] * 2
        elif sent_at > self._checks[1][0] + over_s:
            self._checks = [self._checks[1], (sent_at, remaining)]
        since, before = self._checks[0]
        self._refill_per_s = math.inf
        if (self._rolling or self.refuted) and sent_at > since + over_s / 2:
            self._refill_per_s = max(0.0, self._log.let_in(since, sent_at) + remaining - before) / (sent_at - since)
            if self._window_s and OURS * self._refill_per_s < self._limit / self._window_s:
                self.refuted = False

    def pace(self, now: float, trip_s: float, trust: float) -> float:
        """The rate to send at (requests/s): infinite where nothing useful is known, zero where nothing is left.

        `trust` is the share of an advertised rate that is used; one that was counted is used whole.
        """
        left_s = self.resets_at - now
        steady = self.per_s * (1 - MARGIN) * trust
        budget = self._remaining - self._log.sent_since(self._seen)
        if self.per_s == self._refill_per_s < math.inf:
            budget += self._refill_per_s * (now - self._seen) - 1 - MARGIN / 2 * self._limit
            return max(SLOWEST_PER_S, self._refill_per_s + budget / max(1.0, self.horizon_s))
        soon = left_s < max(SHORT_WINDOW_S, 3 * trip_s) and (budget > 0 or steady < math.inf)
        if left_s <= 0 or soon or self._rolling or self.refuted:
            return steady
        return max(0.0, budget) / left_s * trust


class Advertised:
    """All limits that the replies advertise, as one rate; the tightest counts.

    How far it is trusted is a factor, for others may share a limit, or the numbers may be wrong.
    """

    def __init__(self, log: SendLog, max_wait_s: float) -> None:
        self._log, self._max_wait_s = log, max_wait_s
        self._limits: list[AdvertisedLimit] = []
        self._seen = -math.inf
        self.trust = 1.0
        """The factor: less after refusals in spite of what is advertised."""
        self.per_s = math.inf
        """The rate to send at (requests per second); infinite where nothing useful is advertised."""
        self.known_per_s = math.inf
        """The tightest rate that a limit comes to (requests per second); infinite where none is known."""
        self.closed_until = -math.inf
        """Nothing is left before this time."""
        self.horizon_s = 0.0
        """See `AdvertisedLimit.horizon_s`; the longest."""
        self.refuted = False
        """Whether a limit allows more than it advertises."""

    def update(self, now: float, sent_at: float, allowances: Sequence[Allowance], trip_s: float, rate: float) -> None:
        """Takes in the reply to the request of `sent_at`, unless it was overtaken; `rate` is the one in force."""
        if sent_at < self._seen:
            return
        self.per_s, self.closed_until = math.inf, -math.inf
        for index, allowance in enumerate(allowances):
            if index == len(self._limits):
                self._limits.append(AdvertisedLimit(now, self._log))
            limit = self._limits[index]
            limit.update(allowance, sent_at, trip_s, rate)
            pace = limit.pace(now, trip_s, self.trust)
            if pace == 0.0:
                self.closed_until = max(self.closed_until, min(limit.resets_at, now + self._max_wait_s))
            self.per_s = min(self.per_s, pace or limit.per_s * self.trust)  # the latter for when it opens
        self.known_per_s = min(limit.per_s for limit in self._limits)
        self.horizon_s = max(limit.horizon_s for limit in self._limits)
        self.refuted = any(limit.refuted for limit in self._limits)
        if not any(limit.nearly_empty(now) for limit in self._limits):
            self.trust = min(1.0, self.trust + REGAINED_PER_S * (sent_at - self._seen))
        self._seen = sent_at

    def refused(self, measured_per_s: float) -> None:
        """Notes a refusal below the advertised rate: others share it, unless a few requests came a little early."""
        if self.per_s < math.inf and (self.trust <= OURS or measured_per_s <= OURS * self.per_s):
            self.trust *= REFUSED
