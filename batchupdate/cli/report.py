"""`report`: a run's reports, rebuilt from its journal."""

from __future__ import annotations

from typing import Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors

REPORTS = (
    *("results.csv", "success.csv", "failed.csv", "not_attempted.csv"),
    *("results.xlsx", "undo.csv", "report.html", "summary.json"),
)
"""In the order in which they are named; a run has not all of them."""


@reports_errors
def report(
    run: options.RunName = "latest",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    recover: Annotated[
        bool, typer.Option("--recover", help="The journal is damaged: save what can be read, and say what can't.")
    ] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Write success.csv and not_attempted.csv, too, beside failed.csv.")
    ] = False,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write results.xlsx, however many rows there are.")] = False,
    as_json: options.Json = False,
) -> None:
    """Rebuild a run's reports from its journal.

    Examples:

      batchupdate report latest

      batchupdate report latest --xlsx

      batchupdate report --recover 20261121-184500-renames-7f3a
    """
    from batchupdate.runs.folder import find
    from batchupdate.runs.history import rebuild_reports
    from batchupdate.runs.rescued_reports import recover_reports

    screen = Screen(as_json=as_json)
    folder = find(runs_dir, run)
    if recover:
        summary = recover_reports(folder)
        said = "Saved what could be read in recovered-results.csv, recovered-failed.csv and recovered-summary.json"
    else:
        summary = rebuild_reports(folder, split=split, xlsx=xlsx)
        *others, last = (name for name in REPORTS if (summary.folder / name).exists())
        said = f"Rebuilt {', '.join(others)} and {last}"
    for notice in summary.notices:
        screen.say(notice, style="yellow")
    screen.result(f"{said} in {summary.folder}")
    screen.json(summary.to_json())
    if recover:
        raise typer.Exit(summary.exit_code)
