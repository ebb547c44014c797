"""`undo.csv`: the old values of what a run has changed, as a file that can be run."""

from __future__ import annotations

import csv
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from batchupdate.api.verdict import errors_in_doubt
from batchupdate.reporter.atomic_write import replacing
from batchupdate.reporter.results_csv import BYTE_ORDER_MARK
from batchupdate.runs.metadata import kept_target
from batchupdate.runs.old_values import OldValues
from batchupdate.spreadsheet.csv_injection import guard_all, guard_id
from batchupdate.spreadsheet.reserved_columns import EXPECTED, OLD_ABSENT, OLD_NULL, UNDO_OF
from batchupdate.util import json as exact_json
from batchupdate.validator.pulled_cells import PulledCell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.journal import Journal
    from batchupdate.targets import Target

NAME = "undo.csv"

LONGEST_CELL = 100_000
"""Characters; a CSV file in which a cell has more than 131,072, guards included, can't be read."""


def write_undo_csv(folder: Path, journal: Journal, meta: Mapping[str, Any], notices: list[str]) -> None:
    """Writes the file, if the old value of any field is known; one line for each row that may have been applied.

    Beside the old values stand columns with what the run has set (`expected.…`), as far as a record shows that: so a
    record that somebody has changed since is left alone.

    Args:
        folder: of the run.
        journal: of the run.
        meta: its facts.
        notices: gets a sentence if the file had to take another name.
    """
    if not (journal.has_before() or journal.has_pulled()):
        return
    table = OldValueTable.of(kept_target(meta), journal, folder.name)
    lines = _lines(table, OldValues(table.target), journal)
    first = next(lines, None)
    if first is None:
        return
    with replacing(folder / NAME, notices) as file:
        file.write(BYTE_ORDER_MARK)
        writer = csv.writer(file)
        writer.writerow(guard_all(table.headings))
        writer.writerows(chain([first], lines))


def _lines(table: OldValueTable, old_values: OldValues, journal: Journal) -> Iterator[list[str]]:
    """The lines in the order of the rows; of none of which nothing is known."""
    for rows in journal.copies(journal.may_have_changed(in_doubt=errors_in_doubt(table.target))):
        before = journal.before([row[0] for row in rows])
        for key, _cells, record_id, path, fields, carrier, pulled, *_ in rows:
            if carrier is not None or not path or not fields:
                continue
            sent = exact_json.loads(fields)
            old = old_values.of(sent, before.get(key, ""), pulled or "").fields
            if old:
                yield table.guarded(table.cells(record_id or "", path, sent, old))


class OldValueTable:
    """Old values as a sheet that can be run: its columns, and a row of cells for each record.

    Args:
        target: whose fields these are.
        fields: the names of those that have a column.
        run_id: of the run that has changed them.
    """

    def __init__(self, target: Target, fields: set[str], run_id: str) -> None:
        self.target, self._run_id = target, run_id
        self._ids = target.path_variables
        self._fields = [name for name in target.fields if name in fields]
        self._shown = [name for name in self._fields if target.can_read(name)]
        self._cells = {name: PulledCell(name, target.fields[name]) for name in self._fields}
        self.headings = [*self._ids, *self._fields, *(f"{EXPECTED}{name}" for name in self._shown), UNDO_OF]

    @classmethod
    def of(cls, target: Target, journal: Journal, run_id: str) -> Self:
        """The table for what a run has set."""
        return cls(target, journal.fields_set(), run_id)

    def cells(
        self, record_id: str, path: str, sent: Mapping[str, Any], old: Mapping[str, Any], *, expects: bool = True
    ) -> list[str]:
        """One row: the ids, the old values, and what the run has set, unless the record may be what it likes.

        A value that no cell can hold is left out, which leaves its field as it is. So is an old value beside which the
        row could not say what the run has set: it would overwrite what somebody else has changed since.
        """
        ids = [record_id] if len(self._ids) == 1 else [self.target.ids_in(path).get(name, "") for name in self._ids]
        cells = {name: self._cell(name, old) for name in self._fields}
        expected = {name: self._cell(name, sent) if expects and cells[name] else "" for name in self._shown}
        for name, text in expected.items():
            if expects and not text:
                cells[name] = ""
        return [*ids, *cells.values(), *expected.values(), self._run_id]

    @staticmethod
    def guarded(cells: Sequence[str]) -> list[str]:
        """A row as it stands in a CSV file that a spreadsheet program may open: nothing in it is run, or retyped."""
        return list(map(guard_id, cells))

    def _cell(self, name: str, values: Mapping[str, Any]) -> str:
        """A value as the text of a cell from which the same value is read again; '' where there is none."""
        if name not in values:
            return ""
        text = self._cells[name].text(values[name])
        if text is None or text.isspace() or "\0" in text or len(text) > LONGEST_CELL:
            return ""
        return OLD_NULL if text == OLD_ABSENT else text
