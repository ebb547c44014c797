"""Finds the rate that an API allows, and holds close below it.

It measures instead of guessing. Whenever a request is turned away, the API was full: so what got through shortly
before, divided by the time that it took, is the rate that the API allows, whatever its algorithm. From there:

- **seek**: as long as nothing is known the rate doubles every `DOUBLE_S`, driven by requests that got through.
- **hold**: a known limit is approached from `DIP` below, ever more slowly, and then crept past, ever faster: most of
  the time is spent close to it, and a limit that has grown is noticed within about one and a quarter periods.
- **cut**: a refusal brings the rate to `DIP` below what was measured.

Where replies tell what remains, their word sets the pace (`ledger`), as far as it can be trusted (`trust`); where they
do not tell at which rate it comes back, that is counted (`balance`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchupdate.limiter.balance import balance
from batchupdate.limiter.history import SLOT_S, History
from batchupdate.limiter.ledger import Ledger
from batchupdate.limiter.told import SAMPLE_S
from batchupdate.limiter.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Allowance

START_PER_S = 4.0
"""The first requests go at this rate."""

DOUBLE_S = 0.7
"""Seconds in which the rate doubles while the limit is sought, where replies come quickly."""

REGROW = 6.0
"""The rate doubles so many times slower where a limit was known before."""

REGROW_TOLD = 3.0
"""The same where replies tell what remains, so that the limit is seen coming."""

REGROW_REQUESTS = 16
"""The same in requests: a slow rate must not double before a refusal can be heard."""

TRIPS_TO_DOUBLE = 1 / 3
"""The same in round trips, where they don't: so the rate grows at most eightfold before its first replies are heard."""

DIP = 0.05
"""How far below the limit a refusal brings the rate;"""

DEEPEST_DIP = 0.2
"""twice as far, up to this, each time that the next refusal comes soon after."""

PERIOD_S = 30.0
"""From a refusal until the limit is tried again; shorter as long as it is not known well."""

FIRST_PERIOD_S = 3.0

PROBING_COST = 0.006
"""Share of the requests that may be refused for trying a known limit again: periods are made that long."""

AGREE = 0.1
"""Two measurements that differ by no more than this share are of the same limit."""

ROUGH = 2.0
"""Requests by which a count may be off, because windows begin and end in the middle of it."""

CREEP = 5.0
"""How much faster the rate leaves a limit that holds no more than it approached it."""

OUTGROWN = 1.08
"""A rate this far above the measured limit, and still not refused, means that the limit is another one by now."""

SLOWEST_PER_S = 1 / 60
"""However little an API lets through, it is asked this often."""

MEASURE_S = 1.0
"""What got through is measured over this time before a refusal, but not beyond the refusal before it."""

MEASURE_REQUESTS = 12
"""The same in requests, where these are few."""

FEW = 5
"""Fewer requests a second are counted from refusal to refusal."""

BLIND_CUT = 0.6
"""A refusal after so few brings the rate down to no less than this share."""

SEEKING_CUT = 0.25
"""No single refusal brings the rate below this share of what it was while the limit was sought."""

KNOWN_CUT = 0.85
"""The same where a limit had been found: what is counted over a second or two with a hold in it is too low."""

LATE = 0.3
"""A block ends between the last refusal and the first request that gets through: this share of it is lost on average,
with a bias towards too high a rate. That leads to a shorter block, and so to a better measurement."""

MUCH = 0.3
"""A window of which this share was blocked says what it holds; with less, it may have been several windows."""

LONG_BLOCK_S = 1.5
"""An API that takes nothing for longer than this has a window, of which a part was used up too early."""


class Controller:
    """The rate in force, from what became of the requests so far.

    Its numbers are all in seconds, requests and requests per second.

    Args:
        now: the time on the clock.
        ceiling: the rate never to exceed, in requests per second; infinite for none.
    """

    def __init__(self, now: float, ceiling: float) -> None:
        self._ceiling = ceiling
        self.rate = min(START_PER_S, ceiling)
        """Requests per second now."""
        self.limit: float | None = None
        """Requests per second that the API was measured to allow; None as long as it never refused."""
        self.found: float | None = None
        """The last such measurement, kept while a larger limit is sought."""
        self.told = Ledger()
        self.history = History(now)
        self.round_trip_s = 0.0
        self._seeking = True
        self._trust = Trust(now)
        self._counted_at = -math.inf
        self._full_at = now  # when the API was last full, in times of leaving
        self._freed_at = now  # when it had last been blocked for long, and let the first one in again
        self._cut_at = -math.inf
        self._period_s = FIRST_PERIOD_S
        self._since = self._moved_at = now
        self._window_s = 0.0  # of a limit that blocks for long; zero as long as none did
        self._blocked = False
        self._blocked_until = self._refused_at = now
        self._outgrown = self._agreed = False
        self._refused_before = math.inf  # how many had been refused before the limit was last found without a search
        self._before = 0.0  # the limit that seems outgrown
        self._dip = DIP
        self._ever = False  # whether anything got through yet

    def passed(
        self,
        now: float,
        sent_at: float,
        allowances: Sequence[Allowance],
        number: int,
        sent_since: int,
        *,
        eager: bool,
    ) -> None:
        """Notes that the request of turn `number`, of `sent_at`, got through.

        `sent_since` requests have left since; `eager` says that the rate is what kept more from leaving.
        """
        self._time(now - sent_at)
        if self._blocked and sent_at > self._cut_at:
            self._freed(now, sent_at, number)
        self._ever = True
        if allowances:
            self.told.hear(now, sent_at, allowances, number, sent_since, self.round_trip_s)
            if self.told.per_s < math.inf:
                self._obey(now, sent_at, number)
                return
            if self._balance(now, sent_at, number, sent_since):
                return
        if sent_at > self._cut_at:
            if eager:
                self._move(now)
            else:
                self._stay(now)

    def throttled(
        self,
        now: float,
        sent_at: float,
        wait_s: float | None,
        allowances: Sequence[Allowance],
        number: int,
        sent_since: int,
    ) -> None:
        """Notes a refusal that is a fresh offence and asks to wait for `wait_s` seconds."""
        if allowances:
            self.told.hear(now, sent_at, allowances, number, sent_since, self.round_trip_s)
            if self._balance(now, sent_at, number, sent_since):
                return
        since, self._refused_at = self._refused_at, sent_at
        if self._blocked:
            # Nothing was let in, or too little time has gone to count it: it is still full, and tells nothing new.
            if sent_at - since < SLOT_S or not self.history.let_in(since, number):
                self._blocked_until = max(self._blocked_until, sent_at + (wait_s or 0.0))
                return
            self._freed(now, sent_at, number)
        if self.told.per_s < math.inf:
            self._distrust(now, sent_at, number)
            return
        if sent_at > self._cut_at:
            self._cut(now, sent_at, number)
        self._blocked = True
        self._blocked_until = sent_at + (wait_s or 0.0)

    def outage_ended(self, now: float) -> None:
        """Starts again at half the rate, after the API was down."""
        self.rate = max(min(START_PER_S, self._ceiling), self.rate / 2)
        self._seeking = True
        self._moved_at = now

    @property
    def sure(self) -> bool:
        """Whether the limit is known well enough to go on right after a single refusal."""
        return self._agreed or self.told.per_s < math.inf

    def acquit(self) -> None:
        """It was not the rate: the API takes fewer at once."""
        if self.limit is not None:
            self._seeking, self._outgrown, self._before, self.limit = True, True, 0.0, None
            self._agreed = False

    def _time(self, seconds: float) -> None:
        self.round_trip_s += (seconds - self.round_trip_s) * (0.1 if self.round_trip_s else 1.0)

    def _set(self, rate: float) -> None:
        self.rate = min(self._ceiling, max(SLOWEST_PER_S, rate))

    def _freed(self, now: float, sent_at: float, number: int) -> None:
        """Something got through again: learns for how long nothing did, and what that means for the rate."""
        self._blocked = False
        self._since = self._moved_at = now
        if not self._ever:  # it was full before we came, and so nothing is known of it
            self._seeking, self.limit, self.found, self._freed_at = True, None, None, sent_at
            self._set(START_PER_S)
            return
        # The window ended between the last refusal and now.
        ended_at = sent_at - LATE * max(0.0, sent_at - self._blocked_until)
        if self._blocked_until - self._full_at < max(LONG_BLOCK_S, 2 * self.round_trip_s):
            return  # it was our own hold, and not the API's
        span_s, blocked_s = ended_at - self._freed_at, ended_at - self._full_at
        early = blocked_s > MUCH * span_s  # then it was one window; else there may have been several
        self._window_s = span_s if early else min(self._window_s or math.inf, span_s)
        since = max(self._freed_at, ended_at - self._window_s)
        measured = self.history.let_in(since, number) / (ended_at - since)
        if not early:
            measured = max(measured, KNOWN_CUT * (self.limit or 0.0))
        self._freed_at = sent_at
        if self.limit is not None and 0 < measured < self.limit:  # zero: it was full before we came
            self.limit = self.found = measured
            self._set(measured * (1 - DIP))

    def _stay(self, now: float) -> None:
        """A rate that is not used up proves nothing: no growth."""
        held_s = now - self._moved_at
        self._moved_at = now
        self._since += held_s

    def _move(self, now: float) -> None:
        """Seeks or holds, for the time since the last move."""
        elapsed_s, self._moved_at = now - self._moved_at, now
        if self._seeking:
            self._set(self.rate * 2.0 ** (min(elapsed_s, 1.0) / self._double_s()))
            if self.limit is not None and self._ceiling > self.limit * 0.97 <= self.rate < self.limit * OUTGROWN:
                self._seeking = False
            return
        limit = self.limit or self.rate
        way = (now - self._since) / self._period()
        if way <= 1:
            self._set(limit * (1 - self._dip * (1 - way) ** 3))
            return
        self._set(limit * (1 + DIP * ((way - 1) * CREEP) ** 3))
        if self.rate > limit * OUTGROWN:
            self._seeking, self._outgrown, self.limit = True, True, None
            self._before = limit if self._agreed else 0.0

    @property
    def _cost(self) -> float:
        """How many refusals the limit cost when it was last tried."""
        return max(1.0, float(self.history.refused - self._refused_before))

    def _period(self) -> float:
        """Seconds from a refusal until the limit is tried again."""
        budget_s = self._period_s / PERIOD_S * self._cost / PROBING_COST / self.rate
        return max(self._period_s, budget_s, 2 * self._window_s, self.told.horizon_s)

    def _cut(self, now: float, sent_at: float, number: int) -> None:
        """The API is full: measures what it let through lately, and goes below that."""
        then = self._rate_at(now, sent_at)
        soon = sent_at - self.history.first_turn(self._cut_at) < MEASURE_S + self.round_trip_s
        self._dip = min(DEEPEST_DIP, self._dip * 2) if soon and not self._seeking else DIP
        least = KNOWN_CUT
        if self._seeking and not self._outgrown:
            least = SEEKING_CUT
        elif self._few(sent_at, number):
            least = BLIND_CUT
        self._settle(now, sent_at, min(then, max(then * least, self._measured(sent_at, number))))

    def _balance(self, now: float, sent_at: float, number: int, sent_since: int) -> bool:
        """Spends what a rolling limit gives back, and what it holds; returns whether that could be counted."""
        tank = self.told.tank
        if tank is None:
            return False
        if now < self._counted_at + SAMPLE_S:
            return True
        counted = balance(tank, self.history, now, sent_at, number, sent_since, self.rate, self.round_trip_s)
        if counted is None:
            return False
        self._set(counted.spend)
        if counted.given is None:
            if tank.window_s:  # it told a rate, and that was too low
                self._seeking = self._outgrown = True
            return False
        tank.compare(counted.given)
        self._counted_at = now
        self.limit = self.found = counted.given
        self._seeking, self._since, self._moved_at = False, now, now
        return True

    def _settle(self, now: float, sent_at: float, measured: float) -> None:
        """The API was full when the request of `sent_at` arrived, and `measured` is what it allows."""
        counted = measured * (sent_at - self._full_at)
        tolerance = AGREE + ROUGH / max(1.0, min(counted, MEASURE_REQUESTS))
        before = self.limit or self._before
        self._agreed = before > 0 and abs(measured - before) <= tolerance * before
        self._period_s = min(PERIOD_S, self._period_s * 2) if self._agreed else FIRST_PERIOD_S
        self.limit = self.found = measured
        self._refused_before = math.inf if self._seeking else self.history.refused - 1
        self._seeking, self._full_at = False, sent_at
        self._cut_at = self._since = self._moved_at = now
        self._set(measured * (1 - self._dip))

    def _rate_at(self, now: float, sent_at: float) -> float:
        """The rate at which the request of `sent_at` left (requests per second)."""
        return self.rate / 2.0 ** ((now - sent_at) / self._double_s()) if self._seeking else self.rate

    def _few(self, sent_at: float, number: int) -> bool:
        """Whether a slow rate is refused again so soon that a second holds next to nothing."""
        soon = self.rate < FEW / MEASURE_S and sent_at - self._full_at < 3 * MEASURE_S
        return soon and self.history.let_in(self._full_at, number) < FEW

    def _measured(self, sent_at: float, number: int) -> float:
        """What the API let in lately, up to the turn of this number (requests per second)."""
        wanted = sent_at - max(MEASURE_S, MEASURE_REQUESTS / self.rate)
        if self._few(sent_at, number):  # from full to full, with the hold in between, and one that just did not fit
            since, more = self._full_at, 1
        elif self._window_s:
            since, more = self.history.first_turn(sent_at - self._window_s), 0
        else:
            since, more = self._full_at if self._full_at > wanted else self.history.first_turn(wanted), 0
        let_in = self.history.let_in(since, number) + more
        return max(1, let_in) / max(sent_at - since, 1 / self.rate)

    def _double_s(self) -> float:
        double_s = max(DOUBLE_S, TRIPS_TO_DOUBLE * self.round_trip_s)
        if not self._outgrown:
            return double_s
        again_s = double_s * (REGROW if self.told.tank is None else REGROW_TOLD)
        window_s = max(self._window_s, self.told.horizon_s)
        return max(again_s, REGROW_REQUESTS / self.rate, window_s / 2)

    def _obey(self, now: float, sent_at: float, number: int) -> None:
        """Goes at the pace that the replies tell, as far as it is trusted."""
        if self._trust.due(now, self.round_trip_s):
            self._trust.step(now, self.told, self._measured(sent_at, number))
        self._set(self.told.per_s * self._trust.share)
        self._seeking, self.limit, self._since, self._moved_at = False, self.rate, now, now

    def _distrust(self, now: float, sent_at: float, number: int) -> None:
        """A refusal in spite of obedience: others share the limit, or it is not what it says."""
        self._trust.refused(now, self.told, self._measured(sent_at, number))
        self._full_at = sent_at
        self._set(self.told.per_s * self._trust.share)
        self._cut_at = self._since = self._moved_at = now
