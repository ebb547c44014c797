"""`resume` and `retry`: going on with a run, and sending again what failed in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchupdate.cli import options
from batchupdate.cli.apply import Asks, ask_and_send, checkup_json, ended_by_signals, finish, send, show_plan
from batchupdate.cli.console import Screen, told
from batchupdate.cli.runs import RunName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from batchupdate.config import Settings

Outcomes = Annotated[
    str | None, typer.Option("--outcome", help="Only these: failed, unknown, conflict, not_attempted.", metavar="NAMES")
]
Statuses = Annotated[
    str | None, typer.Option("--status", help="Only rows that got these: 404,5xx.", metavar="STATUSES")
]
Rows = Annotated[
    str | None, typer.Option("--rows", help="Only these rows of the input: 4,10-20 or b.csv:4.", metavar="ROWS")
]


def _settings_with(
    config: Path | None, runs_dir: Path | None, sending: dict[str, Any]
) -> Callable[[Mapping[str, Any]], Settings]:
    """Makes settings out of those that a run has kept; what is said now goes before them."""
    return lambda kept: options.settings_from(config, kept=kept, runs_dir=runs_dir, **sending)


@told
@options.sending
def resume(
    run: RunName = "latest",
    config: options.Config = None,
    runs_dir: options.RunsDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    sending: dict[str, Any],
) -> None:
    """Go on with an unfinished run: after a kill, a power cut, Ctrl-C, or a safety stop.

    Needs neither the input file nor its old place; everything stands in the run's journal. Rows that are done are not
    sent again. A row that was in flight is looked up where the target can be read, else sent again where that is safe,
    else it stays unknown and is named.

    Examples:

      batchupdate resume

      batchupdate resume 20261121-184500-renames-7f3a --rate 2/s
    """
    from batchupdate.runs.begin import resume as prepare
    from batchupdate.runs.folder import find

    settings = options.settings_from(config, runs_dir=runs_dir)
    screen = Screen(quiet=quiet, as_json=as_json)
    folder = find(settings.runs_dir, run)
    with ended_by_signals(), prepare(folder, _settings_with(config, runs_dir, sending)) as prepared:
        left = prepared.to_send
        screen.say(f"{prepared.checkup.source} → {prepared.target.name} at {prepared.base_url}", style="bold")
        for notice in prepared.checkup.notices:
            screen.say(f"  {notice}")
        screen.say(f"  Run {folder.run_id}: {left:,} of {prepared.checkup.rows:,} rows are left.")
        summary = send(prepared, screen, verbose=verbose)
    finish(summary, screen)


@told
@options.sending
def retry(
    run: RunName,
    outcome: Outcomes = None,
    status: Statuses = None,
    rows: Rows = None,
    config: options.Config = None,
    runs_dir: options.RunsDir = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    sending: dict[str, Any],
) -> None:
    """Send again only what failed, was unknown, conflicted or was not attempted, as a new run.

    Invalid rows are left out: mend them in failed.csv, and run that file.

    Examples:

      batchupdate retry latest

      batchupdate retry latest --status 404,5xx --rows 10-200
    """
    from batchupdate.runs.begin import retry as prepare
    from batchupdate.runs.folder import find
    from batchupdate.runs.selection import parse_selection

    settings = options.settings_from(config, runs_dir=runs_dir)
    screen = Screen(quiet=quiet, as_json=as_json)
    folder, selection = find(settings.runs_dir, run), parse_selection(outcome, status, rows)
    settings_with = _settings_with(config, runs_dir, sending)
    with ended_by_signals(), prepare(folder, selection, settings_with, keyless=dry_run) as prepared:
        screen.say(f"{folder.run_id} → {prepared.target.name} at {prepared.base_url}", style="bold")
        screen.say(f"  {prepared.checkup.rows:,} of its rows are to be sent again.")
        show_plan(prepared, screen)
        asks = Asks(dry_run=dry_run, yes=yes, possible=True, verbose=verbose)
        summary = ask_and_send(prepared, screen, asks, checkup_json(prepared.checkup, []))
    finish(summary, screen)
