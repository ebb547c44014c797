"""What a person sees: messages and progress on standard error, results on standard output."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import typer

from batchupdate.errors import BatchUpdateError, InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.progress import TaskID

    from batchupdate.model import Progress
    from batchupdate.reporter import Summary

P = ParamSpec("P")
R = TypeVar("R")

PLAIN_EVERY_S = 10.0
INTERRUPTED = 130
WIDE = 200
COLOURS = {
    "updated": "green",
    "accepted": "green",
    "unchanged": "green",
    "invalid": "yellow",
    "conflict": "yellow",
    "failed": "red",
    "unknown": "red",
    "not_attempted": "yellow",
}


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Lets a command end in a sentence and an exit code, whatever happens in it."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BatchUpdateError as error:
            complain(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            complain(BatchUpdateError("Stopped on request. Nothing was sent."), mark="")
            raise typer.Exit(INTERRUPTED) from error
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            place = _keep_details()
            complain(
                InternalError(f"An internal error: {type(error).__name__}.", f"This is a bug; its details: {place}")
            )
            raise typer.Exit(InternalError.exit_code) from error

    return wrapper


def complain(error: BatchUpdateError, mark: str = "Error: ") -> None:
    """Says what is wrong and the way out, on standard error."""
    from rich.text import Text

    console = _console(stderr=True)
    _print(console, Text.assemble((mark, "bold red"), (_harmless(error.message), "")))
    if error.hint:
        _print(console, Text(_harmless(error.hint)))


_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _harmless(text: str) -> str:
    """The text without characters that a terminal would obey: it can hold what stands in a file."""
    return _UNSEEN.sub("\ufffd", text)


def _print(console: Console, content: object) -> None:
    """Prints; an output that is gone, full or closed is no reason to end a run, nor to change its exit code."""
    try:
        console.print(content, soft_wrap=True)
        console.file.flush()
    except (OSError, ValueError):
        _gone(console)


def _gone(console: Console) -> None:
    """Writes no more to an output that can't be written to."""
    console.quiet = True
    with suppress(OSError, ValueError):  # or Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), console.file.fileno())


def _keep_details() -> str:
    """Writes the traceback to a file of its own; variables' values are not in it, and so no key is."""
    from pathlib import Path

    from platformdirs import user_log_path

    details = traceback.format_exc()
    try:
        folder = Path(user_log_path("batchupdate", appauthor=False, ensure_exists=True))
        path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(details)
    except OSError:
        return "\n" + details
    return str(path)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    class Patient(Console):
        """rich ends the program when the reader of its output goes away, in the middle of a run."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Patient(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE  # nothing there has an edge, and a folded path can't be copied
    return console


class Screen:
    """Prints for one command.

    Args:
        quiet: no messages but errors.
        as_json: standard output holds one JSON document and nothing else.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self._quiet, self._as_json = quiet, as_json
        self._err, self._out = _console(stderr=True), _console()

    def say(self, text: str = "", style: str = "") -> None:
        """A message, on standard error."""
        if not self._quiet:
            self._show(self._err, text, style)

    def result(self, text: str = "", style: str = "") -> None:
        """A line of the result, on standard output."""
        if not self._as_json:
            self._show(self._out, text, style)

    def line(self, text: str) -> None:
        """A line for programs, on standard output, exactly as it is."""
        if not self._out.quiet:
            try:
                self._out.file.write(text + "\n")
                self._out.file.flush()
            except (OSError, ValueError):
                _gone(self._out)

    @staticmethod
    def _show(console: Console, text: str, style: str) -> None:
        from rich.text import Text

        _print(console, Text(_harmless(text), style=style))

    def table(self, title: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """A table of the result, on standard output."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        if self._as_json:
            return
        table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        numeric = [
            all(row[i].replace(",", "").replace(".", "").isdigit() for row in rows) for i in range(len(headings))
        ]
        for heading, right in zip(headings, numeric, strict=True):
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_harmless(cell), style=COLOURS.get(cell, "")) for cell in row))
        _print(self._out, table)

    def json(self, data: dict[str, Any]) -> None:
        """The JSON document, if that is what was asked for."""
        if self._as_json:
            from rich.text import Text

            _print(self._out, Text(json.dumps(data, indent=2)))

    def confirm(self, question: str, *, possible: bool) -> bool:
        """Asks; where nobody can answer it refuses rather than guess."""
        from batchupdate.errors import UsageError

        if not possible or not sys.stdin.isatty():
            raise UsageError("There is no terminal to ask on.", "Say --yes to go ahead without a question.")
        try:
            return typer.confirm(question, err=True)
        except typer.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise UsageError("No answer came. Nothing was sent.") from error

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None]]:
        """Shows how far a run is: a live line on a terminal, plain lines at intervals elsewhere."""
        if self._quiet:
            yield lambda _: None
        elif self._err.is_terminal:
            with _Live(self._err) as live:
                yield live.show
        else:
            yield _Plain(self.say).show


def outcomes(screen: Screen, summary: Summary) -> None:
    """The table of outcomes, the most frequent errors, and where the files are."""
    rows = [(outcome.value, f"{count:,}") for outcome, count in summary.counts.items() if count]
    screen.table("", ("outcome", "rows"), rows or [("nothing to do", "0")])
    for group in summary.errors[:5]:
        place = f"{group.example_file} row {group.example_row}".lstrip()
        times = f"{group.count:,} rows, such as {place}" if group.count > 1 else place
        screen.result(f"  {times}: {group.message}")
    if len(summary.errors) > 5:  # noqa: PLR2004 - the rest is in the files
        screen.result("  … and others: see failed.csv")
    traffic, seconds = summary.sessions.traffic, summary.sessions.duration_s
    line = f"{many(traffic.sent, 'request')} in {span(seconds)}"
    if traffic.retried:
        line += f", {traffic.retried:,} of them repeats"
    if traffic.throttled:
        line += f", told to slow down {_times(traffic.throttled)}"
    if traffic.waited_s >= 1:
        line += f", {span(traffic.waited_s)} spent waiting"
    screen.result(line + ".")
    if summary.advice:
        screen.result(summary.advice)
    screen.result(f"Results: {summary.folder}")
    for notice in summary.notices:
        screen.result(notice, style="yellow")
    if summary.stopped:
        screen.result(summary.stopped, style="bold red")


def many(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def span(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(path: Path) -> str:
    """A folder's size on disk as people say it."""
    total: float = sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    for unit in ("B", "KB", "MB"):
        if total < 1000:  # noqa: PLR2004 - SI units
            return f"{total:.0f} {unit}"
        total /= 1000
    return f"{total:.1f} GB"


def _failures(progress: Progress) -> int:
    from batchupdate.model import FINE

    return sum(count for outcome, count in progress.counts.items() if outcome not in FINE)


class _Plain:
    """Lines at intervals, for logs of cron and CI."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next = time.monotonic() + PLAIN_EVERY_S

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PLAIN_EVERY_S
        if progress.stage == "reading":
            self._say(f"read {many(progress.done, 'row')}")
            return
        limit = "" if progress.limit_per_s is None else f" (limit {progress.limit_per_s:.3g}/s)"
        left = f", {span(progress.eta_s)} left" if progress.eta_s is not None else ""
        hold = f", holding for {span(progress.holding_s)}" if progress.holding_s >= 1 else ""
        self._say(
            f"{progress.done:,} of {progress.total or 0:,} rows, {progress.rate:.1f} rows/s{limit}, "
            f"{progress.traffic.throttled:,} throttled, {_failures(progress):,} not fine{left}{hold}"
        )


class _Live:
    """One line that renews itself."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError):  # the terminal is gone
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        if self._task is None:
            self._task = self._bar.add_task(progress.stage, total=progress.total, detail="")
        self._bar.update(
            self._task,
            description=progress.stage,
            completed=progress.done,
            total=progress.total,
            detail=self._detail(progress),
        )

    @staticmethod
    def _detail(progress: Progress) -> str:
        if progress.stage != "sending":
            return ""
        parts = [f"{progress.rate:.1f} rows/s"]
        if progress.limit_per_s is not None:
            parts.append(f"limit {progress.limit_per_s:.3g}/s")
        if progress.traffic.throttled:
            parts.append(f"[yellow]{progress.traffic.throttled:,} throttled[/]")
        if failures := _failures(progress):
            parts.append(f"[red]{failures:,} not fine[/]")
        if progress.holding_s >= 1:
            parts.append(f"[yellow]holding {span(progress.holding_s)}[/]")
        elif progress.eta_s is not None:
            parts.append(f"{span(progress.eta_s)} left")
        return " · ".join(parts)
