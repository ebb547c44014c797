"""A run's folder: its name, its files, and how to find it again."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchupdate.config.run_name import RUNS_DIR, name_in_command
from batchupdate.errors import ConfigError, RunLocked
from batchupdate.runs.lock import held, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

LATEST = "latest"
RUN_ID = re.compile(r"(\d{8}-\d{6})-[a-z0-9-]+-[0-9a-f]{4}")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
MAX_SLUG = 40
NAMED = 3


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run lives. The folder is for its owner alone (0700)."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The SQLite file."""
        return self.path / "journal.sqlite3"

    @property
    def log(self) -> Path:
        """The log: one JSON object a line."""
        return self.path / "run.log"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; the operating system lets go of it at any death.

        Raises:
            RunLocked: another process holds it, with which one.
            ConfigError: the folder can't be written to.
        """
        with held(self.path / ".lock", f"the run {self.run_id}", "Wait until it has ended."):
            yield

    def never_ready(self) -> ConfigError:
        """The error for a folder whose process ended before all rows stood in its journal."""
        return ConfigError(
            f"The run {self.run_id} ended while its file was being read. Nothing was sent.",
            "Give the same command again.",
        )

    @property
    def command_name(self) -> str:
        """What to call the run in a command: its id where the runs folder is the usual one, else its path."""
        return name_in_command(self.path)

    def is_held(self) -> bool:
        """Whether another process is working on this run."""
        try:
            with self.lock():
                return False
        except RunLocked:
            return True
        except ConfigError:  # a folder that can't be written to is only read
            return False

    def facts(self) -> dict[str, str]:
        """What the run's journal keeps of its folder, so that a copy is known from it."""
        return {"place": str(self.path.resolve())}

    def refuse_copy(self, meta: Mapping[str, Any]) -> None:
        """Refuses to work on a copy as long as the run that it was made of is where it was: each would send all rows.

        Args:
            meta: the facts in the journal.

        Raises:
            ConfigError: this is a copy.
        """
        place = Path(meta.get("place") or self.path)
        try:
            copied = _has_journal(place) and not place.samefile(self.path)
        except OSError:
            return
        if copied:
            raise ConfigError(
                f"{self.path} is a copy of the run in {place}, and both would send its rows.",
                f"Resume or retry that one: --runs-dir {shlex.quote(str(place.parent))}; or remove it to use this one.",
            )

    def remove(self) -> None:
        """Removes a run that never sent anything."""
        shutil.rmtree(self.path, ignore_errors=True)


def create(runs_dir: Path, input_name: str, now: datetime) -> RunFolder:
    """Makes a new run's folder, and the runs folder if need be; `now` is UTC.

    Raises:
        ConfigError: it can't be made.
    """
    slug = _NOT_SLUG.sub("-", Path(input_name).stem.lower()).strip("-")[:MAX_SLUG].strip("-") or "run"
    try:
        runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = runs_dir / f"{now:%Y%m%d-%H%M%S}-{slug}-{secrets.token_hex(2)}"
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
                return RunFolder(path)
    except OSError as error:
        raise unusable(runs_dir, error) from error


def point_latest(folder: RunFolder) -> None:
    """Lets `latest` lead to this run: a link, or a small file with its name where links need a privilege.

    It is a convenience: where it can't be made, the run goes on without.
    """
    latest = folder.path.parent / LATEST
    beside = folder.path.parent / f".{LATEST}-{secrets.token_hex(4)}"
    with suppress(OSError):
        try:
            beside.symlink_to(folder.run_id, target_is_directory=True)
        except OSError:
            beside.write_text(folder.run_id + "\n", encoding="utf-8")
        if sys.platform == "win32" and latest.is_symlink():
            latest.unlink()  # a link to a folder can't be replaced there
        beside.replace(latest)
    with suppress(OSError):
        beside.unlink(missing_ok=True)


def _pointed_at(runs_dir: Path) -> RunFolder | None:
    latest = runs_dir / LATEST
    try:
        name = latest.resolve().name if latest.is_symlink() else latest.read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError):  # the last, up to Python 3.12, is a link that leads to itself
        return None
    if _is_run(runs_dir / name):
        return RunFolder(runs_dir / name)
    if RUN_ID.fullmatch(name):  # an older one must not be taken for it
        raise ConfigError(
            f"{latest} stands for the run {name}, which is not in {runs_dir} any more.",
            "Name the run that you mean. See them with: batchupdate runs",
        )
    return None


def all_runs(runs_dir: Path) -> Iterator[RunFolder]:
    """The runs of a folder, newest first; none where there is no folder.

    Raises:
        ConfigError: something else than a folder stands there.
    """
    if runs_dir.exists() and not runs_dir.is_dir():
        raise ConfigError(f"{runs_dir} is not a folder.", "Name the folder of the runs with --runs-dir.")
    try:
        entries = sorted(runs_dir.iterdir(), reverse=True)
    except OSError:
        return
    yield from (RunFolder(path) for path in entries if _is_run(path))


def _is_run(path: Path) -> bool:
    """Whether this is a run's folder; one that has begun to send is one even where its journal was taken away."""
    return RUN_ID.fullmatch(path.name) is not None and (_has_journal(path) or os.path.lexists(path / "run.log"))


def _has_journal(path: Path) -> bool:
    return os.path.lexists(path / "journal.sqlite3")  # Path.exists raises where one may not look


def as_named(path: Path, runs_dir: Path) -> Path:
    """A run's folder by the name that it or its runs folder was given, so that a command to type stays short."""
    place = path.resolve()
    if place.parent == runs_dir.resolve():
        return runs_dir / place.name
    return path if path.name == place.name else place


def find(runs_dir: Path, run: str) -> RunFolder:
    """Finds a run by its id or a unique beginning of it, its folder, or the word `latest`.

    `latest` is the run that was worked on last.

    Raises:
        ConfigError: there is no such run, or the one that was worked on last is gone.
    """
    if run == LATEST:
        newest = _pointed_at(runs_dir) or next(all_runs(runs_dir), None)
        if newest is None:
            raise ConfigError(f"There are no runs in {runs_dir}.", "Name another folder with --runs-dir.")
        return newest
    for path in (runs_dir / run, Path(run)):
        if _has_journal(path) or _is_run(path):
            return RunFolder(as_named(path, runs_dir))
    begun = [folder for folder in all_runs(runs_dir) if run and folder.run_id.startswith(run)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        names = ", ".join(folder.run_id for folder in begun[:NAMED])
        raise ConfigError(
            f"{len(begun)} runs begin with {run!r}: {names}{', …' if len(begun) > NAMED else ''}.",
            "Type more of the id.",
        )
    where = "" if runs_dir == Path(RUNS_DIR) else f" --runs-dir {shlex.quote(str(runs_dir))}"
    raise ConfigError(f"There is no run {run!r} in {runs_dir}.", f"See them with: batchupdate runs{where}")
