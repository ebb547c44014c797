"""What a person sees: messages and progress on standard error, results on standard output."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import sys
import textwrap
import time
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import typer

from batchupdate.cli.progress import LiveLine, PlainLines
from batchupdate.errors import BatchUpdateError, InternalError, Interrupted
from batchupdate.util import early_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console
    from rich.text import Text

    from batchupdate.model import Progress

P = ParamSpec("P")
R = TypeVar("R")

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


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Lets a command end in a sentence and an exit code, whatever happens in it."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            early_interrupt.remove()
            return command(*args, **kwargs)
        except BatchUpdateError as error:
            ending: BatchUpdateError = error
        except KeyboardInterrupt:
            ending = Interrupted(signal.SIGINT, "Stopped on request. Nothing was sent.")
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the user gets a sentence
            place = _keep_details()
            ending = InternalError(
                f"An internal error: {type(error).__name__}.", f"This is a bug; its details: {place}"
            )
        complain(ending)
        if kwargs.get("as_json"):
            stopped = {"code": ending.code, "message": ending.message, "hint": ending.hint}
            Screen(as_json=True).json({"exit_code": ending.exit_code, "stopped": stopped})
        raise typer.Exit(ending.exit_code)

    return wrapper


def complain(error: BatchUpdateError) -> None:
    """Says what is wrong and the way out, on standard error."""
    console = _console(stderr=True)
    mark = "" if isinstance(error, Interrupted) else "Error: "
    text = _text(console, mark + error.message)
    text.stylize("bold red", 0, len(mark))
    _print(console, text)
    if error.hint:
        _print(console, _text(console, error.hint))


_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text without characters that a terminal would obey: it can hold what stands in a file."""
    return _UNSEEN.sub("\ufffd", text)


def _text(console: Console, text: str, style: str = "") -> Text:
    """The text as it is shown: on a terminal wrapped at words, with a hanging indent."""
    from rich.text import Text

    text = harmless(text)
    if console.is_terminal or "COLUMNS" in os.environ:
        text = "\n".join(_wrapped(line, console.width) for line in text.split("\n"))
    return Text(text, style=style)


_COMMAND = re.compile(r"(?<=: )batchupdate (?:'[^']*'|(?!\. [A-Z])[^;'])+")
_ENDS_WITH_COMMAND = re.compile(rf"(.*:) ({_COMMAND.pattern}(?<!\.))")
_IS_COMMAND = re.compile(r" *([A-Z_]+=\S* )*batchupdate \S.*")
_HELD = "\0"
"""Stands for a space at which a line is not to be broken."""


def _wrapped(line: str, width: int) -> str:
    """The line wrapped at words, but for the commands in it: one that is typed, or copied, is a single line."""
    indent = " " * (len(line) - len(line.lstrip(" ")))
    if len(line) <= width or _IS_COMMAND.fullmatch(line):
        return line
    if parts := _ENDS_WITH_COMMAND.fullmatch(line):
        sentence, command = parts.groups()
        return f"{_wrapped(sentence, width)}\n{indent}  {command}"
    line = _COMMAND.sub(lambda command: command[0].replace(" ", _HELD), line)
    pieces = textwrap.wrap(line, width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(pieces).replace(_HELD, " ")


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
    """Writes the traceback to a file of its own, without secrets: an error's own words can hold one."""
    from pathlib import Path

    from platformdirs import user_log_path

    from batchupdate.config.secrets import redact_known
    from batchupdate.util.private_file import open_new

    details = redact_known(traceback.format_exc())
    try:
        folder = Path(user_log_path("batchupdate", appauthor=False, ensure_exists=True))
        path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.unlink(missing_ok=True)
        with open_new(path) as file:
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


class Room(NamedTuple):
    """What there is to show a result on: how wide, whether lines are folded there, and whether styles are seen."""

    width: int
    folds: bool
    colour: bool


class Screen:
    """Prints for one command.

    Args:
        quiet: nothing is printed but failures, on standard error.
        as_json: standard output holds one JSON document and nothing else.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet, self.as_json = quiet, as_json
        self._err, self._out = _console(stderr=True), _console()

    def say(self, text: str = "", style: str = "") -> None:
        """A message, on standard error."""
        if not self.quiet:
            self._show(self._err, text, style)

    def result(self, text: str = "", style: str = "", *, failure: bool = False) -> None:
        """A line of the result, on standard output.

        One that speaks of a failure is also shown where results are not, on standard error: that is what cron mails.
        """
        if (console := self._results(failure=failure)) is not None:
            self._show(console, text, style)

    def room(self, *, failure: bool = False) -> Room | None:
        """What `result` and `styled` would show on; None where they show nothing."""
        if (console := self._results(failure=failure)) is None:
            return None
        folds = console.is_terminal or "COLUMNS" in os.environ
        return Room(console.width, folds, console.color_system is not None and not console.no_color)

    def styled(self, text: Text, *, failure: bool = False) -> None:
        """A line of the result with styles in it, folded already and free of control characters."""
        if (console := self._results(failure=failure)) is not None:
            _print(console, text)

    def _results(self, *, failure: bool) -> Console | None:
        """Where a result is shown, if at all."""
        if not self.quiet and not self.as_json:
            return self._out
        return self._err if failure else None

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
        _print(console, _text(console, text, style))

    def table(self, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, failure: bool = False) -> None:
        """A table of the result, where `result` shows its lines; the first column is never folded."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        if (console := self._results(failure=failure)) is None:
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        numeric = [
            all(row[i].replace(",", "").replace(".", "").isdigit() for row in rows) for i in range(len(headings))
        ]
        for place, (heading, right) in enumerate(zip(headings, numeric, strict=True)):
            table.add_column(
                heading, justify="right" if right else "left", overflow="fold", no_wrap=right or place == 0
            )
        for row in rows:
            table.add_row(*(Text(harmless(cell), style=COLOURS.get(cell, "")) for cell in row))
        _print(console, table)

    def json(self, data: dict[str, Any]) -> None:
        """The JSON document, if that is what was asked for."""
        if self.as_json:
            from rich.text import Text

            _print(self._out, Text(json.dumps(data, indent=2)))

    def confirm(self, question: str, *, possible: bool, name: str = "") -> bool:
        """Asks; where nobody can answer it refuses rather than guess. With a `name`, that is to be typed for yes."""
        from batchupdate.errors import UsageError

        if not possible or not sys.stdin.isatty():
            raise UsageError(
                "There is no terminal to ask the question on.", "Add --yes to go ahead without the question."
            )
        *lines, question = _text(self._err, question).plain.split("\n")
        for line in lines:
            self._show(self._err, line, "")
        try:
            if name:
                typed = str(typer.prompt(question, default="", show_default=False, err=True)).strip()
                return typed.lower() == name.lower()
            return typer.confirm(question, err=True)
        except typer.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise UsageError("No answer came. Nothing was sent.") from error

    @staticmethod
    def ask(question: str, default: str | None = None) -> str:
        """Asks somebody at a terminal for a text; `default` is what Enter means, '' for nothing, None for no answer."""
        from batchupdate.errors import UsageError

        try:
            return str(
                typer.prompt(question, default=default, show_default=bool(default), err=True, prompt_suffix=": ")
            ).strip()
        except typer.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise UsageError("No answer came. Nothing was written.") from error

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None]]:
        """Shows how far a run is: a live line on a terminal, plain lines at intervals elsewhere."""
        if self.quiet:
            yield lambda _: None
        elif self._err.is_interactive:  # a dumb terminal can't renew a line
            with LiveLine(self._err) as live:
                yield self._saying_trouble(live.show)
        else:
            yield self._saying_trouble(PlainLines(self.say).show)

    def _saying_trouble(self, show: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """Says at once, and once, why nothing gets through: a dead address shows at the first attempt."""
        said = {""}

        def shown(progress: Progress) -> None:
            if progress.trouble not in said:
                said.add(progress.trouble)
                self.say(progress.trouble)
            show(progress)

        return shown
