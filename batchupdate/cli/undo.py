"""`undo`: the records of an earlier run get back what they were before it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import Consent, ask_and_send, finish
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import with_key
from batchupdate.cli.refusals import tells_refusals
from batchupdate.cli.summaries import checkup_json, show_changes
from batchupdate.cli.units import many
from batchupdate.errors import ConfigError

Force = Annotated[bool, typer.Option("--force", help="Restore records also that somebody has changed since.")]
ForceRow = Annotated[
    str | None,
    typer.Option("--force-row", help="The same for these rows of the input alone: 4,10-20 or b.csv:4.", metavar="ROWS"),
]


@reports_errors
@options.of(options.CONFIG, options.RUNS, options.CHANGING, options.REPORTING)
def undo(
    run: options.RunName,
    force: Force = False,
    force_row: ForceRow = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    given: options.Given,
) -> None:
    """Give the records of a run back what they were before it, as a new run.

    Each record is read first: one that somebody has changed since keeps what it has. To undo an undo, undo that run.

    Exit codes: 0 all is restored, 1 something is not, 2 nothing can be restored, 3 stopped.

    Examples:

      batchupdate undo latest --dry-run

      batchupdate undo latest --force-row 4,10-20
    """
    from batchupdate.run import undo_job
    from batchupdate.runs.selection import parse_selection
    from batchupdate.runs.undo import find_to_undo, sentences

    screen = Screen(quiet=quiet, as_json=as_json)
    folder = find_to_undo(given.settings().runs_dir, run)
    try:
        rows = parse_selection(None, None, force_row).rows
    except ConfigError as error:
        raise ConfigError(error.message.replace("--rows", "--force-row"), error.hint) from None
    consent = Consent(dry_run=dry_run, yes=yes, possible=True, verbose=verbose)
    told = tells_refusals(given.settings(), f"undo of {run}", screen, consent)
    with told, ended_by_signals(), ExitStack() as stack:
        job = with_key(
            lambda environ: stack.enter_context(
                undo_job(folder, given.settings, force=force, force_rows=rows, keyless=dry_run, environ=environ)
            )
        )
        screen.say(f"Undo of {folder.run_id} → {job.target.name} at {job.base_url}", style="bold")
        left = job.journal.meta()["not_restored"]
        for notice in (*job.checkup.notices, *sentences(left)):
            screen.say(f"  {notice}", style="yellow")
        unknowable = f" Of {job.checkup.invalid:,} nothing is known." if job.checkup.invalid else ""
        changed = "is overwritten" if force else "is kept"
        screen.say(f"  {many(job.to_send, 'row')} can be restored.{unknowable}")
        screen.say(f"  What somebody else has changed since {changed}; that is seen only when each record is read.")
        show_changes(job, screen)
        report = {**checkup_json(job.checkup, []), "undo_of": folder.run_id, "not_restored": left}
        summary = ask_and_send(job, screen, consent, report)
    finish(summary, screen)
