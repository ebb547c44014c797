"""Excel workbooks through python-calamine; the only file that knows it.

Calamine loads a sheet whole, as a rectangle around all cells that hold something. So what a file will unfold to is
weighed first: calamine ends the whole process where memory does not suffice, and no `except` could catch that.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
import zlib
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from batchupdate.errors import InputError
from batchupdate.reader.kinds import Kind, refuse_password
from batchupdate.reader.table import MAX_COLUMNS, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from python_calamine import CalamineSheet, CalamineWorkbook, SheetMetadata

    from batchupdate.reader.table import ReadOptions

MAX_UNPACKED_BYTES = 2 << 30
MAX_MEMBERS = 10_000
MAX_CELLS = 60_000_000
"""A sheet's rectangle in cells; about 64 bytes each while it is loaded."""
MAX_SPARSE_CELLS = 10_000_000
"""The same for a sheet of which less than a tenth is filled, such as one with a forgotten cell far out."""
MAX_ROWS = 1_048_576
"""Excel's own limit."""
MAX_REHEARSAL_SECONDS = 120

_CHUNK_BYTES = 1 << 20
_SHEET_PART = re.compile(r"xl/.*sheets/.*\.xml", re.IGNORECASE)
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_CELL = re.compile(rb'<c r="([A-Z]+\d+)"')
_CELL = re.compile(rb"<(?:\w+:)?c(?=[\s/>])(?:[^<>]*?\sr\s*=\s*[\"']([A-Za-z]+\d+))?")
_ROW_OR_CELL = re.compile(rb"<(?:\w+:)?(row|c)(?=[\s/>])(?:[^<>]*?\sr\s*=\s*[\"']([A-Za-z]*\d+))?[^<>]*>?")
_PLAIN_INTEGERS_BELOW = 1e21

_REHEARSAL = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
except (ImportError, ValueError, OSError):
    pass
from python_calamine import CalamineError, CalamineWorkbook
try:
    with open(sys.argv[1], "rb") as file:
        book = CalamineWorkbook.from_filelike(file)
        for name in book.sheet_names:
            for row in book.get_sheet_by_name(name).iter_rows():
                pass
except (CalamineError, OSError):
    pass
"""


class WorkbookRecords:
    """One sheet of an open workbook; see `Records`."""

    def __init__(self, path: Path, kind: Kind, options: ReadOptions, source: str) -> None:
        for option, value in (("--encoding", options.encoding), ("--delimiter", options.delimiter)):
            if value is not None:
                raise InputError(
                    f"{source} is an Excel workbook, for which {option} means nothing.", f"Leave {option} out."
                )
        if kind is Kind.XLSX:
            _weigh(path, source)
        else:
            _rehearse(path, source)
        self._source = source
        self.format = str(kind)
        self.encoding: str | None = None
        self.delimiter: str | None = None
        self.notices: tuple[str, ...] = ()
        with _trouble(source):
            from python_calamine import CalamineWorkbook  # noqa: PLC0415 - only workbooks need it

            # By handle, not by path: calamine would believe the path's suffix instead of looking inside.
            with path.open("rb") as file:
                self._book = CalamineWorkbook.from_filelike(file)
            self._sheet = self._named(options.sheet) if options.sheet is not None else self._first_used()
            self.sheet: str | None = self._sheet.name
            self.columns_before = (self._sheet.start or (0, 0))[1]

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The sheet's rows from its first on, as text; calamine puts the blank rows on top in, too."""
        rows = self._sheet.iter_rows()
        while True:
            with _trouble(self._source):
                chunk = [[cell if type(cell) is str else text_of(cell) for cell in row] for row in islice(rows, size)]
            if not chunk:
                return
            yield chunk

    def close(self) -> None:
        """Lets go of the workbook."""
        with _trouble(self._source):
            self._book.close()

    def _named(self, wanted: str) -> CalamineSheet:
        names = _worksheets(self._book)
        found = [name for name in names if name == wanted] or [
            name for name in names if name.casefold().strip() == wanted.casefold().strip()
        ]
        if not found:
            raise InputError(f"{self._source} has no sheet named {wanted!r}.", f"Its sheets: {_listed(names)}.")
        return self._book.get_sheet_by_name(found[0])

    def _first_used(self) -> CalamineSheet:
        names = _worksheets(self._book, visible_only=True)
        for name in names:
            sheet = self._book.get_sheet_by_name(name)
            if sheet.height:
                if len(names) > 1:
                    others = _listed([other for other in names if other != name])
                    self.notices = (f"Sheet {name!r} is read; say --sheet to read another one ({others}).",)
                return sheet
        hidden = [name for name in _worksheets(self._book) if name not in names]
        hint = f"To read a hidden sheet, say --sheet with its name: {_listed(hidden)}." if hidden else ""
        raise InputError(f"{self._source}: all visible sheets are empty.", hint or "Check that this is the right file.")


def text_of(cell: object) -> str:
    """A workbook's cell as text, without loss.

    A whole number has neither `.0` nor exponent below 10^21 (`123`, `1234567890123450000`), other numbers are the
    shortest text that gives the same number again (`0.1`). Truth values are `TRUE` and `FALSE`, as Excel shows them.
    Dates are ISO 8601 without a time zone, and without a time at midnight; durations are hours, minutes, seconds.
    """
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return _number(cell)
    if isinstance(cell, datetime):
        return cell.isoformat() if cell.time() != time() else cell.date().isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return _duration(cell)
    return str(cell)


def _number(value: float) -> str:
    if value.is_integer() and abs(value) < _PLAIN_INTEGERS_BELOW:
        # By way of the shortest text: int() would show digits that the spreadsheet program never had.
        return format(Decimal(repr(value)).to_integral_value(), "f") if value else "0"
    return repr(value)


def _duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"


def _worksheets(book: CalamineWorkbook, *, visible_only: bool = False) -> list[str]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415 - only workbooks need it

    def fits(sheet: SheetMetadata) -> bool:
        return sheet.typ is SheetTypeEnum.WorkSheet and (not visible_only or sheet.visible is SheetVisibleEnum.Visible)

    return [sheet.name for sheet in book.sheets_metadata if fits(sheet)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


@contextmanager
def _trouble(source: str) -> Iterator[None]:
    """Turns whatever calamine raises into a sentence; a panic of its Rust code is no `Exception`."""
    try:
        yield
    except (InputError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001 - pyo3's PanicException derives from BaseException
        if type(error).__name__ == "PasswordError":
            refuse_password(source)
        _damaged(source, error)


def _damaged(source: str, cause: BaseException | None = None) -> NoReturn:
    reason = str(cause).strip().rstrip(".") if cause is not None else ""
    detail = f" ({shorten(reason, 120)})" if reason else ""
    raise InputError(
        f"{source} is a damaged Excel workbook: it is cut off, or was changed on the way{detail}.",
        "Open it in your spreadsheet program and save it again as .xlsx; or download it again.",
    ) from cause


def _weigh(path: Path, source: str) -> None:
    """Refuses an .xlsx that would unfold to more than memory should hold.

    The declared sizes can be believed: zipfile reads no further than they say, and calamine refuses a part that
    turns out larger.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _weigh_parts(archive.infolist(), source)
            for part in archive.infolist():
                if _SHEET_PART.fullmatch(part.filename):
                    _weigh_sheet(archive, part, source)
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError) as error:
        _damaged(source, error)


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


def _weigh_sheet(archive: zipfile.ZipFile, part: zipfile.ZipInfo, source: str) -> None:
    """Refuses a sheet with cells outside of Excel's limits, or so far apart that the rectangle around them is huge."""
    with archive.open(part) as file:
        rows, columns, cells, complete = _extent(file)
    if not complete:
        with archive.open(part) as file:
            rows, columns = _extent_by_order(file)
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        _damaged(source, ValueError(f"{part.filename} has cells beyond row {MAX_ROWS:,} or column XFD"))
    size = columns * rows
    if size > MAX_CELLS or (size > MAX_SPARSE_CELLS and cells * 10 < size):
        raise InputError(
            f"{source}: a sheet ({part.filename}) spreads over {rows:,} rows and {columns:,} columns, "
            f"of which {cells:,} cells are in use.",
            "Copy the rows that you need into a new workbook, or save the sheet as CSV.",
        )


def _extent(file: IO[bytes]) -> tuple[int, int, int, bool]:
    """The last row, the last column and the number of cells of a sheet, and whether every cell has an address."""
    rows = cells = placed = 0
    columns: set[bytes] = set()
    for data in _pieces(file):
        places = _addresses(data)
        cells += len(places)
        placed += len(places) - places.count(b"")
        joined = b" ".join(places)
        columns.update(joined.translate(None, b"0123456789").split())
        rows = max(rows, max(map(_bounded_int, joined.translate(None, _LETTERS).split()), default=0))
    return rows, max(map(_column_number, columns), default=0), cells, cells == placed


def _addresses(data: bytes) -> list[bytes]:
    """The address of every cell, empty for one that has none."""
    plain = _PLAIN_CELL.findall(data)
    # The programs that write workbooks nearly all write cells like this, which is twice as fast to find. The count
    # tells whether there are others: besides cells, only columns and conditional formats begin with the letter c.
    others = data.count(b"<c") - data.count(b"<co") - data.count(b"<cf") - len(plain)
    return plain if not others and b":c" not in data else _CELL.findall(data)


def _extent_by_order(file: IO[bytes]) -> tuple[int, int]:
    """The same for a sheet whose cells have no addresses, but simply follow one another."""
    row = column = rows = columns = 0
    for data in _pieces(file):
        for tag, address in _ROW_OR_CELL.findall(data):
            digits = address.lstrip(_LETTERS)
            if tag == b"row":
                row, column = _bounded_int(digits) if digits else row + 1, 0
                continue
            column = _column_number(address[: len(address) - len(digits)]) if address else column + 1
            row = _bounded_int(digits) if digits else row
            rows, columns = max(rows, row), max(columns, column)
    return rows, columns


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces that never end inside a tag."""
    rest = b""
    while chunk := file.read(_CHUNK_BYTES):
        data = rest + chunk
        end = data.rfind(b"<")
        if end <= 0:
            rest = b"" if len(data) > _CHUNK_BYTES else data
            continue
        rest = data[end:]
        yield data[:end]
    yield rest


def _bounded_int(digits: bytes) -> int:
    return int(digits) if len(digits) < 10 else MAX_ROWS + 1  # noqa: PLR2004 - far more digits than a row has


def _column_number(letters: bytes) -> int:
    if len(letters) > 3:  # noqa: PLR2004 - XFD is the last column
        return MAX_COLUMNS + 1
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _rehearse(path: Path, source: str) -> None:
    """Lets another process read an .xls first.

    The old format has sizes and pointers all over, and calamine believes them: a few changed bytes make it ask for
    terabytes, or go in circles, which would end or hang this process. An .xls has at most 65,536 rows, so reading it
    twice costs little.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and program; the path is an argument, not a command
            [sys.executable, "-P", "-c", _REHEARSAL, str(path.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=MAX_REHEARSAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{source} can't be read within {MAX_REHEARSAL_SECONDS} seconds: it is damaged, or far too large.",
            "Open it in your spreadsheet program and save it as .xlsx.",
        ) from error
    if done.returncode:
        _damaged(source)
