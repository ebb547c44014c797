"""An unfinished run, ready to go on from its journal alone."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of
from batchupdate.runs.metadata import changed_since
from batchupdate.runs.reopen import checkup_of, hold_target, open_run, refuse_other_api
from batchupdate.util.clock import Clock, SystemClock
from batchupdate.util.text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from batchupdate.config import Settings


@contextmanager
def resumed_job(
    folder: RunFolder,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Job]:
    """Opens an unfinished run from its journal; neither the input file nor its old place is needed.

    Args:
        folder: the run.
        settings_with: makes settings out of those that the run has kept; what is said now goes before them.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: the run can't be resumed.
        RunLocked: another process holds it, or is working on its target.
    """
    with ExitStack() as stack:
        earlier = open_run(stack, folder, settings_with)
        meta, settings, target, base_url = earlier.meta, earlier.settings, earlier.target, earlier.base_url
        _refuse_abandoned_retry(folder, meta, earlier.journal)
        refuse_other_api("run", meta["same"]["base_url"], base_url, ", or retry the run")
        way_out = f"send the rows that are left with the new one: batchupdate retry {folder.command_name}"
        earlier.keep_the_package("This run began", way_out)
        earlier.keep_the_proxy()
        hold_target(stack, settings, target, base_url)
        clock = clock or SystemClock()
        credentials = credentials_of(target, settings, environ, clock)
        checkup = checkup_of(meta)
        if "undo_of" not in meta and (changed := changed_since(meta["input"])):
            have, file = ("have", "the files") if len(changed) > 1 else ("has", "the file")
            checkup.notices.append(
                f"{listed(changed)} {have} changed since this run began. The run resumes with the rows as they were; "
                f"run {file} again afterwards to send what is new."
            )
        yield Job(
            folder,
            earlier.journal,
            target,
            settings,
            base_url,
            credentials,
            clock,
            checkup,
            resumed=True,
        )


def _refuse_abandoned_retry(folder: RunFolder, meta: Mapping[str, Any], journal: Journal) -> None:
    """A retry that ended before it began has not taken over its rows: they are still those of the run before.

    Raises:
        ConfigError: this is one, and the run before can still send them.
    """
    if "retry_of" not in meta or journal.sessions().started_at is not None:
        return
    before = RunFolder(folder.path.parent / meta["retry_of"])
    if not before.journal.exists():
        return
    with Journal.open(before.journal) as parent:
        if folder.run_id in parent.given():
            return
    raise ConfigError(
        f"The run {folder.run_id} ended before it began; its rows are still those of the run {before.run_id}.",
        f"Retry them with: batchupdate retry {before.command_name}",
    )
