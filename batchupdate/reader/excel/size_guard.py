"""Bounds a zipped workbook before it is loaded; what it will unfold to stands in its parts, as text.

Calamine loads a sheet whole, as a rectangle around all cells that hold something, with a copy of the shared text for
each cell that refers to it, and ends the whole process where memory does not suffice: no `except` could catch that.
"""

from __future__ import annotations

import copy
import re
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from batchupdate.errors import InputError
from batchupdate.reader.excel.xlsx_cells import SheetWalk, bounded_int, column_number
from batchupdate.reader.files.kind import damage_as_sentence, refuse_damaged, refuse_password
from batchupdate.reader.probe import survives_workbook
from batchupdate.reader.records import MAX_COLUMNS
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MAX_UNPACKED_BYTES = 2 << 30
MAX_RATIO = 100
"""Sheets of spreadsheet programs shrink to between a tenth and a twentieth, a million equal rows to a fiftieth; what
unpacks further than this is made to fill the memory."""
RATIO_MATTERS_FROM = 16 << 20
"""Bytes; calamine makes up to seven times as much of a sheet of tiny cells, and less than that does no harm."""
MAX_TEXT_BYTES = 150 << 20
"""Bytes of all cells' texts, if each were as long as the longest shared text, which no other process needs to try."""
_BYTES_FOR_EACH = 10
"""Bytes of memory for each byte of an .xlsx, unpacked; a real one takes two or three."""
MAX_MEMBERS = 10_000
MAX_CELLS = 60_000_000
"""A sheet's rectangle in cells; about 64 bytes each while it is loaded."""
MAX_SPARSE_CELLS = 10_000_000
"""The same for a sheet of which less than a tenth is filled, such as one with a forgotten cell far out."""
MAX_ROWS = 1_048_576
"""Excel's own limit."""

CHUNK_BYTES = 1 << 20
_AS_CSV = "If the workbook is right, split it, or save the sheet as CSV: a CSV file may have any size."
_READ = re.compile(r".*\.(?:xml|rels|bin)", re.IGNORECASE | re.DOTALL)
"""The parts that are read; pictures and the like stay packed."""
_SHEET_PART = re.compile(r"xl/.*sheets/.*\.xml", re.IGNORECASE)
_SHARED_TEXTS = "xl/sharedstrings.xml"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_CELL = re.compile(rb'<c r="([A-Z]+\d+)"')
_no_size = re.compile(rb" (?:ht|width)=[\"']0").search
_SHARED_WITH_VALUE = re.compile(rb"<f(?:\s[^<>]*)?/><v>")


def survey_xlsx(path: Path, source: str) -> frozenset[str]:
    """Refuses an .xlsx that would unfold to more than memory should hold.

    Args:
        path: the workbook.
        source: what to call it in a sentence.

    Returns:
        The parts with sheets that may hold cells without a value, or hidden rows or columns; see `xlsx_cells`.

    Raises:
        InputError: it is damaged, protected, or too large.
    """
    suspicious, cells, longest = set(), 0, 0
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        for part in parts_to_read(archive, source):
            if _SHEET_PART.fullmatch(part.filename):
                odd, count = _survey_sheet(archive, part, source)
                suspicious |= {part.filename} if odd else set()
                cells = max(cells, count)
            else:
                with open_part(archive, part) as file:
                    longest = max(longest, _longest_text(file, part.filename))
    if cells * longest > max(MAX_TEXT_BYTES, path.stat().st_size * MAX_RATIO) and not survives_workbook(
        path, source, _BYTES_FOR_EACH
    ):
        raise InputError(
            f"{source}: with a shared text of {longest:,} bytes (xl/sharedStrings.xml) and {cells:,} cells, this "
            "workbook needs more memory than there should be for its size.",
            _AS_CSV,
        )
    return frozenset(suspicious)


def parts_to_read(
    archive: zipfile.ZipFile, source: str, ratio_matters_from: int = RATIO_MATTERS_FROM
) -> list[zipfile.ZipInfo]:
    """The parts of a zipped workbook that can be read, unless one is too large unpacked, or protected.

    The sizes are those that the archive declares; `open_part` finds out whether they are true.

    Args:
        archive: the workbook.
        source: what to call it in a sentence.
        ratio_matters_from: so many bytes a part may have, however small it was.

    Raises:
        InputError: a part, or all together, are too large; or there is a password.
    """
    everything = archive.infolist()
    if any(part.flag_bits & 1 for part in everything):
        refuse_password(source)
    if len(everything) > MAX_MEMBERS:
        raise InputError(
            f"{source}: this workbook has {len(everything):,} parts; at most {MAX_MEMBERS:,} are read.", _AS_CSV
        )
    parts = [part for part in everything if _READ.fullmatch(part.filename)]
    whole = Path(archive.filename or "").stat().st_size
    for part in parts:
        packed = min(part.compress_size, whole)
        if part.file_size > max(packed * MAX_RATIO, ratio_matters_from):
            times = part.file_size // max(packed, 1)
            _refuse_part(part, f"{times:,} times its packed size, of which at most {MAX_RATIO} times are read", source)
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES:
        largest = max(parts, key=lambda part: part.file_size)
        _refuse_part(
            largest, f"and the workbook {unpacked:,}, of which at most {MAX_UNPACKED_BYTES:,} are read", source
        )
    return parts


@contextmanager
def open_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """Opens a part that is going to be read to its end.

    Raises:
        ValueError: it unpacks to more than the archive declares. zipfile would end there, and calamine would not.
    """
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{part.filename} is packed in a way that workbooks do not have")
    one_more = copy.copy(part)
    one_more.file_size += 1
    with archive.open(one_more) as file:
        try:
            yield file
        except zipfile.BadZipFile:  # the checksum is that of all of it
            if file.tell() <= part.file_size:
                raise
        if file.tell() > part.file_size:
            raise ValueError(f"{part.filename} unpacks to more than the {part.file_size:,} bytes that are declared")


def _refuse_part(part: zipfile.ZipInfo, why: str, source: str) -> NoReturn:
    raise InputError(f"{source}: its part {quoted(part.filename)} unpacks to {part.file_size:,} bytes, {why}.", _AS_CSV)


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


def _survey_sheet(archive: zipfile.ZipFile, part: zipfile.ZipInfo, source: str) -> tuple[bool, int]:
    """Refuses a sheet that is too large.

    Returns:
        Whether something may be odd about it that only `SheetWalk` finds, and how many cells it has.

    Nearly every program writes cells that begin with `<c r="`, for which searches in the text are enough: five times
    as fast as going through the XML (benchmarks/reader.py).
    """
    rows = cells = 0
    columns: set[bytes] = set()
    suspicious, plain = False, True
    with open_part(archive, part) as file:
        for data in pieces(file):
            places = _PLAIN_CELL.findall(data) if plain else ()
            plain = plain and _is_plain(data, len(places))
            if not plain:
                continue  # to the end, for only there is its size known
            suspicious = suspicious or _may_lack_values(data) or _may_hide(data)
            cells += len(places)
            joined = b" ".join(places)
            columns.update(joined.translate(None, b"0123456789").split())
            rows = max(rows, max(map(bounded_int, set(joined.translate(None, _LETTERS).split())), default=0))
    if plain:
        width = max(map(column_number, columns), default=0)
        refuse_large_sheet(part.filename, rows, width, cells, source)
        return suspicious, cells
    with archive.open(part) as file:
        found = SheetWalk(file)
    refuse_large_sheet(part.filename, found.rows, found.columns, found.cells, source)
    return True, found.cells


def _longest_text(file: IO[bytes], name: str) -> int:
    """Reads a part to its end; how many bytes the longest shared text has at most, if it is the part with these."""
    longest = size = 0
    while data := file.read(CHUNK_BYTES):
        if name.lower() == _SHARED_TEXTS:
            first, *others = map(len, data.split(b"si>"))
            size += first
            longest = max(longest, size, *others)
            size = others[-1] if others else size
    return longest


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
