"""What a turn costs where there is room for it: taken and given back, in microseconds of processor time.

    python benchmarks/limiter_turn.py [--turns 200000]

"aiolimiter alone" is the bucket without us; "fixed rate" adds the pause, the cap on requests in flight and the breaker;
"auto" adds the adaptive rate, whose replies say nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from aiolimiter import AsyncLimiter

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


async def limited(turns: int, *, adaptive: bool) -> None:
    """The limiter, as the pool of workers uses it."""
    limiter = Limiter(Rate(ROOM), ROOM, SystemClock(), float, concurrency=8, adaptive=adaptive)
    taken = 0
    while taken < turns:
        if (turn := limiter.try_turn()) is not None:
            limiter.passed(turn, (), 0.001)
            taken += 1


def main() -> None:
    """Prints the table: the best of five rounds each, for a busy machine only adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000)
    turns = parser.parse_args().turns
    for name, work in (
        ("aiolimiter alone", lambda: alone(turns)),
        ("fixed rate", lambda: limited(turns, adaptive=False)),
    ):
        best = min(_seconds(work) for _ in range(5))
        print(f"{name:20} {best / turns * 1e6:6.2f} µs a turn")


def _seconds(work) -> float:
    began = time.process_time()
    asyncio.run(work())
    return time.process_time() - began


if __name__ == "__main__":
    main()
