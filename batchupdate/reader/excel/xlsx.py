"""The workbooks of Excel since 2007 (.xlsx, .xlsm): calamine's values, and what it takes for blank from `xlsx_cells`.

A workbook with an error that calamine does not know, such as #SPILL!, or with sheets of macros of Excel 4, is read by
openpyxl, which takes twenty times as long, and knows no errors but only their texts.
"""

from __future__ import annotations

import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

from batchupdate.reader.excel.calamine import UnknownErrorValueError, open_sheet
from batchupdate.reader.excel.cell_text import cell_text
from batchupdate.reader.excel.sheet import Found, Sheet, SheetName, SheetRecords, choose_sheet
from batchupdate.reader.excel.size_guard import survey_xlsx
from batchupdate.reader.excel.xlsx_cells import SheetWalk, formats_of, macro_sheets, part_of
from batchupdate.reader.files.kind import damage_as_sentence
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from batchupdate.reader.records import ReadOptions


def open_xlsx(path: Path, options: ReadOptions, source: str) -> SheetRecords:
    """Opens a sheet; see `Format.open`.

    Raises:
        InputError: it can't be read, has a password, is too large, or has no such sheet.
    """
    suspicious = survey_xlsx(path, source)
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        macros = macro_sheets(archive)
    if macros:
        sheet = _open_by_openpyxl(path, options.sheet, macros, source)
        return SheetRecords("xlsx", sheet, source)
    try:
        sheet = open_sheet(path, options.sheet, partial(_find, path, suspicious, source), source)
    except UnknownErrorValueError:
        sheet = _open_by_openpyxl(path, options.sheet, (), source)
    return SheetRecords("xlsx", sheet, source)


def _find(path: Path, suspicious: frozenset[str], source: str, name: str) -> Found:
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        formats = formats_of(archive)
        if not suspicious and not formats:
            return Found()
        part = part_of(archive, name)
        return _walk(archive, part, formats).found() if formats or part in suspicious else Found()


def _walk(archive: zipfile.ZipFile, part: str, formats: Mapping[str, str]) -> SheetWalk:
    with archive.open(part) as file:
        return SheetWalk(file, formats)


def _open_by_openpyxl(path: Path, wanted: str | None, macros: Collection[str], source: str) -> Sheet:
    """Opens a sheet that is none of those with macros, which a notice names."""
    import openpyxl  # noqa: PLC0415 - hardly any workbook needs it

    with damage_as_sentence(source):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        for each in book.worksheets:
            each.reset_dimensions()
        sheets = [each for each in book.worksheets if each.title not in macros]
        names = [SheetName(each.title, each.sheet_state == "visible") for each in sheets]
        name, notices = choose_sheet(names, wanted, lambda name: any(map(any, _rows(book[name], source))), source)
        with zipfile.ZipFile(path) as archive:
            found = _walk(archive, part_of(archive, name), formats_of(archive))
    rows = partial(_rows, book[name], source)
    left_out = tuple(f"The sheet {quoted(macro)} holds macros of Excel 4 and is left out." for macro in macros)
    return Sheet(name, 0, found.columns, rows, found.found(), sorted(found.merged), notices + left_out, book.close)


def _rows(sheet: Any, source: str) -> Iterator[list[str]]:  # noqa: ANN401 - openpyxl has no types
    with damage_as_sentence(source):
        for row in sheet.iter_rows(values_only=True):
            yield ["" if cell is None else cell if type(cell) is str else cell_text(cell) for cell in row]
