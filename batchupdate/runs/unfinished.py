"""The run to begin with: the same one that was left unfinished, or a new one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchupdate.errors import BatchUpdateError, ConfigError
from batchupdate.journal import Journal
from batchupdate.reader import STDIN
from batchupdate.runs.folder import RunFolder, all_runs, create
from batchupdate.runs.lock import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack
    from datetime import datetime

    from batchupdate.config import Settings
    from batchupdate.targets import Target

MAX_STEM = 20
"""So many characters of the first file's name, so that how many more there are stays to be seen."""

_ASK_NEW = "Look into it, then start a new run with --new: this target does not declare that sending twice is safe."


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that this process holds: a new one, or an unfinished one to go on with."""

    folder: RunFolder
    journal: Journal
    notices: list[str]
    resumed: bool


def begin(
    stack: ExitStack, facts: dict[str, Any], settings: Settings, target: Target, now: datetime, *, new: bool
) -> Begun:
    """Finds the unfinished run to go on with, or makes a new one; `stack` lets go of it at the end."""
    with one_at_a_time(settings.runs_dir):
        found = _Found() if new else _unfinished(settings.runs_dir, facts)
        if found.unreadable and not target.repeatable:
            raise ConfigError(f"The run {found.unreadable[0]} can't be read, and may have sent {found.this}.", _ASK_NEW)
        if found.otherwise and found.run is None and not target.repeatable:
            name, left = found.otherwise[0]
            told = found.otherwise_told(name, left)
            hint = f"Go on with it by: batchupdate resume {name}; or send all rows, the done ones too, with --new."
            raise ConfigError(told, hint)
        notices = found.notices()
        if found.run is not None:
            stack.enter_context(found.run.lock())
            return Begun(found.run, stack.enter_context(Journal.take_over(found.run.journal)), notices, resumed=True)
        folder = create(settings.runs_dir, name_of(facts["input"]), now)
        stack.callback(remove_if_unused, folder)
        stack.enter_context(folder.lock())
        journal = stack.enter_context(Journal.create(folder.journal))
        journal.set_meta(facts)  # so that the same command, given meanwhile, knows this run
        return Begun(folder, journal, notices, resumed=False)


@dataclass(slots=True)
class _Found:
    """What a look at the earlier runs of a file, or of several, found.

    `run` is the same one, unfinished; `unreadable` are those that can't be read; `of_older_file` are unfinished runs of
    this path, of what stood there before, and `otherwise` those of this very file for a target of this name, but with
    other settings; with the rows that they have left.
    """

    several: bool = False
    run: RunFolder | None = None
    unreadable: list[str] = field(default_factory=list)
    of_older_file: list[tuple[str, int]] = field(default_factory=list)
    otherwise: list[tuple[str, int]] = field(default_factory=list)

    @property
    def this(self) -> str:
        """What to call the input."""
        return "these files" if self.several else "this file"

    def otherwise_told(self, name: str, left: int) -> str:
        """What is reported of an unfinished run with other settings."""
        return f"The run {name} of {self.this} has {left:,} rows left, but its target, address or settings were others."

    def notices(self) -> list[str]:
        told = [f"The run {name} can't be read; if it sent {self.this}, rows go out again." for name in self.unreadable]
        if self.run is None:
            changed = "These files have" if self.several else "This file has"
            told += [
                f"{changed} changed since the run {name}, which has {left:,} rows left. This is a new run; the old one "
                f"could be gone on with by: batchupdate resume {name}"
                for name, left in self.of_older_file
            ]
            told += [
                f"{self.otherwise_told(name, left)} This is a new run, and sends all rows; the old one is gone on with "
                f"by: batchupdate resume {name}"
                for name, left in self.otherwise
            ]
        return told


def _unfinished(runs_dir: Path, facts: Mapping[str, Any]) -> _Found:
    """Looks for the newest run of the same file, target and settings, and whether it is unfinished.

    Raises:
        RunLocked: another process is just reading the same file for the same run.
    """
    found = _Found("files" in facts["input"])
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta, left = journal.meta(), journal.to_send()
        except BatchUpdateError:
            found.unreadable.append(folder.run_id)
            continue
        if meta.get("same") != facts["same"]:
            if left and _is_same_work(meta, facts):
                found.otherwise.append((folder.run_id, left))
            continue
        if meta["input"]["sha256"] != facts["input"]["sha256"]:
            if left and meta.get("sealed") and meta["input"]["path"] == facts["input"]["path"] != STDIN:
                found.of_older_file.append((folder.run_id, left))
            continue
        if meta.get("sealed"):
            # With nothing left to send it may still have been stopped, or have died before its reports stood: whoever
            # says the same again wants it finished, and not everything sent once more.
            found.run = folder if left or not meta.get("finished", True) else None
            return found
        with folder.lock():
            pass  # nobody holds it: it ended while it was reading, and sent nothing
    return found


def _is_same_work(meta: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a run had this file's content, and a target of this name."""
    told, wanted = meta.get("input", {}), facts["input"]
    same_target = meta.get("target", {}).get("name") == facts["target"]["name"]
    return bool(meta.get("sealed")) and same_target and told.get("sha256") == wanted["sha256"]


def remove_if_unused(folder: RunFolder) -> None:
    """A run that never began to send is nothing to keep."""
    unused = True
    if folder.journal.exists():
        with Journal.open(folder.journal) as journal:
            unused = journal.sessions().started_at is None
    if unused:
        folder.remove()


def name_of(told: Mapping[str, Any]) -> str:
    """What a run is named after."""
    files = told.get("files") or [told]
    name = "stdin" if files[0]["path"] == STDIN else Path(files[0]["path"]).stem.replace(".", "-")
    return f"{name[:MAX_STEM]}-and-{len(files) - 1}-more" if len(files) > 1 else name
