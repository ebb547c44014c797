"""`--rate auto` on several processes: they find about what one process finds, told or untold, in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, NamedTuple

import pytest
from fakes import FakeClock

from batchupdate.config.rate import Rate
from batchupdate.engine.leased_turns import LeasedTurns, TurnDesk
from batchupdate.limiter import Limiter
from batchupdate.model import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.engine.leased_turns import Granted, Heard
    from batchupdate.engine.protocols import Turns

CONCURRENCY = 32
LATENCY_S, MESSAGE_S, REPORT_EVERY_S = 0.05, 0.002, 0.05


class Bucket:
    """A server that lets `per_s` through, with a burst, and says what remains if it tells."""

    def __init__(self, clock: FakeClock, per_s: float, burst: float, *, tells: bool) -> None:
        self._clock, self._per_s, self._burst, self._tells = clock, per_s, burst, tells
        self._left, self._at = burst, clock.time
        self.let_in = self.refused = 0

    def answer(self) -> tuple[bool, Sequence[Allowance]]:
        now = self._clock.time
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        taken = self._left >= 1
        self._left -= taken
        self.let_in += taken
        self.refused += not taken
        reset_s = (self._burst - self._left) / self._per_s
        return taken, [Allowance(self._burst, int(self._left), reset_s, None)] if self._tells else ()


class Window(Bucket):
    """The same with windows of a second, which it tells of."""

    def answer(self) -> tuple[bool, Sequence[Allowance]]:
        now = self._clock.time
        if int(now) != int(self._at):
            self._left = self._per_s
        self._at = now
        taken = self._left >= 1
        self._left -= taken
        self.let_in += taken
        self.refused += not taken
        left_s = 1.0 - now % 1.0
        return taken, [Allowance(self._per_s, self._left, left_s, 1.0)] if self._tells else ()


class Found(NamedTuple):
    """The share of a limit that was used, and of the requests that were refused."""

    used: float
    refused: float


async def work(clock: FakeClock, turns: Turns, server: Bucket, chance: random.Random, until: float) -> None:
    """One request after the other, as a pool sends them."""
    while clock.time < until:
        at = await turns.turn()
        latency_s = LATENCY_S * chance.uniform(0.8, 1.2)
        await clock.sleep_until(clock.time + latency_s / 2)
        taken, allowances = server.answer()
        await clock.sleep_until(clock.time + latency_s / 2)
        if taken:
            turns.passed(at, allowances)
        else:
            turns.hold(at, None, allowances)


async def found(make: Callable[[FakeClock], Bucket], per_s: float, processes: int, seconds: float = 60.0) -> Found:
    """What is found by so many processes; none is the limiter in its own."""
    clock, chance = FakeClock(), random.Random(1)  # noqa: S311 - no secrets
    server, until = make(clock), clock.time + seconds
    limiter = Limiter(Rate(float("inf"), auto=True), 1, clock, lambda n: 2.0**n, concurrency=CONCURRENCY)
    tasks: list[asyncio.Future[None]] = []
    remote: list[LeasedTurns] = []

    async def message() -> None:
        await clock.sleep_until(clock.time + MESSAGE_S * chance.uniform(0.5, 2.0))

    async def recalled(number: int) -> None:
        await message()
        for turns in remote:
            turns.recall(number)

    desk = TurnDesk(limiter, lambda number: tasks.append(asyncio.ensure_future(recalled(number))))

    def process(name: str) -> LeasedTurns:
        async def ask(most: int, heard: Sequence[Heard]) -> Granted:
            await message()
            granted = await desk.lease(name, most, heard)
            await message()
            return granted

        async def report() -> None:
            heard = turns.take_heard()
            await message()
            desk.hear(name, heard)

        async def report_now_and_then() -> None:
            while clock.time < until:
                await clock.sleep_until(clock.time + REPORT_EVERY_S)
                turns.tidy()
                await report()

        turns = LeasedTurns(ask, clock, lambda: tasks.append(asyncio.ensure_future(report())), CONCURRENCY // processes)
        tasks.append(asyncio.ensure_future(report_now_and_then()))
        return turns

    remote += [process(str(number)) for number in range(processes)]
    every: list[Turns] = [*remote] or [limiter]
    workers = [work(clock, turns, server, chance, until) for turns in every for _ in range(CONCURRENCY // len(every))]
    await clock.run(_all(workers))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Found(server.let_in / (per_s * seconds), server.refused / (server.let_in + server.refused))


async def _all(work: Sequence[object]) -> None:
    await asyncio.gather(*work)  # type: ignore[call-overload]


SERVERS: dict[str, tuple[float, Callable[[FakeClock], Bucket]]] = {
    "a bucket that tells nothing": (100, lambda clock: Bucket(clock, 100, 20, tells=False)),
    "a bucket that tells": (100, lambda clock: Bucket(clock, 100, 20, tells=True)),
    "windows that are not told": (50, lambda clock: Window(clock, 50, 50, tells=False)),
    "windows that are told": (50, lambda clock: Window(clock, 50, 50, tells=True)),
    "a slow bucket": (5, lambda clock: Bucket(clock, 5, 5, tells=False)),
}


@pytest.mark.counted("nothing")
@pytest.mark.parametrize("name", SERVERS)
async def test_two_processes_find_a_limit_about_as_well_as_one(name: str) -> None:
    per_s, server = SERVERS[name]
    one, two = await found(server, per_s, 0), await found(server, per_s, 2)
    assert two.used > one.used - 0.03
    assert two.refused < one.refused + 0.01
