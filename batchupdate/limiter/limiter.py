"""Whose turn it is: joins the bucket, the pause, the adaptive rate, the cap on requests in flight and the breaker."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from batchupdate.config.rate import HELD_S
from batchupdate.limiter.adaptive_rate import AdaptiveRate
from batchupdate.limiter.breaker import Breaker
from batchupdate.limiter.bucket import TokenBucket
from batchupdate.limiter.concurrency import Concurrency
from batchupdate.limiter.pacer import CATCH_UP_S, Pacer
from batchupdate.limiter.pause import SHORTEST_HOLD_S, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.config.rate import Rate
    from batchupdate.model import Allowance
    from batchupdate.util.clock import Clock

LOOK_AGAIN_S = 0.5
"""The rate can rise while somebody waits for a turn at the old one; so no wait is longer than this."""

LONGEST_PROBE_S = 15.0
"""An API that keeps refusing, and does not say until when, is asked by one request after this time."""

HEARD_TRIPS = 1.5
"""After a refusal, whatever got through comes back within this many round trips."""

SHORT_TURNS = 3
"""A refusal that names no wait costs so many turns at first: most limits renew little by little."""


class Limiter:
    """Gives turns, in the order in which they are asked for.

    Every turn given must be given back by exactly one of `passed`, `hold`, `failed` and `cancelled`.

    Args:
        rate: the ceiling, never exceeded: turns per second, or unlimited.
        burst: how many turns may be taken at once after a quiet time.
        clock: where time comes from.
        delay: seconds to pause after the n-th throttled reply or outage in a row (from 1) that names no wait itself.
        concurrency: how many requests may be in flight; None leaves that to the caller.
        adaptive: whether to find the rate and the concurrency that the API allows, below these two.
        max_wait_s: the longest pause that a reply may ask for, in seconds.
        patience_s: for how long nothing may get through, in seconds, before the caller gives up: no pause after a
            failure lasts beyond that.
    """

    def __init__(
        self,
        rate: Rate,
        burst: int,
        clock: Clock,
        delay: Callable[[int], float],
        *,
        concurrency: int | None = None,
        adaptive: bool = False,
        max_wait_s: float = 300.0,
        patience_s: float = math.inf,
    ) -> None:
        now = clock.monotonic()
        self.rate = rate
        self.down_since: float | None = None
        """Since when nothing got through, on the clock; None while requests do."""
        self._clock = clock
        self._delay, self._patience_s = delay, patience_s
        self._max_wait_s = max_wait_s
        self._bucket = TokenBucket(rate.per_s, burst, clock) if rate.limited else None
        self._pause = Pause(now)
        self._breaker = Breaker()
        self._concurrency = Concurrency(math.inf if concurrency is None else concurrency, adaptive=adaptive)
        self._room = self._concurrency.cap
        self._ramp_from = math.inf  # since when the room grows one by one; infinite if it doesn't
        self._blocked_at = -math.inf
        self._adaptive = AdaptiveRate(now, rate.per_s) if adaptive else None
        self._pacer = Pacer(now)
        self._out: dict[float, tuple[int, int]] = {}  # by turn: its number, and how many were in flight with it
        self._given = 0
        self._last = -math.inf
        self._limited_at = -math.inf  # when the rate last kept a request from leaving
        self._line = asyncio.Lock()
        self._roomy: asyncio.Future[None] | None = None

    @property
    def rate_per_s(self) -> float:
        """The rate in force, in requests per second; infinite for none."""
        return self._adaptive.per_s if self._adaptive else self.rate.per_s

    @property
    def allowed_per_s(self) -> float | None:
        """What the API was found to allow, in requests per second, and so what to set next time; None if unknown.

        It is never more than what was let in over `HELD_S` at least: a shorter time knows no rate.
        """
        if self._adaptive is None or self._adaptive.held_s < HELD_S:
            return None
        allowed = self._adaptive.advertised.known_per_s
        if self._adaptive.found is not None:
            allowed = min(allowed, self._adaptive.found)
        return min(allowed, self._adaptive.held_per_s) if math.isfinite(allowed) else None

    @property
    def concurrency(self) -> float:
        """How many requests may be in flight by now; infinite for no limit."""
        return self._room

    @property
    def waited_s(self) -> float:
        """Seconds for which everybody was paused so far."""
        return self._pause.waited_s(self._clock.monotonic())

    @property
    def holding_s(self) -> float:
        """Seconds for which everybody is still paused, by a refusal or an empty limit; zero if nobody is."""
        now = self._clock.monotonic()
        return max(self._pause.left_s(now), self._closed_until - now, 0.0)

    @property
    def down_for_s(self) -> float:
        """Seconds for which nothing got through; zero while requests do."""
        return 0.0 if self.down_since is None else self._clock.monotonic() - self.down_since

    @property
    def probing(self) -> bool:
        """Whether the API takes nothing, as far as known, so that single requests ask whether it does again."""
        return self._pause.strikes > 1 or self._breaker.open

    @property
    def next_turn_at(self) -> float:
        """When the next turn may be had, on the clock; infinite as long as one in flight must come back first."""
        if self._concurrency.in_flight >= self._room:
            return math.inf
        due = max(self._pause.until, self._closed_until)
        if self._adaptive is not None:
            due = max(due, self._pacer.opens_at(self._adaptive.per_s))
        if self._bucket is not None:
            due = max(due, self._clock.monotonic() + self._bucket.room_in_s())
        return due

    @property
    def _closed_until(self) -> float:
        """Until when the replies say that nothing is left; the past if something is."""
        return -math.inf if self._adaptive is None else self._adaptive.advertised.closed_until

    async def turn(self) -> float:
        """Waits for the caller's turn and takes it. Returns the time on the clock at which it was given."""
        async with self._line:
            while (given := self._take()) is None:  # a pause may have come while we slept: look again
                due = self.next_turn_at
                if due == math.inf:
                    await self._until_roomy()
                    continue
                if self._adaptive is not None:
                    due = min(due, self._clock.monotonic() + LOOK_AGAIN_S)
                await self._clock.sleep_until(due, precise=True)
            return given

    def try_turn(self) -> float | None:
        """Takes a turn if it may be had at once and nobody waits for one; returns when it was given, or None."""
        return None if self._line.locked() else self._take()

    def _take(self) -> float | None:
        now = self._clock.monotonic()
        if now < self._pause.until or self._concurrency.in_flight >= self._room:
            return None
        adaptive = self._adaptive
        if adaptive is not None:
            if now < adaptive.advertised.closed_until:
                return None
            due = self._pacer.opens_at(adaptive.per_s)
            if now - due <= CATCH_UP_S:  # early, or just in time
                self._limited_at = now
            if now < due:
                return None
        if self._bucket is not None and not self._bucket.take():
            self._limited_at = now
            return None
        self._concurrency.in_flight += 1
        if adaptive is not None:
            self._pacer.take(now, adaptive.per_s)
            if now <= self._last:  # a turn is known by its time, so no two may share one
                now = math.nextafter(self._last, math.inf)
            self._last = now
            self._given += 1
            self._out[now] = (self._given, self._concurrency.in_flight)
            adaptive.log.sent(now, self._given)
        return now

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = ()) -> None:
        """Gives a turn back: its request was answered, by no throttle and no trouble of the server.

        Args:
            sent_at: the turn, as it was given.
            allowances: what the reply says of the API's limits.
        """
        number, crowd = self._back(sent_at)
        if self._adaptive is not None:
            now = self._clock.monotonic()
            adaptive = self._adaptive
            used_up = now - self._limited_at <= max(2 / adaptive.per_s, adaptive.round_trip_s)
            used_up = used_up and self._concurrency.in_flight + 1 < self._room
            adaptive.passed(now, sent_at, allowances, number, self._given - number, used_up=used_up)
            self._bound(now)
            self._concurrency.passed(now, crowd)
            if self._ramp_from == math.inf:
                self._room = self._concurrency.cap
        if self._pause.strikes or self.down_since is not None or self._breaker.failures:
            self._recover(sent_at)
        if sent_at > self._ramp_from:
            self._ramp()
        self._wake()

    def hold(
        self,
        sent_at: float,
        wait_s: float | None,
        allowances: Sequence[Allowance] = (),
        *,
        again: bool = False,
        partly: bool = False,
    ) -> bool:
        """Gives a turn back and pauses everybody: the API refused its request for coming too soon.

        A reply to a request that was already in flight when the current pause began is no new refusal: it can make
        the pause longer when it says so itself, but it does not raise the backoff.

        Args:
            sent_at: the turn, as it was given.
            wait_s: how long the reply asks to wait, in seconds; None if it does not say.
            allowances: what the reply says of the API's limits.
            again: whether its row was refused before, and others got through since. Then it may be the row that is
                refused, and not the rate, so nothing is learned from it.
            partly: whether other rows of the same request got through, so that the API is not down.

        Returns:
            Whether this was a fresh refusal.
        """
        now = self._clock.monotonic()
        number, crowd = self._back(sent_at)
        if partly:
            self._recover(sent_at)
        else:
            self._note_down(now)
        fresh = self._pause.offends(now, sent_at)
        if self._adaptive is not None:
            self._adaptive.log.refuse(sent_at)
        asked_s = None if wait_s is None else min(max(0.0, wait_s), self._max_wait_s)
        if fresh and self._pause.strikes > 1 and self._too_early(now):
            self._pause.strikes = 1
        if fresh:
            if self._pause.strikes == 1 and not self._too_early(now):
                self._blocked_at = now
            if not again:
                self._learn(now, sent_at, asked_s, allowances, number, crowd)
        if asked_s is None or (asked_s < SHORTEST_HOLD_S and self._pause.strikes > 1):
            asked_s = self._own_wait_s(now) if fresh else 0.0
        self._pause.hold(now, asked_s)
        self._bound(now)
        if fresh and (self._pause.strikes > 1 if self._adaptive else not self.rate.limited):
            self._start_ramp(now)
        self._wake()
        return fresh

    def failed(self, sent_at: float, *, again: bool = False) -> bool:
        """Gives a turn back: the server failed, or there was no answer. Never speeds anything up.

        Args:
            sent_at: the turn, as it was given.
            again: whether its row has failed before, while others got through. Then it proves nothing about the API,
                unless that is down already.

        Returns:
            Whether this made everybody pause, because the API seems to be down.
        """
        if again and not self._breaker.open:
            self.cancelled(sent_at)
            return False
        now = self._clock.monotonic()
        self._back(sent_at)
        self._note_down(now)
        down = self._breaker.failed(now, sent_at)
        if down:
            self._pause.hold(now, max(SHORTEST_HOLD_S, self._patient_delay_s(self._breaker.pauses)))
            self._start_ramp(now)
        self._wake()
        return down

    def cancelled(self, sent_at: float) -> None:
        """Gives a turn back of which nothing was heard, or nothing that says something of the API."""
        self._back(sent_at)
        self._wake()

    def acquit(self) -> None:
        """Forgets the limits that refusals taught: they were single rows' own. What is true is soon found again."""
        if self._adaptive is not None:
            self._adaptive.start_anew(self._clock.monotonic())
            self._concurrency.forget_cap()
            if self._ramp_from == math.inf:
                self._room = self._concurrency.cap
            self._wake()

    def _back(self, sent_at: float) -> tuple[int, int]:
        """Takes a turn back; returns its number and how many requests were in flight once it had left."""
        self._concurrency.in_flight -= 1
        return self._out.pop(sent_at, (self._given, 0))

    def _note_down(self, now: float) -> None:
        if self.down_since is None:
            self.down_since = now

    def _bound(self, now: float) -> None:
        """Whatever a reply says of its limit, a request tries after the longest wait: it may be nonsense."""
        if self._adaptive is not None:
            limits = self._adaptive.advertised
            limits.closed_until = min(limits.closed_until, now + self._max_wait_s)

    def _learn(
        self, now: float, sent_at: float, wait_s: float | None, allowances: Sequence[Allowance], number: int, crowd: int
    ) -> None:
        """Lets a fresh refusal teach how many at once, or else how fast."""
        if self._adaptive is None:
            return
        if not allowances and wait_s is None and self._concurrency.refused(now, crowd):
            self._room = self._concurrency.cap
            self._adaptive.search_again()
        else:
            self._adaptive.refused(now, sent_at, wait_s, allowances, number, self._given - number)

    def _too_early(self, now: float) -> bool:
        """Whether nothing that left since the first refusal can have come back yet: then another proves little."""
        adaptive = self._adaptive
        if adaptive is None or adaptive.surprised:
            return False
        return now - self._blocked_at < HEARD_TRIPS * adaptive.round_trip_s

    def _patient_delay_s(self, times: int) -> float:
        """How long to pause after so many failures in a row (seconds)."""
        return min(self._delay(times), max(0.0, self._patience_s - self.down_for_s))

    def _own_wait_s(self, now: float) -> float:
        """How long to pause after a refusal that names no wait (seconds)."""
        strikes = self._pause.strikes
        wait_s = self._patient_delay_s(strikes)
        adaptive = self._adaptive
        if adaptive is None:
            return wait_s
        if strikes == 1:
            trip_s = adaptive.round_trip_s if adaptive.surprised else 0.0
            return min(wait_s, max(SHORT_TURNS / adaptive.per_s, trip_s))
        grown_s = min(LONGEST_PROBE_S, max(SHORTEST_HOLD_S * 2.0**strikes, now - self._blocked_at))
        return 0.7 * grown_s + min(wait_s, 0.3 * grown_s)

    def _start_ramp(self, now: float) -> None:
        """From now on one request at a time, until one gets through, so that nobody storms out after a pause."""
        if math.isfinite(self._concurrency.cap):
            self._ramp_from, self._room = now, 1

    def _ramp(self) -> None:
        """One got through: lets one more be in flight for each, which doubles them with every round trip.

        Where a pace is kept anyway, that is smooth enough.
        """
        cap = self._concurrency.cap
        self._room = cap if self._adaptive else min(cap, self._room + 1)
        if self._room == cap:
            self._ramp_from = math.inf

    def _recover(self, sent_at: float) -> None:
        """Something got through."""
        self.down_since = None
        if sent_at > self._pause.since:
            self._pause.strikes = 0
        if self._breaker.answered(sent_at) and self._adaptive is not None:
            self._adaptive.outage_ended(self._clock.monotonic())

    def _wake(self) -> None:
        """Wakes the caller that waits for room, if there is some."""
        if self._roomy is not None and not self._roomy.done() and self._concurrency.in_flight < self._room:
            self._roomy.set_result(None)

    async def _until_roomy(self) -> None:
        self._roomy = asyncio.get_running_loop().create_future()
        try:
            await self._roomy
        finally:
            self._roomy = None
