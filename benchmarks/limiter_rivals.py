"""What others do about a limit, for `limiter_sim.py --rivals`: written from their published descriptions.

Each has so many workers as two requests in every latency at the limit need (at least 8): as if somebody had chosen them
well. A worker whose request was refused waits and tries again. Only the oracle knows the limit.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from limiter_servers import Combination, Server

    from batchupdate.model import Allowance

LEAST_WORKERS = 8


class Time(Protocol):
    """The simulation's clock."""

    def monotonic(self) -> float:
        """The time in seconds."""
        ...


class Rival:
    """Workers without any limit: what the others start from. The methods are those of our limiter."""

    rate_per_s = math.inf

    def __init__(self, clock: Time, combination: Combination, server: Server, chance: Callable[[], float]) -> None:
        self._clock, self._combination, self._server, self._chance = clock, combination, server, chance
        now = clock.monotonic()
        count = max(LEAST_WORKERS, math.ceil(2 * combination.per_s * combination.latency_s))
        self._free = [(now, number) for number in range(min(count, combination.concurrency))]
        self._refusals = [0] * len(self._free)
        self._out: dict[float, int] = {}
        self._last = -math.inf

    @property
    def next_turn_at(self) -> float:
        """When the next request may leave; infinite as long as one must come back first."""
        return max(self._free[0][0], self._opens_at()) if self._free else math.inf

    def try_turn(self) -> float | None:
        """Sends a request, if one may leave; returns when, by which it is known."""
        now = self._clock.monotonic()
        if now < self.next_turn_at:
            return None
        _, worker = heapq.heappop(self._free)
        self._last = max(now, math.nextafter(self._last, math.inf))
        self._out[self._last] = worker
        self._sent(now)
        return self._last

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = ()) -> None:
        """The request of this turn got through."""
        del allowances
        now = self._clock.monotonic()
        worker = self._out.pop(sent_at)
        self._refusals[worker] = 0
        heapq.heappush(self._free, (now, worker))
        self._answered(now, sent_at, refused=False)

    def hold(self, sent_at: float, wait_s: float | None, allowances: Sequence[Allowance] = ()) -> None:
        """The request of this turn was refused."""
        del allowances
        now = self._clock.monotonic()
        worker = self._out.pop(sent_at)
        self._refusals[worker] += 1
        own_s = self._wait_s(self._refusals[worker])
        heapq.heappush(self._free, (now + (own_s if wait_s is None else max(wait_s, own_s)), worker))
        self._answered(now, sent_at, refused=True)

    def _opens_at(self) -> float:
        """When the next request may leave at the earliest, whoever sends it."""
        return -math.inf

    def _wait_s(self, refusals: int) -> float:
        """How long a worker waits after so many refusals in a row (seconds)."""
        del refusals
        return 0.0

    def _sent(self, now: float) -> None:
        """Notes that a request leaves."""

    def _answered(self, now: float, sent_at: float, *, refused: bool) -> None:
        """Learns from an answer."""


class FixedPause(Rival):
    """A script: every worker sleeps 15 s after a 429."""

    def _wait_s(self, refusals: int) -> float:
        del refusals
        return 15.0


class FullJitter(Rival):
    """Exponential backoff with full jitter (AWS Architecture Blog, 2015): from 1 s, to 60 s, each by itself."""

    def _wait_s(self, refusals: int) -> float:
        return self._chance() * min(60.0, 2.0 ** (refusals - 1))


class Paced(Rival):
    """Sends at an even rate."""

    rate_per_s = 4.0
    _next = -math.inf

    def _opens_at(self) -> float:
        return self._next

    def _sent(self, now: float) -> None:
        self._next = max(now, self._next) + 1 / self.rate_per_s


class Oracle(Paced):
    """Knows the limit at every moment, and sends at 98 % of it."""

    def _sent(self, now: float) -> None:
        self.rate_per_s = 0.98 * self._combination.per_s * self._server.scale / self._combination.runs
        super()._sent(now)


class Aimd(Paced):
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989): 1/s more each second, half at a refusal."""

    _cut_at = -math.inf
    _grown_at = -math.inf

    def _answered(self, now: float, sent_at: float, *, refused: bool) -> None:
        if refused and sent_at > self._cut_at:
            self.rate_per_s, self._cut_at = max(0.1, self.rate_per_s / 2), now
        elif not refused:
            self.rate_per_s += min(1.0, now - self._grown_at)
        self._grown_at = now


class Botocore(FullJitter):
    """The AWS SDKs' adaptive retry mode (their "retry behavior" reference): CUBIC on the measured sending rate.

    No limit until the first refusal; then 0.7 of the measured rate, growing with 0.4 (t - k)^3 back to it and beyond,
    but not above twice what is measured. The rate is measured in half seconds, smoothed with 0.8. Requests are repeated
    with full jitter, up to 20 s.
    """

    _next, _bucket, _count, _measured, _most, _cut_at = -math.inf, 0.0, 0, 0.0, 0.0, -math.inf

    def _wait_s(self, refusals: int) -> float:
        return self._chance() * min(20.0, 2.0 ** (refusals - 1))

    def _opens_at(self) -> float:
        return self._next

    def _sent(self, now: float) -> None:
        self._count += 1
        bucket = math.floor(now * 2) / 2
        if bucket > self._bucket:
            if self._bucket:
                self._measured += 0.8 * (self._count / (bucket - self._bucket) - self._measured)
            self._count, self._bucket = 0, bucket
        if self.rate_per_s < math.inf:
            self._next = max(now - 1 / self.rate_per_s, self._next) + 1 / self.rate_per_s

    def _answered(self, now: float, sent_at: float, *, refused: bool) -> None:
        del sent_at
        if refused:
            self._most = min(self._measured or 1.0, self.rate_per_s)
            self._cut_at = now
            rate = 0.7 * self._most
        elif self.rate_per_s < math.inf:
            window_s = (self._most * 0.3 / 0.4) ** (1 / 3)
            rate = 0.4 * (now - self._cut_at - window_s) ** 3 + self._most
        else:
            return
        self.rate_per_s = max(0.5, min(rate, 2 * self._measured))


class Gradient2(Rival):
    """Netflix's concurrency-limits, Gradient2Limit: as many in flight as keep the latency from growing.

    The limit moves towards limit * gradient + 4 by a fifth with every answer; the gradient is 1.5 times the mean
    latency of the last 600 answers, divided by the last one, between 0.5 and 1. It starts at 20, with 200 at the most,
    and moves only while half of it is used. What is refused is an answer like any other, and is sent again at once.
    """

    _limit, _long_s = 20.0, 0.0

    def _opens_at(self) -> float:
        return -math.inf if len(self._out) < self._limit else math.inf

    def _answered(self, now: float, sent_at: float, *, refused: bool) -> None:
        del refused
        short_s = now - sent_at
        self._long_s += (short_s - self._long_s) * (2 / 601 if self._long_s else 1.0)
        if len(self._out) + 1 < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * self._long_s / short_s))
        self._limit = min(200.0, max(20.0, 0.8 * self._limit + 0.2 * (self._limit * gradient + 4)))


RIVALS: dict[str, type[Rival]] = {
    "botocore, adaptive mode": Botocore,
    "AIMD on the rate": Aimd,
    "gradient2": Gradient2,
    "backoff with full jitter": FullJitter,
    "pause of 15 s": FixedPause,
    "oracle at 98 %": Oracle,
}
