"""Files that this program wrote: what a config says of how the input is written does not hold for them.

A run's `failed.csv` is edited and run with the config of the input, which may name a sheet, a delimiter, an encoding or
the row of the headings.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from batchupdate.reader.previous_results import OWN_COLUMNS
from batchupdate.reader.registry import OPTIONS
from batchupdate.spreadsheet.reserved_columns import (
    CHANGES_SHEET,
    COPY_SHEET,
    FAILURES_SHEET,
    HOW_TO_SHEET,
    PROBLEMS_SHEET,
    RESULTS_SHEET,
    SUMMARY_SHEET,
    UNDO_OF,
    is_old,
)

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.reader.records import ReadOptions
    from batchupdate.reader.registry import Format

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NAMES_MOST = 1 << 20
_OF_RESULTS = frozenset({RESULTS_SHEET, FAILURES_SHEET, SUMMARY_SHEET})
_OF_RECORDS = frozenset({CHANGES_SHEET, HOW_TO_SHEET})
_sheet_name = re.compile(r'<sheet name="([^"]*)"').findall


def without_what_is_said_of_others(options: ReadOptions, path: Path, found: Format) -> ReadOptions:
    """The options for a file; for one of ours, without those about how the input is written.

    One that a spreadsheet program has saved in another way, with semicolons for example, is no longer ours.

    Args:
        options: what the user said.
        path: a regular file.
        found: its format.
    """
    if all(getattr(options, name) is None for name in OPTIONS):
        return options
    if found.name == "csv" and _is_own_csv(path):
        return replace(options, **dict.fromkeys(OPTIONS))  # type: ignore[arg-type] # they all may be None
    sheets = _sheets(path) if found.name == "xlsx" else frozenset()
    is_copy = COPY_SHEET in sheets <= {COPY_SHEET, PROBLEMS_SHEET}
    if is_copy or sheets == _OF_RESULTS or sheets >= _OF_RECORDS:
        sheet = options.sheet if options.sheet in sheets else None
        header_row = options.header_row if is_copy else None  # in a copy, each row stands where it stood
        return replace(options, sheet=sheet, encoding=None, delimiter=None, header_row=header_row, widths=None)
    return options


def _is_own_csv(path: Path) -> bool:
    """Whether it has the headings of our results, of old values, or of pulled records."""
    with path.open("rb") as file:
        if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
            return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        try:
            headings = next(csv.reader(text), [])
        except csv.Error:
            return False
    return {*headings} >= OWN_COLUMNS or UNDO_OF in headings or any(map(is_old, headings))


def _sheets(path: Path) -> frozenset[str]:
    """The names of a workbook's sheets; none if that can't be read: who opens it says what is wrong with it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("xl/workbook.xml") as file:
            text = file.read(_NAMES_MOST).decode("utf-8", "replace")
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, EOFError, ValueError):
        return frozenset()
    return frozenset(_sheet_name(text))
