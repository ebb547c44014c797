"""Opens the sheet of a format for writing."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from batchupdate.roundtrip.sheet.atomic_file import atomic_file
from batchupdate.roundtrip.sheet.columns import Columns, PulledRow
from batchupdate.roundtrip.sheet.csv_sheet import CsvSheet
from batchupdate.roundtrip.sheet.json_lines_sheet import JsonLinesSheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchupdate.targets import Target


class Form(StrEnum):
    """What a sheet of pulled records is written as."""

    XLSX = "xlsx"
    CSV = "csv"
    JSONL = "jsonl"


class Sheet(Protocol):
    """A sheet that is being written."""

    def add(self, row: PulledRow) -> None:
        """Writes one record."""


def write_template(path: Path, target: Target, called: str, *, force: bool) -> None:
    """Writes an empty workbook for a target, which the user calls `called`.

    Raises:
        UsageError: it can't be written there, or there is a file already and `force` is not set.
    """
    from batchupdate.roundtrip.sheet.xlsx_sheet import open_workbook  # noqa: PLC0415 - only what is needed is loaded

    with atomic_file(path, force=force) as beside, open_workbook(beside, Columns.empty(target, called), pulled=False):
        pass


@contextmanager
def open_sheet(path: Path, form: Form, columns: Columns) -> Iterator[Sheet]:
    """A sheet for pulled records, written row by row in constant memory to `path`.

    Raises:
        InputError: it has too many rows for a workbook.
        OSError: it can't be written there.
    """
    if form is Form.XLSX:
        from batchupdate.roundtrip.sheet.xlsx_sheet import open_workbook  # noqa: PLC0415 - only what is needed is loaded

        with open_workbook(path, columns) as book:
            yield book
    else:
        # The byte order mark tells Excel that a CSV file is UTF-8.
        encoding = "utf-8-sig" if form is Form.CSV else "utf-8"
        with path.open("w", encoding=encoding, newline="") as file:
            yield CsvSheet(file, columns) if form is Form.CSV else JsonLinesSheet(file, columns)
