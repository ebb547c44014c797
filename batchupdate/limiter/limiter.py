"""Whose turn it is: joins the bucket, the pause, the controller, the requests in flight and the breaker."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from batchupdate.limiter.breaker import Breaker
from batchupdate.limiter.bucket import TokenBucket
from batchupdate.limiter.controller import Controller
from batchupdate.limiter.in_flight import InFlight
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
"""An API that keeps refusing, and says no word of when it will stop, is asked by one request after this time."""

PATIENT_TRIPS = 1.5
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
        delay: seconds to hold after the n-th throttled reply or outage in a row (from 1) that names no wait itself.
        concurrency: how many requests may be in flight; None leaves that to the caller.
        adaptive: whether to find the rate and the concurrency that the API allows, below these two.
        max_wait_s: the longest hold that a reply may ask for, in seconds.
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
    ) -> None:
        now = clock.monotonic()
        self._clock = clock
        self._delay = delay
        self._max_wait_s = max_wait_s
        self._bucket = TokenBucket(rate.per_s, burst, clock) if rate.limited else None
        self._pause = Pause(now)
        self._breaker = Breaker()
        self._in_flight = InFlight(math.inf if concurrency is None else concurrency, adaptive=adaptive)
        self._room = self._in_flight.learned
        self._ramping = False
        self._ramp_from = now
        self._blocked_at = -math.inf
        self._pace = Pacer(now)
        self._controller = Controller(now, rate.per_s) if adaptive else None
        self._out: dict[float, tuple[int, int]] = {}
        self._given = 0
        self._last = -math.inf
        self._eager_at = -math.inf
        self._line = asyncio.Lock()
        self._roomy: asyncio.Future[None] | None = None
        self.rate = rate
        self.down_since: float | None = None
        """Since when nothing got through, on the clock; None while requests do."""

    @property
    def rate_per_s(self) -> float:
        """The rate in force, in requests per second; infinite for none."""
        return self._controller.rate if self._controller else self.rate.per_s

    @property
    def allowed_per_s(self) -> float | None:
        """What the API was found to allow, in requests per second, and so what to set next time; None if unknown."""
        if self._controller is None:
            return None
        told = self._controller.told.known_per_s
        found = self._controller.found
        if found is None:
            return told if math.isfinite(told) else None
        return min(found, told)

    @property
    def concurrency(self) -> float:
        """How many requests may be in flight by now; infinite for no limit."""
        return self._room

    @property
    def waited_s(self) -> float:
        """Seconds for which everybody was held so far."""
        return self._pause.waited_s(self._clock.monotonic())

    @property
    def holding_s(self) -> float:
        """Seconds that everybody still has to hold, told or not; zero if nobody has to."""
        now = self._clock.monotonic()
        closed_until = -math.inf if self._controller is None else self._controller.told.closed_until
        return max(self._pause.left_s(now), closed_until - now, 0.0)

    @property
    def down_for_s(self) -> float:
        """Seconds for which nothing got through; zero while requests do."""
        return 0.0 if self.down_since is None else self._clock.monotonic() - self.down_since

    @property
    def next_turn_at(self) -> float:
        """When the next turn may be had, on the clock; infinite as long as one that is out must come back first."""
        if self._in_flight.count >= self._room:
            return math.inf
        due = self._pause.until
        if self._bucket is not None:
            due = max(due, self._clock.monotonic() + self._bucket.room_in_s())
        if self._controller is None:
            return due
        return max(due, self._pace.opens_at(self._controller.rate), self._controller.told.closed_until)

    async def turn(self) -> float:
        """Waits for the caller's turn and takes it. Returns the time on the clock at which it was given."""
        async with self._line:
            while (given := self._take()) is None:  # a hold may have come while we slept: look again
                due = self.next_turn_at
                if due == math.inf:
                    await self._until_roomy()
                    continue
                if self._controller is not None:
                    due = min(due, self._clock.monotonic() + LOOK_AGAIN_S)
                await self._clock.sleep_until(due, precise=True)
            return given

    def try_turn(self) -> float | None:
        """Takes a turn if it may be had at once and nobody waits for one; returns when it was given, or None."""
        return None if self._line.locked() else self._take()

    def _take(self) -> float | None:
        now = self._clock.monotonic()
        in_flight = self._in_flight
        if now < self._pause.until or in_flight.count >= self._room:
            return None
        controller = self._controller
        if controller is not None:
            if now < controller.told.closed_until:
                return None
            due = self._pace.opens_at(controller.rate)
            if now - due <= CATCH_UP_S:  # early, or just in time: it is the rate that keeps more from leaving
                self._eager_at = now
            if now < due:
                return None
        if self._bucket is not None and not self._bucket.take():
            self._eager_at = now
            return None
        in_flight.count += 1
        if controller is not None:
            self._pace.take(now, controller.rate)
            if now <= self._last:  # a turn is known by its time, so no two may share one
                now = math.nextafter(self._last, math.inf)
            self._last = now
            self._given += 1
            self._out[now] = (self._given, in_flight.count)
            if now >= controller.history.next_slot:
                controller.history.note(now, self._given)
        return now

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = (), latency_s: float | None = None) -> None:
        """Gives a turn back: its request was answered, by no throttle and no trouble of the server.

        Args:
            sent_at: the turn, as it was given.
            allowances: what the reply says of the API's limits.
            latency_s: how long the reply took, in seconds, from the moment at which the request really left.
        """
        if self._controller is not None:
            now = self._clock.monotonic()
            number, crowd = self._back(sent_at)
            controller = self._controller
            eager = now - self._eager_at <= max(2 / controller.rate, controller.round_trip_s)
            eager = eager and self._in_flight.count + 1 < self._room
            controller.passed(now, sent_at, allowances, number, self._given - number, eager=eager)
            self._bound(now)
            self._in_flight.passed(now, crowd, latency_s)
            if not self._ramping:
                self._room = self._in_flight.learned
        else:
            self._in_flight.count -= 1
        if self._pause.strikes or self.down_since is not None or self._breaker.failures:
            self._recover(sent_at)
        if self._ramping:
            self._ramp(sent_at)
        if self._roomy is not None:
            self._wake()

    def _bound(self, now: float) -> None:
        """Whatever a reply tells of its limit, a request tries after the longest wait: it may be nonsense."""
        told = self._controller.told if self._controller else None
        if told is not None and told.closed_until > now + self._max_wait_s:
            told.closed_until = now + self._max_wait_s

    def hold(self, sent_at: float, wait_s: float | None, allowances: Sequence[Allowance] = ()) -> bool:
        """Gives a turn back and holds everybody: its request was told to slow down.

        A reply to a request that was already in flight when the current hold began is no new offence: it can make
        the hold longer when it says so itself, but it does not raise the backoff.

        Args:
            sent_at: the turn, as it was given.
            wait_s: how long the reply asks to wait, in seconds; None if it does not say.
            allowances: what the reply says of the API's limits.

        Returns:
            Whether this was a fresh offence.
        """
        now = self._clock.monotonic()
        number, crowd = self._back(sent_at)
        self._note_down(now)
        fresh = self._pause.offends(now, sent_at)
        if self._controller is not None:
            self._controller.history.refuse(sent_at)
        told_s = None if wait_s is None else min(max(0.0, wait_s), self._max_wait_s)
        if fresh and self._pause.strikes > 1 and self._too_early(now):
            self._pause.strikes = 1
        if fresh:
            self._learn(now, sent_at, told_s, allowances, number, crowd)
        if told_s is None or (told_s < SHORTEST_HOLD_S and self._pause.strikes > 1):
            told_s = self._own_wait_s(now) if fresh else 0.0
        self._pause.hold(now, told_s)
        self._bound(now)
        self._settle(now, fresh=fresh)
        return fresh

    def failed(self, sent_at: float, *, reached: bool) -> bool:
        """Gives a turn back: the server failed, or there was no answer. Never speeds anything up.

        Args:
            sent_at: the turn, as it was given.
            reached: whether the request reached the API, as far as known: a 5xx, a timeout, a lost connection.

        Returns:
            Whether this made everybody pause, because the API seems to be down.
        """
        del reached  # a server that refuses connections and one that fails at every request are down alike
        now = self._clock.monotonic()
        self._back(sent_at)
        self._note_down(now)
        down = self._breaker.failed(now, sent_at)
        if down:
            self._pause.hold(now, max(SHORTEST_HOLD_S, self._delay(self._breaker.pauses)))
            self._start_ramp(now)
        self._wake()
        return down

    def cancelled(self, sent_at: float) -> None:
        """Gives a turn back of which nothing was heard, because the run is being stopped."""
        self._back(sent_at)
        self._wake()

    def _back(self, sent_at: float) -> tuple[int, int]:
        """Takes a turn back; returns its number and how many requests were out once it had left."""
        self._in_flight.count -= 1
        return self._out.pop(sent_at, (self._given, 0))

    def _note_down(self, now: float) -> None:
        if self.down_since is None:
            self.down_since = now

    def _learn(
        self, now: float, sent_at: float, wait_s: float | None, allowances: Sequence[Allowance], number: int, crowd: int
    ) -> None:
        """Lets a fresh refusal teach how many at once, or else how fast."""
        if self._pause.strikes == 1 and not self._too_early(now):
            self._blocked_at = now
        if self._controller is None:
            return
        if not allowances and wait_s is None and self._in_flight.refused(now, crowd):
            self._room = self._in_flight.learned
            self._controller.acquit()
            return
        self._controller.throttled(now, sent_at, wait_s, allowances, number, self._given - number)

    def _too_early(self, now: float) -> bool:
        """Whether nothing that left since the first refusal can have come back yet: then another proves little."""
        controller = self._controller
        if controller is None or not controller.sure:
            return False
        return now - self._blocked_at < PATIENT_TRIPS * controller.round_trip_s

    def _own_wait_s(self, now: float) -> float:
        """How long to hold after a refusal that names no wait (seconds)."""
        strikes = self._pause.strikes
        wait_s = self._delay(strikes)
        if self._controller is None:
            return wait_s
        if strikes == 1:
            trip_s = 0.0 if self._controller.sure else self._controller.round_trip_s
            return min(wait_s, max(SHORT_TURNS / self._controller.rate, trip_s))
        grown_s = min(LONGEST_PROBE_S, max(SHORTEST_HOLD_S * 2.0**strikes, now - self._blocked_at))
        return 0.7 * grown_s + min(wait_s, 0.3 * grown_s)

    def _settle(self, now: float, *, fresh: bool) -> None:
        """Sees to it that nobody storms out when the hold ends."""
        if fresh and (self._pause.strikes > 1 if self._controller else not self.rate.limited):
            self._start_ramp(now)
        self._wake()

    def _start_ramp(self, now: float) -> None:
        """From now on one request at a time, until one gets through."""
        if math.isfinite(self._in_flight.learned):
            self._ramping, self._ramp_from = True, now
            self._room = 1

    def _ramp(self, sent_at: float) -> None:
        """One got through: lets one more be out for each, which doubles them with every round trip.

        Where a pace is kept anyway, that is smooth enough.
        """
        if sent_at <= self._ramp_from:
            return
        learned = self._in_flight.learned
        self._room = learned if self._controller else min(learned, self._room + 1)
        self._ramping = self._room < learned

    def _recover(self, sent_at: float) -> None:
        """Something got through."""
        self.down_since = None
        if sent_at > self._pause.since:
            self._pause.strikes = 0
        if self._breaker.answered(sent_at) and self._controller is not None:
            self._controller.outage_ended(self._clock.monotonic())

    def _wake(self) -> None:
        """Tells whoever waits for room that there is some."""
        if self._roomy is not None and not self._roomy.done() and self._in_flight.count < self._room:
            self._roomy.set_result(None)

    async def _until_roomy(self) -> None:
        self._roomy = asyncio.get_running_loop().create_future()
        try:
            await self._roomy
        finally:
            self._roomy = None
