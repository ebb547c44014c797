"""Read, validated, written to the journal: how an input's rows become a run's rows.

`check` passes through the same code and only leaves the writing away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from batchupdate.errors import InputError, UsageError
from batchupdate.journal.records import with_rows
from batchupdate.model import Level, Outcome, Problem, Progress, Result
from batchupdate.spreadsheet.headers import HIDDEN_ROW
from batchupdate.targets.precondition import Pulled
from batchupdate.util.background import BackgroundThread
from batchupdate.validator import DuplicateFinder, Validator, map_columns
from batchupdate.validator.checkup import Checkup
from batchupdate.validator.duplicates import differing_problems, merge, settle
from batchupdate.validator.validator import LEFT_OUT_HIDDEN
from batchupdate.validator.wrong_ids import WrongIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from batchupdate.config import Input, Secrets
    from batchupdate.journal import Entry, Journal
    from batchupdate.reader import Table
    from batchupdate.reader.multi_file import Tables
    from batchupdate.targets import Target
    from batchupdate.validator import CheckedRows, ColumnMap, Sighting
    from batchupdate.validator.checkup import Sample
    from batchupdate.validator.matches import IdFinder

BATCH_ROWS = 3000
"""Enough that the threads which write have no need to change places often."""


SHIFTED_TOLD_FROM = 3
"""Fewer rows than this are slips of their own, and no shifted column."""


class Ingest:
    """Reads and checks a table, batch by batch, and then settles which rows name the same record.

    A context manager.

    Args:
        table: the open input: one file, or several.
        target: what the API wants.
        options: how to read it.
        secrets: the key; a row that holds it is refused.
        on_problem: is reported every problem of a row.
        on_progress: is reported how far the reading is.
        finder: what finds the ids where `options.match` says how; None offline, where they stay unknown.
    """

    def __init__(
        self,
        table: Table | Tables,
        target: Target,
        options: Input,
        secrets: Secrets,
        on_problem: Callable[[Problem], None],
        on_progress: Callable[[Progress], None],
        finder: IdFinder | None = None,
    ) -> None:
        self.table, self.target, self.secrets, self.options = table, target, secrets, options
        _refuse_key_in_headings(table.columns, secrets)
        self._on_problem, self._on_progress = on_problem, on_progress
        self._columns: ColumnMap = _mapped_columns(table, target, options)
        self._validator = Validator(
            target,
            self._columns,
            secrets,
            options.strictness,
            typed=table.typed,
            hidden_rows=options.hidden_rows,
            finder=finder,
        )
        self._finder = DuplicateFinder()
        self._first_shifted = 0
        only_id = next(iter(target.id)) if len(target.id) == 1 else ""
        self._wrong_ids = WrongIds(target, self._columns.heading(only_id) if only_id else "")
        self._labels = table.labels
        # Of a column with a twin, the heading does not say where it stands.
        headings = Counter(table.columns)
        self._place_of = {one: place for place, one in enumerate(table.columns) if one and headings[one] == 1}
        self.width = len(table.columns)
        self.checkup = Checkup(table.source, target.name, list(table.notices))
        self.checkup.notices += self._columns.hints
        if self._columns.ignored:
            self.checkup.notices.append(
                f"These columns match no field and are ignored: {', '.join(self._columns.ignored)}. "
                'To use one, say which field it sets: --map "COLUMN=field".'
            )
        if self._columns.match and finder is None:
            by = " and ".join(repr(one.heading) for one in self._columns.match)
            self.checkup.notices.append(
                f"The ids are found by {by} when the run begins; whether each row means one record is not checked here."
            )
        used = [one.heading for one in self._columns.mapped if one.heading in table.hidden_columns]
        if used:
            self.checkup.notices.append(
                f"These columns are hidden in the spreadsheet, and are used all the same: {', '.join(used)}."
            )

    def __enter__(self) -> Self:
        self._finder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finder.__exit__(kind, error, trace)

    def read(self, keep: Callable[[CheckedRows], None]) -> None:
        """Passes every batch through the validator and on to `keep`."""
        checkup = self.checkup
        for rows in self.table.batches(BATCH_ROWS):
            checked = self._validator.check(rows, rows.problems)
            self._finder.add(checked.sightings())
            keep(checked)
            checkup.rows += len(rows)
            checkup.skipped += len(checked.skipped) - checked.untouched
            checkup.untouched += checked.untouched
            checkup.hidden += sum(why is LEFT_OUT_HIDDEN for why in checked.skipped.values())
            checkup.invalid += sum(record is None for record in checked.records) - len(checked.skipped)
            checkup.cleared.update(checked.cleared)
            for problem in checked.problems:
                self._tell(problem)
            self._on_progress(Progress("reading", checkup.rows))
        checkup.files = self.rows_by_file
        self._report_hidden_rows()
        if notice := self._wrong_ids.notice(checkup.rows):
            checkup.notices.append(notice)
        if (count := checkup.codes["shifted_row"]) >= SHIFTED_TOLD_FROM:
            checkup.notices.append(
                f"{count:,} rows, from {self._labels.label(self._first_shifted)} on, have their id in the column "
                "beside it: cells were probably inserted or deleted there. Shift them back in your spreadsheet "
                'program; or, if only the headings are shifted, use --map "COLUMN=field".'
            )

    def _report_hidden_rows(self) -> None:
        if count := self.checkup.hidden:
            self.checkup.notices.append(f"{_hidden(count)}, and left out.")
        elif self.options.hidden_rows == "send" and (count := self.checkup.codes[HIDDEN_ROW]):
            self.checkup.notices.append(
                f"{_hidden(count)}, and sent like the others. To leave hidden rows out, use --hidden-rows skip."
            )

    @property
    def rows_by_file(self) -> dict[str, int]:
        """How many data rows of each file were read so far, where there are several."""
        return dict(zip(self._labels.names, self.table.rows, strict=True))

    def settle_duplicates(self) -> Iterator[tuple[list[Sighting], Sequence[Result]]]:
        """The rows of every record that stands in several, with the results of those that will not be sent."""
        for group in self._finder.groups():
            yield group, self._settle(group)

    def _settle(self, group: list[Sighting]) -> Sequence[Result]:
        heading = self._columns.heading(self.target.path_variables[-1])
        settled = settle(group, self.options.on_duplicate, heading, self._labels)
        for problem in settled.problems:
            self._tell(problem)
        self.checkup.invalid += settled.invalid
        self.checkup.superseded += settled.superseded
        return settled.results

    def refuse_expectations(self, group: Sequence[Sighting], names: Sequence[str]) -> Sequence[Result]:
        """The results of rows for one record that expect different values of some fields, so that none can be sent."""
        self.checkup.superseded -= len(group) - 1
        self.checkup.invalid += len(group)
        heading = self._columns.heading(self.target.path_variables[-1])
        problems = differing_problems(group, names, heading, self._labels)
        for problem in problems:
            self._tell(problem)
        return [Result(problem.row, Outcome.INVALID, error=problem.sentence()) for problem in problems]

    def _tell(self, problem: Problem) -> None:
        if address := self.table.address(problem.row, self._place_of.get(problem.column)):
            problem = replace(problem, address=address)
        self._wrong_ids.add(problem)
        if problem.code == "shifted_row":
            self._first_shifted = min(problem.row, self._first_shifted or problem.row)
        if self._labels.names:
            row, file = self._labels.row(problem.row), self._labels.file(problem.row)
            problem = replace(problem, row=row, file=file)
        self.checkup.add(problem)
        self._on_problem(problem)


def _hidden(count: int) -> str:
    return f"{count:,} {'row is' if count == 1 else 'rows are'} hidden or filtered out in the spreadsheet"


def _mapped_columns(table: Table | Tables, target: Target, options: Input) -> ColumnMap:
    """Which column sets what; where the columns don't fit, what was guessed about the file may be why."""
    try:
        found = map_columns(table.columns, target, options)
        table.refuse_twins_of(found.used())
    except UsageError as error:
        raise type(error)(error.message, " ".join([error.hint, *table.notices])) from error
    return found


def _refuse_key_in_headings(columns: Sequence[str], secrets: Secrets) -> None:
    for number, heading in enumerate(columns, 1):
        if secrets.within(heading):
            raise InputError(
                f"The heading of column {number} holds your API key.", "Take it out of the file, and change the key."
            )


def write_rows(ingest: Ingest, journal: Journal, facts: Mapping[str, Any], sample: Sample | None = None) -> None:
    """Writes every row to the journal, settles duplicates, and seals it with facts about the run.

    With a `sample`, the run has these rows alone in the end, and those that are sent together with them.
    """
    width = ingest.width
    with BackgroundThread("ingest") as background:

        def keep(checked: CheckedRows) -> None:
            nonlocal width
            width = max(width, max((len(row.cells) for row in checked.rows), default=0))
            pulled = {number: known.to_json() for number, known in checked.pulled.items()}
            background.call(journal.add_rows, *_entries(checked, ingest), pulled)

        ingest.read(keep)
        background.wait()
    for group, results in ingest.settle_duplicates():
        if results:
            journal.withdraw(results)
        elif ingest.options.on_duplicate == "merge" and (names := _merge(journal, group)):
            journal.withdraw(ingest.refuse_expectations(group, names))
    checkup, to_send = ingest.checkup, journal.to_send()
    rows, cleared, by_file = checkup.rows, checkup.cleared.total(), list(ingest.rows_by_file.values())
    if sample is not None and to_send:
        checkup.sampled = sample.of(to_send)
        checkup.notices.append(str(checkup.sampled))
        to_send = checkup.sampled.rows
        journal.draw(to_send, checkup.sampled.seed)
        rows, cleared = journal.rows(), sum(one.cleared for one in journal.statistics.fields_to_send())
        by_file = [journal.statistics.rows_by_file().get(index, 0) for index in range(len(by_file))]
        facts = {**facts, "sample": checkup.sampled._asdict()}
    if ingest.table.labels.names:
        facts = {**facts, "input": with_rows(facts["input"], by_file)}
    facts = {**facts, "rows": rows, "to_send": to_send, "cleared": cleared}
    journal.seal({**facts, "columns": list(ingest.table.columns), "width": width})


def _entries(checked: CheckedRows, ingest: Ingest) -> tuple[list[Entry], list[Result]]:
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
    results = [Result(row, Outcome.INVALID, error="; ".join(said)) for row, said in sentences.items()]
    return entries, results + [Result(row, Outcome.UNCHANGED, error=why) for row, why in checked.skipped.items()]


def _merge(journal: Journal, group: Sequence[Sighting]) -> Sequence[str]:
    """Lets one request carry several rows for one record.

    Returns:
        The fields of which the rows expect different values: then nothing was merged.
    """
    numbers = [sighting.row for sighting in group]
    made = merge(group, journal.fields_of(numbers), [Pulled.from_json(text) for text in journal.pulled_of(numbers)])
    if not made.differing:
        journal.carry(made.carried, made.carrier, made.fields, made.known.to_json() if made.known else "")
    return made.differing
