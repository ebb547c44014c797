"""An earlier run, ready to have its records read again; nothing of it is sent."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of
from batchupdate.runs.log import sessions_begun
from batchupdate.runs.metadata import kept_target
from batchupdate.runs.reopen import checkup_of, refuse_other_api
from batchupdate.targets.packages import hooks_again
from batchupdate.util.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from batchupdate.config import Settings
    from batchupdate.runs.folder import RunFolder


@contextmanager
def verify_job(
    folder: RunFolder,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[tuple[Job, bool]]:
    """Opens a run to read its records again.

    Args:
        folder: the run.
        settings_with: makes settings out of those that the run has kept; what is said now goes before them.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Yields:
        The job, and whether its folder can be written to.

    Raises:
        UsageError: the run can't be read, or its records can't be.
        RunLocked: another process is working on it.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.lock())
            writable = True
        except ConfigError:  # a folder that can't be written to is only read
            writable = False
        journal = stack.enter_context(
            Journal.take_over(folder.journal, sessions_begun(folder.log)) if writable else Journal.open(folder.journal)
        )
        meta = journal.meta()
        if not meta.get("sealed"):
            raise ConfigError(f"The run {folder.run_id} ended while its file was being read. Nothing was sent.")
        settings = settings_with(meta.get("settings", {}))
        target = kept_target(meta)
        target = target.with_hooks(hooks_again(meta["package"]) if "package" in meta else None)
        if target.read is None and target.list is None:
            raise ConfigError(
                f"{target.name} does not declare how records are read, so this run can't be verified.",
                "The run keeps the target as it was. Add 'read' or 'list' to the declaration (docs/targets.md) before "
                "the next run.",
            )
        sent_to = meta["same"]["base_url"]
        base_url = target.base(settings.base_url or sent_to, allow_http=settings.allow_http)
        refuse_other_api("run", sent_to, base_url)
        credentials = credentials_of(target, settings, environ, clock)
        job = Job(folder, journal, target, settings, base_url, credentials, clock, checkup_of(meta), resumed=True)
        yield job, writable
