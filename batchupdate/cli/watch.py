"""`watch`: how far a run is that another process works on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.summaries import show_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.model import Progress
    from batchupdate.runs.folder import RunFolder

LOOK_EVERY_S = 0.5


@reports_errors
def watch(
    run: options.RunName = "latest",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Follow a run that another process works on, and show what became of it.

    Ctrl-C ends the watching, and not the run. The exit code is that of the run.

    Examples:

      batchupdate watch

      batchupdate watch 20261121-184500-renames-7f3a --quiet && ./next-step.sh
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    try:
        from batchupdate.runs.folder import find
        from batchupdate.runs.history import summary_of

        folder = find(runs_dir, run)
        _follow(folder, screen)
        summary = summary_of(folder)
    except KeyboardInterrupt:
        screen.say("The watching has ended. The run goes on.")
        raise typer.Exit(130) from None
    screen.result(f"{summary.run_id}: {summary.source} → {summary.target}", style="bold")
    show_outcomes(screen, summary)
    screen.json(summary.to_json())
    raise typer.Exit(summary.exit_code)


def _follow(folder: RunFolder, screen: Screen) -> None:
    """Shows how far the run is until no process works on it."""
    if not folder.is_held():
        screen.say("No process is working on this run.")
        return
    screen.say(f"Watching {folder.run_id}. Ctrl-C ends the watching, and not the run.")
    with screen.progress() as show:
        while folder.is_held():
            _show_once(folder, show)
            time.sleep(LOOK_EVERY_S)


def _show_once(folder: RunFolder, show: Callable[[Progress], None]) -> None:
    from batchupdate.runs.progress_file import read_progress

    if (seen := read_progress(folder.path)) is not None:
        show(seen.progress)
