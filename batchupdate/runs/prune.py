"""Old runs and plans: which of them may go, and how. Nothing is removed unless somebody asks for it."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from batchupdate.errors import BatchUpdateError, ConfigError
from batchupdate.journal import Journal
from batchupdate.runs.folder import LATEST, RUN_ID, RunFolder, all_runs, point_latest
from batchupdate.runs.lock import one_at_a_time
from batchupdate.runs.plan_folder import PlanFolder, plan_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_AGE = re.compile(r"([0-9]{1,6})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_STAMP = "%Y%m%d-%H%M%S"
_LOCK = ".lock"  # and who holds it, in a file beside it

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 31_557_600


def parse_age(text: str) -> timedelta:
    """How old, as a person types it: `12h`, `30d` or `4w`.

    Raises:
        ConfigError: it is not that.
    """
    if (found := _AGE.fullmatch(text.strip().lower())) is None:
        raise ConfigError(f"{text!r} is not an age.", "Write hours, days or weeks, such as 12h, 30d or 4w.")
    count, unit = found.groups()
    return int(count) * _UNITS[unit]


def age(seconds: float) -> str:
    """How long ago something was, as people say it: `20 min`, `2 h`, `1 day`, `3 days`, `2 years`."""
    for unit, name in ((YEAR, "year"), (DAY, "day")):
        if (count := int(seconds // unit)) >= 1:
            return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"
    if seconds >= HOUR:
        return f"{int(seconds // HOUR)} h"
    return f"{int(seconds // MINUTE)} min" if seconds >= MINUTE else "just now"


@dataclass(frozen=True, slots=True)
class Prunable:
    """A run that may go, or a plan. `last_work` is a Unix time, `size` in bytes.

    `unfinished` has rows that were never sent; a plan never is, for a run of it has its rows in a journal of its own.
    """

    folder: RunFolder
    last_work: float
    size: int
    unfinished: bool

    @property
    def kind(self) -> str:
        """The word for it."""
        return "plan" if isinstance(self.folder, PlanFolder) else "run"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a removal came to: the ids of the runs that are gone, the bytes freed, and sentences about the others."""

    removed: list[str]
    freed: int
    notices: list[str]


def plan_prune(runs_dir: Path, older_than: timedelta, now: datetime, *, include_unfinished: bool) -> list[Prunable]:
    """The runs and plans that may go, the oldest first; nothing is removed.

    A run's age counts from the end of its last work, or where it has none, from its beginning, as a plan's does. One
    that somebody is working on never may go, and one with rows left to send only if `include_unfinished`. A journal
    that can't be read may have such rows.

    Args:
        runs_dir: the runs folder. Links in it are passed over, and so is whatever is no run.
        older_than: the least age.
        now: UTC.
        include_unfinished: whether runs may go that could still be resumed.

    Raises:
        ConfigError: something else than a folder stands there.
    """
    if runs_dir.exists() and not runs_dir.is_dir():
        raise ConfigError(f"{runs_dir} is not a folder.", "Name the folder of the runs with --runs-dir.")
    latest_end = (now - min(older_than, now - datetime.min.replace(tzinfo=UTC))).timestamp()
    runs = [_look(folder) for folder in _folders(runs_dir)]
    may_go = [
        run
        for run in runs
        if run.last_work <= latest_end and (include_unfinished or not run.unfinished) and not run.folder.is_held()
    ]
    return sorted(may_go, key=lambda run: (run.last_work, run.folder.run_id))


def remove(runs_dir: Path, runs: Iterable[Prunable]) -> Pruned:
    """Removes runs, each only if it is still as it was planned, and mends `latest`.

    A run's journal goes last, so that one whose removal is broken off is still a run.

    Args:
        runs_dir: the runs folder.
        runs: as `plan_prune` found them there.
    """
    removed: list[str] = []
    notices: list[str] = []
    freed = 0
    for run in runs:
        try:
            with one_at_a_time(runs_dir):
                _remove(run)
        except (OSError, BatchUpdateError) as error:
            why = f"{error.strerror or error}." if isinstance(error, OSError) else error.message
            notices.append(f"The {run.kind} {run.folder.run_id} stays: {why}")
            continue
        removed.append(run.folder.run_id)
        freed += run.size
    _mend_latest(runs_dir)
    return Pruned(removed, freed, notices)


def _folders(runs_dir: Path) -> Iterator[RunFolder]:
    """The runs, and what is left of those that ended before they had a journal; a link could lead anywhere."""
    if not runs_dir.exists():
        return
    for path in runs_dir.iterdir():
        if RUN_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # a folder of somebody else
                folder = plan_in(path) or RunFolder(path)
                if folder.journal.is_file() or all(_is_lock(entry) for entry in path.iterdir()):
                    yield folder


def _look(folder: RunFolder) -> Prunable:
    """What a run looks like just now."""
    last_work, unfinished = None, False
    if folder.journal.is_file() and not isinstance(folder, PlanFolder):
        try:
            with Journal.open(folder.journal) as journal:
                sessions = journal.sessions()
                last_work = sessions.finished_at or sessions.started_at
                unfinished = bool(journal.meta().get("sealed")) and journal.to_send() > 0
        except BatchUpdateError:
            unfinished = True
    return Prunable(folder, last_work or _begun(folder), _size(folder.path), unfinished)


def _begun(folder: RunFolder) -> float:
    """When a run began, as its id has it."""
    if found := RUN_ID.fullmatch(folder.run_id):
        with suppress(ValueError):
            return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC).timestamp()
    return folder.path.stat().st_mtime


def _size(path: Path) -> int:
    """The bytes of all files below a folder; what a link leads to does not count."""
    total = 0
    for entry in path.rglob("*"):
        with suppress(OSError):  # it has just gone
            if not entry.is_dir():
                total += entry.lstat().st_size
    return total


def _remove(run: Prunable) -> None:
    """Removes one run.

    Raises:
        OSError: a file of it can't be removed.
        RunLocked: somebody works on it.
        ConfigError: it can't be locked, or has changed.
    """
    folder = run.folder
    with folder.lock():
        seen = _look(folder)
        if (seen.last_work, seen.unfinished) != (run.last_work, run.unfinished):
            raise ConfigError("It was worked on meanwhile.")
        entries = [entry for entry in folder.path.iterdir() if not _is_lock(entry)]
        for entry in sorted(entries, key=lambda entry: entry.name.startswith(folder.journal.name)):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
    for entry in folder.path.iterdir():
        entry.unlink(missing_ok=True)
    folder.path.rmdir()


def _is_lock(path: Path) -> bool:
    return path.name.startswith(_LOCK)


def _mend_latest(runs_dir: Path) -> None:
    """Lets `latest` lead to the newest run that is left, if it leads nowhere now."""
    latest = runs_dir / LATEST
    with suppress(OSError, ValueError):
        named = latest.readlink() if latest.is_symlink() else latest.read_text(encoding="utf-8").strip()
        if (runs_dir / named).is_dir():
            return
        newest = next(all_runs(runs_dir), None)
        if newest is not None:
            point_latest(newest)
        else:
            latest.unlink()
