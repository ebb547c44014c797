"""Worker pools before one API: all that is sent in a process goes through one limiter, stage after stage."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from batchupdate.engine.backoff import delay_s
from batchupdate.engine.worker_pool import WorkerPool
from batchupdate.errors import BatchUpdateError, Interrupted, SafetyStop
from batchupdate.limiter import Limiter
from batchupdate.model import Progress, Traffic
from batchupdate.runs.metadata import rate_of
from batchupdate.targets.hooks import HookError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.verdict import Policy
    from batchupdate.config import Settings
    from batchupdate.engine.assignment import Assignment
    from batchupdate.engine.pool_limits import PoolLimits
    from batchupdate.engine.protocols import Pool, Sink, Source
    from batchupdate.model import Allowance, Fault, Reply, Request, Verdict
    from batchupdate.runs.job import Job
    from batchupdate.targets import Target
    from batchupdate.util.clock import Clock

    Send = Callable[[Request], Awaitable[Reply | Fault]]
    Judge = Callable[[Request, Reply | Fault], Verdict]

T = TypeVar("T")

PROGRESS_EVERY_S = 0.25
RATE_OVER_S = 10.0


class Stop:
    """Asks a run to end cleanly: what is in flight finishes, nothing further is sent.

    One is enough for all that a command does, also where each part of it has an event loop of its own.
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.signal_number: int | None = None

    def request(self, signal_number: int) -> None:
        """Asks; the number says which signal did."""
        self.signal_number = self.signal_number or signal_number
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def requested(self) -> None:
        """Returns once somebody asked."""
        if self.signal_number is not None:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def heed(self) -> None:
        """Is called before anything further is done.

        Raises:
            Interrupted: somebody asked.
        """
        if self.signal_number is not None:
            raise Interrupted(self.signal_number)

    async def interrupts(self, work: Coroutine[Any, Any, T]) -> T:
        """What some work comes to that changes nothing, and so is broken off at once where somebody asks.

        Raises:
            Interrupted: somebody asked, before or meanwhile.
        """
        working, asked = asyncio.ensure_future(work), asyncio.create_task(self.requested())
        try:
            if self.signal_number is None:
                await asyncio.wait([working, asked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        self.heed()
        return working.result()


def guarded(send: Send, job: Assignment) -> Send:
    """Sends as `send` does; where the code of the target's package fails, that is a fault like others."""
    if job.target.hooks is None:
        return send

    async def sent(request: Request) -> Reply | Fault:
        try:
            return await send(request)
        except HookError as error:
            return error.fault

    return sent


def limiter_of(target: Target, settings: Settings, clock: Clock, concurrency: int) -> Limiter:
    """What keeps the rate before a target's API."""
    return Limiter(
        rate_of(target, settings),
        settings.burst or target.burst,
        clock,
        delay_s,
        concurrency=concurrency,
        max_wait_s=settings.max_wait,
        patience_s=settings.give_up_after,
    )


class Pools:
    """Lets one pool after another work, each for a stage of a run.

    Args:
        job: what all of them are for.
        policy: what replies say about the API's limits.
        log: where noteworthy events go.
        stop: asks for a clean end.
        on_progress: is called with how far a stage is, a few times a second.
    """

    def __init__(
        self,
        job: Job,
        policy: Policy,
        log: FilteringBoundLogger,
        stop: Stop,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._job, self._log, self._on_progress = job, log, on_progress
        self.stop = stop
        """Asks for a clean end of all of them."""
        self._signals, self._labels = policy.signals, job.labels
        self._pools: list[Pool] = []
        self._patient: Pool | None = None  # the one at work whose patience is that of the settings
        self._settings = job.settings
        self.limiter = limiter_of(job.target, job.settings, job.clock, job.concurrency)
        """Whose turn it is, in all of them."""

    @property
    def traffic(self) -> Traffic:
        """All requests so far."""
        limiter, traffic = self.limiter, [Traffic(), *(pool.traffic for pool in self._pools)]
        sent, retried, throttled = (sum(each) for each in zip(*(one[:3] for one in traffic), strict=True))
        return Traffic(sent, retried, throttled, limiter.waited_s, limiter.allowed_per_s)

    def _listen(self, reply: Reply) -> Sequence[Allowance]:
        if not self.limiter.rate.auto:
            return ()
        return self._signals.allowances(reply.headers, self._job.clock.now)

    def set_limits(self, settings: Settings) -> None:
        """Keeps the rate, the patience and the failure limit of other settings from now on."""
        job, self._settings = self._job, settings
        self.limiter.set_limits(
            rate_of(job.target, settings), settings.burst or job.target.burst, settings.give_up_after
        )
        if self._patient is not None:
            self._patient.set_limits(settings.give_up_after, settings.max_failures)

    async def work(
        self,
        stage: str,
        source: Source,
        sink: Sink,
        *,
        send: Send,
        judge: Judge,
        rules: PoolLimits,
        total: int | None,
        patient: bool = False,
    ) -> BatchUpdateError | None:
        """Lets a pool send everything that a source has; returns why it ended early, or None.

        `total` is how many rows that are, for the progress; None where it is not known. `patient` is whether the
        settings say when it gives up; they can change while it works.
        """
        job = self._job
        pool = WorkerPool(
            source=source,
            sink=sink,
            turns=self.limiter,
            send=send,
            judge=judge,
            listen=self._listen,  # a rate can be changed to 'auto' at work
            delay=delay_s,
            rules=rules,
            clock=job.clock,
            log=self._log.bind(stage=stage),
            labels=self._labels,
        )
        return await self.let_work(pool, stage, total, patient=patient)

    async def let_work(
        self, pool: Pool, stage: str, total: int | None, *, patient: bool = False
    ) -> BatchUpdateError | None:
        """The same for a pool that is made already, and takes its turns from this limiter."""
        job = self._job
        self._pools.append(pool)
        self._patient = pool if patient else None
        if self._settings is not job.settings:
            self.set_limits(self._settings)
        watch = asyncio.create_task(_Watch(pool, self.limiter, job.clock, self._on_progress, total, stage).report())
        try:
            return await self._until_done(pool)
        finally:
            watch.cancel()
            (ended,) = await asyncio.gather(watch, return_exceptions=True)
            if isinstance(ended, Exception):  # the user's hook failed; that is no reason to stop sending
                self._log.error("progress", why=repr(ended))

    async def _until_done(self, pool: Pool) -> BatchUpdateError | None:
        """Lets the pool work until it is done, or was asked to stop and has drained."""
        job, log, stop = self._job, self._log, self.stop
        if stop.signal_number is not None:
            pool.stop()  # before it takes a row
        running = asyncio.create_task(pool.run(job.concurrency))
        asked = asyncio.create_task(stop.requested())
        try:
            await asyncio.wait([running, asked], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                log.warning("stopping", in_flight=pool.in_flight)
                pool.stop()
                await asyncio.wait([running], timeout=job.settings.drain_timeout)
            if not running.done():
                log.warning("drain_timeout", in_flight=pool.in_flight)
        finally:
            asked.cancel()
            running.cancel()
            await asyncio.wait([running])
        if not running.cancelled() and (error := running.exception()) is not None:
            if isinstance(error, SafetyStop):
                log.error("stopped", why=error.message)
                return error
            raise error
        return Interrupted(stop.signal_number) if stop.signal_number else None


@dataclass(slots=True)
class _Watch:
    """Looks at the pool a few times a second and tells how far it is."""

    pool: Pool
    limiter: Limiter
    clock: Clock
    on_progress: Callable[[Progress], None]
    total: int | None
    stage: str
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    async def report(self) -> None:
        clock = self.clock
        while True:
            self.on_progress(self.snapshot())
            await clock.sleep_until(clock.monotonic() + PROGRESS_EVERY_S)

    def snapshot(self) -> Progress:
        now, done = self.clock.monotonic(), sum(self.pool.counts.values())
        self._seen.append((now, done))
        while now - self._seen[0][0] > RATE_OVER_S:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = (done - before) / (now - since) if now > since else 0.0
        holding = self.limiter.holding_s
        left = None if self.total is None else max(0, self.total - done)
        return Progress(
            self.stage,
            done,
            self.total,
            dict(self.pool.counts),
            self.pool.traffic,
            rate,
            left / rate + holding if rate and left is not None and math.isfinite(holding) else None,
            holding,
            self.limiter.limit_per_s,
            self.pool.trouble,
        )
