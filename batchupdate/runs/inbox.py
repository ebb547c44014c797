"""Files of a folder, each taken once: sent as a run of its own, and put away afterwards.

A file is known again by its identity on the disk, which its run keeps before the first request leaves. So a process
that dies between the end of a run and the move of its file leaves a finished run and a file of that identity: the next
one moves it, and sends nothing. A file with the same content that arrives later is another one.
"""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE, BatchUpdateError, ConfigError
from batchupdate.journal import Journal
from batchupdate.runs.folder import all_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.runs.folder import RunFolder

QUIET_S = 5.0
"""A file that was written to so lately may not be complete."""

_FACT = "taken"


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A file as it was when it was taken."""

    path: Path
    identity: tuple[int, int, int, int]

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file as it is now.

        Raises:
            OSError: it can't be looked at.
        """
        found = path.stat()
        return cls(path, (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size))

    @classmethod
    def once_quiet(cls, path: Path, sleep: Callable[[float], None] = time.sleep) -> Self | None:
        """The file, once nobody has written to it for a while; None if somebody writes to it meanwhile.

        Raises:
            OSError: it can't be looked at.
        """
        taken = cls.of(path)
        age_s = time.time() - path.stat().st_mtime
        if 0 <= age_s < QUIET_S:
            sleep(QUIET_S - age_s)
            return taken if taken == cls.of(path) else None
        return taken

    def is_unchanged(self) -> bool:
        """Whether the same file is still there, as it was."""
        try:
            return self == TakenFile.of(self.path)
        except OSError:
            return False

    def finished_run(self, runs_dir: Path, settled: set[str]) -> tuple[RunFolder, int] | None:
        """The run that has sent this very file and finished, and its exit code; None if there is none.

        `settled` are the ids of finished runs whose files are put away, or that have none. They are not opened again,
        and more are added to them: with thousands of runs, to open all of them takes seconds.
        """
        for folder in all_runs(runs_dir):
            if folder.run_id in settled:
                continue
            try:
                with Journal.open(folder.journal) as journal:
                    meta, code = journal.meta(), journal.sessions().exit_code
            except BatchUpdateError:
                continue
            if meta.get("finished") and meta.get(_FACT) is None:
                settled.add(folder.run_id)
            elif meta.get("finished") and meta.get(_FACT) == list(self.identity) and code is not None:
                return folder, code
        return None

    def settled_by(self, journal: Journal, runs_dir: Path, settled: set[str]) -> str:
        """Lets the run that is about to send the file keep it as its own; returns why it is not to be sent, or ''.

        Call it once the run is held and has read the file. Until then another process may have sent the file or moved
        it, and somebody may have put another one in its place.
        """
        if not self.is_unchanged():
            return f"{self.path} is left for the next time: it was changed or moved meanwhile."
        if self.finished_run(runs_dir, settled) is not None:
            return f"{self.path} is left for the next time: another process has just sent it."
        self.belongs_to(journal)
        return ""

    def belongs_to(self, journal: Journal) -> None:
        """Lets a run keep which file is its own; before its first request leaves."""
        journal.set_meta({_FACT: list(self.identity)})


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where files go: `archive` those of which every row succeeded, and `failed` the others, if there is such a place.

    Both are made if need be.
    """

    archive: Path
    failed: Path | None

    def put_away(self, file: TakenFile, run: RunFolder, exit_code: int) -> str:
        """Moves a file whose run has finished; returns what to say of it.

        Where rows failed, `failed.csv` of the run is laid beside it first.

        Raises:
            ConfigError: it can't be moved. It stays where it is, and is moved the next time.
        """
        if not file.is_unchanged():
            return f"{file.path} has changed since it was read. It stays where it is, and counts as a new file."
        shelf = self.archive if exit_code == EXIT_OK else (self.failed or self.archive)
        failed_rows = run.path / "failed.csv"
        lays = exit_code == EXIT_ROWS_NOT_FINE and self.failed is not None and failed_rows.exists()
        beside = failed_rows if lays else None
        if (place := _moved(file, shelf, beside)) is None:
            return f"{file.path} has changed since it was read. It stays where it is, and counts as a new file."
        with suppress(BatchUpdateError), Journal.open(run.journal) as journal:
            journal.set_meta({_FACT: None})
        return f"{file.path} is in {place} now."

    def refuse(self, file: TakenFile, why: BatchUpdateError) -> str:
        """Moves a file that is no table of changes, with the reason beside it; returns what to say of it.

        Raises:
            ConfigError: it can't be moved.
        """
        reason = "\n".join(filter(None, [why.message, why.hint])) + "\n"
        if self.failed is None or not file.is_unchanged() or (place := _moved(file, self.failed, None, reason)) is None:
            return f"{file.path} stays where it is."
        return f"{file.path} is in {place} now, with the reason beside it."


def _moved(file: TakenFile, shelf: Path, beside: Path | None, reason: str = "") -> Path | None:
    """Moves a file to a shelf under a name that is free there, after what belongs beside it; returns its place.

    None if there is another file in its place by now, which stays.
    """
    path = file.path
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        place = _free(shelf / path.name, beside)
        if beside is not None:
            _copied(beside, _failed_rows(place))
        if reason:
            place.with_name(f"{place.name}.error.txt").write_text(reason, encoding="utf-8")
        if not file.is_unchanged():  # what is laid beside it can be large, and take a while
            return None
        try:
            path.rename(place)
        except OSError:  # the shelf is on another file system
            _copied(path, place)
            if not file.is_unchanged():
                place.unlink()
                return None
            path.unlink()
    except OSError as error:
        raise ConfigError(
            f"{path} can't be moved to {shelf}: {error.strerror or error}.",
            "Its run is finished: the next time it is only moved, and nothing is sent again.",
        ) from error
    return place


def _copied(source: Path, place: Path) -> None:
    """Copies a file, so that a process which dies meanwhile leaves no half of it under its name."""
    half = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        shutil.copy2(source, half)
        with half.open("r+b") as file:
            os.fsync(file.fileno())
        half.replace(place)
    finally:
        half.unlink(missing_ok=True)


def _failed_rows(place: Path) -> Path:
    return place.with_name(f"{place.stem}.failed.csv")


def _free(place: Path, beside: Path | None) -> Path:
    """A name that is free for a file and for the failed rows beside it: somebody may be correcting those of another.

    What is there already of these very rows, because a move was broken off, is not in the way.
    """
    number = 2
    free = place
    while os.path.lexists(free) or (beside is not None and _is_other(_failed_rows(free), beside)):
        free, number = place.with_name(f"{place.stem} ({number}){place.suffix}"), number + 1
    return free


def _is_other(place: Path, source: Path) -> bool:
    return os.path.lexists(place) and not (place.is_file() and filecmp.cmp(place, source, shallow=False))
