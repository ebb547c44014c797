"""`verify`: a run's records, read again."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

import typer

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import unless_stopped
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import with_key
from batchupdate.cli.units import many
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from batchupdate.reporter import Verification
    from batchupdate.reporter.verification import Drift, VerifiedRow

SHOWN_ROWS = 20
NAMES = {
    "ours": "still ours",
    "drifted": "drifted",
    "gone": "gone",
    "unknown": "can't be known",
    "unreadable": "can't be read",
}


@reports_errors
@options.of(options.CONFIG, options.BASE_URL, options.RUNS, options.ASKING, options.CONCURRENCY)
def verify(
    run: options.RunName = "latest",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    given: options.Given,
) -> None:
    """Read the records of a run again: still ours, drifted, or gone. Sends no change.

    What was sent is compared with what the records have now, for every row that was updated, accepted or unchanged, or
    whose outcome is unknown. verify.csv and verify.json in the run's folder have every row.

    Exit codes: 0 every record has what the run gave it, 1 some have not, 2 something can't be used, 3 the records can't
    be read, 4 another process holds this run.

    Examples:

      batchupdate verify

      batchupdate verify 20261121-184500-renames-7f3a --json
    """
    from batchupdate.roundtrip.verify import Stop, verify_job, verify_run
    from batchupdate.runs.folder import find

    screen, stop = Screen(quiet=quiet, as_json=as_json), Stop()
    folder = find(given.settings().runs_dir, run)
    with ended_by_signals(), ExitStack() as stack:
        job, writable = with_key(
            lambda environ: stack.enter_context(verify_job(folder, given.settings, environ=environ))
        )
        screen.say(f"{folder.run_id}: {job.checkup.source} → {job.target.name} at {job.base_url}", style="bold")
        found = unless_stopped(
            screen, stop, lambda show: verify_run(job, writable=writable, on_progress=show, stop=stop)
        )
        _show(found, screen)
        screen.json(found.to_json())
    raise typer.Exit(found.exit_code)


def _show(found: Verification, screen: Screen) -> None:
    bad = bool(found.exit_code)
    for notice in found.notices:
        screen.say(f"  {notice}", style="yellow")
    others = (row for row in found.rows() if row.state != "ours") if bad else iter(())
    shown = 0
    for shown, row in enumerate(islice(others, SHOWN_ROWS), 1):  # noqa: B007 - the count is used below
        screen.result(f"{found.labels.label(row.key)}: {row.record_id}: {_said(row)}", failure=True)
    table = [(NAMES[state], f"{count:,}") for state, count in found.counts.items() if count]
    screen.table(("records", "rows"), table or [("nothing to verify", "0")], failure=bad)
    left = sum(count for state, count in found.counts.items() if state != "ours") - shown
    if left > 0:
        screen.result(f"{many(left, 'more row')} of these; verify.csv has all.", failure=bad)
    if found.files:
        screen.result(f"All rows: {found.files[0]}", failure=bad)


def _said(row: VerifiedRow) -> str:
    what = "; ".join(filter(None, [", ".join(map(_drift, row.drifts)), row.message]))
    return f"{NAMES[row.state]}{': ' if what else ''}{what}"


def _drift(drift: Drift) -> str:
    from batchupdate.reporter.plan_files import shown

    now = "not there" if drift.absent else quoted(drift.shown_now)
    return f"{drift.name} was sent as {quoted(shown(drift.sent))}, and is {now} now"
