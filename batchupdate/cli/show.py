"""`show`: what became of a run."""

from __future__ import annotations

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.summaries import show_outcomes


@reports_errors
def show(
    run: options.RunName = "latest", runs_dir: options.RunsDir = options.RUNS_DIR, as_json: options.Json = False
) -> None:
    """Show what became of a run.

    Examples:

      batchupdate show

      batchupdate show 20261121-184500-renames-7f3a --json
    """
    from batchupdate.runs.folder import find
    from batchupdate.runs.history import summary_of

    screen = Screen(as_json=as_json)
    folder = find(runs_dir, run)
    if folder.is_held():
        screen.say("This run is being worked on right now: what is in flight shows as unknown.")
    summary = summary_of(folder)
    screen.result(f"{summary.run_id}: {summary.source} → {summary.target}", style="bold")
    show_outcomes(screen, summary)
    screen.json(summary.to_json())
