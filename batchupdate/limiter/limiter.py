"""Whose turn it is: joins the bucket of the ceiling, the pause and the adaptive rate."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from batchupdate.limiter.adaptive_rate import MEASURE_REQUESTS, AdaptiveRate
from batchupdate.limiter.bucket import TokenBucket
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
        self._clock, self._delay = clock, delay
        self._max_wait_s, self._patience_s = max_wait_s, patience_s
        self._bucket = TokenBucket(rate.per_s, burst, clock) if rate.limited else None
        self._pause = Pause(now)
        self._most = math.inf if concurrency is None else concurrency
        self._adaptive = AdaptiveRate(now, rate.per_s, self._most, max_wait_s) if adaptive else None
        self._in_flight = 0
        self._ramp = math.inf  # how many may be in flight while the API comes back; infinite once it is
        self._line = asyncio.Lock()
        self._back = asyncio.Event()  # set when a turn was given back, for the one that waits for room

    @property
    def rate_per_s(self) -> float:
        """The rate in force, in requests per second; infinite for none."""
        return self._adaptive.per_s if self._adaptive else self.rate.per_s

    @property
    def allowed_per_s(self) -> float | None:
        """What the API was found to allow, in requests per second, and so what to set next time; None if unknown."""
        return self._adaptive.allowed_per_s if self._adaptive else None

    @property
    def concurrency(self) -> float:
        """How many requests may be in flight by now; infinite for no limit."""
        return min(self._ramp, self._adaptive.concurrency.cap if self._adaptive else self._most)

    @property
    def waited_s(self) -> float:
        """Seconds for which everybody was paused so far."""
        return self._pause.waited_s(self._clock.monotonic())

    @property
    def holding_s(self) -> float:
        """Seconds for which everybody is still paused, by a refusal or an empty limit; zero if nobody is."""
        closed_until = self._adaptive.advertised.closed_until if self._adaptive else -math.inf
        return max(0.0, max(self._pause.until, closed_until) - self._clock.monotonic())

    @property
    def down_for_s(self) -> float:
        """Seconds for which nothing got through; zero while requests do."""
        return max(0.0, self._clock.monotonic() - self._pause.down_since)

    @property
    def probing(self) -> bool:
        """Whether the API takes nothing, as far as known, so that single requests ask whether it does again."""
        return self._pause.strikes > 1 or self._pause.down

    @property
    def next_turn_at(self) -> float:
        """When the next turn may be had, on the clock; infinite as long as one in flight must come back first."""
        if self._in_flight >= self.concurrency:
            return math.inf
        due = self._pause.until
        if self._adaptive is not None:
            due = max(due, self._adaptive.opens_at)
        if self._bucket is not None:
            due = max(due, self._clock.monotonic() + self._bucket.room_in_s())
        return due

    async def turn(self) -> float:
        """Waits for the caller's turn and takes it. Returns the time on the clock at which it was given."""
        async with self._line:
            while (given := self._take()) is None:  # a pause may have come while we slept: look again
                due = self.next_turn_at
                if due == math.inf:
                    self._back.clear()
                    await self._back.wait()
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
        if now < self._pause.until or self._in_flight >= self.concurrency:
            return None
        adaptive = self._adaptive
        if adaptive is not None and not adaptive.take(now):
            return None
        if self._bucket is not None and not self._bucket.take():
            return None
        self._in_flight += 1
        return now if adaptive is None else adaptive.sent(now, self._in_flight)

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = ()) -> None:
        """Gives a turn back: its request was answered, by no throttle and no trouble of the server.

        Args:
            sent_at: the turn, as it was given.
            allowances: what the reply says of the API's limits.
        """
        now, adaptive = self._clock.monotonic(), self._adaptive
        if adaptive is not None:
            adaptive.passed(now, sent_at, allowances, roomy=self._in_flight < self.concurrency)
        if self._ramp < math.inf and sent_at > self._pause.since:
            # One more for each, which doubles them with every round trip; where a pace is kept, that is smooth enough.
            self._ramp = math.inf if adaptive or self._ramp >= self._most else self._ramp + 1
        if self._pause.passed(sent_at) and adaptive is not None:
            adaptive.outage_ended(now)
        self.cancelled(sent_at)

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
        now, pause, adaptive = self._clock.monotonic(), self._pause, self._adaptive
        surprised = adaptive is not None and adaptive.searching
        since = pause.since
        if partly and pause.passed(sent_at) and adaptive is not None:
            adaptive.outage_ended(now)
        fresh = pause.offends(now, sent_at, partly=partly)
        asked_s = None if wait_s is None else min(max(0.0, wait_s), self._max_wait_s)
        storms = not self.rate.limited
        if adaptive is not None:
            adaptive.log.refuse(sent_at)
            if fresh and adaptive.log.let_in(since, sent_at) >= MEASURE_REQUESTS:  # most of them are still out
                pause.strikes = 1
            if fresh and not again:
                adaptive.refused(now, sent_at, asked_s, allowances, still_full=pause.strikes > 1)
            # Until whatever left with the first refused request has come back, a second refusal proves little.
            storms = pause.strikes > 1 and now - since > adaptive.round_trip_s
        if asked_s is None or (asked_s < SHORTEST_HOLD_S and pause.strikes > 1):
            asked_s = self._own_wait_s(surprised=surprised) if fresh else 0.0
        pause.hold(now, asked_s)
        if fresh and storms:
            self._start_ramp()
        self.cancelled(sent_at)
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
        now, pause = self._clock.monotonic(), self._pause
        down = (pause.down or not again) and pause.offends(now, sent_at, failed=True)
        if down:
            pause.hold(now, max(SHORTEST_HOLD_S, self._own_wait_s()))
            self._start_ramp()
        self.cancelled(sent_at)
        return down

    def cancelled(self, sent_at: float) -> None:
        """Gives a turn back of which nothing was heard, or nothing that says something of the API."""
        del sent_at
        self._in_flight -= 1
        self._back.set()

    def acquit(self) -> None:
        """Forgets the limits that refusals taught: they were single rows' own. What is true is soon found again."""
        if self._adaptive is not None:
            self._adaptive.start_anew(self._clock.monotonic())
            self._back.set()  # there may be room by now

    def _own_wait_s(self, *, surprised: bool = False) -> float:
        """How long to pause where no reply says so (seconds); an API that recovers is to be found so soon."""
        strikes, adaptive = self._pause.strikes, self._adaptive
        wait_s = self._delay(strikes)
        if adaptive is not None and not self._pause.down:
            if strikes == 1:
                wait_s = min(wait_s, max(SHORT_TURNS / adaptive.per_s, adaptive.round_trip_s * surprised))
            else:
                wait_s = min(LONGEST_PROBE_S, max(SHORTEST_HOLD_S * 2.0**strikes, self.down_for_s))
        return min(wait_s, max(0.0, self._patience_s - self.down_for_s))

    def _start_ramp(self) -> None:
        """From now on one request at a time, until one gets through, so that nobody storms out after a pause."""
        if math.isfinite(self._most):
            self._ramp = 1
