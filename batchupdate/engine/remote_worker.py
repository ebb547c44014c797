"""What a worker process does: one session, one pool, with rows from the coordinator and results to it.

It keeps nothing but a map of what is out, in a file: that is what the coordinator learns from when the process dies,
and what `resume` learns from when the coordinator has died.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from batchupdate.api.verdict import Policy
from batchupdate.config import Settings
from batchupdate.engine.backoff import delay_s
from batchupdate.engine.coordinator import Report, State, map_path
from batchupdate.engine.leased_turns import LeasedTurns
from batchupdate.engine.pool_limits import CLAIM_BATCH
from batchupdate.engine.read_first import FirstReads
from batchupdate.engine.sending import capture_of, client_of, judge_of, limits_of, whole_sender_of
from batchupdate.engine.worker_pool import WorkerPool
from batchupdate.errors import BatchUpdateError, SafetyStop
from batchupdate.journal.in_flight import InFlightMap
from batchupdate.model import RowLabels, Traffic
from batchupdate.runs.keys import credentials_of
from batchupdate.runs.metadata import batch_in_use, batch_size_of
from batchupdate.runs.read_first import ReadFirst
from batchupdate.targets import Target
from batchupdate.targets.packages import hooks_again
from batchupdate.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Secrets
    from batchupdate.engine.leased_turns import Granted, Heard
    from batchupdate.model import Allowance, Reply, Request, Result
    from batchupdate.targets import Batch
    from batchupdate.targets.seen import Seen
    from batchupdate.util.clock import Clock

REPORT_EVERY_S = 0.05
"""Results are known here and not by the coordinator for so long, at the most."""

UNSEEN_EVERY_S = 0.01
"""The same where the coordinator can't read them in the map, and a row must not be sent twice."""


UNSEEN_AHEAD = 64
"""Rows that a process claims ahead at the most where its map can't be read: when it dies, all may have been sent."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker process is told about its run, as plain values; the key is not among them.

    `target` and `settings` are JSON, and `package` is that of the target, if one has code for it. `about_key` is said
    when the API refuses the key. `files` are what the files of the run are called, and `maps` is the folder for the map
    of what is out; None where the coordinator can't read it. `reads` is whether some records are read just before their
    changes.
    """

    target: str
    package: Mapping[str, str] | None
    settings: str
    base_url: str
    nonce: str
    concurrency: int
    about_key: str
    files: tuple[str, ...]
    maps: str | None
    reads: bool
    verbose: bool


@dataclass(frozen=True, slots=True)
class WorkerAssignment:
    """The same with the key of this machine; see `batchupdate.engine.assignment.Assignment`."""

    target: Target
    settings: Settings
    base_url: str
    credentials: Credentials
    clock: Clock
    concurrency: int
    nonce: str

    @classmethod
    def of(cls, orders: Orders) -> WorkerAssignment:
        """Reads the orders, and the key from where the target and the settings say.

        Raises:
            ConfigError: there is no key, or no such package.
        """
        target, settings = Target.model_validate_json(orders.target), Settings.model_validate_json(orders.settings)
        target = target.with_hooks(hooks_again(orders.package) if orders.package else None)
        clock = SystemClock()
        credentials = credentials_of(target, settings, os.environ, clock)
        return cls(target, settings, orders.base_url, credentials, clock, orders.concurrency, orders.nonce)

    @property
    def secrets(self) -> Secrets:
        """What must never be written down."""
        return self.credentials.secrets

    @property
    def batch(self) -> Batch | None:
        """How rows go out together; None where each goes by itself."""
        return batch_in_use(self.target, self.settings)

    @property
    def capture(self) -> Mapping[str, str]:
        """Which values of the replies stand in the results, by name."""
        return {**self.target.capture, **self.settings.capture}

    @property
    def batch_size(self) -> int:
        """How many rows go out as one request at the most."""
        return batch_size_of(self.target, self.settings)

    @property
    def read_first(self) -> ReadFirst:
        """Which records are read just before their changes."""
        return ReadFirst(self.target, self.settings.check_old)


class Link(Protocol):
    """The way to the coordinator; see `Coordinator` for what each of these does."""

    async def claim(self, count: int) -> list[Request]:
        """Asks for rows."""
        ...

    async def release(self, keys: Sequence[int]) -> None:
        """Gives rows back."""
        ...

    async def lease(self, most: int, heard: Sequence[Heard]) -> Granted:
        """Asks for turns."""
        ...

    async def keep(self, states: Sequence[State]) -> bool:
        """Asks that what records are before their changes is kept."""
        ...

    async def report(self, report: Report) -> None:
        """Says what became of rows."""
        ...


class _Past:
    """What records were, on its way to the coordinator's journal: one call for all that ask in the same round."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._states: list[State] = []
        self._keeping: asyncio.Task[None] | None = None

    async def keep_before(self, key: int, state: str) -> None:
        await self._keep(State(key, state))

    async def amend_before(self, key: int, seen: Seen) -> None:
        await self._keep(State(key, seen.to_json(), amends=True))

    async def _keep(self, state: State) -> None:
        self._states.append(state)
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._pass_on())
        await asyncio.shield(self._keeping)

    async def _pass_on(self) -> None:
        await asyncio.sleep(0)  # others may come in the same round
        states, self._states, self._keeping = self._states, [], None
        if not await self._link.keep(states):
            raise SafetyStop("The run has given up one of its worker processes.", "Resume it.")


class _Outbox:
    """The sink of the pool: keeps results in the map until the coordinator has them."""

    def __init__(self, map_: InFlightMap) -> None:
        self._map, self._acknowledged = map_, 0
        self._results: list[tuple[Result, bool]] = []
        self._log: list[tuple[str, str, Mapping[str, object]]] = []
        self.urgent = asyncio.Event()

    def leaves(self, request: Request) -> None:
        self._map.leaves(request.row, request.sent)

    def waits(self, result: Result) -> None:
        self._map.keep(result, final=False)

    def finish(self, result: Result, *, final: bool = True) -> None:
        self._map.keep(result, final=final)
        self._results.append((result, final))

    def logger(self, *, verbose: bool) -> FilteringBoundLogger:
        """What writes lines that go to the coordinator, who has the run's log."""
        import structlog  # noqa: PLC0415 - as with the run's log

        def note(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
            if verbose or method != "debug":
                self._log.append((method, str(event.pop("event")), dict(event)))
            raise structlog.DropEvent

        logger: FilteringBoundLogger = structlog.wrap_logger(
            None, processors=[note], wrapper_class=structlog.make_filtering_bound_logger(0)
        )
        return logger

    @property
    def is_empty(self) -> bool:
        return not (self._results or self._log)

    async def send(self, link: Link, heard: Sequence[Heard], traffic: Traffic, trouble: str) -> None:
        """Reports; what was reported is then taken out of the map."""
        results, self._results = self._results, []
        log, self._log = self._log, []
        await link.report(Report(results, heard, log, traffic, trouble))
        self._acknowledged += 1
        self._map.clear((result.row for result, _ in results), self._acknowledged)


class RemoteWorker:
    """Works off rows in rounds, one after the other; an async context manager.

    Args:
        orders: what to send, and how.
        link: the way to the coordinator.
        process: what this process is called there.

    Raises:
        ConfigError: there is no key.
    """

    def __init__(self, orders: Orders, link: Link, process: str) -> None:
        self._orders, self._link, self._process = orders, link, process
        self._job = WorkerAssignment.of(orders)
        self._policy = Policy.of(self._job.target, self._job.settings.max_wait)
        self._capture = capture_of(self._job)
        self._map = InFlightMap()
        self._outbox = _Outbox(self._map)
        self._turns = LeasedTurns(link.lease, self._job.clock, self._outbox.urgent.set, self._job.concurrency)
        self._before = Traffic()
        self._pool: WorkerPool | None = None
        self._stopped = False
        self._reporting = asyncio.Lock()
        self._open = AsyncExitStack()
        unseen = orders.maps is None and not self._job.target.repeatable
        self._report_every_s = UNSEEN_EVERY_S if unseen else REPORT_EVERY_S

    async def __aenter__(self) -> Self:
        if self._orders.maps is not None:
            self._map.create(map_path(Path(self._orders.maps), self._process), self._process)
        self._client = await self._open.enter_async_context(client_of(self._job, self._capture))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()
        self._map.close(remove=False)  # who removes it is the coordinator, who may have died

    def stop(self) -> None:
        """Sends nothing further; what is in flight may finish."""
        self._stopped = True
        if self._pool is not None:
            self._pool.stop()

    def recall(self, number: int) -> None:
        """The turns that were leased are void."""
        self._turns.recall(number)

    async def work(self) -> tuple[str, str] | None:
        """Sends rows until there are no more; returns why the run has to stop, and the way out, or None."""
        if self._stopped:
            return None
        job, orders = self._job, self._orders
        log = self._outbox.logger(verbose=orders.verbose)
        policy = self._policy
        reads, past = FirstReads(job, policy) if orders.reads else None, _Past(self._link)
        # Failures are not limited here: the coordinator counts for all.
        rules = replace(
            limits_of(job, reads, self._capture), claim_batch=self._claim_batch(), about_key=orders.about_key
        )
        pool = self._pool = WorkerPool(
            source=self._link,
            sink=self._outbox,
            turns=self._turns,
            send=whole_sender_of(self._client, job, reads, past, log if orders.verbose else None),
            judge=judge_of(policy, job, reads),
            listen=self._listen,
            delay=delay_s,
            rules=rules,
            clock=job.clock,
            log=log,
            labels=RowLabels(orders.files),
        )
        reporting = asyncio.create_task(self._report_now_and_then(pool))
        stopped: tuple[str, str] | None = None
        try:
            await pool.run(job.concurrency)
        except BatchUpdateError as error:
            stopped = (error.message, error.hint)
        finally:
            self._pool = None
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        self._turns.close()
        await self._report(pool)
        self._before = self._sum(pool)
        return stopped

    def _listen(self, reply: Reply) -> Sequence[Allowance]:
        """What a reply advertises, if the rate is found out."""
        return self._policy.signals.allowances(reply.headers, self._job.clock.now) if self._turns.auto else ()

    def _claim_batch(self) -> int:
        """How many rows to have claimed ahead: few where one without an answer costs much."""
        in_flight = self._job.concurrency * self._job.batch_size
        if not self._job.target.repeatable:
            return in_flight
        return CLAIM_BATCH if self._orders.maps is not None else max(UNSEEN_AHEAD, in_flight)

    def _sum(self, pool: WorkerPool) -> Traffic:
        before, now = self._before, pool.traffic
        return Traffic(before.sent + now.sent, before.retried + now.retried, before.throttled + now.throttled)

    async def _report_now_and_then(self, pool: WorkerPool) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._outbox.urgent.wait(), self._report_every_s)
            self._outbox.urgent.clear()
            self._turns.tidy()
            if self._turns.patience_s:
                pool.set_limits(self._turns.patience_s, None)
            try:
                await asyncio.shield(asyncio.create_task(self._report(pool)))
            except Exception as error:  # noqa: BLE001 - the pool raises it: nothing further may leave
                pool.stop(error)
                return

    async def _report(self, pool: WorkerPool) -> None:
        async with self._reporting:  # one after the other: the last one is to be the last that arrives
            heard = self._turns.take_heard()
            if heard or not self._outbox.is_empty:
                await self._outbox.send(self._link, heard, self._sum(pool), pool.trouble)
