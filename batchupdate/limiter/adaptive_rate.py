"""Finds the rate that an API allows, and stays close below it.

Where replies advertise what remains, that sets the pace (`advertised`). Elsewhere refusals do: whenever a request is
refused, the API was full, so what was let in shortly before, divided by the time that it took, is the limit, whatever
its algorithm. The limit is searched, cut to, and approached again along a cubic curve as in CUBIC (RFC 9438).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchupdate.config.rate import HELD_S
from batchupdate.limiter.advertised import SLOWEST_PER_S, Advertised
from batchupdate.limiter.concurrency import Concurrency
from batchupdate.limiter.send_log import SendLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Allowance

START_PER_S = 4.0
"""The first requests go at this rate."""

CATCH_UP_S = 0.002
"""A pace makes good for waking up so much too late, no more: a quiet time earns no burst."""

DOUBLE_S, DOUBLE_TRIPS = 0.7, 1 / 3
"""Seconds in which the rate doubles in a search, where replies come quickly; and in round trips, where they don't: so
the rate grows at most eightfold before its first replies are back."""

REGROW, REGROW_ADVERTISED = 6.0, 2.5
"""The rate doubles so many times slower where a limit was known before, for what is measured at speed is too high; and
where replies advertise what remains, so that the limit is seen coming."""

MEASURE_S, MEASURE_REQUESTS = 1.0, 12
"""Rates are measured over this time before a reply, or over so many requests, where that takes longer."""

DIP = 0.05
"""How far below the limit a refusal brings the rate; twice as far each time that the next comes soon after."""

KNOWN_CUT = 0.85
"""Where a limit was known, no refusal takes more than the rest: what is counted across a pause is too low."""

PERIOD_S, PROBING_COST = 30.0, 0.006
"""Seconds from a refusal until the rate is back at the limit, a tenth at first, and doubled each time; longer, where
more than this share of the requests would be refused for trying it again."""

OVERSHOOT, OUTGROWN = 2.0, 1.08
"""The rate leaves a limit that does not refuse it so many times faster than it approached it; this far above it, the
limit is another one by now."""

LONG_BLOCK_S, WINDOW_BLOCKED = 1.5, 0.3
"""An API that takes nothing for longer than this has a window, of which a part was used up too early. If that is this
share of the time, it shows what the window holds; with less, it may have been several windows."""


class AdaptiveRate:
    """The rate in force, from what became of the requests so far, in seconds, requests and requests per second.

    Args:
        now: the time on the clock.
        ceiling: the rate never to exceed, in requests per second; infinite for none.
        concurrency: how many requests may be in flight at the most; infinite for any number.
        max_wait_s: whatever replies advertise, a request tries after so many seconds: it may be nonsense.
    """

    def __init__(self, now: float, ceiling: float, concurrency: float, max_wait_s: float) -> None:
        self.ceiling = ceiling
        """It can be changed at any time."""
        self.per_s = min(START_PER_S, ceiling)
        """Requests per second now."""
        self.limit = math.inf
        """Requests per second that the API was last measured to allow; infinite if unknown."""
        self.searching = True
        """Whether the limit is not known, or larger by now."""
        self.log = SendLog()
        self.advertised = Advertised(self.log, max_wait_s)
        self.concurrency = Concurrency(concurrency)
        self.round_trip_s = 0.0
        self._paced_from = now - CATCH_UP_S  # where the interval to the next turn begins
        self._limited_at = -math.inf  # when the rate last kept a request from leaving
        self._cut_at = -math.inf
        self._full_at = now  # when the API was last full, in times of leaving
        self._freed_at = now  # when it had last been blocked for long, and let the first one in again
        self._blocked_until = -math.inf  # when what is blocked may open again, as far as known; long ago if nothing is
        self._window_s = 0.0  # of a limit that blocks for long; zero as long as none did
        self._way_s, self._moved_at = 0.0, now  # along the curve, and when it was last followed
        self._caution, self._dip = 0.1, DIP
        self._refused_from = 0.0  # when the first refused request left
        self._refused_before = math.inf  # how many had been refused before the limit was last found without a search

    @property
    def opens_at(self) -> float:
        """When the next turn may be taken, at the earliest."""
        return max(self._paced_from + 1 / self.per_s, self.advertised.closed_until)

    def take(self, now: float) -> bool:
        """Whether a turn may be taken now, by the last turn and the rate of now: a rate that rises gives no burst."""
        if now - (self._paced_from + 1 / self.per_s) <= CATCH_UP_S:  # early, or just in time
            self._limited_at = now
        return now >= self.opens_at

    def sent(self, now: float, crowd: int) -> float:
        """Notes that a request leaves; returns its turn."""
        self._paced_from = max(now - CATCH_UP_S, self._paced_from + 1 / self.per_s)
        return self.log.sent(now, crowd)

    def passed(self, now: float, sent_at: float, allowances: Sequence[Allowance], *, roomy: bool) -> None:
        """Notes that the request of `sent_at` got through; `roomy` says that more might have been in flight."""
        self.concurrency.passed(now, self.log.crowd(sent_at))
        if self._blocked_until > -math.inf and sent_at > self._cut_at:
            self._unblocked(now, sent_at)
        self.round_trip_s += (now - sent_at - self.round_trip_s) * (0.1 if self.round_trip_s else 1.0)
        if allowances and self._follow(now, sent_at, allowances):
            return
        if sent_at > self._cut_at:
            elapsed_s, self._moved_at = now - self._moved_at, now
            if roomy and now - self._limited_at <= max(2 / self.per_s, self.round_trip_s):
                self._grow(elapsed_s)  # a rate that is not used up proves nothing

    def refused(
        self, now: float, sent_at: float, wait_s: float | None, allowances: Sequence[Allowance], *, still_full: bool
    ) -> None:
        """Notes a refusal that asks to wait for `wait_s` seconds, of a request that left after the last pause began.

        `still_full` says that nothing was let in since then.
        """
        if not allowances and wait_s is None and self.concurrency.refused(now, self.log.crowd(sent_at)):
            self.searching = True  # it was not the rate that was refused
            return
        self._refused_from = self._refused_from or sent_at
        opens_at = sent_at + (wait_s or 0.0)
        if self._blocked_until > -math.inf:
            if still_full:
                self._blocked_until = max(self._blocked_until, opens_at)
                return
            self._unblocked(now, sent_at)
        if allowances:
            self.advertised.refused(self._measured(sent_at))
            if self._follow(now, sent_at, allowances):
                self._full_at, self._cut_at = sent_at, now
                return
        self._cut(now, sent_at)
        self._blocked_until = opens_at

    def halve(self) -> None:
        """Searches again from half the rate on, or from where searches start, for the API is down."""
        self._set(min(self.per_s, max(START_PER_S, self.per_s / 2)))
        self.searching = True

    def was_halted(self) -> None:
        """Nothing was sent for a time, for nobody wanted it: for how long the API was blocked is not to be seen."""
        self._blocked_until = -math.inf

    def start_anew(self, now: float) -> None:
        """Forgets the limit, and searches it from the present rate on: what was refused was not the rate."""
        self.limit, self.searching = math.inf, True
        self.advertised.trust = 1.0
        self.concurrency.forget()
        self._dip, self._window_s, self._blocked_until = DIP, 0.0, -math.inf
        self._way_s, self._moved_at = 0.0, now

    @property
    def allowed_per_s(self) -> float | None:
        """What the API was found to allow; None if unknown.

        It is never more than what was let in over `HELD_S` at least, a second. What was let in before the first refusal
        says little of a rate: a bucket was full, or a window had just begun. From then on an API lets in no more than
        its rate allows.
        """
        if self.limit == math.inf:
            return None
        since, until = self.log.first_since(self._refused_from), self.log.first_since(math.inf)
        return min(self.limit, self.log.let_in(since, until) / (until - since)) if until - since >= HELD_S else None

    def _set(self, per_s: float) -> None:
        self.per_s = min(self.ceiling, max(SLOWEST_PER_S, per_s))

    def _grow(self, elapsed_s: float) -> None:
        """Searches, or follows the curve, for the time since the last reply."""
        if self.searching:
            self._set(self.per_s * 2.0 ** (min(elapsed_s, 1.0) / self._double_s()))
        elif self.limit < math.inf:  # else replies advertised a pace until now
            self._way_s += elapsed_s
            way = self._way_s / self._period() - 1
            self._set(self.limit * (1 + (DIP * (OVERSHOOT * way) ** 3 if way > 0 else self._dip * way**3)))
            self.searching = self.per_s > self.limit * OUTGROWN

    def _double_s(self) -> float:
        """Seconds in which the rate doubles in a search."""
        double_s = max(DOUBLE_S, DOUBLE_TRIPS * self.round_trip_s)
        if self.limit == math.inf:
            return double_s
        double_s *= REGROW_ADVERTISED if self.advertised.refuted else REGROW
        return max(double_s, self._window_s / 2, self.advertised.horizon_s / 2)

    def _period(self) -> float:
        """Seconds from a refusal until the limit is tried again: the longer, the more refusals the last try cost."""
        cost = max(1.0, float(self.log.refused - self._refused_before))
        period_s = self._caution * max(PERIOD_S, cost / PROBING_COST / self.per_s)
        return max(period_s, 2 * self._window_s, self.advertised.horizon_s)

    def _cut(self, now: float, sent_at: float) -> None:
        """The API was full when the request of `sent_at` came: measures what it let through, and goes below that."""
        searching = self.searching
        soon = sent_at - self.log.first_since(self._cut_at) < MEASURE_S + self.round_trip_s
        self._dip = min(16 * DIP, 2 * self._dip) if soon and not searching else DIP
        least = self.per_s * KNOWN_CUT if self.limit < math.inf else 0.0
        self.limit = min(self.per_s, max(least, self._measured(sent_at)))
        self._caution = 0.1 if searching else min(1.0, self._caution * 2)
        self._refused_before = math.inf if searching else self.log.refused - 1
        self.searching, self._full_at = False, sent_at
        self._cut_at, self._way_s, self._moved_at = now, 0.0, now
        self._set(self.limit * (1 - self._dip))

    def _measured(self, sent_at: float) -> float:
        """What the API let in lately, up to the request of this time (requests per second)."""
        wanted = sent_at - (self._window_s or max(MEASURE_S, MEASURE_REQUESTS / self.per_s))
        since = self._full_at if self._full_at > wanted and not self._window_s else self.log.first_since(wanted)
        return max(1, self.log.let_in(since, sent_at)) / max(sent_at - since, 1 / self.per_s)

    def _unblocked(self, now: float, sent_at: float) -> None:
        """Something got through again: learns for how long nothing did, and what that means for the rate."""
        blocked_until, self._blocked_until = self._blocked_until, -math.inf
        self._way_s, self._moved_at = 0.0, now
        if not self.round_trip_s:  # nothing was ever let in: it was full before we came, and so nothing is known of it
            self.start_anew(now)
            self._freed_at = sent_at
            self._set(START_PER_S)
            return
        if blocked_until - self._full_at < max(LONG_BLOCK_S, 2 * self.round_trip_s):
            return  # it was our own pause, and not the API's
        ended_at = (sent_at + min(sent_at, blocked_until)) / 2  # it ended at some time between these
        span_s, blocked_s = ended_at - self._freed_at, ended_at - self._full_at
        one_window = blocked_s > WINDOW_BLOCKED * span_s
        self._window_s = span_s if one_window else min(self._window_s or math.inf, span_s)
        since = max(self._freed_at, ended_at - self._window_s)
        least = 0.0 if one_window else KNOWN_CUT * self.limit
        measured = max(least, self.log.let_in(since, sent_at) / (ended_at - since))
        self._freed_at = sent_at
        if 0 < measured < self.limit:  # zero: it was full before we came
            self.limit = measured
            self._set(measured * (1 - DIP))

    def _follow(self, now: float, sent_at: float, allowances: Sequence[Allowance]) -> bool:
        """Goes at the pace that the replies advertise; returns whether they advertise one."""
        self.advertised.update(now, sent_at, allowances, self.round_trip_s, self.per_s)
        if self.advertised.per_s == math.inf:
            self.searching = self.searching or self.advertised.refuted
            return False
        self._set(self.advertised.per_s)
        self.searching, self.limit = False, self.advertised.known_per_s
        self._way_s, self._moved_at = 0.0, now
        return True
