"""`runs`: earlier runs, listed and pruned."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.units import many, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.runs.history import Overview
    from batchupdate.runs.prune import Prunable

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
@reports_errors
def runs(context: typer.Context, runs_dir: options.RunsDir = options.RUNS_DIR, as_json: options.Json = False) -> None:
    """List the runs, newest first, or remove old ones.

    Examples:

      batchupdate runs

      batchupdate runs prune --older-than 30d --dry-run
    """
    if context.invoked_subcommand is not None:
        return
    import time

    from batchupdate.reporter import iso
    from batchupdate.runs.folder import all_runs
    from batchupdate.runs.history import overview
    from batchupdate.runs.prune import age

    screen = Screen(as_json=as_json)
    found = [(folder, overview(folder)) for folder in all_runs(runs_dir)]
    if not found:
        screen.say(f"There are no runs in {runs_dir}.")
    else:
        now = time.time()
        rows = [
            (
                f"{folder.run_id}\n  {look.target}",  # below each other, so that both stay whole at 80 columns
                f"{look.rows:,}",
                _state(look),
                "" if look.last_work is None else age(now - look.last_work),
                size(folder.path),
            )
            for folder, look in found
        ]
        screen.table(("run and target", "rows", "state", "age", "size"), rows)
    screen.json(
        {
            "runs": [
                {
                    "run_id": folder.run_id,
                    "target": look.target,
                    "rows": look.rows,
                    "succeeded": look.succeeded,
                    "succeeded_by_retry": look.by_retry,
                    "left": look.left,
                    "state": look.state,
                    "last_work": iso(look.last_work),
                }
                for folder, look in found
            ]
        }
    )


def _state(look: Overview) -> str:
    """What came of a run, in a few words."""
    match look.state:
        case "succeeded":
            return "all succeeded"
        case "unfinished":
            return f"unfinished, {many(look.left, 'row')} left"
        case "finished":
            failed = look.rows - look.succeeded
            if look.by_retry == failed:
                return "all succeeded after a retry"
            later = f", {look.by_retry:,} of them did in a retry" if look.by_retry else ""
            return f"{many(failed, 'row')} did not succeed{later}"
        case "unreadable":
            return "can't be read"


def _named(folders: Sequence[Prunable]) -> str:
    """How many runs and how many plans these are."""
    counts = Counter(one.kind for one in folders)
    return " and ".join(many(count, kind) for kind, count in sorted(counts.items(), reverse=True))


@app.command()
@reports_errors
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="How old, counted from a run's last work: 12h, 30d or 4w.")
    ],
    runs_dir: options.RunsDir = options.RUNS_DIR,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also runs with rows left to send, or that can't be read.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Remove old runs and plans, with their journals and reports.

    Examples:

      batchupdate runs prune --older-than 30d --dry-run

      batchupdate runs prune --older-than 30d --yes
    """
    import time
    from datetime import UTC, datetime

    from batchupdate.runs.prune import age, parse_age, plan_prune, remove

    screen = Screen(as_json=as_json)
    may_go = plan_prune(runs_dir, parse_age(older_than), datetime.now(UTC), include_unfinished=unfinished)
    if not may_go:
        screen.say(f"No finished runs or plans in {runs_dir} are that old.")
    else:
        now = time.time()
        rows = [(run.folder.run_id, age(now - run.last_work), size(run.folder.path)) for run in may_go]
        screen.table(("run", "age", "size"), rows)
    removed: list[str] = []
    freed = 0
    if may_go and not dry_run:
        if not yes and not screen.confirm(f"Permanently remove {_named(may_go)}?", possible=True):
            raise typer.Exit
        pruned = remove(runs_dir, may_go)
        removed, freed = pruned.removed, pruned.freed
        for notice in pruned.notices:
            screen.say(notice, style="yellow")
        gone = [one for one in may_go if one.folder.run_id in removed]
        screen.result(f"Removed {_named(gone) or 'nothing'}.")
    found = [run.folder.run_id for run in may_go]
    screen.json({"old": found, "removed": removed, "freed_bytes": freed})
