"""`resume`: an unfinished run, resumed from its journal."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import finish, send
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import with_key


@reports_errors
@options.of(options.CONFIG, options.RUNS, options.CHANGING)
def resume(
    run: options.RunName = "latest",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    given: options.Given,
) -> None:
    """Resume an unfinished run: after a kill, a power cut, Ctrl-C, or a safety stop.

    Needs neither the input file nor its old place; everything stands in the run's journal. Rows that are done are not
    sent again. A row that was in flight is looked up where the target can be read, else sent again where that is safe,
    else it stays unknown and is named.

    Examples:

      batchupdate resume

      batchupdate resume 20261121-184500-renames-7f3a --rate 2/s
    """
    from batchupdate.run import resumed_job
    from batchupdate.runs.folder import find

    screen = Screen(quiet=quiet, as_json=as_json)
    folder = find(given.settings().runs_dir, run)
    with ended_by_signals(), ExitStack() as stack:
        job = with_key(lambda environ: stack.enter_context(resumed_job(folder, given.settings, environ=environ)))
        screen.say(f"{job.checkup.source} → {job.target.name} at {job.base_url}", style="bold")
        for notice in job.checkup.notices:
            screen.say(f"  {notice}")
        screen.say(f"  Run {folder.run_id}: {job.to_send:,} of {job.checkup.rows:,} rows are left.")
        summary = send(job, screen, asks=sys.stdin.isatty(), verbose=verbose)
    finish(summary, screen)
