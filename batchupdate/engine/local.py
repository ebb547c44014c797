"""The workers in this process, on one event loop."""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.api.batch_reply import BatchJudge
from batchupdate.api.verdict import Policy, judge
from batchupdate.engine.batches import Packing
from batchupdate.engine.read_first import FirstReads
from batchupdate.engine.reconcile import Reconciliation
from batchupdate.engine.rules import CLAIM_BATCH, Rules
from batchupdate.engine.worker_pool import WorkerPool
from batchupdate.errors import BatchUpdateError, Interrupted, SafetyStop
from batchupdate.journal import Session
from batchupdate.journal.queue import Queue
from batchupdate.limiter import Limiter
from batchupdate.limiter.backoff import delay_s
from batchupdate.model import Progress, ReadReply, Reply, Traffic, Verdict
from batchupdate.targets.hooks import HookError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.client import Client
    from batchupdate.engine.protocols import Sink, Source
    from batchupdate.model import Allowance, Fault, Request
    from batchupdate.runs.job import Job
    from batchupdate.util.clock import Clock

    Send = Callable[[Request], Awaitable[Reply | Fault]]

PROGRESS_EVERY_S = 0.25
LOOK_UP_S = 30.0
"""Looking up is a favour: an API that can't be read is not waited for as long as one that can't be written."""

RATE_OVER_S = 10.0


class Stop:
    """Asks a run to end cleanly: what is in flight finishes, nothing further is sent."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.signal_number: int | None = None

    def request(self, signal_number: int) -> None:
        """Asks; the number says which signal did."""
        self.signal_number = self.signal_number or signal_number
        self._asked.set()

    async def requested(self) -> None:
        """Returns once somebody asked."""
        await self._asked.wait()


async def work_off(
    job: Job,
    session: int,
    total: int,
    log: FilteringBoundLogger,
    stop: Stop,
    on_progress: Callable[[Progress], None],
    *,
    verbose: bool = False,
) -> tuple[Traffic, BatchUpdateError | None]:
    """Sends what the job's journal still has to send.

    Args:
        job: what to send, where, and how; its session has begun.
        session: the session's number in the journal.
        total: how many rows that are, for the progress; to count them takes a while where there are many.
        log: where noteworthy events go.
        stop: asks for a clean end.
        on_progress: is called with how far the run is, a few times a second.
        verbose: whether every request goes into the log.

    Returns:
        The requests it took, and why it ended early, or None.
    """
    from batchupdate.api.client import (  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded
        MAX_BATCH_REPLY,
        MAX_RECORD,
        Client,
    )

    journal, target, settings, clock = job.journal, job.target, job.settings, job.clock
    line = _Line(job, log, stop, on_progress)
    batch = target.batch if job.batch_size > 1 else None
    client = Client(
        job.base_url,
        batch.method if batch else target.method,
        target.read_headers,
        settings,
        concurrency=job.concurrency,
        clock=clock,
        secrets=job.secrets,
        credentials=job.credentials,
        change_headers={**target.change_headers, "Content-Type": batch.content_type}
        if batch
        else target.change_headers,
        keep_bodies=bool(batch or target.success is not None or target.judges or job.credentials.asks_in_success),
        most_of_bodies=MAX_BATCH_REPLY if batch else MAX_RECORD,
        decode=target.decode,
    )

    def heard() -> Session:
        return Session.at(session, clock.unix(), line.traffic)

    async with client, Queue(journal, clock, heard) as queue:
        if target.read is not None and journal.unanswered(0, 1):
            looked_up = Reconciliation(journal, queue, client, target)
            look_up: Send = _guarded(looked_up.look_up, job)
            if verbose:
                look_up = _logged(look_up, log, job, reads=lambda _: True)
            reason = await line.work("looking up", looked_up, looked_up, look_up, None)
            await queue.settle()
            log.info("looked_up", found_applied=looked_up.found, ended=str(reason or ""))
            if isinstance(reason, Interrupted):
                return line.traffic, reason  # an API that can't be read may well take changes: those come next
            total -= looked_up.found
        send = _guarded(_sender(client, job, line.reads), job)
        if verbose:
            send = _logged(send, log, job, reads=line.reads.wanted if line.reads else lambda _: False)
        reason = await line.work("sending", queue, queue, send, total)
    return line.traffic, reason


class _Line:
    """What stands before the API: one limiter for everything that is sent, and a pool for each kind of it."""

    def __init__(
        self, job: Job, log: FilteringBoundLogger, stop: Stop, on_progress: Callable[[Progress], None]
    ) -> None:
        settings, target = job.settings, job.target
        self._job, self._log, self._stop, self._on_progress = job, log, stop, on_progress
        self._labels = job.labels
        self._policy = Policy.of(target, settings.max_wait)
        self.reads = FirstReads(job, self._policy) if job.target.reads_first or job.journal.has_pulled() else None
        """Reads records before their changes; None where no row needs that."""
        self._limiter = Limiter(
            job.rate,
            settings.burst or target.burst,
            job.clock,
            delay_s,
            concurrency=job.concurrency,
            adaptive=job.rate.auto,
            max_wait_s=settings.max_wait,
            patience_s=settings.give_up_after,
        )
        self._rules = Rules(
            settings.max_attempts,
            settings.give_up_after,
            settings.max_failures,
            settings.retry_budget,
            tuple(target.request_id_headers),
            CLAIM_BATCH if target.repeatable else job.concurrency * job.batch_size,
            _about_key(job),
            self.reads.wanted if self.reads else None,
            _packing(job, self.reads),
        )
        self._pools: list[WorkerPool] = []

    @property
    def traffic(self) -> Traffic:
        """All requests so far."""
        sent, retried, throttled = (sum(each) for each in zip(*(pool.traffic[:3] for pool in self._pools), strict=True))
        return Traffic(sent, retried, throttled, self._limiter.waited_s, self._limiter.allowed_per_s)

    def _listen(self, reply: Reply) -> Sequence[Allowance]:
        return self._policy.signals.allowances(reply.headers, self._job.clock.now)

    async def work(
        self,
        stage: str,
        source: Source,
        sink: Sink,
        send: Send,
        total: int | None,
    ) -> BatchUpdateError | None:
        """Lets a pool send everything that a source has; returns why it ended early, or None."""
        job = self._job
        pool = WorkerPool(
            source=source,
            sink=sink,
            turns=self._limiter,
            send=send,
            judge=_judge_of(
                self._policy if total is not None else replace(self._policy, changes=False), job, self.reads
            ),
            listen=self._listen if job.rate.auto else None,
            delay=delay_s,
            rules=self._rules
            if total is not None
            else replace(self._rules, max_failures=None, max_attempts=2, give_up_after_s=LOOK_UP_S, packing=Packing),
            clock=job.clock,
            log=self._log.bind(stage=stage),
            labels=self._labels,
        )
        self._pools.append(pool)
        watch = asyncio.create_task(_Watch(pool, self._limiter, job.clock, self._on_progress, total, stage).report())
        try:
            return await self._until_done(pool)
        finally:
            watch.cancel()
            (ended,) = await asyncio.gather(watch, return_exceptions=True)
            if isinstance(ended, Exception):  # the user's hook failed; that is no reason to stop sending
                self._log.error("progress", why=repr(ended))

    async def _until_done(self, pool: WorkerPool) -> BatchUpdateError | None:
        """Lets the pool work until it is done, or was asked to stop and has drained."""
        job, log, stop = self._job, self._log, self._stop
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


def _packing(job: Job, reads: FirstReads | None) -> Callable[[], Packing]:
    target, size = job.target, job.batch_size
    if target.batch is None or size == 1:
        return Packing
    builder = target.batch_builder
    return partial(
        Packing,
        size,
        target.batch.max_bytes,
        lambda request: builder.length(target.batch_record(request)),
        builder.empty_length,
        partial(_kind_of, reads, same_fields=target.batch.same_fields) if reads or target.batch.same_fields else None,
    )


def _kind_of(reads: FirstReads | None, request: Request, *, same_fields: bool) -> Hashable:
    """What rows have in common that can go out together; one that is read just before its change goes by itself."""
    if reads is not None and reads.wanted(request):
        return request.row
    return frozenset(json.loads(request.fields)) if same_fields else None


def _about_key(job: Job) -> str:
    """Where the key comes from, and what to do about a wrong one; '' where there is none."""
    if not job.credentials.place:
        return ""
    again = "this run can be resumed" if job.is_retry else "the same command resumes"
    return f"The key comes from {job.credentials.place}; once it is a valid one, {again}."


def _judge_of(policy: Policy, job: Job, reads: FirstReads | None) -> Callable[[Request, Reply | Fault], Verdict]:
    target, now = job.target, job.clock.now
    batches = None
    if target.batch and job.batch_size > 1 and policy.changes:
        batches = BatchJudge(target.batch, Policy.of_batches(target, job.settings.max_wait), policy, now)

    def judged(request: Request, answer: Reply | Fault) -> Verdict:
        if reads is not None and isinstance(answer, ReadReply):
            verdict = reads.judge(request, answer)
        elif batches is not None:
            verdict = batches(answer, target.batch_keys(request.rows))
            verdict = replace(verdict, parts=[(reply, redacted(one)) for reply, one in verdict.parts])
        else:
            verdict = judge(answer, policy, now)
        return redacted(verdict)

    def redacted(verdict: Verdict) -> Verdict:
        return replace(verdict, message=job.secrets.redact(verdict.message)) if verdict.message else verdict

    return judged


def _sender(client: Client, job: Job, reads: FirstReads | None) -> Send:
    target, nonce, keys = job.target, job.nonce, job.target.idempotency

    def send(request: Request) -> Awaitable[Reply | Fault]:
        return client.send(request.path, target.body_of(request.fields, request.path))

    if target.batch is not None and job.batch_size > 1:
        path, builder = target.batch.path, target.batch_builder

        def send_batch(request: Request) -> Awaitable[Reply | Fault]:
            return client.send(path, builder.build([*map(target.batch_record, request.rows)]))

        return partial(reads.send, client, send_batch) if reads else send_batch
    if reads is not None:
        return partial(reads.send, client, partial(reads.change, client))
    if keys is None:
        return send

    def send_once(request: Request) -> Awaitable[Reply | Fault]:
        headers = keys.headers(nonce, request.row, request.errors)
        return client.send(request.path, target.body_of(request.fields, request.path), headers)

    return send_once


def _guarded(send: Send, job: Job) -> Send:
    """Sends as `send` does; where the code of the target's package fails, that is a fault like others."""
    if job.target.hooks is None:
        return send

    async def sent(request: Request) -> Reply | Fault:
        try:
            return await send(request)
        except HookError as error:
            return error.fault

    return sent


def _logged(send: Send, log: FilteringBoundLogger, job: Job, *, reads: Callable[[Request], bool]) -> Send:
    """Sends as `send` does, and writes every request into the log; what the bodies hold stays out of it.

    `reads` says whether a request is a read of its record.
    """
    target = job.target
    batch = target.batch if job.batch_size > 1 else None

    async def send_and_log(request: Request) -> Reply | Fault:
        read = reads(request)
        answer = await send(request)
        ending = {"status": answer.status} if isinstance(answer, Reply) else {"status": None, "why": answer.message}
        log.debug(
            "request",
            row=request.row,
            id=request.record_id,
            **({"rows": len(request.rows)} if batch and not read else {}),
            method="GET" if read else (batch or target).method,
            url=job.base_url + (target.read_path(request.path) if read else batch.path if batch else request.path),
            attempt=request.sent + 1,
            duration_ms=round(answer.duration_s * 1000, 1),
            **ending,
        )
        return answer

    return send_and_log


@dataclass(slots=True)
class _Watch:
    """Looks at the pool a few times a second and tells how far it is."""

    pool: WorkerPool
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
            left / rate + holding if rate and left is not None else None,
            holding,
            self.limiter.rate_per_s if math.isfinite(self.limiter.rate_per_s) else None,
            self.pool.trouble,
        )
