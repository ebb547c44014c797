"""How rows are sent and their replies judged, in whichever process: what a worker pool is given to work with."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.api.batch_reply import BatchJudge
from batchupdate.api.captured import Capture
from batchupdate.api.success import is_success
from batchupdate.api.verdict import Policy, judge
from batchupdate.engine.batches import Packing
from batchupdate.engine.pool_limits import PoolLimits
from batchupdate.engine.pools import guarded
from batchupdate.model import ReadReply, Reply, Verdict
from batchupdate.targets import UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.client import Client
    from batchupdate.engine.assignment import Assignment
    from batchupdate.engine.pools import Judge, Send
    from batchupdate.engine.protocols import Past
    from batchupdate.engine.read_first import FirstReads
    from batchupdate.model import Fault, Request
    from batchupdate.targets import Target


def capture_of(job: Assignment) -> Capture | None:
    """What finds the values of replies that stand in the results; None where none are wanted."""
    return Capture(job.capture, job.secrets.redact) if job.capture else None


def client_of(job: Assignment, capture: Capture | None) -> Client:
    """What sends the requests."""
    from batchupdate.api.client import (  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded
        MAX_BATCH_REPLY,
        MAX_RECORD,
        Client,
    )

    target, batch = job.target, job.batch
    return Client(
        job.base_url,
        batch.method if batch else target.method,
        target.read_headers,
        job.settings,
        concurrency=job.concurrency,
        clock=job.clock,
        secrets=job.secrets,
        credentials=job.credentials,
        change_headers={**target.change_headers, "Content-Type": batch.content_type}
        if batch
        else target.change_headers,
        keep_bodies=bool(
            batch
            or target.success
            or target.before
            or target.judges
            or job.credentials.asks_in_success
            or (capture and capture.needs_body)
        ),
        most_of_bodies=MAX_BATCH_REPLY if batch else MAX_RECORD,
        decode=target.decode,
    )


def packing_of(job: Assignment, reads: FirstReads | None) -> Callable[[], Packing]:
    """What says how many rows go out as one request."""
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


def judge_of(policy: Policy, job: Assignment, reads: FirstReads | None) -> Judge:
    """What says what a reply means; no secret is in what it says."""
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


def sender_of(client: Client, job: Assignment, reading: tuple[FirstReads, Past] | None = None) -> Send:
    """What sends one request; `reading` is what reads records first, and where what is read is kept."""
    reads, past = reading or (None, None)
    target, nonce, keys = job.target, job.nonce, job.target.idempotency
    body_of = target.body_maker()

    def send(request: Request) -> Awaitable[Reply | Fault]:
        return client.send(request.path, body_of(request.fields, request.path))

    if job.batch is not None:
        path, builder = job.batch.path, target.batch_builder

        def send_batch(request: Request) -> Awaitable[Reply | Fault]:
            return client.send(path, builder.build([*map(target.batch_record, request.rows)]))

        return partial(reads.send, client, send_batch, past) if reads and past else send_batch
    if reads is not None and past is not None:
        return partial(reads.send, client, partial(reads.change, client), past)
    if keys is None:
        return send

    def send_once(request: Request) -> Awaitable[Reply | Fault]:
        headers = keys.headers(nonce, request.row, request.errors)
        return client.send(request.path, body_of(request.fields, request.path), headers)

    return send_once


def whole_sender_of(
    client: Client, job: Assignment, reads: FirstReads | None, past: Past, log: FilteringBoundLogger | None
) -> Send:
    """What sends one request, with all that is kept of it; `log` gets every request, None where nobody wants that."""
    send = sender_of(client, job, (reads, past) if reads else None)
    send = guarded(keeping_old(send, job.target, past) if job.target.before else send, job)
    return send if log is None else logged(send, log, job, reads=reads.wanted if reads else lambda _: False)


def limits_of(job: Assignment, reads: FirstReads | None, capture: Capture | None) -> PoolLimits:
    """What limits every pool that sends a job's rows, in whichever process."""
    settings = job.settings
    return PoolLimits(
        max_attempts=settings.max_attempts,
        give_up_after_s=settings.give_up_after,
        retry_budget=settings.retry_budget,
        request_id_headers=tuple(job.target.request_id_headers),
        reads_first=reads.wanted if reads else None,
        packing=packing_of(job, reads),
        capture=capture,
    )


def keeping_old(send: Send, target: Target, past: Past) -> Send:
    """Sends as `send` does, and keeps what the replies to changes say of the records before them.

    Where an earlier try may have been applied, that may be what it has made of the record.
    """

    async def send_and_keep(request: Request) -> Reply | Fault:
        answer = await send(request)
        if request.unanswered or request.unsure or isinstance(answer, ReadReply):
            return answer
        if isinstance(answer, Reply) and is_success(answer.status):
            with suppress(UnexpectedReplyError):  # nothing is known then
                seen = target.seen_before(answer, json.loads(request.fields))
                await past.keep_before(request.row, seen.to_json())
        return answer

    return send_and_keep


def logged(send: Send, log: FilteringBoundLogger, job: Assignment, *, reads: Callable[[Request], bool]) -> Send:
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
