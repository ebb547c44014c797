"""The run to begin with: the same one that was left unfinished, or a new one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from batchupdate.errors import BatchUpdateError, ConfigError, InputError
from batchupdate.journal import Journal
from batchupdate.model import UncertainNotice
from batchupdate.reader import STDIN
from batchupdate.reader.files.remote import is_database
from batchupdate.reader.sources import can_be_read_again
from batchupdate.runs.folder import RunFolder, all_runs, create
from batchupdate.runs.lock import one_at_a_time
from batchupdate.runs.log import sessions_begun
from batchupdate.runs.plan_folder import create_plan
from batchupdate.util.text import listed, short_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from datetime import datetime

    from batchupdate.config import Settings
    from batchupdate.runs.plan_folder import PlanFolder
    from batchupdate.runs.reopen import Earlier
    from batchupdate.targets import Target

MAX_STEM = 20
"""So many characters of the first file's name, so that how many more there are stays to be seen."""

JUST_ENDED_S = 15 * 60
"""So long after its end a run is named to a person who is about to send the same again.

A supervisor or a person gives the command again within minutes, when it was killed at its very end; a job that is meant
to send an unchanged file again has rarely a shorter period.
"""

_ASK_NEW = (
    "See what became of its rows with: batchupdate report --recover {}; then start a new run with --new: this target "
    "does not declare that sending twice is safe."
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that this process holds: a new one, or an unfinished one to go on with."""

    folder: RunFolder
    journal: Journal
    notices: list[str]
    resumed: bool


def begin(
    stack: ExitStack, facts: dict[str, Any], settings: Settings, target: Target, now: datetime, *, new: bool, asks: bool
) -> Begun:
    """Finds the unfinished run to resume, or makes a new one; `stack` lets go of it at the end.

    `asks` is whether a person is shown the notices before anything is sent.

    Raises:
        ConfigError: an earlier run stands in the way, and repeating is not safe.
        RunLocked: another process holds the run.
    """
    with one_at_a_time(settings.runs_dir):
        found = _Found() if new else _unfinished(settings.runs_dir, facts, now)
        # The keys of a new run are new ones, by which the API recognises nothing that an earlier run has sent.
        repeatable = target.repeatable and target.idempotency is None
        if found.unreadable and not repeatable:
            folder = found.unreadable[0]
            message = f"The run {folder.run_id} can't be read, and may have sent {found.this}."
            raise ConfigError(message, _ASK_NEW.format(folder.command_name))
        if found.run is None and found.others and found.others[0].sent and not repeatable and not asks:
            raise ConfigError(found.others_message(), _ways_out(found.others[0]))
        if found.just_ended and not repeatable and not asks:
            name = found.just_ended[0].command_name
            hint = (
                f"See what became of its rows with: batchupdate show {name}; send those that failed again with: "
                f"batchupdate retry {name}; or send all rows again with --new."
            )
            raise ConfigError(found.just_ended_message(), hint)
        notices = found.notices()
        if found.run is not None:
            stack.enter_context(found.run.lock())
            journal = stack.enter_context(Journal.take_over(found.run.journal, sessions_begun(found.run.log)))
            found.run.refuse_copy(journal.meta())
            journal.set_meta(found.run.facts())  # it may have been moved since
            notices += _tuned(journal.meta().get("tuned"))
            return Begun(found.run, journal, notices, resumed=True)
        folder, journal = _new_run(stack, settings.runs_dir, name_of(facts["input"]), now)
        journal.set_meta({**facts, **folder.facts()})  # so that the same command, given meanwhile, knows this run
        return Begun(folder, journal, notices, resumed=False)


def begin_linked(stack: ExitStack, earlier: Earlier, suffix: str, now: datetime) -> tuple[RunFolder, Journal]:
    """Makes a new run of rows of an earlier one; `stack` lets go of it at the end."""
    with one_at_a_time(earlier.settings.runs_dir):
        name = f"{name_of(earlier.meta['input'])}-{suffix}"
        return _new_run(stack, earlier.settings.runs_dir, name, now)


def _new_run(stack: ExitStack, runs_dir: Path, name: str, now: datetime) -> tuple[RunFolder, Journal]:
    """A run's folder and its empty journal, both removed at the end unless it was executed."""
    folder = create(runs_dir, name, now)
    return folder, _held(stack, folder, _remove_if_unused)


F = TypeVar("F", bound=RunFolder)


def _held(stack: ExitStack, folder: F, remove: Callable[[F], None]) -> Journal:
    stack.callback(remove, folder)
    stack.enter_context(folder.lock())
    return stack.enter_context(Journal.create(folder.journal))


def _tuned(changed: Mapping[str, Any] | None) -> list[str]:
    """A sentence about what `tune` had changed: the command that began a run resumes it with its own settings."""
    if not changed:
        return []
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in changed.items())
    return [f"While it was at work, this run was changed with: batchupdate tune {options}. Add that here to keep it."]


def refuse_uncertain(notices: Sequence[str]) -> None:
    """Refuses an input with a guess that is not plausible, where nobody is asked whether it is right.

    Raises:
        InputError: there is one.
    """
    for notice in notices:
        if isinstance(notice, UncertainNotice):
            raise InputError(notice, "Nothing was sent, because nobody is asked whether the guess is right.")


def begin_plan(stack: ExitStack, facts: dict[str, Any], settings: Settings, now: datetime) -> Begun:
    """Makes a new plan's folder; `stack` removes it at the end, unless the plan was finished."""
    folder = create_plan(settings.runs_dir, name_of(facts["input"]), now)
    return Begun(folder, _held(stack, folder, _remove_if_unfinished), [], resumed=False)


def _remove_if_unfinished(folder: PlanFolder) -> None:
    if folder.journal.exists():
        with Journal.open(folder.journal) as journal:
            finished = "plan" in journal.meta()
        if finished:
            return
    folder.remove()


class _Left(NamedTuple):
    """An unfinished run that has to do with this input and is not the same.

    `run` is its folder. `left` and `sent` count its rows: those that it has left, and those of which a request left or
    may have. `differs` says in what it differs from what is asked for now, as the second half of a sentence.
    """

    run: RunFolder
    left: int
    sent: int
    differs: str


@dataclass(slots=True)
class _Found:
    """What a look at the earlier runs of a file, or of several, found.

    `run` is the same one, unfinished; `unreadable` are those that can't be read; `others` are unfinished runs for a
    target of this name that have a file in common, but with other settings, or with what stood in the file before,
    those first of which rows were sent; `just_ended` is the same one, finished, with the minutes since.
    """

    several: bool = False
    run: RunFolder | None = None
    unreadable: list[RunFolder] = field(default_factory=list)
    others: list[_Left] = field(default_factory=list)
    just_ended: tuple[RunFolder, int] | None = None

    @property
    def this(self) -> str:
        """What to call the input."""
        return "these files" if self.several else "this file"

    def others_message(self) -> str:
        """What to say of the newest unfinished run that is not the same."""
        newest = self.others[0]
        left = f"has {newest.left:,} rows left" if newest.left else "was killed at its end"
        message = f"The run {newest.run.run_id} of {self.this} {left}, but {newest.differs}."
        if not newest.sent:
            return message
        was = "was" if newest.sent == 1 else "were"
        return f"{message} {newest.sent:,} of its rows {was} sent before, or may have been."

    def just_ended_message(self) -> str:
        """What to say of a run that has just sent the same."""
        if self.just_ended is None:
            return ""
        run, minutes = self.just_ended
        ago = f"{minutes} minute{'s' if minutes > 1 else ''} ago" if minutes else "less than a minute ago"
        return f"The run {run.run_id} has sent {self.this}, and ended {ago}."

    def notices(self) -> list[str]:
        """One sentence for each kind of run that was found; of several, the newest is named."""
        said = []
        if self.unreadable:
            name = f"{self.unreadable[0].run_id}{_and_more(len(self.unreadable))}"
            said.append(f"The run {name} can't be read; if it sent {self.this}, rows go out again.")
        if self.just_ended:
            said.append(f"{self.just_ended_message()} This is a new run, and sends all rows again.")
        if self.run is None and self.others:
            newest = self.others[0]
            old = "the old one" if len(self.others) == 1 else f"the newest of {len(self.others)} old ones"
            said.append(
                f"{self.others_message()} This is a new run, and sends all rows; to resume {old}: "
                f"batchupdate resume {newest.run.command_name}"
            )
        return said


def _ways_out(left: _Left) -> str:
    rows = "that one" if left.sent == 1 else f"those {left.sent:,}"
    return (
        f"Resume it, with its rows as they were, with: batchupdate resume {left.run.command_name}; or send all rows, "
        f"{rows} once more, with --new: this target does not declare that sending twice is safe."
    )


def _and_more(count: int) -> str:
    return f" (and {count - 1} older)" if count > 1 else ""


def _unfinished(runs_dir: Path, facts: Mapping[str, Any], now: datetime) -> _Found:
    """Looks for the run of the same file, target and settings that was worked on last, and whether it is unfinished.

    Raises:
        RunLocked: another process is just reading the same file for the same run.
    """
    found = _Found("files" in facts["input"])
    worked_last: float | None = None
    sent_since = False
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta = journal.meta()
                is_same = meta.get("same") == facts["same"] and meta["input"]["sha256"] == facts["input"]["sha256"]
                differs = "" if is_same or sent_since or not meta.get("sealed") else _what_differs(meta, facts)
                if not is_same and (worked_last is not None or not differs):
                    continue  # what is older than the same run, or than one that sent this file since, is history
                left, sessions = journal.to_send(), journal.sessions()
                sent = journal.sent_rows() if differs else 0
        except BatchUpdateError:
            if worked_last is None:
                found.unreadable.append(folder)
            continue
        if not is_same:
            if left or sessions.exit_code is None:
                found.others.append(_Left(folder, left, sent, differs))
            else:
                sent_since = bool(sent) and meta.get("same") == facts["same"]
        elif meta.get("sealed"):
            # A name can lie in the future, and its run be older than others.
            worked = sessions.finished_at or sessions.started_at or folder.journal.stat().st_mtime
            if worked_last is None or worked > worked_last:
                worked_last = worked
                # With nothing left to send it may still have been stopped, or have died before its reports stood:
                # the same command is to finish it, and not to send everything once more.
                unfinished = left or not meta.get("finished")
                found.run = folder if unfinished else None
                ago_s = now.timestamp() - worked
                just_ended = not unfinished and 0 <= ago_s < JUST_ENDED_S
                found.just_ended = (folder, int(ago_s // 60)) if just_ended else None
        else:
            with folder.lock():
                pass  # nobody holds it: it ended while it was reading, and sent nothing
    found.others.sort(key=lambda other: not other.sent)  # the newest first, as before
    return found


_NAMES = {
    "base_url": "the base URL",
    "input": "how the file is read",
    "limit": "--limit",
    "rows": "--rows",
    "sample": "--sample",
    "sample_seed": "--sample-seed",
    "strict": "--strict",
    "target": "the target's declaration",
}


def _what_differs(meta: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """In what an earlier run differs from what is asked for now; empty if they have nothing to do with each other."""
    before, now = _digests(meta["input"]), _digests(facts["input"])
    known = before.keys() & now.keys() | {path for path in now if now[path] in before.values()}
    if not known or meta["target"]["name"] != facts["target"]["name"]:
        return ""
    said = []
    if changed := [path for path in now if now[path] != before.get(path, now[path])]:
        have = "has" if len(changed) == 1 else "have"
        said.append(f"{listed(list(short_names(changed)))} {have} changed since")
    if len(before) != len(now) or len(known) < len(now):
        said.append("not all its files were the same")
    elif not changed and meta["input"]["sha256"] != facts["input"]["sha256"]:
        said.append("the order of its files was different")
    same, wanted = meta.get("same", {}), facts["same"]
    if names := [name for key, name in _NAMES.items() if same.get(key) != wanted.get(key)]:
        said.append(f"{listed(names)} {'was' if len(names) == 1 else 'were'} different")
    return " and ".join(said) or "its settings were different"


def _digests(told: Mapping[str, Any]) -> dict[str, str]:
    """The digest of every file of an input, by its path; one that can't be read again has no path that tells it."""
    files = {file["path"]: file["sha256"] for file in told.get("files") or [told]}
    return {path if can_be_read_again(path) else f"{path} {digest}": digest for path, digest in files.items()}


def _remove_if_unused(folder: RunFolder) -> None:
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
    path = files[0]["path"]
    if is_database(path):
        name = "query"
    elif can_be_read_again(path):
        name = Path(path).stem.replace(".", "-")
    else:
        name = "stdin" if path == STDIN else "dataframe"
    return f"{name[:MAX_STEM]}-and-{len(files) - 1}-more" if len(files) > 1 else name
