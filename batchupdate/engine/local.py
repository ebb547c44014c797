"""The workers in this process, on one event loop."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.api.batch_reply import BatchJudge
from batchupdate.api.verdict import Policy, judge
from batchupdate.engine.batches import Packing
from batchupdate.engine.first_rows import FirstRows
from batchupdate.engine.pools import Pools, Stop, guarded
from batchupdate.engine.read_first import FirstReads
from batchupdate.engine.reconcile import Reconciliation
from batchupdate.engine.rules import CLAIM_BATCH, Rules
from batchupdate.engine.verification import read_back
from batchupdate.errors import Interrupted
from batchupdate.journal import Session
from batchupdate.journal.queue import Queue
from batchupdate.model import ReadReply, Reply, Traffic, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.client import Client
    from batchupdate.engine.pools import Judge, Send
    from batchupdate.errors import BatchUpdateError
    from batchupdate.model import Fault, Progress, Request
    from batchupdate.runs.job import Job

__all__ = ["Stop", "work_off"]


async def work_off(  # noqa: PLR0913 - what there is to know of a run, by name
    job: Job,
    session: int,
    total: int,
    log: FilteringBoundLogger,
    stop: Stop,
    on_progress: Callable[[Progress], None],
    *,
    first_only: bool = False,
    verbose: bool = False,
    notices: list[str] | None = None,
) -> tuple[Traffic, BatchUpdateError | None]:
    """Sends what the job's journal still has to send.

    Args:
        job: what to send, where, and how; its session has begun.
        session: the session's number in the journal.
        total: how many rows that are, for the progress; to count them takes a while where there are many.
        log: where noteworthy events go.
        stop: asks for a clean end.
        on_progress: is called with how far the run is, a few times a second.
        first_only: whether `total` are not all rows, but those that go first; the others are left.
        verbose: whether every request goes into the log.
        notices: gets sentences about the whole.

    Returns:
        The requests it took, and why it ended early, or None.
    """
    from batchupdate.api.client import (  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded
        MAX_BATCH_REPLY,
        MAX_RECORD,
        Client,
    )

    journal, target, settings, clock = job.journal, job.target, job.settings, job.clock
    notices = [] if notices is None else notices
    policy = Policy.of(target, settings.max_wait)
    reads = FirstReads(job, policy) if target.reads_first or journal.has_pulled() else None
    rules, pools = _rules(job, reads), Pools(job, policy, log, stop, on_progress)
    batch = job.batch
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
        return Session.at(session, clock.unix(), pools.traffic)

    await clock.sleep_until(job.not_before)
    async with client, Queue(journal, clock, heard) as queue:
        if target.read is not None and journal.unanswered(0, 1):
            looked_up = Reconciliation(journal, queue, client, target)
            look_up: Send = guarded(looked_up.look_up, job)
            if verbose:
                look_up = _logged(look_up, log, job, reads=lambda _: True)
            reason = await pools.work(
                "looking up",
                looked_up,
                looked_up,
                send=look_up,
                judge=_judge_of(replace(policy, changes=False), job, reads),
                rules=rules.for_look_ups(),
                total=None,
            )
            await queue.settle()
            log.info("looked_up", found_applied=looked_up.found, ended=str(reason or ""))
            if isinstance(reason, Interrupted):
                return pools.traffic, reason  # an API that can't be read may well take changes: those come next
            total -= looked_up.found
        send = guarded(_sender(client, job, reads, queue), job)
        if verbose:
            send = _logged(send, log, job, reads=reads.wanted if reads else lambda _: False)
        judged = _judge_of(policy, job, reads)
        source = FirstRows(queue, total) if first_only else queue
        reason = await pools.work("sending", source, queue, send=send, judge=judged, rules=rules, total=total)
    if settings.verify and reason is not None:
        notices.append("The rows were not read back, for the run ended early; resume it to do so.")
    elif settings.verify:
        listed = pools.traffic.sent
        reading, said = await read_back(job, pools, log, on_progress)
        notices += said
        reason = reading.ended if isinstance(reading.ended, Interrupted) else None
        pages = max(0, reading.requests - (pools.traffic.sent - listed))
        return pools.traffic._replace(sent=pools.traffic.sent + pages), reason
    return pools.traffic, reason


def _rules(job: Job, reads: FirstReads | None) -> Rules:
    settings, target = job.settings, job.target
    return Rules(
        settings.max_attempts,
        settings.give_up_after,
        settings.max_failures,
        settings.retry_budget,
        tuple(target.request_id_headers),
        CLAIM_BATCH if target.repeatable else job.concurrency * job.batch_size,
        _about_key(job),
        reads.wanted if reads else None,
        _packing(job, reads),
    )


def _packing(job: Job, reads: FirstReads | None) -> Callable[[], Packing]:
    target, batch = job.target, job.batch
    if batch is None:
        return Packing
    builder = target.batch_builder
    return partial(
        Packing,
        job.batch_size,
        batch.max_bytes,
        lambda request: builder.length(target.batch_record(request)),
        builder.empty_length,
        partial(_kind_of, reads, same_fields=batch.same_fields) if reads or batch.same_fields else None,
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


def _judge_of(policy: Policy, job: Job, reads: FirstReads | None) -> Judge:
    target, now = job.target, job.clock.now
    batches = None
    if job.batch and policy.changes:
        batches = BatchJudge(job.batch, Policy.of_batches(target, job.settings.max_wait), policy, now)

    def judged(request: Request, answer: Reply | Fault) -> Verdict:
        if reads is not None and isinstance(answer, ReadReply):
            verdict = reads.judge(request, answer)
        elif batches is not None:
            verdict = batches(answer, target.batch_keys(request.rows))
            verdict = replace(verdict, parts=[(reply, redacted(one)) for reply, one in verdict.parts])
        else:
            verdict = judge(answer, policy, now)
            verdict = reads.refused(request, answer, verdict) if reads is not None else verdict
        return redacted(verdict)

    def redacted(verdict: Verdict) -> Verdict:
        return replace(verdict, message=job.secrets.redact(verdict.message)) if verdict.message else verdict

    return judged


def _sender(client: Client, job: Job, reads: FirstReads | None, queue: Queue) -> Send:
    target, nonce, keys = job.target, job.nonce, job.target.idempotency

    def send(request: Request) -> Awaitable[Reply | Fault]:
        return client.send(request.path, target.body_of(request.fields, request.path))

    if job.batch is not None:
        path, builder = job.batch.path, target.batch_builder

        def send_batch(request: Request) -> Awaitable[Reply | Fault]:
            return client.send(path, builder.build([*map(target.batch_record, request.rows)]))

        return partial(reads.send, client, send_batch, queue.keep_before) if reads else send_batch
    if reads is not None:
        return partial(reads.send, client, partial(reads.change, client), queue.keep_before)
    if keys is None:
        return send

    def send_once(request: Request) -> Awaitable[Reply | Fault]:
        headers = keys.headers(nonce, request.row, request.errors)
        return client.send(request.path, target.body_of(request.fields, request.path), headers)

    return send_once


def _logged(send: Send, log: FilteringBoundLogger, job: Job, *, reads: Callable[[Request], bool]) -> Send:
    """Sends as `send` does, and writes every request into the log; what the bodies hold stays out of it.

    `reads` says whether a request is a read of its record.
    """
    target, batch = job.target, job.batch

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
