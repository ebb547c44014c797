"""`verify`: the records of an earlier run, read again. The command line and the library both go through it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchupdate.config import Settings
from batchupdate.config.loading import with_kept
from batchupdate.engine import Stop
from batchupdate.engine.verification import verify_rows
from batchupdate.runs.folder import find
from batchupdate.runs.log import NOWHERE, run_log
from batchupdate.runs.verify import verify_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from batchupdate.model import Progress
    from batchupdate.reporter import Verification
    from batchupdate.runs.job import Job

__all__ = ["Stop", "verify", "verify_job", "verify_run"]


def _ignore(_: object) -> None:
    """A hook for callers who don't want to be called."""


async def verify_run(
    job: Job, *, writable: bool, on_progress: Callable[[Progress], None] = _ignore, stop: Stop | None = None
) -> Verification:
    """Compares the records of a run with what it gave them; `writable` is whether its folder may get the findings.

    Raises:
        Interrupted: it was asked to stop.
        SafetyStop: the records can't be read.
    """
    with run_log(job.folder.path / "verify.log" if writable else NOWHERE, job.clock, job.secrets, job.labels) as log:
        found, ended = await verify_rows(job, log, stop or Stop(), on_progress)
    if ended is not None:
        raise ended
    if writable:
        found.write()
    return found


async def verify(
    run: str | Path = "latest",
    settings: Settings | None = None,
    *,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Verification:
    """Reads the records of a run again, and compares them with what it gave them; the same as the command `verify`.

    Args:
        run: a run's id, its folder, or `latest`.
        settings: what is set here stands above what the run has kept of its settings.
        on_progress: is called with how far it is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: the run or its records can't be read.
        SafetyStop: the API refuses to have them read, or is down.
        RunLocked: another process is working on the run.
    """
    settings = settings or Settings()
    folder = find(settings.runs_dir, str(run))
    with verify_job(folder, partial(with_kept, settings), environ=environ) as (job, writable):
        return await verify_run(job, writable=writable, on_progress=on_progress)
