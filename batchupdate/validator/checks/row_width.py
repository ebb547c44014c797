"""Checks that a row has as many cells as the header row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.spreadsheet.headers import RAGGED, ragged_message

if TYPE_CHECKING:
    from batchupdate.model import Row
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap
    from batchupdate.validator.problems import Problems


class RowWidth:
    """Checks that a row has as many cells as the header row, and gives it that many."""

    def __init__(self, columns: ColumnMap) -> None:
        self._width = columns.width
        self._extra = columns.extra

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        batch.cells = [row.cells for row in batch.rows]
        if self._extra or set(map(len, batch.cells)) != {self._width}:
            batch.cells = [self._fitted(row, batch.problems) for row in batch.rows]

    def _fitted(self, row: Row, problems: Problems) -> tuple[str, ...]:
        width, count = self._width, len(row.cells)
        extra = [row.cells[index] for index in self._extra if index < count and row.cells[index]]
        if count != width or extra:
            too_many = count > width or bool(extra)
            cell = (extra or row.cells[width:] or ("",))[0]
            message = ragged_message("more" if extra else count, width - len(self._extra), many=too_many)
            problems.add_and_close_row(Problem(RAGGED, row.number, "", cell, message))
        return (*row.cells[:width], *("",) * (width - count))
