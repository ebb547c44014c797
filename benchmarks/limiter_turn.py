"""What a turn costs where there is room for it: taken and given back, in microseconds of processor time.

    python benchmarks/limiter_turn.py [--turns 200000]

"aiolimiter alone" is the bucket without us; "fixed rate" adds the pause and the cap on requests in flight;
"auto" adds the adaptive rate, whose replies say nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import TYPE_CHECKING, Any

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

from batchupdate.config.rate import Rate
from batchupdate.limiter import Limiter
from batchupdate.util.clock import SystemClock

ROOM = 10**9
"""A rate and a burst that nobody uses up, so that nothing waits."""


async def alone(turns: int) -> None:
    """The bucket of aiolimiter, as its users use it."""
    bucket = AsyncLimiter(ROOM, 1)
    for _ in range(turns):
        await bucket.acquire()


async def fixed(turns: int) -> None:
    """The limiter at a rate that is never used up, as the pool of workers uses it."""
    limiter = Limiter(Rate(ROOM), ROOM, SystemClock(), float, concurrency=8)
    for _ in range(turns):
        turn = limiter.try_turn()
        assert turn is not None
        limiter.passed(turn)


class DueClock(SystemClock):
    """A clock that is set to when the next turn is due, so that only the work is measured, and not the waiting."""

    time = 0.0

    def monotonic(self) -> float:
        """See `Clock`."""
        return self.time


async def auto(turns: int) -> None:
    """The limiter with `--rate auto`."""
    clock = DueClock()
    limiter = Limiter(Rate(10_000.0, auto=True), 1, clock, float, concurrency=8)
    for _ in range(turns):
        clock.time += 1 / limiter.rate_per_s + 1e-6
        turn = limiter.try_turn()
        assert turn is not None
        limiter.passed(turn)


def main() -> None:
    """Prints the table: the best of five rounds each, for a busy machine only adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000)
    turns = parser.parse_args().turns
    for name, work in (
        ("aiolimiter alone", lambda: alone(turns)),
        ("fixed rate", lambda: fixed(turns)),
        ("auto", lambda: auto(turns)),
    ):
        best = min(_seconds(work) for _ in range(5))
        print(f"{name:20} {best / turns * 1e6:6.2f} µs a turn")


def _seconds(work: Callable[[], Coroutine[Any, Any, None]]) -> float:
    began = time.process_time()
    asyncio.run(work())
    return time.process_time() - began


if __name__ == "__main__":
    main()
