"""The rate that a run advises: the next run at that rate is refused next to nothing."""

from __future__ import annotations

import heapq
import math
import random
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock
from limiter_servers import FixedWindow, Server, SlidingWindow, TokenBucket, spoken

from batchupdate.config.rate import HELD_S, Rate, just_below
from batchupdate.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

SERVERS: dict[str, tuple[Callable[[], Server], float]] = {
    "a bucket of 20, 10/s": (lambda: TokenBucket(10, 20), 10),
    "a bucket of 8, 3/s": (lambda: TokenBucket(3, 8), 3),
    "a bucket of 100, 20/s": (lambda: TokenBucket(20, 100), 20),
    "10 in 1 s": (lambda: FixedWindow(10, 1), 10),
    "25 in 10 s": (lambda: FixedWindow(25, 10), 2.5),
    "300 in 60 s": (lambda: FixedWindow(300, 60), 5),
    "120 in any 20 s": (lambda: SlidingWindow(120, 20), 6),
    "7 in any 1 s": (lambda: SlidingWindow(7, 1), 7),
}


def work(rows: int, server: Server, headers: str, rate: Rate) -> tuple[Limiter, float]:
    """Lets a limiter send so many rows that get through; returns it and the share of its requests that was refused."""
    clock, chance = FakeClock(1000.0), random.Random(rows)  # noqa: S311 - no secret
    limiter = Limiter(rate, 1, clock, lambda n: chance.uniform(0, min(60, 2.0 ** (n - 1))), concurrency=64)
    out: list[tuple[float, float]] = []
    left, sent, refused = rows, 0, 0
    while left or out:
        due = limiter.next_turn_at + 1e-6 if left else math.inf
        if out and out[0][0] <= due:
            clock.time, turn = heapq.heappop(out)
            allowed = server.take(clock.time)
            wait_s, told = spoken(headers, server, clock.time, allowed=allowed) if headers != "none" else (None, ())
            if allowed:
                limiter.passed(turn, told)
            else:
                limiter.hold(turn, wait_s, told)
                left, refused = left + 1, refused + 1
            continue
        clock.time = max(clock.time, due)
        if (given := limiter.try_turn()) is not None:
            left, sent = left - 1, sent + 1
            heapq.heappush(out, (clock.time + 0.1 * chance.uniform(0.8, 1.2), given))
    return limiter, refused / sent


@pytest.mark.parametrize("headers", ["none", "retry-after", "ietf", "epoch"])
@pytest.mark.parametrize("rows", [20, 100, 400, 1000])
@pytest.mark.parametrize("name", SERVERS)
def test_the_rate_that_a_run_advises_is_refused_next_to_nothing(name: str, rows: int, headers: str) -> None:
    make, per_s = SERVERS[name]
    advised = work(rows, make(), headers, Rate(math.inf, auto=True))[0].allowed_per_s
    if advised:
        rate = just_below(advised)
        assert rate.per_s <= per_s
        assert work(rows, make(), headers, rate)[1] <= 0.005
    else:
        assert rows / per_s < 6 * HELD_S or headers != "none"


def test_a_burst_is_no_rate() -> None:
    limiter, refused = work(100, TokenBucket(5, 80), "none", Rate(math.inf, auto=True))
    assert refused > 0
    assert limiter.allowed_per_s is None
