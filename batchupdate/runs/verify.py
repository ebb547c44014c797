"""An earlier run, ready to have its records read again; nothing of it is sent."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of
from batchupdate.runs.reopen import checkup_of, open_earlier, refuse_other_api
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
    with ExitStack() as stack:
        earlier = open_earlier(stack, folder, settings_with, only_read=True)
        meta, settings, target, base_url = earlier.meta, earlier.settings, earlier.target, earlier.base_url
        if target.read is None and target.list is None:
            raise ConfigError(
                f"{target.name} does not declare how records are read, so this run can't be verified.",
                "The run keeps the target as it was. Add 'read' or 'list' to the declaration (docs/targets.md) before "
                "the next run.",
            )
        refuse_other_api("run", meta["same"]["base_url"], base_url)
        earlier.keep_the_proxy()
        clock = clock or SystemClock()
        credentials = credentials_of(target, settings, environ, clock)
        checkup = checkup_of(meta)
        job = Job(folder, earlier.journal, target, settings, base_url, credentials, clock, checkup, resumed=True)
        yield job, earlier.writable
