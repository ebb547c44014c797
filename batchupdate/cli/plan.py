"""`plan`: what a file would change in the records as they are now; nothing is sent."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import unless_stopped
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.cli.key_prompt import environ_with_key
from batchupdate.cli.problem_output import line_of
from batchupdate.model import Level

if TYPE_CHECKING:
    from batchupdate.model import Problem

SHOWN_WARNINGS = 10


@reports_errors
@options.of(
    options.TARGET,
    options.VARIABLES,
    options.CONFIG,
    options.BASE_URL,
    options.RUNS,
    options.READING,
    options.CHANGING,
)
def plan(
    files: options.Files,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    given: options.Given,
) -> None:
    """Check a file, read the records as they are now, and show what would change. Sends no change.

    The plan is kept with plan.json, plan.csv and plan.xlsx. To send exactly what it shows: batchupdate run --plan PLAN

    Exit codes: 0 every row is fine, 1 some rows have problems, 2 something can't be used, 3 the records can't be read.

    Examples:

      batchupdate plan renames.xlsx --target langdock-integration

      batchupdate plan renames.csv -t langdock-integration --json
    """
    from batchupdate.cli.plan_output import show_plan
    from batchupdate.reader.files.glob import expand
    from batchupdate.run import Stop, prepare
    from batchupdate.run import plan as make_plan
    from batchupdate.targets.catalogue import target_of

    settings = given.settings()
    screen = Screen(quiet=quiet, as_json=as_json)
    warnings: list[str] = []

    def keep(problem: Problem) -> None:
        if problem.level is Level.WARNING and len(warnings) < SHOWN_WARNINGS:  # errors are rows of the plan
            warnings.append(line_of(problem))

    with ended_by_signals(), ExitStack() as stack:
        with screen.progress() as show:
            job = stack.enter_context(
                prepare(
                    expand(files, screen.say),
                    settings,
                    asks=True,
                    on_problem=keep,
                    on_progress=show,
                    environ=environ_with_key(target_of(settings), settings),
                    say=screen.say,
                    plan=True,
                )
            )
        job.keep_options(given.words(options.FOR_FAILED_ROWS))
        stop = Stop()
        made, ended = unless_stopped(screen, stop, lambda progress: make_plan(job, on_progress=progress, stop=stop))
        if ended is not None:
            raise ended
    show_plan(made, screen, warnings)
    screen.json(made.to_json())
    raise typer.Exit(made.exit_code)
