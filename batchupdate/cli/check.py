"""`check`: a file validated offline."""

from __future__ import annotations

import os
import shlex
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.problem_output import Format, Groups, as_csv, as_github, csv_columns, csv_line, line_of
from batchupdate.cli.summaries import checkup_json, verdict
from batchupdate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.config import Settings
    from batchupdate.model import Problem
    from batchupdate.validator.checkup import Checkup

JSON_PROBLEMS = 1000
SHOWN_OF_A_KIND = 5
"""So many problems of one kind in one column are shown as sentences; other formats have them all."""


@reports_errors
@options.of(options.CHECKING)
def check(
    files: options.Files,
    output: Annotated[
        Format, typer.Option("--format", help="How problems are written.", rich_help_panel=options.OUTPUT)
    ] = Format.TEXT,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Write a copy as .xlsx, with the bad cells coloured.", rich_help_panel=options.OUTPUT),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let --annotate replace a file.", rich_help_panel=options.OUTPUT)
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    given: options.Given,
) -> None:
    """Check a file, or several, offline: every problem with its row, its column and how to fix it.

    Sends nothing and needs no key. Exit code 0 when every row can be sent, 1 when some have problems, 2 when the file
    or the config can't be used.

    Examples:

      batchupdate check renames.csv --target langdock-integration

      batchupdate check renames.xlsx -t nairi-llm-integration --map "New label=name"

      batchupdate check 'exports/*.csv' -t langdock-integration

      batchupdate check renames.xlsx -t langdock-integration --annotate checked.xlsx
    """
    from batchupdate.reader.files.glob import expand

    settings = given.settings()
    if as_json and output is not Format.TEXT:
        raise UsageError("--json and --format both say how to write.", "Give only one of them.")
    output = Format.JSON if as_json else output
    screen = Screen(quiet=quiet, as_json=output is not Format.TEXT)
    command, files = check_command(files, given), expand(files, screen.say)
    _may_annotate(annotate, files, force=force)
    checkup, kept = show_check(screen, files, settings, command, output, annotate)
    if output is Format.JSON:
        screen.json(checkup_json(checkup, kept))
    raise typer.Exit(checkup.exit_code)


def check_command(files: Sequence[str], given: options.Given) -> str:
    """The command that checks files as they are called, read as they were; '' where they can't be read once more."""
    if "-" in files:
        return ""
    return shlex.join(["batchupdate", "check", *files, *given.words(options.CHECKING)])


def show_check(
    screen: Screen,
    files: list[str],
    settings: Settings,
    command: str,
    output: Format = Format.TEXT,
    annotate: Path | None = None,
) -> tuple[Checkup, list[Problem]]:
    """Checks files and shows what is wrong with them; returns the first problems, too, for a document in JSON.

    `command` is what checks them once more, '' where that can't be.
    """
    from batchupdate.run import check_file

    kept: list[Problem] = []
    groups = Groups()
    write = _writer(output, screen, files)

    def show(problem: Problem) -> None:
        nth = groups.add(problem)
        if len(kept) < JSON_PROBLEMS:
            kept.append(problem)
        if output is not Format.TEXT or nth <= SHOWN_OF_A_KIND:
            write(problem)

    if output is Format.CSV:
        screen.line(csv_line(*csv_columns(several=len(files) > 1)))
    checkup = check_file(files, settings, on_problem=show, annotate=annotate, say=screen.say)
    for notice in checkup.notices:
        screen.say(notice)
    groups.show(screen)
    for line in _where_to_see_more(groups, files, command, annotate):
        screen.say(line)
    bad = bool(checkup.invalid)
    screen.result(verdict(checkup), style="bold red" if bad else "bold green", failure=bad)
    return checkup, kept


def _where_to_see_more(groups: Groups, files: list[str], command: str, annotate: Path | None) -> list[str]:
    """How to see the problems that the screen does not show, or in their cells."""
    lines = []
    if groups.most > SHOWN_OF_A_KIND:
        see_all = f"To see them all: {command} --format csv" if command else "To see them all, add: --format csv"
        lines.append(f"Of each kind the first {SHOWN_OF_A_KIND} are shown. {see_all}")
    if annotate:
        lines.append(f"The annotated copy: {annotate}")
    elif groups.most and len(files) == 1 and Path(files[0]).suffix.lower() == ".xlsx":
        lines.append(f"To see them in a copy of the workbook: {command} --annotate {_free_name('checked')}")
    return lines


def _free_name(stem: str) -> str:
    """A workbook of this name, or of the first one with a number that is not there yet."""
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.xlsx" for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _writer(output: Format, screen: Screen, files: list[str]) -> Callable[[Problem], None]:
    """What writes one problem."""
    from batchupdate.reader import source_name
    from batchupdate.util.text import short_names

    if output is Format.GITHUB:
        paths = [file if file == "-" else source_name(file) for file in files]  # a URL can hold a credential
        path_of = dict(zip(short_names(paths), paths, strict=True))  # by what problems call them
        return lambda problem: screen.line(as_github(problem, path_of.get(problem.file, paths[0])))
    if output is Format.CSV:
        return lambda problem: screen.line(as_csv(problem))

    def sentence(problem: Problem) -> None:
        warning = problem.level == "warning"
        screen.result(line_of(problem), style="yellow" if warning else "", failure=not warning)

    return sentence


def _may_annotate(annotate: Path | None, files: list[str], *, force: bool) -> None:
    if annotate is None:
        return
    if annotate.suffix.lower() != ".xlsx":
        raise UsageError(f"--annotate {annotate} does not end in .xlsx.", "Name it so.")
    if annotate.exists() and any(Path(file).exists() and annotate.samefile(file) for file in files if file != "-"):
        raise UsageError(f"--annotate {annotate} would overwrite the file that is checked.", "Give another name.")
    if annotate.exists() and not force:
        raise UsageError(f"--annotate {annotate}: there is such a file.", "Give another name, or add --force.")
