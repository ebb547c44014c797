"""Each file of a folder as a run of its own, moved away afterwards: `run --archive`."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import typer

from batchupdate.cli.console import Screen, complain
from batchupdate.cli.refusals import tell_idle, tells_refusals
from batchupdate.cli.summaries import show_outcomes
from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE, BatchUpdateError, InputError, Interrupted, UsageError
from batchupdate.runs.inbox import TakenFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.cli.confirm_and_send import Consent
    from batchupdate.config import Settings
    from batchupdate.journal import Journal
    from batchupdate.reporter import Summary
    from batchupdate.run import Stop
    from batchupdate.runs.folder import RunFolder
    from batchupdate.runs.inbox import Shelves


class Send(Protocol):
    """Sends files as one run; see `cli.run`."""

    def __call__(
        self,
        files: list[str],
        settings: Settings,
        screen: Screen,
        consent: Consent,
        *,
        stop: Stop | None = None,
        refuses: Callable[[Journal], str],
    ) -> Summary | None:
        """Sends, and returns the summary; None if nothing was sent."""


class _Collected(Screen):
    """A screen of a command that ends with one JSON document: what would be one of a single file is kept for it."""

    def json(self, data: dict[str, Any]) -> None:
        """Keeps the document."""
        self.kept = data


def take_each(
    words: list[str],
    shelves: Shelves,
    settings: Settings,
    screen: Screen,
    consent: Consent,
    send: Send,
) -> NoReturn:
    """Sends each file as a run of its own, moves it away, and ends with the worst exit code of them.

    A run that was stopped ends it, and so does a file that can't be moved: the other files would fare the same, and all
    of them are left for the next time. So does a signal that came when there was nothing left of a run to stop.
    """
    from batchupdate.run import Stop

    inner = _Collected(quiet=screen.quiet, as_json=True) if screen.as_json else screen
    stop, stopped = Stop(), None
    inbox = _Inbox(shelves, settings, inner, consent, partial(send, stop=stop))
    files, exit_code = list[dict[str, Any]](), EXIT_OK
    paths = _files(words, screen)
    _refuse_moved(paths, shelves)
    for path in paths:
        if stop.signal_number is not None:
            interrupted = Interrupted(stop.signal_number)
            complain(interrupted)
            stopped, exit_code = _ended_by(interrupted)["stopped"], interrupted.exit_code
            break
        taken = _taken(path, screen)
        if taken is None:
            continue
        files.append({**inbox.take(taken), "file": str(path)})
        exit_code = max(exit_code, files[-1]["exit_code"])
        if inbox.ended:
            stopped = files[-1].get("stopped")
            break
    if not files:
        tell_idle(settings, ", ".join(words), screen, consent)
    screen.json({"exit_code": exit_code, "stopped": stopped, "files": files})
    raise typer.Exit(exit_code)


_GOES_ON = {EXIT_OK, EXIT_ROWS_NOT_FINE, InputError.exit_code}


def _files(words: list[str], screen: Screen) -> list[Path]:
    """The files that are named; a pattern that matches none is no mistake here."""
    from batchupdate.reader.files.glob import expand
    from batchupdate.reader.files.remote import is_database, url_of

    found: list[str] = []
    for word in words:
        if word == "-" or url_of(word) is not None or is_database(word):
            raise UsageError(f"{word} is no file that could be moved.", "Leave --archive out.")
        if glob.has_magic(word) and not glob.glob(word, recursive=True) and Path(word).parent.is_dir():  # noqa: PTH207
            continue
        if not glob.has_magic(word) and not os.path.lexists(word):
            raise InputError(f"There is no file {word}.", "Check its name and its folder.")
        found += expand([word], screen.say)
    if not found:
        screen.say("There is no file to send.")
    return [*map(Path, dict.fromkeys(found))]


def _refuse_moved(paths: list[Path], shelves: Shelves) -> None:
    """Refuses files that lie where files are moved to: each time the command is given, they would be sent again."""
    for shelf in filter(None, (shelves.archive, shelves.failed)):
        for path in paths:
            if path.parent.resolve() == shelf.resolve():
                raise UsageError(
                    f"{path} is in {shelf}, where files are moved to once they were sent; it would be sent each time.",
                    "Name other folders with --archive and --failed, or a pattern that does not match what is in them.",
                )


def _taken(path: Path, screen: Screen) -> TakenFile | None:
    """The file as it is; None if it is gone, or somebody is writing to it."""
    try:
        taken = TakenFile.once_quiet(path)
    except OSError as error:
        screen.say(f"{path} is left out: {error.strerror or error}.")
        return None
    if taken is None:
        screen.say(f"{path} is left for the next time: somebody is writing to it.")
    return taken


@dataclass(slots=True)
class _Inbox:
    """How each file is taken.

    `ended` is set once the other files would fare like the one before; `settled` are runs that need no second look.
    """

    shelves: Shelves
    settings: Settings
    screen: Screen
    consent: Consent
    send: Send
    ended: bool = False
    settled: set[str] = field(default_factory=set)

    def take(self, taken: TakenFile) -> dict[str, Any]:
        """Sends one file and puts it away, or its reason with it if it is no table of changes; returns what JSON says.

        Whatever is wrong with it is shown here, so that what became of the files before it is not lost.
        """
        screen, settled = self.screen, self.settled
        earlier = None if self.consent.dry_run else taken.finished_run(self.settings.runs_dir, settled)
        said: dict[str, Any] = {}
        try:
            with tells_refusals(self.settings, str(taken.path), screen, self.consent):
                if earlier is None:
                    said, run = self._sent(taken)
                else:
                    run, code = earlier
                    said = {"run_id": run.run_id, "exit_code": code}
                    screen.say(f"{taken.path} was sent already, by the run {run.run_id}; nothing is sent again.")
                if run is not None:
                    screen.say(self.shelves.put_away(taken, run, said["exit_code"]))
        except InputError as error:
            complain(_named(error, taken.path))
            if not self.consent.dry_run:
                screen.say(self.shelves.refuse(taken, error))
            return _ended_by(error)
        except BatchUpdateError as error:
            complain(_named(error, taken.path) if isinstance(error, UsageError) else error)
            self.ended = True
            return {**said, **_ended_by(error)}
        self.ended = said["exit_code"] not in _GOES_ON
        return said

    def _sent(self, taken: TakenFile) -> tuple[dict[str, Any], RunFolder | None]:
        """Sends one file; returns what JSON says, and its run if that has finished."""
        from batchupdate.runs.folder import RunFolder

        screen, runs_dir = self.screen, self.settings.runs_dir
        refuses = partial(taken.settled_by, runs_dir=runs_dir, settled=self.settled)
        try:
            summary = self.send([str(taken.path)], self.settings, screen, self.consent, refuses=refuses)
        except typer.Exit as shown:
            if not self.consent.dry_run:  # it was interrupted twice
                raise
            return {**getattr(screen, "kept", {}), "exit_code": shown.exit_code}, None
        except InputError:
            if os.path.lexists(taken.path):
                raise
            screen.say(f"{taken.path} is left out: it was moved meanwhile.")
            summary = None
        if summary is None:
            return {**getattr(screen, "kept", {}), "exit_code": EXIT_OK}, None
        show_outcomes(screen, summary)
        finished = summary.exit_code in {EXIT_OK, EXIT_ROWS_NOT_FINE}
        return summary.to_json(), RunFolder(summary.folder) if finished else None


def _named(error: UsageError, path: Path) -> UsageError:
    """The same error with the file's name, for of several files it must be known which one it is about."""
    if path.name in error.message:
        return error
    return type(error)(f"{path}: {error.message}", error.hint)


def _ended_by(error: BatchUpdateError) -> dict[str, Any]:
    stopped = {"code": error.code, "message": error.message, "hint": error.hint}
    return {"exit_code": error.exit_code, "stopped": stopped}
