"""Sheets for people to fill in: an empty one for a target, or one with its present records.

One file per format. `columns` says which columns there are, `rules` what a column's cells may hold.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from batchupdate.roundtrip.sheet.columns import Columns, PulledRow
from batchupdate.roundtrip.sheet.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchupdate.targets import Target

__all__ = ["Columns", "Form", "PulledRow", "Sheet", "open_sheet", "whole_file", "write_template"]


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
    from batchupdate.roundtrip.sheet.workbook import open_workbook  # noqa: PLC0415 - only what is needed is loaded

    with whole_file(path, force=force) as beside, open_workbook(beside, Columns.empty(target, called), pulled=False):
        pass


@contextmanager
def open_sheet(path: Path, form: Form, columns: Columns) -> Iterator[Sheet]:
    """A sheet for pulled records, written row by row in constant memory to `path`.

    Raises:
        InputError: it has too many rows for a workbook.
        OSError: it can't be written there.
    """
    if form is Form.XLSX:
        from batchupdate.roundtrip.sheet.workbook import open_workbook  # noqa: PLC0415 - only what is needed is loaded

        with open_workbook(path, columns) as book:
            yield book
    else:
        from batchupdate.roundtrip.sheet.texts import CsvSheet, JsonlSheet  # noqa: PLC0415 - as above

        encoding = "utf-8-sig" if form is Form.CSV else "utf-8"
        with path.open("w", encoding=encoding, newline="") as file:
            yield CsvSheet(file, columns) if form is Form.CSV else JsonlSheet(file, columns)
