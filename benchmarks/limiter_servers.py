"""The simulated servers of limiter_sim.py, and the combinations of server, latency and headers that it tries."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from batchupdate.model import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable

LASTS_S = 600.0
ENOUGH_AT_ONCE = 20_000


# --- The servers: each is asked once for every request that arrives, in order of arrival -----------------------------


class Server(Protocol):
    """One API's limit. `scale` multiplies its rate, and changes while it runs."""

    scale: float

    def take(self, now: float) -> bool:
        """Whether the request that arrives now is let in."""
        ...

    def state(self, now: float) -> tuple[float, float, float, float]:
        """Limit, remaining, seconds until it renews (for a refused one: until a repeat can succeed), window."""
        ...

    def leave(self) -> None:
        """A request that was let in is done."""
        ...


@dataclass
class FixedWindow:
    """At most `amount` in each window of the clock."""

    amount: float
    window_s: float
    scale: float = 1.0
    _window: int = -1
    _used: int = 0

    def take(self, now: float) -> bool:
        """See `Server`."""
        window = math.floor(now / self.window_s)
        if window != self._window:
            self._window, self._used = window, 0
        if self._used >= int(self.amount * self.scale):
            return False
        self._used += 1
        return True

    def state(self, now: float) -> tuple[float, float, float, float]:
        """See `Server`."""
        left_s = (math.floor(now / self.window_s) + 1) * self.window_s - now
        limit = int(self.amount * self.scale)
        return limit, max(0, limit - self._used), left_s, self.window_s

    def leave(self) -> None:
        """See `Server`."""


@dataclass
class SlidingWindow:
    """At most `amount` in any stretch of `window_s` seconds."""

    amount: float
    window_s: float
    scale: float = 1.0
    _times: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> bool:
        """See `Server`."""
        times = self._times
        while times and times[0] + self.window_s <= now:
            times.popleft()
        if len(times) >= int(self.amount * self.scale):
            return False
        times.append(now)
        return True

    def state(self, now: float) -> tuple[float, float, float, float]:
        """See `Server`."""
        limit = int(self.amount * self.scale)
        left_s = self._times[0] + self.window_s - now if self._times else 0.0
        return limit, max(0, limit - len(self._times)), left_s, self.window_s

    def leave(self) -> None:
        """See `Server`."""


@dataclass
class TokenBucket:
    """`per_s` tokens a second into a bucket of `burst`, full at first; with a `burst` of 1 a leaky one without room.

    nginx's `limit_req` with `burst=N nodelay` is one of N + 1, and it knows time in milliseconds.
    """

    per_s: float
    burst: float
    scale: float = 1.0
    grain_s: float = 0.0
    _tokens: float = math.inf
    _at: float = 0.0

    def take(self, now: float) -> bool:
        """See `Server`."""
        if self.grain_s:
            now = math.floor(now / self.grain_s) * self.grain_s
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.per_s * self.scale)
        self._at = max(now, self._at)
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def state(self, now: float) -> tuple[float, float, float, float]:
        """See `Server`."""
        del now
        whole = math.floor(self._tokens + 1e-9)
        rate = self.per_s * self.scale
        return self.burst, whole, (whole + 1 - self._tokens) / rate, self.burst / rate

    def leave(self) -> None:
        """See `Server`."""


@dataclass
class AtOnce:
    """At most `most` at work at once."""

    most: int
    scale: float = 1.0
    _busy: int = 0

    def take(self, now: float) -> bool:
        """See `Server`."""
        del now
        if self._busy >= int(self.most * self.scale):
            return False
        self._busy += 1
        return True

    def state(self, now: float) -> tuple[float, float, float, float]:
        """See `Server`."""
        del now
        return self.most, self.most - self._busy, 0.0, 0.0

    def leave(self) -> None:
        """See `Server`."""
        self._busy -= 1


Headers = str  # "none", "retry-after", "ietf", "epoch"
Reply = tuple[bool, float | None, tuple[Allowance, ...]]  # whether it was let in, what wait it asks for, what is left


def spoken(
    headers: Headers, server: Server, now: float, *, allowed: bool
) -> tuple[float | None, tuple[Allowance, ...]]:
    """What a reply says: the wait that it asks for, and its allowances; all times in whole seconds, rounded up."""
    if headers == "none" or (headers == "retry-after" and allowed):
        return None, ()
    limit, remaining, reset_s, window_s = server.state(now)
    if headers == "retry-after":
        return float(math.ceil(reset_s)), ()
    if headers == "ietf":
        return None, (Allowance(limit, remaining, float(math.ceil(reset_s)), float(math.ceil(window_s - 1e-9))),)
    return None, (Allowance(limit, remaining, math.ceil(now + reset_s) - now, None),)


# --- The combinations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Combination:
    """One line of the table."""

    name: str
    server: Callable[[], Server]
    per_s: float
    """What the server allows, in requests per second."""
    latency_s: float
    headers: Headers
    jitter: float = 0.2
    changes: tuple[tuple[float, float], ...] = ()
    """When (seconds from the start) the limit becomes how many times what it was."""
    runs: int = 1
    offset_s: float = 0.0
    concurrency: int = ENOUGH_AT_ONCE
    way: float = 0.2
    """Which share of the latency the way there takes, and the way back; the rest is the server at work."""
    extra: float = 0.0
    """What the server allows beyond its rate, such as a full bucket."""

    @property
    def allowed(self) -> float:
        """Requests that the server would have let in at the most."""
        total, scale, since = 0.0, 1.0, 0.0
        for at, becomes in (*self.changes, (LASTS_S, 0.0)):
            total += (at - since) * scale * self.per_s
            since, scale = at, becomes
        return total + self.extra

    @property
    def tells(self) -> bool:
        """Whether replies tell what remains."""
        return self.headers in {"ietf", "epoch"}

    @property
    def reach_s(self) -> float:
        """The longest time to 80 % of the limit: 10 s or 30 requests."""
        return max(10.0, 30 / self.per_s)


def fixed(per_s: float, window_s: float) -> Callable[[], Server]:
    """Makes fixed windows that come to a rate."""
    return partial(FixedWindow, per_s * window_s, window_s)


def sliding(per_s: float, window_s: float) -> Callable[[], Server]:
    """Makes a sliding window that comes to a rate."""
    return partial(SlidingWindow, per_s * window_s, window_s)


def bucket(per_s: float, burst: float, grain_s: float = 0.0) -> Callable[[], Server]:
    """Makes a token bucket."""
    return partial(TokenBucket, per_s, burst, grain_s=grain_s)


def named(
    kind: str,
    server: Callable[[], Server],
    per_s: float,
    latency_s: float,
    headers: str,
    **more: Any,  # noqa: ANN401 - Combination's own
) -> Combination:
    """One combination, named by what it is made of."""
    what = more.pop("what", "")
    name = f"{kind}, {per_s:g}/s, {latency_s * 1000:g} ms, {headers}{', ' + what if what else ''}"
    return Combination(name, server, per_s, latency_s, headers, **more)


HALVES: Any = {"what": "halves, doubles", "changes": ((200.0, 0.5), (400.0, 1.0))}
TWO: Any = {"what": "two runs", "runs": 2, "offset_s": 7.0}


def combinations() -> list[Combination]:
    """All lines of the table; the longest first, so that two processes end together."""
    lines = [named("token bucket 500", bucket(5000, 500), 5000, 2.0, "none", extra=500)]
    for headers in ("none", "retry-after", "ietf", "epoch"):
        lines += everywhere(headers)
    for headers in ("none", "retry-after"):
        lines += nginx(headers)
    for headers in ("none", "retry-after", "ietf"):
        lines += [
            named("fixed 1 s", fixed(40, 1), 40, 0.1, headers, **HALVES),
            named("token bucket 20", bucket(40, 20), 40, 0.2, headers, extra=20, **HALVES),
            named("token bucket 20", bucket(20, 20), 20, 0.1, headers, extra=20, **TWO),
            named("fixed 1 s", fixed(50, 1), 50, 0.2, headers, **TWO),
        ]
    lines += [
        named("fixed 60 s", fixed(10, 60), 10, 0.1, "epoch", **HALVES),
        named("fixed 60 s", fixed(10, 60), 10, 0.2, "ietf", **TWO),
        named("fixed 60 s", fixed(10, 60), 10, 0.2, "epoch", **TWO),
        named("fixed 1 s", fixed(1, 1), 1, 0.005, "none"),
        named("fixed 1 s", fixed(1, 1), 1, 0.5, "retry-after"),
        named("fixed 1 s", fixed(1, 1), 1, 0.1, "ietf"),
        named("fixed 1 s", fixed(1000, 1), 1000, 0.005, "none"),
        named("fixed 10 s", fixed(19, 10), 19, 0.2, "ietf"),
        named("sliding 10 s", sliding(500, 10), 500, 0.1, "epoch"),
        *untuned(),
    ]
    return lines + [crowd(most, latency_s) for most, latency_s in ((4, 0.2), (10, 0.5), (50, 0.1))]


def crowd(most: int, latency_s: float, mark: str = "") -> Combination:
    """A limit of requests at work at once, by a client that may have 200 out; the way is short, the work is long.

    What it allows is its places divided by the mean latency, as if a place were taken again as soon as it is free. So
    nobody can reach 100 %: a place is empty while a reply is on its way back and the next request on its way there.
    """
    server = partial(AtOnce, most)
    return named(f"{mark}{most} at once", server, most / latency_s, latency_s, "none", concurrency=200, way=0.05)


def untuned() -> list[Combination]:
    """What nobody looked at while the limiter was tuned."""
    lines = []
    for headers in ("none", "retry-after", "ietf"):
        lines += [
            named("untuned: sliding 1 s", sliding(7, 1), 7, 0.3, headers),
            named("untuned: fixed 10 s", fixed(2.5, 10), 2.5, 0.05, headers),
            named("untuned: token bucket 50", bucket(700, 50), 700, 0.02, headers, extra=50),
        ]
    return [
        *lines,
        named("untuned: sliding 3 s", sliding(30, 3), 30, 0.15, "ietf"),
        named("untuned: sliding 20 s", sliding(6, 20), 6, 0.25, "epoch"),
        named("untuned: fixed 2 s", fixed(35, 2), 35, 0.8, "epoch"),
        named("untuned: fixed 30 s", fixed(4, 30), 4, 0.12, "retry-after"),
        named("untuned: fixed 15 s", fixed(8, 15), 8, 0.4, "none"),
        named("untuned: token bucket 8", bucket(3, 8), 3, 0.06, "none", extra=8),
        named("untuned: nginx burst 3", bucket(20, 4, 0.001), 20, 0.08, "none", extra=3),
        named("untuned: nginx burst 3", bucket(20, 4, 0.001), 20, 0.08, "retry-after", extra=3),
        named("untuned: token bucket 12", bucket(25, 12), 25, 0.15, "retry-after", extra=12, **TWO),
        crowd(20, 0.15, "untuned: "),
    ]


def everywhere(headers: str) -> list[Combination]:
    """What is tried with every kind of header."""
    return [
        named("fixed 1 s", fixed(10, 1), 10, 0.1, headers),
        named("fixed 1 s", fixed(100, 1), 100, 2.0, headers),
        named("fixed 60 s", fixed(10, 60), 10, 0.1, headers),
        named("fixed 60 s", fixed(100 / 60, 60), 100 / 60, 0.3, headers),
        named("sliding 1 s", sliding(100, 1), 100, 0.05, headers),
        named("sliding 60 s", sliding(10, 60), 10, 0.2, headers),
        named("token bucket 5", bucket(1, 5), 1, 0.1, headers, extra=5),
        named("token bucket 20", bucket(10, 20), 10, 0.1, headers, extra=20),
        named("token bucket 100", bucket(100, 100), 100, 0.5, headers, extra=100),
    ]


def nginx(headers: str) -> list[Combination]:
    """`limit_req` with `nodelay`, which counts in milliseconds, and lets one request in beside its burst."""
    return [
        named("nginx burst 20", bucket(10, 21, 0.001), 10, 0.1, headers, extra=20),
        named("nginx burst 20", bucket(200, 21, 0.001), 200, 0.05, headers, extra=20),
        named("nginx burst 5", bucket(50, 6, 0.001), 50, 0.1, headers, extra=5),
        named("nginx burst 0", bucket(10, 1, 0.001), 10, 0.02, headers),
        named("nginx burst 0", bucket(10, 1, 0.001), 10, 0.1, headers),
        named("nginx burst 0", bucket(100, 1, 0.001), 100, 0.1, headers),
    ]
