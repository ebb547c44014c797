"""`run`: a file checked, confirmed, sent and reported."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import Consent, ask_and_send, finish
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import environ_with_key
from batchupdate.cli.summaries import checkup_json, describe

if TYPE_CHECKING:
    from batchupdate.model import Problem

SHOWN_PROBLEMS = 10


@reports_errors
@options.of(
    options.TARGET,
    options.VARIABLES,
    options.CONFIG,
    options.BASE_URL,
    options.RUNS,
    options.READING,
    options.STRICT,
    options.CHANGING,
)
def run(
    files: options.Files,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    new: options.New = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    given: options.Given,
) -> None:
    """Check a file, or several, ask, send the changes, and report what became of every row.

    The API key comes from the environment variable that the target names. If the same run was left unfinished, this
    resumes it. The first Ctrl-C lets what is in flight finish and writes the reports; the second quits.

    Exit codes: 0 every row succeeded, 1 some did not, 2 nothing was sent because something can't be used, 3 stopped by
    a safety rule, 4 another process holds this run, 130 and 143 interrupted.

    Examples:

      batchupdate run renames.csv --target langdock-integration

      batchupdate run renames.xlsx -t langdock-integration --rate 2/s

      batchupdate run january.csv february.xlsx -t langdock-integration

      batchupdate run nightly.csv --config nightly.yaml --yes --json
    """
    from batchupdate.reader.files.glob import expand
    from batchupdate.run import prepare
    from batchupdate.targets.catalogue import target_of

    settings = given.settings()
    screen = Screen(quiet=quiet, as_json=as_json)
    consent = Consent(dry_run=dry_run, yes=yes, possible="-" not in files, verbose=verbose)
    problems: list[Problem] = []

    def keep(problem: Problem) -> None:
        if len(problems) < SHOWN_PROBLEMS:
            problems.append(problem)

    environ = None if dry_run else environ_with_key(target_of(settings), settings)
    with ended_by_signals(), ExitStack() as stack:
        with screen.progress() as show:
            job = stack.enter_context(
                prepare(
                    expand(files, screen.say),
                    settings,
                    new=new,
                    asks=consent.asks,
                    keyless=dry_run,
                    on_problem=keep,
                    on_progress=show,
                    environ=environ,
                    say=screen.say,
                )
            )
        describe(job, problems, screen)
        summary = ask_and_send(job, screen, consent, checkup_json(job.checkup, problems))
    finish(summary, screen)
