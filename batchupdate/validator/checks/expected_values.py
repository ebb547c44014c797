"""What rows expect of their records, as text that can be compared with these; and cells that nothing can ever meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.spreadsheet.reserved_columns import OLD_EMPTY, OLD_MARKERS, OLD_NULL
from batchupdate.validator.pulled_cells import PulledCell
from batchupdate.validator.types import RefusedError, parser

if TYPE_CHECKING:
    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap
    from batchupdate.validator.columns.expected_columns import ExpectedColumn


class ExpectedValues:
    """Reads the columns `expected.…`.

    Args:
        target: knows what its fields hold.
        columns: with those columns.
    """

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._columns, self._decimal = columns.expected, columns.decimal
        fields = {one.name: target.fields[one.name] for one in columns.expected}
        self._parsers = {name: parser(name, rule, columns.decimal) for name, rule in fields.items()}
        self._cells = {name: PulledCell(name, rule) for name, rule in fields.items()}

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for row in batch.rows:
            for one in self._columns:
                cell = _cell(row, one)
                try:
                    self._text(one, cell)
                except RefusedError as error:
                    message = f"{one.name} can never be what this row expects of it: {error}"
                    batch.problems.add(Problem("bad_expectation", row.number, one.heading, cell, message))

    def of(self, row: Row) -> dict[str, str]:
        """What a row expects, by field; null and empty as the old values of a pulled sheet have them."""
        found = {}
        for one in self._columns:
            if cell := _cell(row, one):
                try:
                    found[one.name] = self._text(one, cell)
                except RefusedError:  # reported by the check; the row is not sent
                    continue
        return found

    def _text(self, one: ExpectedColumn, cell: str) -> str:
        if not cell:
            return ""
        if cell in {one.null_marker, one.empty_marker}:
            return OLD_NULL if cell == one.null_marker else OLD_EMPTY
        if cell in OLD_MARKERS:
            raise RefusedError("bad_expectation", f"null is {one.null_marker} here, and empty {one.empty_marker}")
        parse = self._parsers[one.name]
        if parse is None:
            return cell
        value = parse(cell)
        return cell if self._decimal == "." else self._cells[one.name].text(value) or cell


def _cell(row: Row, one: ExpectedColumn) -> str:
    """The cell as typed; blanks alone are a blank one, and a row that is too short is refused elsewhere."""
    cell = row.cells[one.index] if one.index < len(row.cells) else ""
    return cell if cell.strip() else ""
