"""Some rows of an earlier run, ready to be sent again as a run of their own."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.api.verdict import errors_in_doubt
from batchupdate.errors import ConfigError
from batchupdate.model import Outcome
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of, only_secrets
from batchupdate.runs.reopen import checkup_of, hold_target, open_run
from batchupdate.runs.unfinished import begin_linked
from batchupdate.util.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.journal import Journal
    from batchupdate.runs.folder import RunFolder
    from batchupdate.runs.reopen import Earlier
    from batchupdate.runs.selection import Selection


@contextmanager
def retry_job(
    folder: RunFolder,
    selection: Selection,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    keyless: bool = False,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Job]:
    """Makes a new run, linked to an earlier one, of some of its rows.

    Rows that the earlier run still had to send are the new run's from the moment it begins to send.

    Args:
        folder: the earlier run.
        selection: which rows.
        settings_with: makes settings out of those that the earlier run has kept; what is said now goes before them.
        keyless: ask for no API key; such a job is not to be executed.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: the earlier run can't be read, or no row of it is selected.
        RunLocked: another process holds the earlier run, or is working on its target.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        earlier = open_run(stack, folder, settings_with)
        settings, target, base_url = earlier.settings, earlier.target, earlier.base_url
        credentials = (only_secrets if keyless else credentials_of)(target, settings, environ, clock)
        if not keyless:
            earlier.keep_the_proxy()
            hold_target(stack, settings, target, base_url)
        rows = selection.numbers(earlier.journal, repeatable=target.repeatable and target.idempotency is None)
        if not rows:
            raise _nothing_to_retry(folder, selection, earlier.journal)
        made, journal = begin_linked(stack, earlier, "retry", clock.now())
        for batch in earlier.journal.copies(rows, in_doubt=errors_in_doubt(target), whole=True):
            journal.add_copies(batch)
            journal.keep_before(list(earlier.journal.before([row[0] for row in batch if row[-1]]).items()))
        journal.seal({**_facts(earlier, selection, rows), **made.facts()})
        checkup = checkup_of(journal.meta())
        if "undo_of" in earlier.meta:
            checkup.notices.append(
                f"The run {folder.run_id} undoes {earlier.meta['undo_of']}, and so does this one: what somebody else "
                "has changed since is kept."
            )
        if other := earlier.other_package:
            before = earlier.meta["package"]["version"]
            checkup.notices.append(
                f"The earlier run was sent with {other.name} {before}; this one is with {other.version}."
            )
        yield Job(
            made,
            journal,
            target,
            settings,
            base_url,
            credentials,
            clock,
            checkup,
            on_start=lambda: earlier.journal.give_away(rows, made.run_id),
        )


def _facts(earlier: Earlier, selection: Selection, rows: Sequence[int]) -> dict[str, Any]:
    """What the new run's journal keeps about it."""
    facts = earlier.facts_for(rows, "retry_of")
    facts |= {name: earlier.meta[name] for name in ("undo_of", "not_restored") if name in earlier.meta}
    if set(selection.outcomes) == {Outcome.UNKNOWN}:  # the API is to know the same requests again by their keys
        facts["nonce"] = earlier.meta.get("nonce", earlier.run_id)
    return facts


def _nothing_to_retry(folder: RunFolder, selection: Selection, earlier: Journal) -> ConfigError:
    given_to = earlier.given()
    hint = f"See what became of its rows with: batchupdate show {folder.command_name}"
    if given_to:
        hint = f"Rows of it were sent again by {', '.join(given_to)}: see and retry that one."
    return ConfigError(f"No row of the run {folder.run_id} is to be sent again: {selection}.", hint)
