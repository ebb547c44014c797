"""Excel workbooks through python-calamine; the only file that knows it."""

from __future__ import annotations

import zipfile
import zlib
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from batchupdate.errors import InputError
from batchupdate.model import Level
from batchupdate.reader.addresses import column_letters
from batchupdate.reader.excel.blind_spots import refuse_errors
from batchupdate.reader.excel.ods_valueless_cells import find_ods_marks
from batchupdate.reader.excel.size_guard import weigh
from batchupdate.reader.excel.valueless_cells import find_marks
from batchupdate.reader.files.kind import refuse_damaged, refuse_password
from batchupdate.reader.probe import survives_workbook
from batchupdate.reader.records import CellProblem
from batchupdate.reader.value_to_text import text_of, time_of
from batchupdate.spreadsheet.reserved_columns import CHANGES_SHEET, HOW_TO_SHEET
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from python_calamine import CalamineSheet, CalamineWorkbook, SheetMetadata

    from batchupdate.reader.excel.valueless_cells import Mark
    from batchupdate.reader.records import ReadOptions


class WorkbookRecords:
    """One sheet of an open workbook; see `Records`."""

    def __init__(self, path: Path, options: ReadOptions, source: str, kind: str) -> None:
        worth_a_look: frozenset[str] = frozenset()
        if kind != "xls":
            worth_a_look = weigh(path, source, sheets=kind == "xlsx")
        if kind != "xlsx" and not survives_workbook(path, source):
            refuse_damaged(source)
        if kind in {"xls", "xlsb"}:
            with _damage_told(source):
                refuse_errors(path, kind, source)
        self._source = source
        self.format = kind
        self.first_number = 1
        self.typed = False
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
            loaded_from = (self._sheet.start or (0, 0))[1]
            self._rows_loaded = (self._sheet.end or (-1, 0))[0] + 1
            self._merged = sorted(self._sheet.merged_cell_ranges or ())
        with _damage_told(source):
            self._marks: Sequence[Mark] = find_marks(path, self._sheet.name, worth_a_look, source)
            if kind == "ods":
                self._marks, merged = find_ods_marks(path, self._sheet.name, source)
                self._merged = sorted(merged)
        # Calamine's rectangle leaves out cells without a value that stand beyond all others.
        self.columns_before = min([loaded_from, *(mark.column for mark in self._marks)])
        self._left = [""] * (loaded_from - self.columns_before)

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The sheet's rows from its first on, as text; calamine puts the blank rows on top in, too."""
        below = self._marks[-1].row + 1 - self._rows_loaded if self._marks else 0
        rows = chain(self._sheet.iter_rows(), repeat([], below))
        before = 0
        while True:
            with _trouble(self._source):
                chunk = [[cell if type(cell) is str else text_of(cell) for cell in row] for row in islice(rows, size)]
            if not chunk:
                return
            if self.format == "ods":
                chunk = [list(map(time_of, cells)) for cells in chunk]
            if self._marks:
                self._put_marks(chunk, before)
            before += len(chunk)
            yield chunk

    def _put_marks(self, chunk: list[list[str]], before: int) -> None:
        """Writes errors, formulas and right texts into their cells, where calamine has left blanks or odd texts."""
        if self._left:
            chunk[:] = [self._left + cells for cells in chunk]
        for mark in self._marked(before, before + len(chunk) - 1):
            cells, place = chunk[mark.row - before], mark.column - self.columns_before
            cells.extend([""] * (place + 1 - len(cells)))
            cells[place] = mark.text

    def problems(self, first: int, last: int) -> list[CellProblem]:
        """Errors, formulas that were never calculated, and cells that are covered by a merged one."""
        found = [
            CellProblem(
                mark.row + 1,
                mark.column - self.columns_before,
                mark.code,
                mark.text,
                f"holds the error {quoted(mark.text)}; mend the cell"
                if mark.code == "error_cell"
                else "holds a formula without a result; open the file in your spreadsheet program and save it",
                Level.ERROR,
            )
            for mark in self._marked(first - 1, last - 1)
            if mark.code
        ]
        return sorted(found + self._covered(first - 1, last - 1)) if self._merged else found

    def _marked(self, first: int, last: int) -> Sequence[Mark]:
        """The marks of some rows, counted from 0."""
        begin = bisect_left(self._marks, first, key=itemgetter(0))
        return self._marks[begin : bisect_right(self._marks, last, lo=begin, key=itemgetter(0))]

    def _covered(self, first: int, last: int) -> list[CellProblem]:
        """For each row of a merged cell, the first place that it covers; rows are counted from 0."""
        found = []
        for (top, left), (bottom, right) in self._merged:
            name = f"{column_letters(left)}{top + 1}:{column_letters(right)}{bottom + 1}"
            message = f"is part of the merged cell {name}, whose text counts for {column_letters(left)}{top + 1} only"
            for row in range(max(first, top), min(last, bottom) + 1):
                place = (left + 1 if row == top else left) - self.columns_before
                if row > top or right > left:
                    trouble = CellProblem(row + 1, place, "merged_cell", "", message, Level.WARNING)
                    found.append(trouble)
        return found

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
        if HOW_TO_SHEET in names:  # wherever `changes` was moved to
            names.sort(key=lambda name: name != CHANGES_SHEET)
        for name in names:
            sheet = self._book.get_sheet_by_name(name)
            if sheet.height:
                if len(names) > 1 and names != [CHANGES_SHEET, HOW_TO_SHEET]:  # of `template` and `pull`
                    others = _listed([other for other in names if other != name])
                    self.notices = (f"Sheet {name!r} is read; say --sheet to read another one ({others}).",)
                return sheet
        hidden = [name for name in _worksheets(self._book) if name not in names]
        hint = f"To read a hidden sheet, say --sheet with its name: {_listed(hidden)}." if hidden else ""
        raise InputError(f"{self._source}: all visible sheets are empty.", hint or "Check that this is the right file.")


def _worksheets(book: CalamineWorkbook, *, visible_only: bool = False) -> list[str]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415 - only workbooks need it

    def fits(sheet: SheetMetadata) -> bool:
        return sheet.typ is SheetTypeEnum.WorkSheet and (not visible_only or sheet.visible is SheetVisibleEnum.Visible)

    return [sheet.name for sheet in book.sheets_metadata if fits(sheet)]


@contextmanager
def _damage_told(source: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, NotImplementedError, EOFError, ParseError) as error:
        refuse_damaged(source, error)


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
        refuse_damaged(source, error)


open_xlsx, open_xlsb, open_xls, open_ods = (
    partial(WorkbookRecords, kind=kind) for kind in ("xlsx", "xlsb", "xls", "ods")
)
