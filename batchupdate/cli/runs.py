"""`runs`, `show` and `report`: what earlier runs came to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.screen import Screen, outcomes, size, told

RunName = Annotated[str, typer.Argument(help="A run's id, its folder, or the word latest.", metavar="RUN")]
RunsDir = Annotated[Path, typer.Option(envvar="BATCHUPDATE_RUNS_DIR", help="Where runs are kept.")]
DEFAULT = Path("batchupdate-runs")


@told
def runs(runs_dir: RunsDir = DEFAULT, as_json: options.Json = False) -> None:
    """List the runs, newest first.

    Example:

      batchupdate runs
    """
    from batchupdate.history import glance
    from batchupdate.journal.folder import all_runs

    screen = Screen(as_json=as_json)
    found = [(folder, glance(folder)) for folder in all_runs(runs_dir)]
    if not found:
        screen.say(f"There are no runs in {runs_dir}.")
    else:
        rows = [
            (folder.run_id, look.target, f"{look.rows:,}", f"{look.fine:,}", look.state, size(folder.path))
            for folder, look in found
        ]
        screen.table("", ("run", "target", "rows", "fine", "state", "size"), rows)
    screen.json(
        {
            "runs": [
                {
                    "run_id": folder.run_id,
                    "target": look.target,
                    "rows": look.rows,
                    "fine": look.fine,
                    "state": look.state,
                }
                for folder, look in found
            ]
        }
    )


@told
def show(run: RunName = "latest", runs_dir: RunsDir = DEFAULT, as_json: options.Json = False) -> None:
    """Show what became of a run.

    Examples:

      batchupdate show

      batchupdate show 20261121-184500-renames-7f3a --json
    """
    from batchupdate.history import summary_of
    from batchupdate.journal.folder import find

    screen = Screen(as_json=as_json)
    folder = find(runs_dir, run)
    if folder.is_held():
        screen.say("This run is being worked on right now: what is in flight shows as unknown.")
    summary = summary_of(folder)
    screen.result(f"{summary.run_id}: {summary.input_path} → {summary.target}", style="bold")
    outcomes(screen, summary)
    screen.json(summary.to_json())


@told
def report(run: RunName = "latest", runs_dir: RunsDir = DEFAULT, as_json: options.Json = False) -> None:
    """Rebuild a run's reports from its journal.

    Example:

      batchupdate report latest
    """
    from batchupdate.history import rebuild_reports
    from batchupdate.journal.folder import find

    screen = Screen(as_json=as_json)
    summary = rebuild_reports(find(runs_dir, run))
    screen.result(f"Rebuilt results.csv, failed.csv and summary.json in {summary.folder}")
    screen.json(summary.to_json())
