"""The real limiter on a virtual clock, against simulated servers: ten minutes each, in a table.

    python benchmarks/limiter_sim.py [--only TEXT] [--seeds 1,2] [--quick] [--plots] [--trace]

Needs the extra `bench` (matplotlib) for `--plots`, which writes the pictures of docs/limiter.md. Nothing sleeps and
nothing listens: requests, arrivals and replies are events on a heap. A combination is seeded by its name and the seed,
so the same code prints the same table. The seed decides how latencies and delays vary, and how the start falls into
the server's windows. With several seeds each column shows the worst. The limiter was tuned on the seeds 1, 2 and 101,
without the combinations of `untuned`; the default is a seed that was held back. A goal that is missed is marked;
docs/limiter.md says why.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from batchupdate.config.rate import Rate
from batchupdate.limiter import Limiter
from batchupdate.model import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
LASTS_S = 600.0
ENOUGH_AT_ONCE = 20_000
SHARE = 0.8
START = 1_000_020.0  # everybody's windows begin here; runs start up to a second later
HELD_OUT = "202"
QUICK_PER_S = 200


class VirtualClock:
    """Time that the simulation sets."""

    def __init__(self, start: float) -> None:
        self.time = start

    def monotonic(self) -> float:
        """See `batchupdate.util.clock.Clock`."""
        return self.time

    def now(self) -> datetime:
        """See `batchupdate.util.clock.Clock`."""
        return datetime.fromtimestamp(self.time, UTC)

    async def sleep_until(self, due: float, *, precise: bool = False) -> None:
        """Nobody sleeps here."""
        raise NotImplementedError


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
SILENCE: tuple[float | None, tuple[Allowance, ...]] = (None, ())


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


@dataclass
class Result:
    """What became of a combination."""

    combination: Combination
    utilisation: float
    throttled: float
    reached_s: float
    shares: list[float]
    series: list[list[tuple[float, float, int, int]]]
    """For each run: second, rate in force, let in, turned away."""

    def misses(self) -> list[str]:
        """The goals that were not met."""
        tells = self.combination.tells
        missed = []
        if self.utilisation < (0.97 if tells else 0.92):
            missed.append("utilisation")
        if self.throttled > (0.005 if tells else 0.02):
            missed.append("throttled")
        if self.reached_s > self.combination.reach_s:
            missed.append("time")
        if len(self.shares) > 1 and max(self.shares) > 0.6:
            missed.append("share")
        return missed


@dataclass
class Run:
    """One limiter and its traffic."""

    limiter: Limiter
    next_at: float
    """When it sends next; infinite as long as something must come back first."""
    let_in: int = 0
    away: int = 0
    series: list[tuple[float, float, int, int]] = field(default_factory=list)
    _before: tuple[int, int] = (0, 0)

    def sample(self, second: float) -> None:
        """Notes what became of the last second."""
        let_in, away = self._before
        self.series.append((second, self.limiter.rate_per_s, self.let_in - let_in, self.away - away))
        self._before = (self.let_in, self.away)


class Simulation:
    """Ten minutes of one combination, worked off in order of time.

    Requests on their way there and replies on their way back lie on one heap; each run has at most one next send, and
    seconds and changes of the limit come in the order of a list.
    """

    def __init__(self, combination: Combination, seed: int) -> None:
        self._combination = combination
        self._random = random.Random(f"{combination.name}, seed {seed}").random
        start = self._start = START + self._random()
        self._clock = VirtualClock(start)
        self._server = combination.server()
        self._flights: list[tuple[float, int, int, float, Reply | None]] = []
        self._left = 0
        latency_s, jitter = combination.latency_s, combination.jitter
        self._low_s, self._spread_s = latency_s * (1 - jitter), 2 * jitter * latency_s
        self.runs = [Run(self._limiter(), start + number * combination.offset_s) for number in range(combination.runs)]
        marks = [(float(second), 0.0) for second in range(1, int(LASTS_S) + 1)]
        self._marks = deque(sorted([*marks, *combination.changes]))

    def _limiter(self) -> Limiter:
        def delay(strikes: int) -> float:
            return self._random() * min(60.0, 2.0 ** (strikes - 1))

        most = self._combination.concurrency
        return Limiter(Rate(math.inf), 1, self._clock, delay, concurrency=most, adaptive=True)

    def work_off(self) -> None:
        """Lets the time pass."""
        flights, marks, start = self._flights, self._marks, self._start
        sender = self.runs[0]
        while marks:
            if len(self.runs) > 1:
                sender = min(self.runs, key=lambda run: run.next_at)
            now = min(sender.next_at, flights[0][0]) if flights else sender.next_at
            if start + marks[0][0] < now:
                self._mark(*marks.popleft())
            elif now == sender.next_at:
                self._clock.time = now
                self._send(now, sender)
            else:
                self._clock.time = now
                self._fly(now)

    def _mark(self, second: float, scale: float) -> None:
        """A second is over, or the limit changes."""
        if scale:
            self._server.scale = scale
            return
        for run in self.runs:
            run.sample(second)

    def _send(self, now: float, run: Run) -> None:
        """Sends as long as there are turns, then waits for the next; without room, for one that comes back."""
        limiter, low_s, spread_s, way = run.limiter, self._low_s, self._spread_s, self._combination.way
        while (given := limiter.try_turn()) is not None:
            self._left += 1
            there_s = (low_s + self._random() * spread_s) * way
            heapq.heappush(self._flights, (now + there_s, self._left, self.runs.index(run), given, None))
        run.next_at = max(limiter.next_turn_at, now + 1e-7)

    def _fly(self, now: float) -> None:
        """The next request arrives, or the next reply is back."""
        _, left, number, sent_at, reply = self._flights[0]
        run = self.runs[number]
        if reply is None:
            headers, way = self._combination.headers, self._combination.way
            allowed = self._server.take(now)
            if allowed:
                run.let_in += 1
            else:
                run.away += 1
                way = 1 - way
            wait_s, told = SILENCE if headers == "none" else spoken(headers, self._server, now, allowed=allowed)
            back_at = now + (self._low_s + self._random() * self._spread_s) * (1 - way)
            heapq.heapreplace(self._flights, (back_at, left, number, sent_at, (allowed, wait_s, told)))
            return
        heapq.heappop(self._flights)
        allowed, wait_s, told = reply
        if allowed:
            self._server.leave()
            run.limiter.passed(sent_at, told, now - sent_at)
        else:
            run.limiter.hold(sent_at, wait_s, told)
        if run.next_at == math.inf:
            self._send(now, run)


def simulate(combination: Combination, seed: int) -> Result:
    """Works off ten minutes, and adds up what they came to."""
    simulation = Simulation(combination, seed)
    simulation.work_off()
    runs = simulation.runs
    let_in, away = sum(run.let_in for run in runs), sum(run.away for run in runs)
    series = [run.series for run in runs]
    late = int((len(runs) - 1) * combination.offset_s)
    own = [sum(point[2] for point in points[late:]) for points in series]
    shares = [count / max(1, sum(own)) for count in own]
    reached = reached_s(combination, series)
    return Result(combination, let_in / combination.allowed, away / max(1, let_in + away), reached, shares, series)


def reached_s(combination: Combination, series: list[list[tuple[float, float, int, int]]]) -> float:
    """The first second at whose end the time of five requests, at least one second, held 80 % of the limit."""
    over = max(1, round(5 / combination.per_s))
    counts = [sum(run[second][2] for run in series) for second in range(len(series[0]))]
    for second in range(1, len(counts) + 1):
        if sum(counts[max(0, second - over) : second]) >= SHARE * combination.per_s * over:
            return float(second)
    return math.inf


def worst(results: list[Result]) -> Result:
    """The worst figure of each kind, of one combination with several seeds."""
    return Result(
        results[0].combination,
        min(result.utilisation for result in results),
        max(result.throttled for result in results),
        max(result.reached_s for result in results),
        max((result.shares for result in results), key=max),
        results[0].series,
    )


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


def line(result: Result) -> str:
    """One line of the table."""
    shares = ":".join(f"{share * 100:.0f}" for share in result.shares) if len(result.shares) > 1 else "–"
    missed = result.misses()
    return (
        f"{result.combination.name:58} {result.utilisation * 100:6.1f} {result.throttled * 100:6.2f} "
        f"{result.reached_s:6.0f} {shares:>7}   {'met' if not missed else 'MISSED: ' + ', '.join(missed)}"
    )


PLOTS = {
    "window": "fixed 60 s, 10/s, 100 ms, none",
    "told": "fixed 60 s, 10/s, 100 ms, ietf",
    "change": "token bucket 20, 40/s, 200 ms, none, halves, doubles",
    "shared": "fixed 60 s, 10/s, 200 ms, ietf, two runs",
    "fast": "token bucket 500, 5000/s, 2000 ms, none",
}


def draw(file: str, result: Result) -> None:
    """Writes the picture of a run."""
    from matplotlib.figure import Figure

    combination = result.combination
    figure = Figure(figsize=(7.2, 2.7), dpi=80, layout="constrained")
    axes = figure.subplots()
    limit = [(0.0, 1.0), *combination.changes, (LASTS_S, combination.changes[-1][1] if combination.changes else 1.0)]
    times, rates = [at for at, _ in limit], [scale * combination.per_s for _, scale in limit]
    axes.step(times, rates, where="post", color="#888888", lw=1.2, ls="--", label="limit")
    for number, points in enumerate(result.series):
        color = ("#1f77b4", "#e08214")[number]
        which = f" {'AB'[number]}" if len(result.series) > 1 else ""
        axes.plot([p[0] for p in points], [p[2] for p in points], color=color, lw=0.9, label=f"let in{which}")
        away = [(p[0], p[3]) for p in points if p[3]]
        if away:
            axes.plot(*zip(*away, strict=True), "x", color="#c1272d", ms=4, label=f"turned away{which}")
    axes.set(xlim=(0, LASTS_S), ylim=(0, 2.2 * combination.per_s), xlabel="seconds", ylabel="requests per second")
    axes.set_title(combination.name, fontsize=9)
    axes.legend(fontsize=7, ncols=5, loc="upper right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / f"limiter-{file}.png", metadata={"Software": None})


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="combinations whose name holds this text")
    parser.add_argument("--seeds", default=HELD_OUT, help="numbers with commas between them (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"for tuning: up to {QUICK_PER_S}/s, nothing untuned")
    parser.add_argument("--plots", action="store_true", help="write the pictures of docs/limiter.md")
    parser.add_argument("--trace", action="store_true", help="print the seconds with refusals, as time:rate:in:away")
    return parser.parse_args()


def trace(result: Result) -> None:
    """Prints the seconds in which something was turned away."""
    for points in result.series:
        print(" ".join(f"{at:.0f}:{rate:.2f}:{let_in}:{away}" for at, rate, let_in, away in points if away))


def main() -> None:
    """Prints the table, and draws."""
    options = arguments()
    began = time.perf_counter()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    chosen = [combination for combination in combinations() if options.only in combination.name]
    if options.quick:
        chosen = [some for some in chosen if some.per_s <= QUICK_PER_S and not some.name.startswith("untuned")]
    print(f"{'server, limit, latency, headers':58} {'used %':>6} {'429 %':>6} {'80 % s':>6} {'share':>7}   goals")
    results = []
    with ProcessPoolExecutor(2) as pool:
        every = pool.map(simulate, [one for one in chosen for _ in seeds], seeds * len(chosen))
        for _ in chosen:
            results.append(worst([next(every) for _ in seeds]))
            print(line(results[-1]), flush=True)
            if options.trace:
                trace(results[-1])
    met = sum(not result.misses() for result in results)
    print(f"{met} of {len(chosen)} met all their goals; {time.perf_counter() - began:.0f} s")
    if options.plots:
        by_name = {result.combination.name: result for result in results}
        for file, name in PLOTS.items():
            draw(file, by_name[name])


if __name__ == "__main__":
    main()
