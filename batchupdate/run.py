"""The story on one page: read, check, write to the journal, send, report.

`check_file` stops after the second stage. `prepare` ends with a sealed journal in which every row stands; `execute`
works it off and reports. Between the two there is time to ask.
"""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchupdate._version import __version__
from batchupdate.behind import Behind
from batchupdate.clock import Clock, SystemClock
from batchupdate.config import Secrets, find_key
from batchupdate.engines import Job, Stop, work_off
from batchupdate.errors import (
    EXIT_OK,
    EXIT_ROWS_NOT_FINE,
    BatchUpdateError,
    ConfigError,
    InputError,
    Interrupted,
)
from batchupdate.journal import Journal
from batchupdate.journal.folder import RunFolder, all_runs, create, point_latest
from batchupdate.log import run_log
from batchupdate.model import FINE, Level, Outcome, Problem, Progress, Result
from batchupdate.reader import STDIN, ReadOptions, local_copy, open_table, source_name
from batchupdate.reporter import Summary, write_reports
from batchupdate.targets import Target, find_target
from batchupdate.validator import DuplicateFinder, Validator, duplicate_problem, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import SecretStr

    from batchupdate.config import Settings
    from batchupdate.journal import Entry
    from batchupdate.reader import Table
    from batchupdate.validator import Checked, Layout, Sighting

HASH_CHUNK = 1 << 20
EXAMPLES = 3
BATCH_ROWS = 4000
"""Enough that the threads which write have no need to change places often."""


def _quiet(_: object) -> None:
    pass


@dataclass(slots=True)
class Checkup:
    """What checking one input found.

    `rows` are the data rows, `invalid` those of them that can't be sent, `superseded` those whose place another row
    for the same record takes. `codes` counts problems by code, warnings among them.
    """

    source: str
    target: str
    notices: list[str] = field(default_factory=list)
    rows: int = 0
    invalid: int = 0
    superseded: int = 0
    warnings: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """0 when every row is fine, else 1."""
        return EXIT_ROWS_NOT_FINE if self.invalid else EXIT_OK


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
        ingest = _Ingest(table, target, settings, _known_secrets(target, settings, environ), on_problem, on_progress)
        ingest.read(_quiet)
        for group in ingest.duplicates():
            ingest.settle(group, settings)
        return ingest.checkup


@contextmanager
def prepare(
    source: str | Path,
    settings: Settings,
    *,
    new: bool = False,
    on_problem: Callable[[Problem], None] = _quiet,
    on_progress: Callable[[Progress], None] = _quiet,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Prepared]:
    """Checks an input and writes it to a new run's journal; or goes on with the same, unfinished run.

    A new run that is left before it was executed leaves nothing behind.

    Raises:
        UsageError: something can't be used, or `strict` is set and a row is invalid. Nothing was sent.
        RunLocked: another process holds the unfinished run.
    """
    clock = clock or SystemClock()
    target = _target(settings)
    base_url = target.base(settings.base_url, allow_http=settings.allow_http)
    key = find_key(target.auth.env, settings, environ)
    secrets = _secrets(target, key)
    with local_copy(source) as path, ExitStack() as stack:
        facts = _facts(path, source, target, settings, base_url)
        with open_table(path, _read_options(settings), source=source_name(source)) as table:
            found = None if new else _unfinished(settings.runs_dir, facts)
            if found is not None:
                folder, journal = stack.enter_context(_reopened(found))
                checkup = Checkup(facts["input"]["path"], target.name, rows=journal.meta()["rows"])
            else:
                folder = create(
                    settings.runs_dir, Path(str(source)).name if str(source) != "-" else "stdin", clock.now()
                )
                stack.callback(_remove_if_unused, folder)
                stack.enter_context(folder.lock())
                journal = stack.enter_context(Journal.create(folder.journal))
                ingest = _Ingest(table, target, settings, secrets, on_problem, on_progress)
                _write_rows(ingest, journal, settings, facts)
                checkup = ingest.checkup
        if settings.strict and checkup.invalid:
            hint = "Mend them, or leave --strict away. Nothing was sent."
            raise InputError(f"{checkup.invalid} of {checkup.rows} rows are invalid, and --strict is set.", hint)
        yield Prepared(
            folder, journal, target, settings, base_url, key, secrets, clock, checkup, resumed=found is not None
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
        total = prepared.to_send
        session = journal.begin_session(clock.now().timestamp(), repeatable=target.repeatable)
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
        traffic, ended = await work_off(journal, job, total)
        exit_code = _exit_code(journal, ended)
        journal.end_session(session, clock.now().timestamp(), traffic, exit_code)
        log.info("end", exit_code=exit_code, sent=traffic.sent, throttled=traffic.throttled)
    on_progress(Progress("reporting", total, total, journal.counts(), traffic))
    summary = summarise(folder, journal, exit_code, ended.message if ended else "")
    _report(journal, summary)
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


def rebuild_reports(folder: RunFolder) -> Summary:
    """Rebuilds a run's reports from its journal.

    Raises:
        ConfigError: there is no readable journal.
        RunLocked: another process is working on this run.
    """
    with folder.lock(), Journal.open(folder.journal) as journal:
        summary = summarise(folder, journal)
        _report(journal, summary)
        return summary


def _report(journal: Journal, summary: Summary) -> None:
    meta = journal.meta()
    write_reports(summary, meta["columns"], meta["width"], journal.lines())


def summary_of(folder: RunFolder) -> Summary:
    """What a run came to, or has come to so far.

    Raises:
        ConfigError: there is no readable journal.
    """
    with Journal.open(folder.journal) as journal:
        return summarise(folder, journal)


@dataclass(frozen=True, slots=True)
class Glance:
    """A run in one line of a list; `fine` rows need nobody's attention."""

    target: str
    rows: int
    fine: int
    state: str


def glance(folder: RunFolder) -> Glance:
    """What a run's line in a list says; a run that can't be read has one too."""
    try:
        with Journal.open(folder.journal) as journal:
            summary, left = summarise(folder, journal), journal.to_send()
    except BatchUpdateError:
        return Glance("", 0, 0, "unreadable")
    fine = sum(count for outcome, count in summary.counts.items() if outcome in FINE)
    if left:
        state = f"unfinished, {left:,} rows left"
    else:
        state = "all fine" if fine == summary.rows else f"finished, {summary.rows - fine:,} rows are not fine"
    return Glance(summary.target, summary.rows, fine, state)


def summarise(folder: RunFolder, journal: Journal, exit_code: int | None = None, stopped: str = "") -> Summary:
    """What a run came to, from its journal."""
    meta, sessions = journal.meta(), journal.sessions()
    if not meta.get("sealed"):
        raise ConfigError(f"The run {folder.run_id} ended while its file was being read.", "Nothing was sent.")
    if exit_code is None:
        exit_code = sessions.exit_code if sessions.exit_code is not None else _exit_code(journal, None)
    return Summary(
        folder.run_id,
        folder.path,
        meta["target"]["name"],
        meta["input"]["path"],
        meta["input"]["sha256"],
        meta["rows"],
        journal.counts(),
        sessions,
        journal.error_groups(),
        meta["rate_per_s"],
        exit_code,
        stopped,
    )


def _exit_code(journal: Journal, ended: BatchUpdateError | None) -> int:
    if isinstance(ended, Interrupted):
        return 128 + ended.signal_number
    if ended is not None:
        return ended.exit_code
    fine = all(not count for outcome, count in journal.counts().items() if outcome not in FINE)
    return EXIT_OK if fine else EXIT_ROWS_NOT_FINE


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
        "rate_per_s": rate.per_s if (rate := settings.rate or target.rate).limited else None,
        "version": __version__,
    }


def _unfinished(runs_dir: Path, facts: dict[str, Any]) -> RunFolder | None:
    """The newest run of the same file, target and settings, if it is unfinished."""
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta = journal.meta()
                same = all(meta.get(name) == facts[name] for name in ("target", "same"))
                if same and meta["input"]["sha256"] == facts["input"]["sha256"] and meta.get("sealed"):
                    return folder if journal.to_send() else None
        except (BatchUpdateError, KeyError):
            continue  # a run that can't be read is nothing to go on with
    return None


@contextmanager
def _reopened(folder: RunFolder) -> Iterator[tuple[RunFolder, Journal]]:
    with folder.lock(), Journal.open(folder.journal) as journal:
        yield folder, journal


def _remove_if_unused(folder: RunFolder) -> None:
    """A run that never began to send is nothing to keep."""
    with Journal.open(folder.journal) as journal:
        unused = journal.sessions().started_at is None
    if unused:
        folder.remove()


class _Ingest:
    """Reads and checks a table, batch by batch, and then settles which rows name the same record."""

    def __init__(
        self,
        table: Table,
        target: Target,
        settings: Settings,
        secrets: Secrets,
        on_problem: Callable[[Problem], None],
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.table, self.target, self.secrets = table, target, secrets
        self._on_problem, self._on_progress = on_problem, on_progress
        self._layout: Layout = lay_out(table.columns, target, settings.input)
        self._validator = Validator(target, self._layout, secrets)
        self._finder = DuplicateFinder()
        self.width = len(table.columns)
        self.checkup = Checkup(table.source, target.name, list(table.notices))
        if self._layout.ignored:
            self.checkup.notices.append(
                f"These columns match no field and are ignored: {', '.join(self._layout.ignored)}."
            )

    def read(self, keep: Callable[[Checked], None]) -> None:
        """Passes every batch through the validator and on to `keep`."""
        with _fewer_collections():
            self._read(keep)

    def _read(self, keep: Callable[[Checked], None]) -> None:
        checkup = self.checkup
        for rows in self.table.batches(BATCH_ROWS):
            checked = self._validator.check(rows)
            self._finder.add(checked.sightings())
            keep(checked)
            checkup.rows += len(rows)
            checkup.invalid += sum(record is None for record in checked.records)
            for problem in checked.problems:
                self._tell(problem)
            self._on_progress(Progress("reading", checkup.rows))

    def duplicates(self) -> Iterator[list[Sighting]]:
        """The rows of every record that stands in several."""
        with self._finder:
            yield from self._finder.groups()

    def settle(self, group: list[Sighting], settings: Settings) -> list[Result]:
        """What becomes of the rows that name one record: the results of those that will not be sent for themselves."""
        *earlier, last = group
        if settings.input.on_duplicate == "error":
            heading = self._layout.heading(self.target.path_variables[-1])
            problems = [duplicate_problem(sighting.row, group, heading) for sighting in group]
            for problem in problems:
                self._tell(problem)
            return self._invalid([(s.row, p.sentence()) for s, p in zip(group, problems, strict=True) if s.valid])
        broken = [sighting.row for sighting in group if not sighting.valid]
        merge = settings.input.on_duplicate == "merge"
        if broken and (merge or not last.valid):
            why = f"row {broken[-1]} for the same record is invalid; mend it, or take it out"
            return self._invalid([(sighting.row, why) for sighting in group if sighting.valid])
        self.checkup.superseded += len(earlier)
        if merge:
            return []
        why = f"not sent: row {last.row} for the same record takes its place (on_duplicate: last)"
        return [Result(s.row, Outcome.UNCHANGED, error=why) for s in earlier if s.valid]

    def _invalid(self, rows: Sequence[tuple[int, str]]) -> list[Result]:
        self.checkup.invalid += len(rows)
        return [Result(row, Outcome.INVALID, error=why) for row, why in rows]

    def _tell(self, problem: Problem) -> None:
        self.checkup.codes[problem.code] += 1
        self.checkup.warnings += problem.level is Level.WARNING
        self._on_problem(problem)


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Lets Python look for cyclic garbage less often: rows make none, and looking for it takes a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _write_rows(ingest: _Ingest, journal: Journal, settings: Settings, facts: dict[str, Any]) -> None:
    """Writes every row to the journal, settles duplicates, and seals it."""
    width = ingest.width
    with Behind("ingest") as behind:

        def keep(checked: Checked) -> None:
            nonlocal width
            width = max(width, *(len(row.cells) for row in checked.rows))
            behind.call(journal.add_rows, *_entries(checked, ingest))

        ingest.read(keep)
        behind.wait()
    for group in ingest.duplicates():
        results = ingest.settle(group, settings)
        if results:
            journal.withdraw(results)
        elif settings.input.on_duplicate == "merge":
            _merge(journal, group)
    facts["input"]["rows"] = ingest.checkup.rows
    journal.seal({**facts, "columns": list(ingest.table.columns), "width": width, "rows": ingest.checkup.rows})


def _entries(checked: Checked, ingest: _Ingest) -> tuple[list[Entry], list[Result]]:
    """One batch as the journal wants it."""
    expand = ingest.target.expand
    entries: list[Entry] = []
    for row, ids, change in zip(checked.rows, checked.ids, checked.changes(), strict=True):
        if change is not None:
            entries.append((row.number, row.cells, "/".join(change.ids), expand(change.ids), change.fields))
        else:
            cells = [ingest.secrets.redact(cell) for cell in row.cells]
            entries.append((row.number, cells, "/".join(ids) if ids else None, None, None))
    sentences: dict[int, list[str]] = {}
    for problem in checked.problems:
        if problem.level is Level.ERROR:
            sentences.setdefault(problem.row, []).append(problem.sentence())
    return entries, [Result(row, Outcome.INVALID, error="; ".join(said)) for row, said in sentences.items()]


def _merge(journal: Journal, group: Sequence[Sighting]) -> None:
    """Joins the fields of several rows for one record; what a later row sets stands."""
    numbers = [sighting.row for sighting in group]
    joined: dict[str, Any] = {}
    for fields in journal.fields_of(numbers):
        joined.update(fields or {})
    journal.carry(numbers[:-1], numbers[-1], joined)
