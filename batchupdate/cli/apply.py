"""`check` and `run`: from a file to results."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, many, outcomes, span, told
from batchupdate.cli.problems import Format, Groups, as_csv, as_github, csv_columns, csv_line, line_of
from batchupdate.errors import UsageError
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchupdate.config import Settings
    from batchupdate.ingest import Checkup
    from batchupdate.model import Problem
    from batchupdate.reporter import Summary
    from batchupdate.runs.begin import Prepared

SHOWN_PROBLEMS = 10
SAME_WISH_S = 0.5
"""A second SIGTERM so soon after the first is the same wish: some send it to the process and then to its group."""

JSON_PROBLEMS = 1000
_STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@told
def check(
    files: options.Files,
    target: options.TargetName = None,
    config: options.Config = None,
    sheet: options.Sheet = None,
    header_row: options.HeaderRow = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    map_: options.Map = None,
    on_duplicate: options.OnDuplicate = None,
    strictness: options.Strictness = None,
    when: options.When = None,
    limit: options.Limit = None,
    output: Annotated[
        Format, typer.Option("--format", help="How problems are written.", rich_help_panel=options.OUTPUT)
    ] = Format.TEXT,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Write a copy as .xlsx, with the bad cells coloured.", rich_help_panel=options.OUTPUT),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check a file, or several, offline: every problem with its row, its column and how to fix it.

    Sends nothing and needs no key. Exit code 0 when every row is fine, 1 when some have problems, 2 when the file or
    the config can't be used.

    Examples:

      batchupdate check renames.csv --target langdock-integration

      batchupdate check renames.xlsx -t nairi-llm-integration --map "New label=name"

      batchupdate check 'exports/*.csv' -t langdock-integration

      batchupdate check renames.xlsx -t langdock-integration --annotate checked.xlsx
    """
    from batchupdate.reader.files.glob import expand
    from batchupdate.run import check_file

    settings = options.settings_from(
        config,
        map_,
        when,
        target=target,
        limit=limit,
        input_sheet=sheet,
        input_header_row=header_row,
        input_encoding=encoding,
        input_delimiter=delimiter,
        input_on_duplicate=on_duplicate,
        input_strictness=strictness,
    )
    if as_json and output is not Format.TEXT:
        raise UsageError("--json and --format both say how to write.", "Keep one of them.")
    files = expand(files)
    _may_annotate(annotate, files)
    output = Format.JSON if as_json else output
    screen = Screen(quiet=quiet, as_json=output is not Format.TEXT)
    kept: list[Problem] = []
    groups = Groups()
    tell = _teller(output, screen, files)

    def show(problem: Problem) -> None:
        groups.add(problem)
        if len(kept) < JSON_PROBLEMS:
            kept.append(problem)
        tell(problem)

    if output is Format.CSV:
        screen.line(csv_line(*csv_columns(several=len(files) > 1)))
    checkup = check_file(files, settings, on_problem=show, annotate=annotate)
    for notice in checkup.notices:
        screen.say(notice)
    groups.show(screen)
    if annotate:
        screen.say(f"The copy with notes: {annotate}")
    screen.result(_verdict(checkup), style="bold red" if checkup.invalid else "bold green")
    if output is Format.JSON:
        screen.json(checkup_json(checkup, kept))
    raise typer.Exit(checkup.exit_code)


def _teller(output: Format, screen: Screen, files: list[str]) -> Callable[[Problem], None]:
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
        raise UsageError(f"--annotate {annotate} does not end in .xlsx.", "Give it such a name.")
    if annotate.exists() and any(Path(file).exists() and annotate.samefile(file) for file in files if file != "-"):
        raise UsageError(f"--annotate {annotate} would overwrite the file that is checked.", "Give another name.")


@told
@options.sending
def run(
    files: options.Files,
    target: options.TargetName = None,
    config: options.Config = None,
    base_url: options.BaseUrl = None,
    runs_dir: options.RunsDir = None,
    sheet: options.Sheet = None,
    header_row: options.HeaderRow = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    map_: options.Map = None,
    on_duplicate: options.OnDuplicate = None,
    strictness: options.Strictness = None,
    when: options.When = None,
    limit: options.Limit = None,
    strict: options.StrictRows = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    new: options.New = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    *,
    sending: dict[str, Any],
) -> None:
    """Check a file, or several, ask, send the changes, and report what became of every row.

    The API key comes from the environment variable that the target names. If the same run was left unfinished, this
    goes on with it. The first Ctrl-C lets what is in flight finish and writes the reports; the second quits.

    Exit codes: 0 every row is fine, 1 some are not, 2 nothing was sent because something can't be used, 3 stopped by
    a safety rule, 4 another process holds this run, 130 and 143 interrupted.

    Examples:

      batchupdate run renames.csv --target langdock-integration

      batchupdate run renames.xlsx -t langdock-integration --rate 2/s

      batchupdate run january.csv february.xlsx -t langdock-integration

      batchupdate run nightly.csv --config nightly.yaml --yes --json
    """
    settings = options.settings_from(
        config,
        map_,
        when,
        target=target,
        base_url=base_url,
        runs_dir=runs_dir,
        limit=limit,
        strict=strict,
        input_sheet=sheet,
        input_header_row=header_row,
        input_encoding=encoding,
        input_delimiter=delimiter,
        input_on_duplicate=on_duplicate,
        input_strictness=strictness,
        **sending,
    )
    screen = Screen(quiet=quiet, as_json=as_json)
    summary = _run(files, settings, screen, dry_run=dry_run, yes=yes, new=new, verbose=verbose)
    finish(summary, screen)


def _run(
    files: list[str], settings: Settings, screen: Screen, *, dry_run: bool, yes: bool, new: bool, verbose: bool
) -> Summary | None:
    from batchupdate.reader.files.glob import expand
    from batchupdate.runs.begin import prepare

    problems: list[Problem] = []

    def keep(problem: Problem) -> None:
        if len(problems) < SHOWN_PROBLEMS:
            problems.append(problem)

    with ended_by_signals(), ExitStack() as stack:
        with screen.progress() as show:
            prepared = stack.enter_context(
                prepare(expand(files), settings, new=new, keyless=dry_run, on_problem=keep, on_progress=show)
            )
        _describe(prepared, problems, screen)
        asks = Asks(dry_run=dry_run, yes=yes, possible="-" not in files, verbose=verbose)
        return ask_and_send(prepared, screen, asks, checkup_json(prepared.checkup, problems))


@dataclass(frozen=True, slots=True)
class Asks:
    """What to do with what is prepared: only look, ask first, or go ahead; `possible` is whether anybody can answer."""

    dry_run: bool
    yes: bool
    possible: bool
    verbose: bool


def ask_and_send(prepared: Prepared, screen: Screen, asks: Asks, told: dict[str, Any]) -> Summary | None:
    """Sends what was prepared if the user wants it; None if not. `told` is the JSON where nothing is sent."""
    if asks.dry_run:
        screen.result("Dry run: nothing was sent.")
        screen.json({**told, "to_send": prepared.to_send})
        raise typer.Exit(prepared.checkup.exit_code)
    if not asks.yes and prepared.to_send and not screen.confirm("Go ahead?", possible=asks.possible):
        screen.say("Nothing was sent.")
        screen.json({**told, "to_send": prepared.to_send})
        return None
    return send(prepared, screen, verbose=asks.verbose)


def finish(summary: Summary | None, screen: Screen) -> None:
    """Shows what a run came to, and ends the command with its exit code; does nothing if nothing was sent."""
    if summary is None:
        return
    outcomes(screen, summary)
    screen.json(summary.to_json())
    raise typer.Exit(summary.exit_code)


def send(prepared: Prepared, screen: Screen, *, verbose: bool = False) -> Summary:
    """Executes a prepared run; the first signal to stop drains it, the second ends it at once."""
    from batchupdate.engine import Stop
    from batchupdate.run import execute

    async def main() -> Summary:
        stop, task, loop = Stop(), asyncio.current_task(), asyncio.get_running_loop()
        first = 0.0

        def asked(number: int) -> None:
            nonlocal first
            if stop.signal_number is None:
                stop.request(number)
                first = loop.time()
                screen.say("Stopping: what is in flight may finish. Press Ctrl-C again to quit at once.")
            elif task is not None and (number == signal.SIGINT or loop.time() - first > SAME_WISH_S):
                task.cancel()

        with on_signals(loop, asked), screen.progress() as show:
            try:
                return await execute(prepared, on_progress=show, stop=stop, verbose=verbose)
            except asyncio.CancelledError:
                screen.say("Quit. The journal is complete: run the same command again to go on.")
                raise typer.Exit(128 + (stop.signal_number or signal.SIGINT)) from None

    return asyncio.run(main())


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Before anything is sent, a signal that asks us to stop ends the command, and nothing is left behind."""
    from batchupdate.errors import Interrupted

    def end(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, end) for number in _heeded() if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[int]:
    """The signals that ask us to stop, but for those that whoever started us wants ignored, as nohup does."""
    return [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def on_signals(loop: asyncio.AbstractEventLoop, asked: Callable[[int], None]) -> Iterator[None]:
    """Lets signals that ask us to stop call `asked` on the loop; where the loop can't (Windows), through Python's."""
    before: dict[int, Any] = {}
    heeded = _heeded()
    for number in heeded:
        try:
            loop.add_signal_handler(number, asked, number)
        except NotImplementedError:
            before[number] = signal.signal(number, lambda got, _frame: loop.call_soon_threadsafe(asked, got))
    try:
        yield
    finally:
        for number in heeded:
            if number in before:
                signal.signal(number, before[number])
            else:
                loop.remove_signal_handler(number)


def _describe(prepared: Prepared, problems: list[Problem], screen: Screen) -> None:
    """Shows what is about to be done."""
    checkup, count = prepared.checkup, prepared.to_send
    screen.say(f"{checkup.source} → {prepared.target.name} at {prepared.base_url}", style="bold")
    for notice in checkup.notices:
        screen.say(f"  {notice}")
    for problem in problems:
        screen.say(f"  {line_of(problem)}", style="yellow")
    if (told := sum(checkup.codes.values())) > len(problems):
        screen.say(
            f"  … and {many(told - len(problems), 'problem')} more; see all with: batchupdate check",
            style="yellow",
        )
    if prepared.resumed:
        screen.say(f"  This goes on with the unfinished run {prepared.folder.run_id}; --new would start afresh.")
        screen.say(f"  {count:,} of {checkup.rows:,} rows are left.")
        return
    invalid = f", {checkup.invalid:,} invalid" if checkup.invalid else ""
    doubles = f", {checkup.superseded:,} give way to a later row" if checkup.superseded else ""
    skipped = f", {checkup.skipped:,} not asked for (when)" if checkup.skipped else ""
    pulled = f", {_untouched(checkup)}" if checkup.untouched else ""
    rows = f"{many(checkup.rows, 'row')}{_of_files(checkup)}"
    screen.say(f"  {rows}: {count:,} to send{invalid}{doubles}{skipped}{pulled}.")
    if checkup.cleared:
        screen.say(f"  {_cleared(checkup)}", style="yellow")
    show_plan(prepared, screen)


def show_plan(prepared: Prepared, screen: Screen) -> None:
    """The first changes, and how long it will take."""
    count = prepared.to_send
    for place, record_id, fields in prepared.examples():
        values = ", ".join(f"{name} = {exact_json.dumps(value)}" for name, value in exact_json.loads(fields).items())
        screen.say(f"  {place}: {record_id}: {values}")
    if count and prepared.rate.limited:
        screen.say(f"  At {prepared.rate} this takes about {span(count / prepared.rate.per_s)}.")


def _verdict(checkup: Checkup) -> str:
    if not checkup.rows:
        have = "files have" if checkup.files else "file has"
        return f"There is nothing to do: the {have} no data rows."
    fine = checkup.rows - checkup.invalid - checkup.skipped - checkup.untouched
    text = f"{many(checkup.rows, 'row')}{_of_files(checkup)}: {fine:,} fine, {checkup.invalid:,} invalid"
    if checkup.warnings:
        text += f", {many(checkup.warnings, 'warning')}"
    if checkup.superseded:
        text += f", {checkup.superseded:,} give way to a later row"
    if checkup.skipped:
        text += f", {checkup.skipped:,} not asked for (when)"
    if checkup.untouched:
        text += f", {_untouched(checkup)}"
    return text + "." + (f" {_cleared(checkup)}" if checkup.cleared else "")


def _of_files(checkup: Checkup) -> str:
    return f" of {len(checkup.files):,} files" if checkup.files else ""


def _untouched(checkup: Checkup) -> str:
    return f"{checkup.untouched:,} {'is as it was' if checkup.untouched == 1 else 'are as they were'} pulled"


def _cleared(checkup: Checkup) -> str:
    fields = ", ".join(f"{name} {count:,}" for name, count in checkup.cleared.items())
    return f"{many(checkup.cleared.total(), 'cell')} will clear a field: {fields}."


def checkup_json(checkup: Checkup, problems: list[Problem]) -> dict[str, Any]:
    """What checking found, for programs; `problems` are the first of them."""
    return {
        "source": checkup.source,
        "target": checkup.target,
        "rows": checkup.rows,
        **({"files": checkup.files} if checkup.files else {}),
        "invalid": checkup.invalid,
        "superseded": checkup.superseded,
        "skipped": checkup.skipped,
        "untouched": checkup.untouched,
        "cleared": dict(checkup.cleared),
        "warnings": checkup.warnings,
        "codes": dict(checkup.codes),
        "notices": checkup.notices,
        "problems": [
            {
                "code": problem.code,
                "level": problem.level.value,
                **({"file": problem.file} if problem.file else {}),
                "row": problem.row,
                "column": problem.column,
                "address": problem.address,
                "cell": problem.cell,
                "message": problem.message,
            }
            for problem in problems
        ],
        "problems_left_out": sum(checkup.codes.values()) - len(problems),
        "exit_code": checkup.exit_code,
    }
