"""The story on one page: read, check, write to the journal, send, report.

`check_file` stops after the second stage. `prepare` ends with a sealed journal in which every row stands; `execute`
works it off and reports. Between the two there is time to ask.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchupdate._version import __version__
from batchupdate.clock import Clock, SystemClock
from batchupdate.config import Secrets, find_key
from batchupdate.engines import Job, Stop, work_off
from batchupdate.errors import BatchUpdateError, ConfigError, InputError
from batchupdate.garbage import fewer_collections
from batchupdate.history import exit_code_of, report, summarise
from batchupdate.ingest import Checkup, Ingest, write_rows
from batchupdate.journal import Journal, Session
from batchupdate.journal.folder import RunFolder, all_runs, create, one_at_a_time, point_latest
from batchupdate.log import run_log
from batchupdate.model import Progress
from batchupdate.reader import STDIN, ReadOptions, local_copy, open_table, source_name
from batchupdate.targets import Target, find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from batchupdate.config import Settings
    from batchupdate.model import Problem
    from batchupdate.rates import Rate
    from batchupdate.reporter import Summary

HASH_CHUNK = 1 << 20
EXAMPLES = 3
_ASK_NEW = "Look into it; then start afresh with --new, for this target does not say that sending twice is safe."


def _quiet(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is ready to go: every row stands in its journal, and this process holds it."""

    folder: RunFolder
    journal: Journal
    target: Target
    settings: Settings
    base_url: str
    key: SecretStr | None
    secrets: Secrets
    clock: Clock
    checkup: Checkup
    resumed: bool

    @property
    def rate(self) -> Rate:
        """The rate to keep."""
        return self.settings.rate or self.target.rate

    @property
    def to_send(self) -> int:
        """How many rows are still to be sent."""
        return self.journal.to_send()

    def examples(self) -> list[tuple[int, str, str]]:
        """The first rows to be sent: number, id, and fields as JSON."""
        return self.journal.examples(EXAMPLES)


def check_file(
    source: str | Path,
    settings: Settings,
    *,
    on_problem: Callable[[Problem], None] = _quiet,
    on_progress: Callable[[Progress], None] = _quiet,
    environ: Mapping[str, str] | None = None,
) -> Checkup:
    """Validates an input offline, in constant memory; every problem goes to `on_problem`.

    Raises:
        UsageError: the input, the config or the target can't be used.
    """
    target = _target(settings)
    with local_copy(source) as path, open_table(path, _read_options(settings), source=source_name(source)) as table:
        secrets = _known_secrets(target, settings, environ)
        with fewer_collections(), Ingest(table, target, settings.input, secrets, on_problem, on_progress) as ingest:
            ingest.read(_quiet)
            for _ in ingest.settle_duplicates():
                pass  # each is told as a problem
            return ingest.checkup


@contextmanager
def prepare(
    source: str | Path,
    settings: Settings,
    *,
    new: bool = False,
    keyless: bool = False,
    on_problem: Callable[[Problem], None] = _quiet,
    on_progress: Callable[[Progress], None] = _quiet,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Prepared]:
    """Checks an input and writes it to a new run's journal; or goes on with the same, unfinished run.

    A new run that is left before it was executed leaves nothing behind. With `keyless` no API key is asked for; what
    is prepared like that is not to be executed.

    Raises:
        UsageError: something can't be used, or `strict` is set and a row is invalid. Nothing was sent.
        RunLocked: another process holds the unfinished run.
    """
    clock = clock or SystemClock()
    target = _target(settings)
    base_url = target.base(settings.base_url, allow_http=settings.allow_http)
    key = None if keyless else find_key(target.auth.env, settings, environ)
    secrets = _known_secrets(target, settings, environ) if keyless else _secrets(target, key)
    with local_copy(source) as path, ExitStack() as stack:
        facts = _facts(path, source, target, settings, base_url)
        with open_table(path, _read_options(settings), source=source_name(source)) as table:
            begun = _begin(stack, facts, settings, target, clock.now(), new=new)
            folder, journal = begun.folder, begun.journal
            if begun.resumed:
                checkup = Checkup(facts["input"]["path"], target.name, rows=journal.meta()["rows"])
            else:
                with (
                    fewer_collections(),
                    Ingest(table, target, settings.input, secrets, on_problem, on_progress) as ingest,
                ):
                    write_rows(ingest, journal, facts)
                    checkup = ingest.checkup
            checkup.notices += begun.notices
        if settings.strict and checkup.invalid:
            hint = "Mend them, or leave --strict away. Nothing was sent."
            raise InputError(f"{checkup.invalid} of {checkup.rows} rows are invalid, and --strict is set.", hint)
        yield Prepared(
            folder,
            journal,
            target,
            settings,
            base_url,
            key,
            secrets,
            clock,
            checkup,
            resumed=begun.resumed,
        )


async def execute(
    prepared: Prepared,
    *,
    on_progress: Callable[[Progress], None] = _quiet,
    stop: Stop | None = None,
    verbose: bool = False,
) -> Summary:
    """Sends what is to be sent, and writes the reports, also after a safety stop or an interruption."""
    folder, journal, clock, target = prepared.folder, prepared.journal, prepared.clock, prepared.target
    with run_log(folder.log, clock, prepared.secrets, verbose=verbose) as log:
        session = journal.begin_session(clock.now().timestamp(), repeatable=target.repeatable)
        journal.set_meta({"rate_per_s": _per_s(prepared.rate)})
        total = prepared.to_send
        point_latest(folder)
        log.info("start", run=folder.run_id, target=target.name, to_send=total, version=__version__)
        job = Job(
            target,
            prepared.settings,
            prepared.base_url,
            prepared.key,
            prepared.secrets,
            clock,
            log,
            stop or Stop(),
            on_progress,
        )
        with fewer_collections():
            traffic, ended = await work_off(journal, job, session, total)
        counts = journal.counts()
        exit_code = exit_code_of(counts, ended)
        journal.end_session(Session.at(session, clock.now().timestamp(), traffic), exit_code)
        log.info("end", exit_code=exit_code, sent=traffic.sent, throttled=traffic.throttled)
    on_progress(Progress("reporting", total, total, counts, traffic))
    summary = summarise(folder, journal, counts, ended.message if ended else "")
    report(journal, summary)
    return summary


async def run_file(
    source: str | Path,
    settings: Settings,
    *,
    new: bool = False,
    on_problem: Callable[[Problem], None] = _quiet,
    on_progress: Callable[[Progress], None] = _quiet,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Applies one input to one target, and returns what became of it; the same as the command `run --yes`.

    Args:
        source: a CSV or Excel file, or `-` for standard input.
        settings: the target, the rate, and everything else.
        new: start afresh even if the same run is unfinished.
        on_problem: is told every problem of a row.
        on_progress: is told how far the run is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: something can't be used; nothing was sent.
        RunLocked: another process holds the unfinished run.
    """
    with prepare(
        source, settings, new=new, on_problem=on_problem, on_progress=on_progress, environ=environ
    ) as prepared:
        return await execute(prepared, on_progress=on_progress)


def _target(settings: Settings) -> Target:
    if settings.target is None:
        raise ConfigError("No target is named.", "Say it with --target; see them with: batchupdate targets")
    return find_target(settings.target)


def _read_options(settings: Settings) -> ReadOptions:
    options = settings.input
    return ReadOptions(options.sheet, options.encoding, options.delimiter, settings.limit)


def _secrets(target: Target, key: SecretStr | None) -> Secrets:
    return Secrets([key, *target.auth.secrets(key)] if key else [])


def _known_secrets(target: Target, settings: Settings, environ: Mapping[str, str] | None) -> Secrets:
    """The key if there is one: checking needs none, but a file that holds it is to be found out."""
    try:
        return _secrets(target, find_key(target.auth.env, settings, environ))
    except ConfigError:
        return Secrets()


def _facts(path: Path, source: str | Path, target: Target, settings: Settings, base_url: str) -> dict[str, Any]:
    """What the journal keeps about a run, and what makes two runs the same."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
    name = STDIN if str(source) == STDIN else str(Path(source).absolute())
    return {
        "input": {"path": name, "sha256": digest.hexdigest()},
        "target": target.model_dump(mode="json", exclude_unset=True),
        "same": {**settings.fingerprint(), "base_url": base_url},
        "rate_per_s": _per_s(settings.rate or target.rate),
        "version": __version__,
    }


def _per_s(rate: Rate) -> float | None:
    return rate.per_s if rate.limited else None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A run that this process holds: a new one, or an unfinished one to go on with."""

    folder: RunFolder
    journal: Journal
    resumed: bool
    notices: list[str]


def _begin(
    stack: ExitStack, facts: dict[str, Any], settings: Settings, target: Target, now: datetime, *, new: bool
) -> _Begun:
    """Finds the unfinished run to go on with, or makes a new one; `stack` lets go of it at the end."""
    with one_at_a_time(settings.runs_dir):
        found, unreadable = (None, []) if new else _unfinished(settings.runs_dir, facts)
        if unreadable and not target.repeatable:
            raise ConfigError(f"The run {unreadable[0]} can't be read, and may have sent this file.", _ASK_NEW)
        notices = [f"The run {name} can't be read; if it sent this file, rows go out again." for name in unreadable]
        if found is not None:
            stack.enter_context(found.lock())
            return _Begun(found, stack.enter_context(Journal.open(found.journal)), resumed=True, notices=notices)
        path = facts["input"]["path"]
        folder = create(settings.runs_dir, "stdin" if path == STDIN else path, now)
        stack.callback(_remove_if_unused, folder)
        stack.enter_context(folder.lock())
        journal = stack.enter_context(Journal.create(folder.journal))
        journal.set_meta(facts)  # so that the same command, given meanwhile, knows this run
        return _Begun(folder, journal, resumed=False, notices=notices)


def _unfinished(runs_dir: Path, facts: dict[str, Any]) -> tuple[RunFolder | None, list[str]]:
    """The newest run of the same file, target and settings, if it is unfinished; and the runs that can't be read.

    Raises:
        RunLocked: another process is just reading the same file for the same run.
    """
    unreadable = []
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta, left = journal.meta(), journal.to_send()
        except BatchUpdateError:
            unreadable.append(folder.run_id)
            continue
        same = all(meta.get(name) == facts[name] for name in ("target", "same"))
        if not same or meta["input"]["sha256"] != facts["input"]["sha256"]:
            continue
        if meta.get("sealed"):
            return (folder if left else None), unreadable
        with folder.lock():
            pass  # nobody holds it: it ended while it was reading, and sent nothing
    return None, unreadable


def _remove_if_unused(folder: RunFolder) -> None:
    """A run that never began to send is nothing to keep."""
    unused = True
    if folder.journal.exists():
        with Journal.open(folder.journal) as journal:
            unused = journal.sessions().started_at is None
    if unused:
        folder.remove()
