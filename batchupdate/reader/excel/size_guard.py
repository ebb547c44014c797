"""Bounds a zipped workbook before it is loaded; what it will unfold to stands in its parts, as text.

Calamine loads a sheet whole, as a rectangle around all cells that hold something, and ends the whole process where
memory does not suffice: no `except` could catch that.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.excel.xlsx_cells import SheetWalk, bounded_int, column_number
from batchupdate.reader.files.kind import damage_as_sentence, refuse_damaged, refuse_password
from batchupdate.reader.records import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

MAX_UNPACKED_BYTES = 2 << 30
MAX_MEMBERS = 10_000
MAX_CELLS = 60_000_000
"""A sheet's rectangle in cells; about 64 bytes each while it is loaded."""
MAX_SPARSE_CELLS = 10_000_000
"""The same for a sheet of which less than a tenth is filled, such as one with a forgotten cell far out."""
MAX_ROWS = 1_048_576
"""Excel's own limit."""

CHUNK_BYTES = 1 << 20
_SHEET_PART = re.compile(r"xl/.*sheets/.*\.xml", re.IGNORECASE)
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_CELL = re.compile(rb'<c r="([A-Z]+\d+)"')
_no_size = re.compile(rb" (?:ht|width)=[\"']0").search
_SHARED_WITH_VALUE = re.compile(rb"<f(?:\s[^<>]*)?/><v>")


def survey_xlsx(path: Path, source: str) -> frozenset[str]:
    """Refuses an .xlsx that would unfold to more than memory should hold.

    The declared sizes can be believed: zipfile reads no further than they say, and calamine refuses a part that
    turns out larger.

    Args:
        path: the workbook.
        source: what to call it in a sentence.

    Returns:
        The parts with sheets that may hold cells without a value, or hidden rows or columns; see `xlsx_cells`.

    Raises:
        InputError: it is damaged, protected, or too large.
    """
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        refuse_large_parts(archive.infolist(), source)
        parts = [part for part in archive.infolist() if _SHEET_PART.fullmatch(part.filename)]
        return frozenset([part.filename for part in parts if _survey_sheet(archive, part, source)])


def refuse_large_parts(parts: Sequence[zipfile.ZipInfo], source: str) -> None:
    """Refuses a zipped workbook that is too large unpacked, or protected.

    Raises:
        InputError: it is.
    """
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES or len(parts) > MAX_MEMBERS:
        raise InputError(
            f"{source}: unpacked, this workbook has {unpacked:,} bytes in {len(parts):,} parts; at most "
            f"{MAX_UNPACKED_BYTES:,} bytes in {MAX_MEMBERS:,} parts are read.",
            "Split it, or save the sheet as CSV: a CSV file may have any size.",
        )
    if any(part.flag_bits & 1 for part in parts):
        refuse_password(source)


def refuse_large_sheet(name: str, rows: int, columns: int, cells: int, source: str) -> None:
    """Refuses a sheet with cells outside of Excel's limits, or so far apart that the rectangle around them is huge.

    Raises:
        InputError: it is such a sheet.
    """
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        refuse_damaged(source, ValueError(f"{name} has cells beyond row {MAX_ROWS:,} or column XFD"))
    size = columns * rows
    if size > MAX_CELLS or (size > MAX_SPARSE_CELLS and cells * 10 < size):
        raise InputError(
            f"{source}: a sheet ({name}) spreads over {rows:,} rows and {columns:,} columns, "
            f"of which {cells:,} cells are in use.",
            "Copy the rows that you need into a new workbook, or save the sheet as CSV.",
        )


def _survey_sheet(archive: zipfile.ZipFile, part: zipfile.ZipInfo, source: str) -> bool:
    """Refuses a sheet that is too large; whether something may be odd about it that only `SheetWalk` finds.

    Nearly every program writes cells that begin with `<c r="`, for which searches in the text are enough: five times
    as fast as going through the XML (benchmarks/reader.py).
    """
    rows = cells = 0
    columns: set[bytes] = set()
    suspicious = False
    with archive.open(part) as file:
        for data in pieces(file):
            places = _PLAIN_CELL.findall(data)
            if not _is_plain(data, len(places)):
                break
            suspicious = suspicious or _may_lack_values(data) or _may_hide(data)
            cells += len(places)
            joined = b" ".join(places)
            columns.update(joined.translate(None, b"0123456789").split())
            rows = max(rows, max(map(bounded_int, set(joined.translate(None, _LETTERS).split())), default=0))
        else:
            width = max(map(column_number, columns), default=0)
            refuse_large_sheet(part.filename, rows, width, cells, source)
            return suspicious
    with archive.open(part) as file:
        found = SheetWalk(file)
    refuse_large_sheet(part.filename, found.rows, found.columns, found.cells, source)
    return True


def _is_plain(data: bytes, plain: int) -> bool:
    """Whether all cells in some of a sheet's XML are the plain ones, of which there are so many.

    Besides cells, only columns, conditional formats and comments begin with the letter c.
    """
    others = data.count(b"<c") - plain
    if others:
        others -= data.count(b"<co") + data.count(b"<cf")
    return not others and not (b":" in data and b":c" in data)


def _may_lack_values(data: bytes) -> bool:
    """Whether some of a sheet's XML can hold an error (`t="e"`), or a formula (`<f>`) without a value.

    Searches for single characters come first: they are ten times as fast, and mostly enough.
    """
    if b'"e"' in data or (b"'" in data and b"'e'" in data) or (b":" in data and b":f" in data):
        return True
    if b"<f" not in data:
        return False
    formulas = data.count(b"<f")
    with_value = data.count(b"</f><v>")
    if with_value != formulas:
        with_value += len(_SHARED_WITH_VALUE.findall(data))
    return with_value != formulas or b"<v><" in data


def _may_hide(data: bytes) -> bool:
    """Whether some of a sheet's XML can hold a hidden row or column; LibreOffice says of each that it is not."""
    if b"hidden=" in data and (b'hidden="1' in data or b'hidden="t' in data or b"hidden='" in data):
        return True
    return _no_size(data) is not None


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces that never end inside a tag, and not inside a cell as long as cells are smaller than a piece."""
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        data = rest + chunk
        end = data.rfind(b"<c")
        if end <= 0 or len(data) - end > CHUNK_BYTES:
            end = data.rfind(b"<")
        if end <= 0:
            rest = b"" if len(data) > CHUNK_BYTES else data
            continue
        rest = data[end:]
        yield data[:end]
    yield rest
