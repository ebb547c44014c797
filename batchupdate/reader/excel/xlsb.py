"""Excel's binary workbooks (.xlsb): calamine's values, unless a cell holds an error.

Calamine gives a blank cell for an error, which would mean "leave this field as it is". pyxlsb gives errors, but no
dates, takes seven times as long, and has had no release since 2022. So the records of such a workbook, which is rare,
are searched for an error, and the first one refuses the workbook.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.addresses import column_letters
from batchupdate.reader.excel.calamine import open_sheet
from batchupdate.reader.excel.sheet import Found, SheetRecords
from batchupdate.reader.excel.size_guard import refuse_large_parts
from batchupdate.reader.files.kind import damage_as_sentence, refuse_damaged
from batchupdate.reader.probe import survives_workbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchupdate.reader.records import ReadOptions

MAX_PART_BYTES = 256 << 20

_SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.bin", re.IGNORECASE)
# [MS-XLSB]: BrtRowHdr, BrtCellError and BrtFmlaError, by their numbers.
_ROW_HEADER, _CELL_ERROR, _FORMULA_ERROR = 0, 3, 11


def open_xlsb(path: Path, options: ReadOptions, source: str) -> SheetRecords:
    """Opens a sheet; see `Format.open`.

    Raises:
        InputError: it can't be read, has a password, is too large, has no such sheet, or a cell with an error on
            whichever sheet.
    """
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        refuse_large_parts(archive.infolist(), source)
    if not survives_workbook(path, source):
        refuse_damaged(source)
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if _SHEET_PART.fullmatch(part.filename):
                _refuse_errors(archive, part, source)
    return SheetRecords("xlsb", open_sheet(path, options.sheet, lambda _name: Found(), source), source)


def _refuse_errors(archive: zipfile.ZipFile, part: zipfile.ZipInfo, source: str) -> None:
    if part.file_size > MAX_PART_BYTES:
        raise ValueError(f"{part.filename} is larger than {MAX_PART_BYTES:,} bytes")
    place = _first_error(archive.read(part))
    if place is not None:
        raise InputError(
            f"{source} holds an error such as #N/A in {place}, which can't be told from a blank cell in .xlsb files.",
            "Correct the cell; or save the workbook as .xlsx, in which every row with an error is named.",
        )


def _first_error(sheet: bytes) -> str | None:
    """The address of the first error in a sheet, None if there is none."""
    row = b""
    for record, begin in _records(sheet):
        if record == _ROW_HEADER:
            row = sheet[begin : begin + 4]
        elif record in {_CELL_ERROR, _FORMULA_ERROR}:
            column = int.from_bytes(sheet[begin : begin + 4], "little")
            return f"{column_letters(column)}{int.from_bytes(row, 'little') + 1}"
    return None


def _records(sheet: bytes) -> Iterator[tuple[int, int]]:
    """Each record's type, and where its content begins ([MS-XLSB], section 2.1.4)."""
    at, end = 0, len(sheet)
    try:
        while at < end:
            record = sheet[at]
            at += 1
            if record & 0x80:
                record = record & 0x7F | sheet[at] << 7
                at += 1
            size = shift = 0
            while True:
                size |= (sheet[at] & 0x7F) << shift
                at += 1
                shift += 7
                if sheet[at - 1] < 0x80 or shift == 28:  # noqa: PLR2004 - the last byte, or four of seven bits
                    break
            yield record, at
            at += size
    except IndexError:
        raise ValueError("a sheet breaks off") from None
