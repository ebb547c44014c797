"""Finds the rate that an API allows, and stays close below it.

It measures instead of guessing. Whenever a request is refused, the API was full: so what was let in shortly before,
divided by the time that it took, is the rate that the API allows, whatever its algorithm. From there:

- **search**: as long as no limit is known the rate doubles every `DOUBLE_S`, driven by requests that got through.
- **approach**: a known limit is approached from `DIP` below along a cubic curve, ever more slowly, and then passed,
  ever faster, as in CUBIC (RFC 9438): most of the time is spent near it, and a limit that has grown is noticed.
- **cut**: a refusal brings the rate to `DIP` below what was measured.

Where replies advertise what remains, that sets the pace (`advertised_limits`), as far as it can be trusted (`trust`);
where they do not say at which rate a limit refills, that is counted (`refill`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchupdate.limiter.advertised import SAMPLE_S
from batchupdate.limiter.advertised_limits import AdvertisedLimits
from batchupdate.limiter.refill import MEASURE_REQUESTS, MEASURE_S, count_refill
from batchupdate.limiter.send_log import SendLog
from batchupdate.limiter.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Allowance

START_PER_S = 4.0
"""The first requests go at this rate."""

SLOWEST_PER_S = 1 / 60
"""However little an API lets through, it is asked this often."""

DOUBLE_S = 0.7
"""Seconds in which the rate doubles in a search, where replies come quickly;"""

DOUBLE_TRIPS = 1 / 3
"""and in round trips, where they don't: so the rate grows at most eightfold before its first replies are back."""

REGROW = 6.0
"""The rate doubles so many times slower where a limit was known before,"""

REGROW_ADVERTISED = 3.0
"""or where replies advertise what remains, so that the limit is seen coming."""

DIP = 0.05
"""How far below the limit a refusal brings the rate; twice as far each time that the next refusal comes soon after,"""

DEEPEST_DIP = 0.8
"""up to this."""

KNOWN_CUT = 0.85
"""Where a limit was known, no refusal takes more than the rest: what is counted across a pause is too low."""

PERIOD_S = 30.0
"""Time from a refusal until the rate is back at the limit; a tenth of it at first, and doubled each time."""

PROBING_COST = 0.006
"""Share of the requests that may be refused for trying a known limit again: periods are made that long."""

OVERSHOOT = 2.0
"""The rate leaves a limit that does not refuse it so many times faster than it approached it."""

OUTGROWN = 1.08
"""A rate this far above the measured limit, and still not refused, means that the limit is another one by now."""

LONG_BLOCK_S = 1.5
"""An API that takes nothing for longer than this has a window, of which a part was used up too early."""

WINDOW_BLOCKED = 0.3
"""A window of which this share was blocked shows what it holds; with less, it may have been several windows."""

WINDOW_END = 0.3
"""A window ends between the last refusal and the first request that gets through: it is taken to be this share of that
time before the latter."""

TOO_SOON_S = 0.02
"""What was let in between two refusals that are closer than this can't be counted."""


class AdaptiveRate:
    """The rate in force, from what became of the requests so far, in seconds, requests and requests per second.

    Args:
        now: the time on the clock.
        ceiling: the rate never to exceed, in requests per second; infinite for none.
    """

    def __init__(self, now: float, ceiling: float) -> None:
        self._ceiling = ceiling
        self.per_s = min(START_PER_S, ceiling)
        """Requests per second now."""
        self.limit: float | None = None
        """Requests per second that the API was measured to allow; None during a search."""
        self.found: float | None = None
        """The last such measurement, kept while a larger limit is sought."""
        self.advertised = AdvertisedLimits()
        self.log = SendLog(now)
        self.round_trip_s = 0.0
        self._searching, self._searched_before, self._cut_search = True, False, True
        self._trust = Trust(now)
        self._counted_at = self._cut_at = -math.inf
        self._full_at = now  # when the API was last full, in times of leaving
        self._freed_at = now  # when it had last been blocked for long, and let the first one in again
        self._blocked, self._blocked_until, self._refused_at = False, now, now
        self._ever_let_in = False
        self._window_s = 0.0  # of a limit that blocks for long; zero as long as none did
        self._since = self._moved_at = now  # when the curve began, and when it was last followed
        self._period_s, self._dip = PERIOD_S / 10, DIP
        self._held, self._held_from, self._held_to = 0, math.inf, now  # let in since the first refusal, or the start
        self._ever_refused = False
        self._refused_before = math.inf  # how many had been refused before the limit was last found without a search

    def passed(
        self,
        now: float,
        sent_at: float,
        allowances: Sequence[Allowance],
        number: int,
        sent_since: int,
        *,
        used_up: bool,
    ) -> None:
        """Notes that request `number`, of `sent_at`, got through.

        `sent_since` requests have left since; `used_up` says that the rate is what kept more from leaving.
        """
        if sent_at > self._held_from:
            self._held += 1
            self._held_to = sent_at
        elif self._held_from == math.inf:
            self._held_from = sent_at
        self.round_trip_s += (now - sent_at - self.round_trip_s) * (0.1 if self.round_trip_s else 1.0)
        if self._blocked and sent_at > self._cut_at:
            self._unblocked(now, sent_at, number)
        self._ever_let_in = True
        if allowances:
            self.advertised.update(now, sent_at, allowances, number, sent_since, self.round_trip_s)
            if self.advertised.per_s < math.inf:
                self._follow_advertised(now, sent_at, number)
                return
            if self._follow_refill(now, sent_at, number, sent_since):
                return
        if sent_at > self._cut_at:
            elapsed_s, self._moved_at = now - self._moved_at, now
            if used_up:
                self._grow(now, elapsed_s)
            else:
                self._since += elapsed_s  # a rate that is not used up proves nothing

    def refused(
        self,
        now: float,
        sent_at: float,
        wait_s: float | None,
        allowances: Sequence[Allowance],
        number: int,
        sent_since: int,
    ) -> None:
        """Notes a refusal that asks to wait for `wait_s` seconds, of a request that left after the last pause began."""
        if allowances:
            self.advertised.update(now, sent_at, allowances, number, sent_since, self.round_trip_s)
            if self._follow_refill(now, sent_at, number, sent_since):
                return
        if not self._ever_refused:
            self._ever_refused, self._held, self._held_from, self._held_to = True, 0, sent_at, sent_at
        since, self._refused_at = self._refused_at, sent_at
        if self._blocked:
            if sent_at - since < TOO_SOON_S or not self.log.let_in(since, number):  # still full: nothing new
                self._blocked_until = max(self._blocked_until, sent_at + (wait_s or 0.0))
                return
            self._unblocked(now, sent_at, number)
        if self.advertised.per_s < math.inf:
            self._trust.refused(now, self.advertised, self._measured(sent_at, number))
            self._full_at = sent_at
            self._set(self.advertised.per_s * self._trust.share)
            self._cut_at = self._since = self._moved_at = now
            return
        if sent_at > self._cut_at:
            self._cut(now, sent_at, number)
        self._blocked = True
        self._blocked_until = sent_at + (wait_s or 0.0)

    @property
    def held_s(self) -> float:
        """For how long requests were let in since the API was first found full, or else since the first (seconds)."""
        return max(0.0, self._held_to - self._held_from)

    @property
    def held_per_s(self) -> float:
        """How many were let in during that time, a second.

        What was let in before the first refusal says little of a rate: a bucket was full, or a window had just begun.
        From then on an API lets in no more than its rate allows.
        """
        return self._held / self.held_s if self.held_s else 0.0

    @property
    def surprised(self) -> bool:
        """Whether the last refusal ended a search, so that the limit is known roughly at best."""
        return self._cut_search and self.advertised.per_s == math.inf

    def outage_ended(self, now: float) -> None:
        """Starts again at half the rate, after the API was down."""
        self.per_s = max(min(START_PER_S, self._ceiling), self.per_s / 2)
        self._searching, self._moved_at = True, now

    def search_again(self) -> None:
        """It was not the rate that was refused: the API takes fewer requests at once."""
        if self.limit is not None:
            self._searching = self._searched_before = self._cut_search = True
            self.limit = None

    def start_anew(self, now: float) -> None:
        """Forgets the limit, and searches it from the present rate on: what was refused was not the rate."""
        self.limit = self.found = None
        self._searching, self._searched_before, self._cut_search = True, False, True
        self._trust, self._dip, self._window_s, self._blocked = Trust(now), DIP, 0.0, False
        self._since = self._moved_at = now

    def _set(self, per_s: float) -> None:
        self.per_s = min(self._ceiling, max(SLOWEST_PER_S, per_s))

    def _grow(self, now: float, elapsed_s: float) -> None:
        """Searches, or follows the curve, for the time since the last reply."""
        if self._searching:
            self._set(self.per_s * 2.0 ** (min(elapsed_s, 1.0) / self._double_s()))
            if self.limit is not None and self._ceiling > self.limit * 0.97 <= self.per_s < self.limit * OUTGROWN:
                self._searching = False  # back at what was known before an outage
            return
        limit = self.limit or self.per_s
        way = (now - self._since) / self._period() - 1
        self._set(limit * (1 + (DIP * (OVERSHOOT * way) ** 3 if way > 0 else self._dip * way**3)))
        if self.per_s > limit * OUTGROWN:
            self._searching, self._searched_before, self.limit = True, True, None

    def _double_s(self) -> float:
        """Seconds in which the rate doubles in a search."""
        double_s = max(DOUBLE_S, DOUBLE_TRIPS * self.round_trip_s)
        if not self._searched_before:
            return double_s
        double_s *= REGROW if self.advertised.rolling is None else REGROW_ADVERTISED
        return max(double_s, self._window_s / 2, self.advertised.horizon_s / 2)

    def _period(self) -> float:
        """Seconds from a refusal until the limit is tried again: the longer, the more refusals the last try cost."""
        cost = max(1.0, float(self.log.refused - self._refused_before))
        budget_s = self._period_s / PERIOD_S * cost / PROBING_COST / self.per_s
        return max(self._period_s, budget_s, 2 * self._window_s, self.advertised.horizon_s)

    def _cut(self, now: float, sent_at: float, number: int) -> None:
        """The API was full when the request of `sent_at` came: measures what it let through, and goes below that."""
        searching = self._cut_search = self._searching
        rate = self.per_s
        soon = sent_at - self.log.first_since(self._cut_at) < MEASURE_S + self.round_trip_s
        self._dip = min(DEEPEST_DIP, self._dip * 2) if soon and not searching else DIP
        least = 0.0 if searching and not self._searched_before else rate * KNOWN_CUT
        self.limit = self.found = min(rate, max(least, self._measured(sent_at, number)))
        self._period_s = PERIOD_S / 10 if searching else min(PERIOD_S, self._period_s * 2)
        self._refused_before = math.inf if searching else self.log.refused - 1
        self._searching, self._full_at = False, sent_at
        self._cut_at = self._since = self._moved_at = now
        self._set(self.limit * (1 - self._dip))

    def _measured(self, sent_at: float, number: int) -> float:
        """What the API let in lately, up to the request of this number (requests per second)."""
        wanted = sent_at - max(MEASURE_S, MEASURE_REQUESTS / self.per_s)
        if self._window_s:
            since = self.log.first_since(sent_at - self._window_s)
        else:
            since = self._full_at if self._full_at > wanted else self.log.first_since(wanted)
        return max(1, self.log.let_in(since, number)) / max(sent_at - since, 1 / self.per_s)

    def _unblocked(self, now: float, sent_at: float, number: int) -> None:
        """Something got through again: learns for how long nothing did, and what that means for the rate."""
        self._blocked = False
        self._since = self._moved_at = now
        if not self._ever_let_in:  # it was full before we came, and so nothing is known of it
            self._searching, self.limit, self.found, self._freed_at = True, None, None, sent_at
            self._set(START_PER_S)
            return
        if self._blocked_until - self._full_at < max(LONG_BLOCK_S, 2 * self.round_trip_s):
            return  # it was our own pause, and not the API's
        ended_at = sent_at - WINDOW_END * max(0.0, sent_at - self._blocked_until)
        span_s, blocked_s = ended_at - self._freed_at, ended_at - self._full_at
        one_window = blocked_s > WINDOW_BLOCKED * span_s
        self._window_s = span_s if one_window else min(self._window_s or math.inf, span_s)
        since = max(self._freed_at, ended_at - self._window_s)
        measured = self.log.let_in(since, number) / (ended_at - since)
        if not one_window:
            measured = max(measured, KNOWN_CUT * (self.limit or 0.0))
        self._freed_at = sent_at
        if self.limit is not None and 0 < measured < self.limit:  # zero: it was full before we came
            self.limit = self.found = measured
            self._set(measured * (1 - DIP))

    def _follow_advertised(self, now: float, sent_at: float, number: int) -> None:
        """Goes at the pace that the replies advertise, as far as it is trusted."""
        if self._trust.due(now, self.round_trip_s):
            self._trust.step(now, self.advertised, self._measured(sent_at, number))
        self._set(self.advertised.per_s * self._trust.share)
        self._searching, self.limit = False, self.per_s
        self._since = self._moved_at = now

    def _follow_refill(self, now: float, sent_at: float, number: int, sent_since: int) -> bool:
        """Spends what a rolling limit gives back, and what it holds; returns whether that could be counted."""
        limit = self.advertised.rolling
        if limit is None:
            return False
        if now < self._counted_at + SAMPLE_S:
            return True
        refill = count_refill(limit, self.log, now, sent_at, number, sent_since, self.per_s)
        if refill is None:
            return False
        self._set(refill.spend_per_s)
        if refill.per_s is None:
            if limit.window_s:  # it advertised a rate, and that was too low
                self._searching = self._searched_before = True
            return False
        limit.compare(refill.per_s)
        self.limit = self.found = refill.per_s
        self._searching = False
        self._counted_at = self._since = self._moved_at = now
        return True
