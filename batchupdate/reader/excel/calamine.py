"""Sheets through python-calamine, which is twenty times as fast as openpyxl; the only file that knows it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.excel.cell_text import cell_text
from batchupdate.reader.excel.sheet import Sheet, SheetName, choose_sheet
from batchupdate.reader.files.kind import refuse_damaged, refuse_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from python_calamine import CalamineSheet, CalamineWorkbook

    from batchupdate.reader.excel.sheet import Found


class UnknownErrorValueError(Exception):
    """Calamine refuses the whole workbook because of an error in a cell that is younger than its list of them."""


def open_sheet(path: Path, wanted: str | None, find: Callable[[str], Found], source: str) -> Sheet:
    """Opens a sheet.

    Args:
        path: a workbook whose size is bounded; see `size_guard`.
        wanted: the name of the sheet that the user says, None for the first.
        find: gives what is odd about a sheet, and calamine does not say.
        source: what to call the file in a sentence.

    Raises:
        UnknownErrorValueError: a cell holds an error that calamine does not know, such as #SPILL!.
        InputError: it can't be read, has a password, or has no such sheet.
    """
    with _errors_as_sentences(source):
        from python_calamine import CalamineWorkbook  # noqa: PLC0415 - only workbooks need it

        # By handle, not by path: calamine would believe the path's suffix instead of looking inside.
        with path.open("rb") as file:
            book = CalamineWorkbook.from_filelike(file)
        load = _Loader(book)
        name, notices = choose_sheet(_worksheets(book), wanted, load.is_used, source)
        sheet = load(name)
        loaded_from = (sheet.start or (0, 0))[1]
    found = find(name)
    merged = sorted(sheet.merged_cell_ranges or found.merged)
    valueless = found.valueless
    # Calamine's rectangle leaves out cells without a value that stand beyond all others.
    first_column = min([loaded_from, *(cell.column for cell in valueless)])
    height = valueless[-1].row + 1 if valueless else 0
    rows = partial(_rows, sheet, loaded_from - first_column, height, source)
    width = sheet.width + loaded_from - first_column
    return Sheet(name, first_column, width, rows, found, merged, notices, partial(_close, book, source))


def _worksheets(book: CalamineWorkbook) -> list[SheetName]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415 - as above

    return [
        SheetName(sheet.name, sheet.visible is SheetVisibleEnum.Visible)
        for sheet in book.sheets_metadata
        if sheet.typ is SheetTypeEnum.WorkSheet
    ]


class _Loader:
    """Loads sheets, and keeps the last one: to look whether a sheet holds anything takes as long as to read it."""

    def __init__(self, book: CalamineWorkbook) -> None:
        self._book = book
        self._last: tuple[str, CalamineSheet] | None = None

    def __call__(self, name: str) -> CalamineSheet:
        if self._last is None or self._last[0] != name:
            self._last = None  # before the next one takes memory, too
            self._last = name, self._book.get_sheet_by_name(name)
        return self._last[1]

    def is_used(self, name: str) -> bool:
        """Whether a sheet holds anything."""
        return self(name).height > 0


def _rows(sheet: CalamineSheet, left: int, height: int, source: str) -> Iterator[list[str]]:
    """The rows as text, as many as the sheet has, but at least `height`; calamine gives the blank ones on top, too."""
    before = [""] * left
    below = repeat(before, height - (sheet.end or (-1, 0))[0] - 1)
    with _errors_as_sentences(source):
        for row in sheet.iter_rows():
            cells = [cell if type(cell) is str else cell_text(cell) for cell in row]
            yield before + cells if left else cells
    yield from map(list, below)


def _close(book: CalamineWorkbook, source: str) -> None:
    with _errors_as_sentences(source):
        book.close()


@contextmanager
def _errors_as_sentences(source: str) -> Iterator[None]:
    """Turns whatever calamine raises into a sentence; a panic of its Rust code is no `Exception`."""
    try:
        yield
    except (InputError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        if type(error).__name__ == "PasswordError":
            refuse_password(source)
        if "cell error" in str(error):
            raise UnknownErrorValueError from error
        refuse_damaged(source, error)
