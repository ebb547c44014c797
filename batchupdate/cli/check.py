"""`check`: a file validated offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.descriptions import checkup_json, verdict
from batchupdate.cli.problem_lines import Format, Groups, as_csv, as_github, csv_columns, csv_line, line_of
from batchupdate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.model import Problem

JSON_PROBLEMS = 1000


@reports_errors
@options.of(options.TARGET, options.CONFIG, options.READING)
def check(
    files: options.Files,
    output: Annotated[
        Format, typer.Option("--format", help="How problems are written.", rich_help_panel=options.OUTPUT)
    ] = Format.TEXT,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Write a copy as .xlsx, with the bad cells coloured.", rich_help_panel=options.OUTPUT),
    ] = None,
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
    from batchupdate.run import check_file

    settings = given.settings()
    if as_json and output is not Format.TEXT:
        raise UsageError("--json and --format both say how to write.", "Give only one of them.")
    files = expand(files)
    _may_annotate(annotate, files)
    output = Format.JSON if as_json else output
    screen = Screen(quiet=quiet, as_json=output is not Format.TEXT)
    kept: list[Problem] = []
    groups = Groups()
    write = _writer(output, screen, files)

    def show(problem: Problem) -> None:
        groups.add(problem)
        if len(kept) < JSON_PROBLEMS:
            kept.append(problem)
        write(problem)

    if output is Format.CSV:
        screen.line(csv_line(*csv_columns(several=len(files) > 1)))
    checkup = check_file(files, settings, on_problem=show, annotate=annotate)
    for notice in checkup.notices:
        screen.say(notice)
    groups.show(screen)
    if annotate:
        screen.say(f"The annotated copy: {annotate}")
    screen.result(verdict(checkup), style="bold red" if checkup.invalid else "bold green")
    if output is Format.JSON:
        screen.json(checkup_json(checkup, kept))
    raise typer.Exit(checkup.exit_code)


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
    return lambda problem: screen.result(line_of(problem), style="yellow" if problem.level == "warning" else "")


def _may_annotate(annotate: Path | None, files: list[str]) -> None:
    if annotate is None:
        return
    if annotate.suffix.lower() != ".xlsx":
        raise UsageError(f"--annotate {annotate} does not end in .xlsx.", "Name it so.")
    if annotate.exists() and any(Path(file).exists() and annotate.samefile(file) for file in files if file != "-"):
        raise UsageError(f"--annotate {annotate} would overwrite the file that is checked.", "Give another name.")
