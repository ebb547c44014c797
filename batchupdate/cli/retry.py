"""`retry`: rows of an earlier run, sent again as a run of their own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from batchupdate.cli import completion, options
from batchupdate.cli.confirm_and_send import Consent, ask_and_send, finish
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import with_key
from batchupdate.cli.refusals import tells_refusals
from batchupdate.cli.summaries import checkup_json, show_changes

Outcomes = Annotated[
    str | None,
    typer.Option(
        "--outcome",
        help="Only these: failed, unknown, conflict, not_attempted.",
        metavar="NAMES",
        autocompletion=completion.choices("failed", "unknown", "conflict", "not_attempted"),
    ),
]
Statuses = Annotated[
    str | None, typer.Option("--status", help="Only rows that got these: 404,5xx.", metavar="STATUSES")
]
Rows = Annotated[
    str | None, typer.Option("--rows", help="Only these rows of the input: 4,10-20 or b.csv:4.", metavar="ROWS")
]


@reports_errors
@options.of(options.CONFIG, options.RUNS, options.CHANGING, options.REPORTING)
def retry(
    run: options.RunName,
    outcome: Outcomes = None,
    status: Statuses = None,
    rows: Rows = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    given: options.Given,
) -> None:
    """Send again only what failed, was unknown, conflicted or was not attempted, as a new run.

    Invalid rows are left out: correct them in failed.csv, and run that file.

    Examples:

      batchupdate retry latest

      batchupdate retry latest --status 404,5xx --rows 10-200
    """
    from batchupdate.run import retry_job
    from batchupdate.runs.folder import find
    from batchupdate.runs.selection import parse_selection

    screen = Screen(quiet=quiet, as_json=as_json)
    folder, selection = find(given.settings().runs_dir, run), parse_selection(outcome, status, rows)
    consent = Consent(dry_run=dry_run, yes=yes, possible=True, verbose=verbose)
    told = tells_refusals(given.settings(), f"retry of {run}", screen, consent)
    with told, ended_by_signals(), ExitStack() as stack:
        job = with_key(
            lambda environ: stack.enter_context(
                retry_job(folder, selection, given.settings, keyless=dry_run, environ=environ)
            )
        )
        screen.say(f"{folder.run_id} → {job.target.name} at {job.base_url}", style="bold")
        count = job.checkup.rows
        screen.say(f"  {count:,} of its rows {'is' if count == 1 else 'are'} to be sent again.")
        for notice in job.checkup.notices:
            screen.say(f"  {notice}", style="yellow")
        show_changes(job, screen)
        summary = ask_and_send(job, screen, consent, checkup_json(job.checkup, []))
    finish(summary, screen)
