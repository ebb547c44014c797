"""Errors in the workbooks whose errors can't be told from blank cells: .xls and .xlsb.

Calamine gives a blank cell for an error, which would mean "leave this field as it is". In an .xlsx or .ods each such
row is named (see `marks`); in these formats, which are rare, the first error is found, and the workbook refused.
"""

from __future__ import annotations

import mmap
import re
import zipfile
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.addresses import column_letters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_PART_BYTES = 256 << 20

_CODES = rb"[\x00\x07\x0f\x17\x1d\x24\x2a\x2b]"
"""What an error is in binary workbooks ([MS-XLS], section 2.5.10, BErr)."""
_XLS_ERROR = re.compile(
    rb"\x05\x02\x08\x00(..)(.\x00).." + _CODES + rb"\x01"  # BoolErr, section 2.4.24
    rb"|\x06\x00..(..)(.\x00)..\x02." + _CODES + rb"...\xff\xff",  # Formula, sections 2.4.127 and 2.5.133
    re.DOTALL,
)
_XLSB_SHEET = re.compile(r"xl/worksheets/[^/]+\.bin", re.IGNORECASE)
# [MS-XLSB]: BrtRowHdr, BrtCellError and BrtFmlaError, by their numbers.
_ROW_HEADER, _CELL_ERROR, _FORMULA_ERROR = 0, 3, 11


def refuse_errors(path: Path, kind: str, source: str) -> None:
    """Refuses a workbook with an error in one of its cells, on whichever sheet.

    Args:
        path: the workbook.
        kind: .xls or .xlsb.
        source: what to call it in a sentence.

    Raises:
        InputError: it has one, or is too large to look.
        ValueError: it is damaged. (So are `zipfile.BadZipFile`, `zlib.error`, `EOFError` and `KeyError`.)
    """
    place = _FINDERS[kind](path)
    if place is not None:
        raise InputError(
            f"{source} holds an error such as #N/A in {place}, which can't be told from a blank cell in .{kind} files.",
            "Mend the cell; or save the workbook as .xlsx, in which every row with an error is told.",
        )


def _in_xls(path: Path) -> str | None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _XLS_ERROR.search(content)
        return _place(found[1] or found[3], found[2] or found[4]) if found else None


def _in_xlsb(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if _XLSB_SHEET.fullmatch(part.filename):
                if part.file_size > MAX_PART_BYTES:
                    raise ValueError(f"{part.filename} is larger than {MAX_PART_BYTES:,} bytes")
                found = first_error(archive.read(part))
                if found is not None:
                    return found
    return None


def first_error(sheet: bytes) -> str | None:
    """The address of the first error in a sheet of an .xlsb, None if there is none.

    Raises:
        ValueError: it breaks off.
    """
    row = b""
    for record, begin in _records(sheet):
        if record == _ROW_HEADER:
            row = sheet[begin : begin + 4]
        elif record in {_CELL_ERROR, _FORMULA_ERROR}:
            return _place(row, sheet[begin : begin + 4])
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


def _place(row: bytes, column: bytes) -> str:
    return f"{column_letters(int.from_bytes(column, 'little'))}{int.from_bytes(row, 'little') + 1}"


_FINDERS = {"xls": _in_xls, "xlsb": _in_xlsb}
