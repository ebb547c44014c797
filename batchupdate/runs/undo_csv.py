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
from batchupdate.spreadsheet.csv_injection import guard, guard_all, guard_id
from batchupdate.spreadsheet.reserved_columns import EXPECTED, OLD_ABSENT, OLD_EMPTY, OLD_NULL
from batchupdate.util import json as exact_json
from batchupdate.validator.pulled_cells import PulledCell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.journal import Journal
    from batchupdate.targets import Target

NAME = "undo.csv"


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
    table = OldValueTable.of(kept_target(meta), journal, meta)
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
        options: how the input was read; its markers stand for null and for empty values.
    """

    def __init__(self, target: Target, fields: set[str], options: Mapping[str, Any]) -> None:
        self.target = target
        self._ids = target.path_variables
        self._fields = [name for name in target.fields if name in fields]
        self._shown = [name for name in self._fields if target.can_read(name)]
        self._cells = {name: PulledCell(name, target.fields[name]) for name in self._fields}
        null, empty = options.get("null_marker", "<null>"), options.get("empty_marker", "<empty>")
        self._markers = {OLD_NULL: null, OLD_EMPTY: empty, OLD_ABSENT: null}
        self.headings = [*self._ids, *self._fields, *(f"{EXPECTED}{name}" for name in self._shown)]

    @classmethod
    def of(cls, target: Target, journal: Journal, meta: Mapping[str, Any]) -> Self:
        """The table for what a run has set."""
        return cls(target, journal.fields_set(), meta["same"].get("input", {}))

    def cells(
        self, record_id: str, path: str, sent: Mapping[str, Any], old: Mapping[str, Any], *, expects: bool = True
    ) -> list[str]:
        """One row: the ids, the old values, and what the run has set, unless the record may be what it likes."""
        ids = [record_id] if len(self._ids) == 1 else [self.target.ids_in(path).get(name, "") for name in self._ids]
        expected = [self._cell(name, sent) if expects and name in old else "" for name in self._shown]
        return [*ids, *(self._cell(name, old) for name in self._fields), *expected]

    def guarded(self, cells: Sequence[str]) -> list[str]:
        """A row as it stands in a CSV file that a spreadsheet program may open."""
        count = len(self._ids)
        return [*map(guard_id, cells[:count]), *map(guard, cells[count:])]

    def _cell(self, name: str, values: Mapping[str, Any]) -> str:
        if name not in values:
            return ""
        text = self._cells[name].text(values[name])
        return "" if text is None else self._markers.get(text, text)
