"""Weighs an .xlsx before it is loaded; what it will unfold to stands in its parts, as text.

Calamine loads a sheet whole, as a rectangle around all cells that hold something, and ends the whole process where
memory does not suffice: no `except` could catch that.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import InputError
from batchupdate.reader.files.kind import refuse_damaged, refuse_password
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

_CHUNK_BYTES = 1 << 20
_SHEET_PART = re.compile(r"xl/.*sheets/.*\.xml", re.IGNORECASE)
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_CELL = re.compile(rb'<c r="([A-Z]+\d+)"')
_CELL = re.compile(rb"<(?:\w+:)?c(?=[\s/>])(?:[^<>]*?\sr\s*=\s*[\"']([A-Za-z]+\d+))?")
_SHARED_WITH_VALUE = re.compile(rb"<f(?:\s[^<>]*)?/><v>")
_ROW_OR_CELL = re.compile(rb"<(?:\w+:)?(row|c)(?=[\s/>])(?:[^<>]*?\sr\s*=\s*[\"']([A-Za-z]*\d+))?[^<>]*>?")


def weigh(path: Path, source: str, *, sheets: bool = True) -> frozenset[str]:
    """Refuses a zipped workbook that would unfold to more than memory should hold.

    The declared sizes can be believed: zipfile reads no further than they say, and calamine refuses a part that
    turns out larger.

    Args:
        path: the workbook.
        source: what to call it in a sentence.
        sheets: whether its sheets are XML as in .xlsx, and are weighed too.

    Returns:
        The parts with sheets that may hold cells without a value; see `marks`.

    Raises:
        InputError: it is damaged, protected, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _weigh_parts(archive.infolist(), source)
            parts = [part for part in archive.infolist() if sheets and _SHEET_PART.fullmatch(part.filename)]
            return frozenset([part.filename for part in parts if _weigh_sheet(archive, part, source)])
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError) as error:
        refuse_damaged(source, error)


def _weigh_parts(parts: Sequence[zipfile.ZipInfo], source: str) -> None:
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES or len(parts) > MAX_MEMBERS:
        raise InputError(
            f"{source}: unpacked, this workbook has {unpacked:,} bytes in {len(parts):,} parts; at most "
            f"{MAX_UNPACKED_BYTES:,} bytes in {MAX_MEMBERS:,} parts are read.",
            "Split it, or save the sheet as CSV: a CSV file may have any size.",
        )
    if any(part.flag_bits & 1 for part in parts):
        refuse_password(source)


def _weigh_sheet(archive: zipfile.ZipFile, part: zipfile.ZipInfo, source: str) -> bool:
    """Refuses a sheet with cells outside of Excel's limits, or so far apart that the rectangle around them is huge.

    Returns:
        Whether some of its cells may have no value.
    """
    with archive.open(part) as file:
        extent = _extent(file)
    rows, columns, cells = extent.rows, extent.columns, extent.cells
    if not extent.complete:
        with archive.open(part) as file:
            rows, columns = _extent_by_order(file)
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        refuse_damaged(source, ValueError(f"{part.filename} has cells beyond row {MAX_ROWS:,} or column XFD"))
    size = columns * rows
    if size > MAX_CELLS or (size > MAX_SPARSE_CELLS and cells * 10 < size):
        raise InputError(
            f"{source}: a sheet ({part.filename}) spreads over {rows:,} rows and {columns:,} columns, "
            f"of which {cells:,} cells are in use.",
            "Copy the rows that you need into a new workbook, or save the sheet as CSV.",
        )
    return extent.marked


class _Extent(NamedTuple):
    """A sheet's last row and column, its number of cells, whether each has an address, and some may have no value."""

    rows: int
    columns: int
    cells: int
    complete: bool
    marked: bool


def _extent(file: IO[bytes]) -> _Extent:
    rows = cells = placed = 0
    marked = False
    columns: set[bytes] = set()
    for data in pieces(file):
        marked = marked or may_be_marked(data)
        places = _addresses(data)
        cells += len(places)
        placed += len(places) - places.count(b"")
        joined = b" ".join(places)
        columns.update(joined.translate(None, b"0123456789").split())
        rows = max(rows, max(map(bounded_int, set(joined.translate(None, _LETTERS).split())), default=0))
    return _Extent(rows, max(map(column_number, columns), default=0), cells, cells == placed, marked)


def may_be_marked(data: bytes) -> bool:
    """Whether some of a sheet's XML can hold an error (`t="e"`), or a formula (`<f>`) without a value.

    Searches for single characters come first: they are ten times as fast, and mostly enough.
    """
    if b'"e"' in data or (b"'" in data and b"'e'" in data) or (b":" in data and b":f" in data):
        return True
    return b"<f" in data and not _is_calculated(data)


def _is_calculated(data: bytes) -> bool:
    """Whether each formula stands right before a value that is not empty; in doubt not."""
    formulas = data.count(b"<f")
    with_value = data.count(b"</f><v>")
    if with_value != formulas:
        with_value += len(_SHARED_WITH_VALUE.findall(data))
    return with_value == formulas and b"<v><" not in data


def is_plain(data: bytes) -> bool:
    """Whether every cell begins with `<c r="`.

    The programs that write workbooks nearly all write cells like this, which is twice as fast to find. The count
    tells whether there are others: besides cells, only columns and conditional formats begin with the letter c.
    """
    return _others(data, data.count(b'<c r="')) == 0


def _others(data: bytes, plain: int) -> int:
    """How many cells do not begin with `<c r="`, of which there are so many; one too many where a prefix can be."""
    others = data.count(b"<c") - plain
    if others:
        others -= data.count(b"<co") + data.count(b"<cf")
    return others + (b":" in data and b":c" in data)


def _addresses(data: bytes) -> list[bytes]:
    """The address of every cell, empty for one that has none."""
    found: list[bytes] = _PLAIN_CELL.findall(data)
    return _CELL.findall(data) if _others(data, len(found)) else found


def _extent_by_order(file: IO[bytes]) -> tuple[int, int]:
    """The same for a sheet whose cells have no addresses, but simply follow one another."""
    row = column = rows = columns = 0
    for data in pieces(file):
        for tag, address in _ROW_OR_CELL.findall(data):
            digits = address.lstrip(_LETTERS)
            if tag == b"row":
                row, column = bounded_int(digits) if digits else row + 1, 0
                continue
            column = column_number(address[: len(address) - len(digits)]) if address else column + 1
            row = bounded_int(digits) if digits else row
            rows, columns = max(rows, row), max(columns, column)
    return rows, columns


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces that never end inside a tag, and not inside a cell as long as cells are smaller than a piece."""
    rest = b""
    while chunk := file.read(_CHUNK_BYTES):
        data = rest + chunk
        end = data.rfind(b"<c")
        if end <= 0 or len(data) - end > _CHUNK_BYTES:
            end = data.rfind(b"<")
        if end <= 0:
            rest = b"" if len(data) > _CHUNK_BYTES else data
            continue
        rest = data[end:]
        yield data[:end]
    yield rest


def bounded_int(digits: bytes) -> int:
    """A row's number, or one beyond the last where there are absurdly many digits."""
    return int(digits) if len(digits) < 10 else MAX_ROWS + 1  # noqa: PLR2004 - far more digits than a row has


def column_number(letters: bytes) -> int:
    """A column's number from its letters: A is 1; one beyond the last where there are too many."""
    if len(letters) > 3:  # noqa: PLR2004 - XFD is the last column
        return MAX_COLUMNS + 1
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
