"""Whose turn it is: joins the bucket of the ceiling, the pause and the adaptive rate."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, NamedTuple

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

SHORT_TURNS, LONGEST_PROBE_S = 3, 15.0
"""A refusal that names no wait costs so many turns at first, for most limits renew little by little; and an API that
keeps refusing is asked by one request after this time."""

TOO_FAST = 0.75
"""Leases that were given at a rate of which no more than this share is left are called back."""


class Lease(NamedTuple):
    """Turns for another process: the first `start_s` seconds after `at` (on the clock), the others `spacing_s` apart.

    Where no rate is kept, `spacing_s` is zero, and the turns may be taken at any time.
    """

    at: float
    start_s: float
    spacing_s: float
    turns: int


class Limiter:
    """Gives turns, in the order in which they are asked for.

    Every turn given must be given back by exactly one of `passed`, `hold`, `failed` and `cancelled`: `sent_at` is
    the turn as it was given, and `allowances` are what the reply says of the API's limits.

    Args:
        rate: the ceiling, never exceeded: turns per second, or unlimited. With `auto`, the rate and the concurrency
            that the API allows are found out, below the two that are given.
        burst: how many turns may be taken at once after a quiet time.
        clock: where time comes from.
        delay: seconds to pause after the n-th throttled reply or outage in a row (from 1) that names no wait itself.
        concurrency: how many requests may be in flight; None leaves that to the caller.
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
        self._adaptive = AdaptiveRate(now, rate.per_s, self._most, max_wait_s) if rate.auto else None
        self._learns_from = -math.inf  # turns given before this are not the adaptive rate's: it was not there yet
        self._halted_at: float | None = None  # when a person paused everything
        self._in_flight = 0
        self._ramp = math.inf  # how many may be in flight while the API comes back; infinite once it is
        self._line = asyncio.Lock()
        self._leased = 0  # turns of other processes that have not come back
        self._leased_per_s = 0.0  # the rate at which they were last given
        self.on_recall: Callable[[], None] = lambda: None
        """Called when leases that were given are void: everybody pauses, or another rate is kept."""
        self._back = asyncio.Event()  # set when a turn was given back, for the one that waits for room

    @property
    def rate_per_s(self) -> float:
        """The rate in force, in requests per second; infinite for none."""
        return min(self.rate.per_s, self._adaptive.per_s) if self._adaptive else self.rate.per_s

    @property
    def limit_per_s(self) -> float | None:
        """The same, and None for none."""
        return self.rate_per_s if math.isfinite(self.rate_per_s) else None

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
        """Seconds for which everybody is still paused, by a refusal or an empty limit; zero if nobody is.

        Infinite if a person has paused everything.
        """
        if self._halted_at is not None:
            return math.inf
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
        if self._in_flight >= self.concurrency or self._halted_at is not None:
            return math.inf
        return self._due_at(self._clock.monotonic())

    def _due_at(self, now: float) -> float:
        """When the pause, the adaptive rate and the bucket allow the next turn."""
        due = max(self._pause.until, self._adaptive.opens_at if self._adaptive else -math.inf)
        return due if self._bucket is None else max(due, now + self._bucket.room_in_s())

    async def turn(self) -> float:
        """Waits for the caller's turn and takes it. Returns the time on the clock at which it was given."""
        async with self._line:
            while (given := self._take()) is None:  # a pause may have come while we slept: look again
                await self._wait(room=self._in_flight < self.concurrency)
            return given

    async def _wait(self, *, room: bool, ahead_s: float = 0.0) -> None:
        """Waits until a turn may be had, or leased so far ahead; where there is no room, until one comes back."""
        if not room or self._halted_at is not None:
            self._back.clear()
            await self._back.wait()
            return
        now = self._clock.monotonic()
        opens_at = max(self._pause.until, self._due_at(now) - ahead_s)
        precise = not ahead_s and opens_at <= now + LOOK_AGAIN_S
        await self._clock.sleep_until(min(opens_at, now + LOOK_AGAIN_S), precise=precise)

    def try_turn(self) -> float | None:
        """Takes a turn if it may be had at once and nobody waits for one; returns when it was given, or None."""
        return None if self._line.locked() else self._take()

    async def lease(self, most: int, ahead_s: float, share: float = 1) -> Lease:
        """Waits until turns may be had for another process, and takes up to `most`, for the next `ahead_s` seconds.

        They count as in flight as soon as requests come back (see `redeem`). `share` is among how many processes the
        turns of that time are to be shared out.
        """
        async with self._line:
            while (given := self._lease(most, ahead_s, share)) is None:
                await self._wait(room=self._room >= 1, ahead_s=ahead_s)
            return given

    @property
    def _room(self) -> float:
        """How many more turns may be leased, as far as requests in flight go: each process keeps its own share."""
        most = self.concurrency
        return (math.inf if most >= self._most else most) - self._in_flight - self._leased

    def _lease(self, most: int, ahead_s: float, share: float) -> Lease | None:
        now, adaptive = self._clock.monotonic(), self._adaptive
        if adaptive is not None:
            adaptive.take(now)  # whether there is a turn or not, it notes that one is wanted
        due = self._due_at(now)
        if now < max(self._pause.until, due - ahead_s) or self._room < 1 or self._halted_at is not None:
            return None
        count, spacing_s, start_s = int(min(most, self._room)), 1 / self.rate_per_s, max(0.0, due - now)
        if spacing_s:
            count = min(count, 1 + int((ahead_s - start_s) / spacing_s / share))
        if self._bucket is not None:
            self._bucket.book(count)
        if adaptive is not None:
            for nth in range(count):
                adaptive.sent(now + start_s + nth * spacing_s, self._in_flight + self._leased + nth + 1)
        self._leased += count
        self._leased_per_s = self.rate_per_s
        return Lease(now, start_s, spacing_s, count)

    def redeem(self, count: int) -> None:
        """Leased turns come back: each is now to be given back as any other, by `passed` and the like."""
        self._leased -= count
        self._in_flight += count

    def unused(self, at: float, count: int) -> None:
        """Leased turns come back of which none was taken, the first one that of `at`."""
        self._leased -= count
        if (adaptive := self._learning(at)) is not None:
            adaptive.log.withdraw(at, count)
        self._back.set()

    def _void_what_is_too_fast(self, now: float, adaptive: AdaptiveRate) -> None:
        """Calls leases back that were given at a rate which is too high by now."""
        per_s = 0.0 if adaptive.advertised.closed_until > now else adaptive.per_s
        if self._leased and per_s < TOO_FAST * self._leased_per_s:
            self._leased_per_s = per_s
            self.on_recall()

    def _take(self) -> float | None:
        now = self._clock.monotonic()
        if now < self._pause.until or self._in_flight >= self.concurrency or self._halted_at is not None:
            return None
        adaptive = self._adaptive
        if adaptive is not None and not adaptive.take(now):
            return None
        if self._bucket is not None and not self._bucket.take():
            return None
        self._in_flight += 1
        return now if adaptive is None else adaptive.sent(now, self._in_flight)

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = (), *, roomy: bool = True) -> None:
        """Gives a turn back: its request was answered, by no throttle and no trouble of the server.

        `roomy` is whether the process that sent it might have had more in flight.
        """
        now, adaptive = self._clock.monotonic(), self._learning(sent_at)
        if adaptive is not None:
            adaptive.passed(now, sent_at, allowances, roomy=roomy and self._in_flight < self.concurrency)
            self._void_what_is_too_fast(now, adaptive)
        if self._ramp < math.inf and sent_at > self._pause.since:
            # One more for each, which doubles them with every round trip; where a pace is kept, that is smooth enough.
            self._ramp = math.inf if adaptive or self._ramp >= self._most else self._ramp + 1
        self._pause.passed(sent_at)
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
        the pause longer when it says so itself, but it does not raise the backoff. Returns whether this one is new.

        `wait_s` is how long the reply asks to wait, in seconds; None if it does not say. `again` is whether its row was
        refused before, and others got through since. Then it may be the row that is refused, and not the rate, so
        nothing is learned from it. `partly` is whether other rows of the same request got through, so that the API is
        not down.
        """
        now, pause, adaptive = self._clock.monotonic(), self._pause, self._learning(sent_at)
        surprised = adaptive is not None and adaptive.searching
        since = pause.since
        if partly:
            pause.passed(sent_at)
        fresh = pause.offends(now, sent_at)
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
        if fresh:
            self.on_recall()
        self.cancelled(sent_at)
        return fresh

    def failed(self, sent_at: float, *, again: bool = False) -> bool:
        """Gives a turn back: the server failed, or there was no answer. Never speeds anything up.

        `again` is whether its row has failed before, while others got through. Then it proves nothing about the API,
        unless that is down already. Returns whether this made everybody pause, because the API seems to be down.
        """
        now, pause, was_down = self._clock.monotonic(), self._pause, self._pause.down
        down = (was_down or not again) and pause.offends(now, sent_at, failed=True)
        if down:
            pause.hold(now, max(SHORTEST_HOLD_S, self._own_wait_s()))
            self._start_ramp()
            if self._adaptive is not None and not was_down:
                self._adaptive.halve()
            self.on_recall()
        self.cancelled(sent_at)
        return down

    def _start_ramp(self) -> None:
        """From now on one request at a time, until one gets through, so that nobody storms out after a pause."""
        if self._most < math.inf:
            self._ramp = 1

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

    def set_limits(self, rate: Rate, burst: int, patience_s: float) -> None:
        """Keeps another rate from now on, and another patience; no turn that was given before is forgotten."""
        now, changed = self._clock.monotonic(), rate != self.rate
        self.rate, self._patience_s = rate, patience_s
        if changed:
            self._bucket = TokenBucket(rate.per_s, burst, self._clock, empty=True) if rate.limited else None
        if not rate.auto:
            self._adaptive = None
        elif self._adaptive is None:
            self._adaptive = AdaptiveRate(now, rate.per_s, self._most, self._max_wait_s)
            self._learns_from = math.nextafter(now, math.inf)
        else:
            self._adaptive.ceiling = rate.per_s
        self._back.set()
        if changed:
            self.on_recall()

    def halt(self) -> None:
        """Gives no turn until `go_on`."""
        if self._halted_at is None:
            self._halted_at = self._clock.monotonic()
            self.on_recall()

    def go_on(self) -> None:
        """Gives turns again after `halt`; the time between counts for nothing."""
        if self._halted_at is None:
            return
        self._pause.down_since += self._clock.monotonic() - self._halted_at
        if self._adaptive is not None:
            self._adaptive.was_halted()
        self._halted_at = None
        self._back.set()

    def _learning(self, sent_at: float) -> AdaptiveRate | None:
        """The adaptive rate, if it gave that turn."""
        return self._adaptive if sent_at >= self._learns_from else None

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
