"""`run`: a file checked, confirmed, sent and reported."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.check import check_command
from batchupdate.cli.confirm_and_send import Consent, ask_and_send, finish, unless_stopped
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import environ_with_key, with_key
from batchupdate.cli.refusals import tells_refusals
from batchupdate.cli.summaries import checkup_json, describe
from batchupdate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from batchupdate.config import Settings
    from batchupdate.journal import Journal
    from batchupdate.model import Problem
    from batchupdate.reporter import Summary
    from batchupdate.run import Stop

SHOWN_PROBLEMS = 10


@reports_errors
@options.of(
    options.TARGET,
    options.VARIABLES,
    options.CONFIG,
    options.BASE_URL,
    options.RUNS,
    options.READING,
    options.ROWS,
    options.STRICT,
    options.BLAST_RADIUS,
    options.CHANGING,
    options.DIFF,
    options.REPORTING,
)
def run(
    files: options.MaybeFiles = None,
    plan: Annotated[
        str | None, typer.Option("--plan", help="Send exactly what a plan shows: its id, folder or plan.json.")
    ] = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    yes_really: options.YesReally = False,
    new: options.New = False,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", help="Send each file as a run of its own, and move it here.", metavar="DIR"),
    ] = None,
    failed: Annotated[
        Path | None,
        typer.Option("--failed", help="With --archive: where files go of which not all succeeded.", metavar="DIR"),
    ] = None,
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

      batchupdate run renames.csv -t langdock-integration --canary 5

      batchupdate run --plan 20261129-184500-renames-plan-7f3a

      batchupdate run nightly.csv --config nightly.yaml --yes --json

      batchupdate run 'inbox/*.csv' --config nightly.yaml --yes --archive done --failed failed
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    files = files or []
    consent = Consent(dry_run=dry_run, yes=yes, possible="-" not in files, verbose=verbose, yes_really=yes_really)
    if plan is not None:
        _refuse_with_plan(given, archive=archive, failed=failed)
        _run_plan(plan, files, screen, consent, given, new=new)
        return
    if not files:
        raise UsageError("No file is named.", "Name the file to send, or a plan with --plan.")
    settings = given.settings()
    if archive is None and failed is not None:
        raise UsageError("--failed is given without --archive.", "Say where files go that succeeded: --archive DIR.")
    if archive is not None:
        from batchupdate.cli.inbox import take_each
        from batchupdate.runs.inbox import Shelves

        take_each(files, Shelves(archive, failed), settings, screen, consent, partial(_send, new=new, given=given))
    with tells_refusals(settings, ", ".join(files), screen, consent):
        summary = _send(expanded(files, screen), settings, screen, consent, new=new, given=given, named=files)
    finish(summary, screen)


_OF_THE_INPUT = {**options.READING, **options.ROWS, **options.STRICT, **options.SAMPLE}


def _refuse_with_plan(given: options.Given, **typed: Path | None) -> None:
    """Refuses options that say which rows are sent, and what their cells mean: a plan has settled that.

    Raises:
        UsageError: one was given.
    """
    found = [name for name, value in typed.items() if value is not None]
    found += [name for name, setting in _OF_THE_INPUT.items() if given.values.get(setting.place) is not None]
    if found:
        option = options.option_name(found[0])
        planned = f"Make a plan with {option}, and run that; or leave it out." if found[0] in options.READING else ""
        raise UsageError(
            f"{option} can't be used with --plan: what the plan shows is sent, and nothing else.",
            planned or f"Leave {option} out.",
        )


def _send(
    files: list[str],
    settings: Settings,
    screen: Screen,
    consent: Consent,
    *,
    new: bool,
    given: options.Given,
    named: Sequence[str] = (),
    stop: Stop | None = None,
    refuses: Callable[[Journal], str] | None = None,
) -> Summary | None:
    """Checks files, asks, and sends them as one run; None if nothing was sent.

    `named` are the files as they were typed, if that is not what they are called.
    `refuses` looks at the run before its records are compared and anything is sent, and says why it is not to be sent.
    `stop` is what the first signal asks for a clean end.
    """
    from batchupdate.run import Stop, compare_first, prepare
    from batchupdate.targets.catalogue import target_of

    problems: list[Problem] = []
    once = stop or Stop()

    def keep(problem: Problem) -> None:
        if len(problems) < SHOWN_PROBLEMS:
            problems.append(problem)

    dry_run = consent.dry_run
    environ = None if dry_run and not settings.input.match else environ_with_key(target_of(settings), settings)
    with ended_by_signals(), ExitStack() as stack:
        with screen.progress() as show:
            job = stack.enter_context(
                prepare(
                    files,
                    settings,
                    new=new,
                    yes_really=consent.yes_really,
                    asks=consent.asks,
                    keyless=dry_run,
                    on_problem=keep,
                    on_progress=show,
                    environ=environ,
                    say=screen.say,
                )
            )
        job.keep_options(given.words(options.FOR_FAILED_ROWS))
        if refuses is not None and not dry_run and (why := refuses(job.journal)):
            screen.say(why)
            return None
        if not dry_run:
            job = unless_stopped(screen, once, lambda show: compare_first(job, on_progress=show, stop=once))
        describe(job, problems, screen, check_command(named or files, given))
        return ask_and_send(job, screen, consent, checkup_json(job.checkup, problems), once)


def expanded(files: list[str], screen: Screen) -> list[str]:
    """The files that are named, with the matches of patterns."""
    from batchupdate.reader.files.glob import expand

    return expand(files, screen.say)


def _run_plan(
    plan: str, files: list[str], screen: Screen, consent: Consent, given: options.Given, *, new: bool
) -> None:
    """Sends what a plan shows."""
    from batchupdate.run import plan_run_job
    from batchupdate.runs.plan_folder import find_plan

    settings = given.settings()
    with tells_refusals(settings, plan, screen, consent), ended_by_signals(), ExitStack() as stack:
        folder, digests = find_plan(settings.runs_dir, plan), tuple(file_digests(expanded(files, screen)))
        job = with_key(
            lambda environ: stack.enter_context(
                plan_run_job(
                    folder,
                    given.settings,
                    new=new,
                    yes_really=consent.yes_really,
                    asks=consent.asks,
                    keyless=consent.dry_run,
                    digests=digests,
                    environ=environ,
                )
            )
        )
        describe(job, [], screen)
        summary = ask_and_send(job, screen, consent, checkup_json(job.checkup, []))
    finish(summary, screen)


def file_digests(files: list[str]) -> Iterator[str]:
    """The digests of files that are named beside a plan."""
    from batchupdate.reader.sources import file_digest

    for file in files:
        try:
            yield file_digest(Path(file))
        except OSError as error:
            raise UsageError(
                f"{file} can't be read: {error.strerror or error}.", "Leave it out: the plan is enough."
            ) from error
