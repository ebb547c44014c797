"""The workers in this process, on one event loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchupdate.api.verdict import Policy
from batchupdate.engine.first_rows import FirstRows
from batchupdate.engine.pool_limits import CLAIM_BATCH, PoolLimits
from batchupdate.engine.pools import Pools, Stop, guarded
from batchupdate.engine.read_first import FirstReads
from batchupdate.engine.reconcile import Reconciliation, RecordLookUp
from batchupdate.engine.second_look import look_again, unseen_since_the_plan
from batchupdate.engine.sending import capture_of, client_of, judge_of, limits_of, logged, whole_sender_of
from batchupdate.engine.tuning import heeding
from batchupdate.engine.verification import read_back
from batchupdate.errors import Interrupted
from batchupdate.journal import Session
from batchupdate.journal.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.captured import Capture
    from batchupdate.engine.pools import Send
    from batchupdate.engine.record_reader import Reading
    from batchupdate.errors import BatchUpdateError
    from batchupdate.model import Progress, Traffic
    from batchupdate.runs.job import Job

__all__ = ["Stop", "work_off"]


async def work_off(
    job: Job,
    session: int,
    total: int,
    log: FilteringBoundLogger,
    stop: Stop,
    on_progress: Callable[[Progress], None],
    *,
    first_only: bool = False,
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
        first_only: whether `total` are not all rows, but those that go first; the others are left.
        verbose: whether every request goes into the log.

    Returns:
        The requests it took, and why it ended early, or None.
    """
    journal, target, settings, clock = job.journal, job.target, job.settings, job.clock
    policy = Policy.of(target, settings.max_wait)
    reads = FirstReads(job, policy) if target.reads_first or journal.has_pulled() else None
    capture = capture_of(job)
    rules, pools = _rules(job, reads, capture), Pools(job, policy, log, stop, on_progress)
    client = client_of(job, capture)

    def heard() -> Session:
        return Session.at(session, clock.unix(), pools.traffic, pools.limiter.limit_per_s)

    async def kept(facts: Mapping[str, Any]) -> None:
        journal.set_meta(facts)

    try:
        await stop.interrupts(clock.sleep_until(job.not_before))
    except Interrupted as interrupted:
        return pools.traffic, interrupted
    async with client, Queue(journal, clock, heard) as queue, heeding(job, pools, log, queue.keep_facts):
        if target.read is not None and journal.unanswered(0, 1):
            looked_up = Reconciliation(journal, queue, RecordLookUp(client, target, queue.before, job.secrets.redact))
            look_up: Send = guarded(looked_up.look_up, job)
            if verbose:
                look_up = logged(look_up, log, job, reads=lambda _: True)
            reason = await pools.work(
                "looking up",
                looked_up,
                looked_up,
                send=look_up,
                judge=judge_of(replace(policy, changes=False), job, reads),
                rules=rules.for_look_ups(),
                total=None,
            )
            await queue.settle()
            applied, foreign = looked_up.applied, looked_up.foreign
            log.info("looked_up", found_applied=applied, changed_by_others=foreign, ended=str(reason or ""))
            if isinstance(reason, Interrupted):
                return pools.traffic, reason  # an API that can't be read may well take changes: those come next
            total -= applied + foreign
        source = FirstRows(queue, total) if first_only else queue
        if settings.workers:
            from batchupdate.engine.worker_processes import coordinator_for  # noqa: PLC0415 - it loads Dask

            own_log = log.bind(stage="sending")
            coordinator = coordinator_for(job, source, queue, pools.limiter, client, rules, own_log, verbose=verbose)
            reason = await pools.let_work(coordinator, "sending", total, patient=True)
        else:
            send = whole_sender_of(client, job, reads, queue, log if verbose else None)
            judged = judge_of(policy, job, reads)
            reason = await pools.work(
                "sending", source, queue, send=send, judge=judged, rules=rules, total=total, patient=True
            )
    if reason is not None:
        return pools.traffic, reason
    return await _read_after(job, pools, log, on_progress, kept, first_only=first_only)


async def _read_after(
    job: Job,
    pools: Pools,
    log: FilteringBoundLogger,
    on_progress: Callable[[Progress], None],
    kept: Callable[[Mapping[str, Any]], Awaitable[None]],
    *,
    first_only: bool,
) -> tuple[Traffic, BatchUpdateError | None]:
    """Reads records once all is sent: those that only a plan has seen, and with `verify`, those that were updated."""
    unseen = None if first_only else unseen_since_the_plan(job)
    if unseen is None and not job.settings.verify:
        return pools.traffic, None
    before, requests, reason = pools.traffic.sent, 0, None
    async with heeding(job, pools, log, kept):
        if unseen is not None:
            reading = await look_again(job, unseen, pools, log, on_progress)
            requests, reason = reading.requests, _interrupted(reading)
        if job.settings.verify and reason is None:
            reading, said = await read_back(job, pools, log, on_progress)
            job.journal.set_meta({"read_back": said})
            requests, reason = requests + reading.requests, _interrupted(reading)
    pages = max(0, requests - (pools.traffic.sent - before))
    return pools.traffic._replace(sent=pools.traffic.sent + pages), reason


def _interrupted(reading: Reading) -> BatchUpdateError | None:
    """Why nothing further is read; records that can't be read are no reason to end otherwise."""
    return reading.ended if isinstance(reading.ended, Interrupted) else None


def _rules(job: Job, reads: FirstReads | None, capture: Capture | None) -> PoolLimits:
    return replace(
        limits_of(job, reads, capture),
        max_failures=job.settings.max_failures,
        claim_batch=CLAIM_BATCH if job.target.repeatable else job.concurrency * job.batch_size,
        about_key=_about_key(job),
        counted=job.passed,
    )


def _about_key(job: Job) -> str:
    """Where the key comes from, and what to do about a wrong one; '' where there is none."""
    if not job.credentials.place:
        return ""
    again = "this run can be resumed" if job.is_retry else "the same command resumes"
    return f"The key comes from {job.credentials.place}; once it is a valid one, {again}."
