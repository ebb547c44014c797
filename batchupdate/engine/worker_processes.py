"""A run on several processes: its coordinator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchupdate.api.verdict import errors_in_doubt
from batchupdate.engine.cluster.scheduler import local_workers, remote_workers
from batchupdate.engine.coordinator import Coordinator
from batchupdate.engine.first_rows import FirstRows
from batchupdate.engine.read_first import held_to
from batchupdate.engine.reconcile import FOUND_AFTER_A_DEATH, RecordLookUp
from batchupdate.engine.remote_worker import Orders
from batchupdate.runs.cluster_certs import COORDINATOR, Certificates, join_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.client import Client
    from batchupdate.engine.coordinator import Books, Workers
    from batchupdate.engine.pool_limits import PoolLimits
    from batchupdate.engine.protocols import Source
    from batchupdate.limiter import Limiter
    from batchupdate.runs.job import Job

    Start = Callable[[Coordinator], AbstractAsyncContextManager[Workers]]

_NOT_THEIRS = {"input", "notify", "runs_dir", "workers", "cluster", "cluster_certs"}
"""Settings that worker processes have no use for."""


def coordinator_for(
    job: Job,
    source: Source,
    sink: Books,
    limiter: Limiter,
    client: Client,
    rules: PoolLimits,
    log: FilteringBoundLogger,
    *,
    verbose: bool,
) -> Coordinator:
    """What lets worker processes send a job's rows; `client` looks up those of a process that has died."""
    settings, target, count = job.settings, job.target, job.settings.workers or 1
    address = settings.cluster
    orders = Orders(
        target=target.model_dump_json(exclude_unset=True),
        package=target.hooks.package._asdict() if target.hooks else None,
        settings=settings.model_dump_json(exclude_unset=True, exclude=_NOT_THEIRS),
        base_url=job.base_url,
        nonce=job.nonce,
        concurrency=job.concurrency // count,
        about_key=rules.about_key,
        files=job.labels.names,
        maps=None if address else str(job.folder.path.absolute()),
        reads=rules.reads_first is not None,
        verbose=verbose,
    )
    if address:
        certificates = Certificates.of(settings.cluster_certs, COORDINATOR, "--cluster-certs")
        ends_run = not isinstance(source, FirstRows)  # after these, the others need the processes again
        start: Start = partial(remote_workers, orders, count, address, certificates, ends_run=ends_run)
    else:
        start = partial(local_workers, orders, count)
    records = RecordLookUp(client, target, sink.before, job.secrets.redact, FOUND_AFTER_A_DEATH)
    return Coordinator(
        source=source,
        sink=sink,
        limiter=limiter,
        start=start,
        maps=job.folder.path,
        rules=rules,
        repeatable=target.repeatable,
        in_doubt=frozenset(errors_in_doubt(target)),
        look_up=records.found if target.read is not None else None,
        hold_to=partial(held_to, target) if target.precondition is not None else None,
        clock=job.clock,
        log=log,
        how_to_join=f"Start one on another machine with: {join_command(address)}" if address else "",
    )
