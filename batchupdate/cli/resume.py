"""`resume`: an unfinished run, resumed from its journal."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import Consent, finish, send, unless_stopped
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import with_key
from batchupdate.cli.refusals import tells_refusals


@reports_errors
@options.of(options.CONFIG, options.RUNS, options.CHANGING, options.REPORTING)
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
    from batchupdate.run import Stop, compare_first, resumed_job
    from batchupdate.runs.folder import find

    screen = Screen(quiet=quiet, as_json=as_json)
    folder = find(given.settings().runs_dir, run)
    consent = Consent(dry_run=False, yes=not sys.stdin.isatty(), possible=True, verbose=verbose)
    told = tells_refusals(given.settings(), f"resume of {run}", screen, consent)
    with told, ended_by_signals(), ExitStack() as stack:
        job = with_key(lambda environ: stack.enter_context(resumed_job(folder, given.settings, environ=environ)))
        screen.say(f"{job.checkup.source} → {job.target.name} at {job.base_url}", style="bold")
        stop = Stop()
        job = unless_stopped(screen, stop, lambda show: compare_first(job, on_progress=show, stop=stop))
        for notice in job.checkup.notices:
            screen.say(f"  {notice}")
        screen.say(f"  Run {folder.run_id}: {job.to_send:,} of {job.checkup.rows:,} rows are left.")
        summary = send(job, screen, stop, asks=consent.asks, verbose=verbose)
    finish(summary, screen)
