"""Pulled records as CSV."""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING

from batchupdate.spreadsheet.csv_injection import guard_all

if TYPE_CHECKING:
    from batchupdate.roundtrip.sheet.columns import Columns, PulledRow


class CsvSheet:
    """A CSV file. Cells that a spreadsheet program would run as a formula are guarded; see `csv_injection`."""

    def __init__(self, file: IO[str], columns: Columns) -> None:
        self._writer = csv.writer(file)
        self._columns = columns
        self._writer.writerow(guard_all(columns.headings))

    def add(self, row: PulledRow) -> None:
        """Writes one record."""
        self._writer.writerow(guard_all(self._columns.cells_of(row)))
