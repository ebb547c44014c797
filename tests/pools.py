"""A worker pool with all that it works with, in memory and on a fake clock: for tests of the pool and its parts."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from structlog.testing import LogCapture

from batchupdate.api.verdict import Policy, judge
from batchupdate.config.rate import Rate
from batchupdate.engine.pool_limits import PoolLimits
from batchupdate.engine.worker_pool import WorkerPool
from batchupdate.errors import SafetyStop
from batchupdate.limiter import Limiter
from batchupdate.model import Fault, FaultKind, Outcome, Reply, Request, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fakes import FakeClock

    from batchupdate.targets.seen import Seen

UNLIMITED = Rate(math.inf)
LATENCY = 0.1
OK, ACCEPTED = Reply(200), Reply(202, {"location": "/jobs/1"})
THROTTLED = Reply(429, {"retry-after": "10"})
BROKEN, REFUSED, NO_KEY = Reply(500), Reply(400), Reply(401)
LOST, TIMEOUT = Fault(FaultKind.LOST, "lost"), Fault(FaultKind.TIMEOUT, "no answer")
NO_CONNECTION = Fault(FaultKind.CONNECT, "no connection")


class Rows:
    """A source and a sink in memory, which notes every claim."""

    def __init__(self, count: int, clock: FakeClock, claim_s: float = 0.0) -> None:
        self.left = deque(request(number) for number in range(2, count + 2))
        self.clock, self.claim_s = clock, claim_s
        self.claimed: list[int] = []
        self.released: list[int] = []
        self.results: list[tuple[Result, bool]] = []
        self.out: set[int] = set()
        self.most_out = 0
        self.waiting: dict[int, Result] = {}
        self.lent: dict[int, str] = {}
        self.past: dict[int, str] = {}
        self.fail_after: int | None = None

    async def claim(self, count: int) -> list[Request]:
        if self.fail_after is not None and len(self.claimed) >= self.fail_after:
            raise SafetyStop("The journal can't be written.")
        if self.claim_s:
            await self.clock.sleep_until(self.clock.time + self.claim_s)
        taken = [self.left.popleft() for _ in range(min(count, len(self.left)))]
        self.claimed += [taken_one.row for taken_one in taken]
        return taken

    async def release(self, keys: Sequence[int]) -> None:
        self.released += keys

    def leaves(self, request: Request) -> None:
        assert request.row in self.claimed
        self.waiting.pop(request.row, None)
        self.out.add(request.row)
        self.most_out = max(self.most_out, len(self.out))

    def lends(self, request: Request, process: str) -> None:
        self.leaves(request)
        self.lent[request.row] = process

    def returns(self, key: int) -> None:
        self.out.remove(key)

    async def keep_before(self, key: int, state: str) -> None:
        self.past[key] = state

    async def amend_before(self, key: int, seen: Seen) -> None:
        self.past[key] += f" amended by {seen.to_json()}"

    async def before(self, keys: Sequence[int]) -> dict[int, str]:
        return {key: self.past[key] for key in keys if key in self.past}

    def waits(self, result: Result) -> None:
        self.out.remove(result.row)
        self.waiting[result.row] = result

    def finish(self, result: Result, *, final: bool = True) -> None:
        self.out.discard(result.row)
        self.waiting.pop(result.row, None)
        self.results.append((result, final))

    @property
    def outcomes(self) -> dict[int, Outcome]:
        return {result.row: result.outcome for result, _ in self.results}

    def of(self, row: int) -> Result:
        (result,) = [result for result, _ in self.results if result.row == row]
        return result

    def final(self, row: int) -> bool:
        (final,) = [final for result, final in self.results if result.row == row]
        return final


def request(number: int) -> Request:
    return Request(number, f"id-{number}", f"/things/{number}", '{"name":"x"}')


@dataclass
class Api:
    """Answers by a script for every row (the last entry goes on for ever), after a while, and notes what it sees."""

    clock: FakeClock
    script: Callable[[int, int], Reply | Fault] = lambda _row, _nth: OK
    latency: Callable[[], float] = lambda: LATENCY
    seen: list[tuple[float, int]] = field(default_factory=list)
    open: Counter[int] = field(default_factory=Counter)
    most_open: int = 0
    times: Counter[int] = field(default_factory=Counter)

    async def send(self, sent: Request) -> Reply | Fault:
        self.seen.append((self.clock.time, sent.row))
        self.times[sent.row] += 1
        self.open[sent.row] += 1
        assert self.open[sent.row] == 1, "two requests for one row at the same time"
        self.most_open = max(self.most_open, sum(self.open.values()))
        try:
            await self.clock.sleep_until(self.clock.time + self.latency())
            return self.script(sent.row, self.times[sent.row])
        finally:
            self.open[sent.row] -= 1

    @property
    def rows(self) -> list[int]:
        return [row for _, row in self.seen]


def scripted(rows: dict[int, list[Reply | Fault]]) -> Callable[[int, int], Reply | Fault]:
    def answer(row: int, nth: int) -> Reply | Fault:
        answers = rows.get(row, [OK])
        return answers[min(nth, len(answers)) - 1]

    return answer


class House:
    """A pool with all that it works with."""

    def __init__(
        self,
        clock: FakeClock,
        count: int,
        script: Callable[[int, int], Reply | Fault] = lambda _row, _nth: OK,
        *,
        rate: Rate = UNLIMITED,
        rules: PoolLimits | None = None,
        repeatable: bool = True,
        concurrency: int | None = None,
        claim_s: float = 0.0,
    ) -> None:
        self.clock = clock
        self.rows = Rows(count, clock, claim_s)
        self.api = Api(clock, script)
        self.limiter = Limiter(rate, 1, clock, lambda strikes: 2.0**strikes, concurrency=concurrency)
        self.log = LogCapture()
        policy = Policy(repeatable, max_wait_s=300.0)
        self.pool = WorkerPool(
            source=self.rows,
            sink=self.rows,
            turns=self.limiter,
            send=self.api.send,
            listen=lambda reply: policy.signals.allowances(reply.headers, clock.now),
            judge=lambda _, answer: judge(answer, policy, clock.now),
            delay=float,
            rules=rules or PoolLimits(request_id_headers=("x-request-id",)),
            clock=clock,
            log=structlog.wrap_logger(None, processors=[self.log]),
        )

    async def work(self, concurrency: int = 4) -> None:
        await self.clock.run(self.pool.run(concurrency))

    def start(self, concurrency: int = 4) -> asyncio.Task[None]:
        return asyncio.create_task(self.pool.run(concurrency))

    async def finish(self, running: asyncio.Task[None]) -> None:
        async def done() -> None:
            await running

        await self.clock.run(done())

    def check_conservation(self) -> None:
        """Every claimed row has one result or was given back, never both."""
        ended = [result.row for result, _ in self.rows.results]
        assert sorted(ended + self.rows.released) == sorted(self.rows.claimed)
        assert sum(self.pool.counts.values()) == len(ended)
        assert sum(self.api.open.values()) == self.pool.in_flight == len(self.rows.out) == len(self.rows.waiting) == 0
        traffic = self.pool.traffic
        for row, times in self.api.times.items():
            assert row not in self.rows.released or not times
        assert traffic.sent <= len(self.api.seen)
