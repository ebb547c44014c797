"""The workbooks of Excel 97 to 2003 (.xls), and of the programs that wrote such files, through xlrd.

Calamine, which reads the other workbooks, gives a blank cell for an error and for the formulas of some writers (record
0x0406, as Numbers has it), and texts with NULs between their letters where a workbook of Unicode texts names a code
page. xlrd reads all of these, and is pure Python: a damaged file can't end the process.
"""

from __future__ import annotations

import io
import struct
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from batchupdate.errors import InputError
from batchupdate.reader.excel.cell_text import cell_text
from batchupdate.reader.excel.number_format import is_followed
from batchupdate.reader.excel.sheet import (
    Block,
    FormatBlock,
    Found,
    Sheet,
    SheetName,
    SheetRecords,
    ValuelessCell,
    add_format,
    add_to_blocks,
    choose_sheet,
)
from batchupdate.reader.files.kind import EXPORT, refuse_damaged, refuse_password

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import xlrd
    from xlrd.sheet import Sheet as XlrdSheet

    from batchupdate.reader.records import ReadOptions

# The types of xlrd's cells.
_NUMBER, _DATE, _BOOLEAN, _ERROR = 2, 3, 4, 5
_BLANK = frozenset({0, 6})


def open_xls(path: Path, options: ReadOptions, source: str) -> SheetRecords:
    """Opens a sheet; see `Format.open`.

    Raises:
        InputError: it can't be read, has a password, or has no such sheet.
    """
    try:
        book = _book(path)
        names = [SheetName(sheet.name, sheet.visibility == 0) for sheet in book.sheets()]
        used = {name.name: _first_column(book.sheet_by_name(name.name)) for name in names}
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - in a damaged file, xlrd stumbles in any way
        _refuse(path, error, source)
    name, notices = choose_sheet(names, options.sheet, lambda name: used[name] is not None, source)
    sheet = book.sheet_by_name(name)
    left = used[name] or 0
    return SheetRecords(
        "xls",
        Sheet(
            name,
            left,
            sheet.ncols - left,
            partial(_rows, book, sheet, left),
            Found([*_errors(sheet)], _hidden(sheet.rowinfo_map), _hidden(sheet.colinfo_map), _formats(book, sheet)),
            sorted(((top, first), (bottom - 1, last - 1)) for top, bottom, first, last in sheet.merged_cells),
            notices,
            book.release_resources,
        ),
        source,
    )


def _refuse(path: Path, error: Exception, source: str) -> NoReturn:
    """Says why a file can't be read: most of Microsoft's older and all its encrypted documents look alike outside."""
    if "encrypted" in str(error):
        refuse_password(source)
    if "find workbook" in str(error):
        names = _streams(path)
        if "EncryptedPackage" in names:
            refuse_password(source)
        if "WordDocument" in names:
            raise InputError(f"{source} is a Word document, not a table.", EXPORT)
    refuse_damaged(source, error)


def _streams(path: Path) -> set[str]:
    """The names of what an OLE2 file holds at its root."""
    from xlrd.compdoc import CompDoc, CompDocError  # noqa: PLC0415 - as above

    try:
        root, *others = CompDoc(path.read_bytes(), logfile=io.StringIO()).dirlist
    except (CompDocError, AssertionError, LookupError, struct.error):
        return set()
    return {entry.name for entry in others if entry.DID in root.children}


def _book(path: Path) -> xlrd.Book:
    """The workbook with its formats, on which its merged cells depend; without them where they make no sense."""
    import xlrd  # noqa: PLC0415 - only these workbooks need it

    load = partial(xlrd.open_workbook, path, logfile=io.StringIO(), ragged_rows=True)
    try:
        return load(formatting_info=True)
    except (AssertionError, LookupError):
        return load()


def _first_column(sheet: XlrdSheet) -> int | None:
    """The first column that holds anything; None if the sheet is empty."""
    first = None
    for row in range(sheet.nrows):
        kinds = sheet.row_types(row)
        width = len(kinds) if first is None else min(first, len(kinds))
        first = next((column for column in range(width) if kinds[column] not in _BLANK), first)
        if first == 0:
            break
    return first


def _hidden(infos: Mapping[int, Any]) -> list[Block]:
    """The hidden ones of rows or columns, of which xlrd gives what the file says about them."""
    blocks: list[Block] = []
    for number in sorted(infos):
        if infos[number].hidden:
            add_to_blocks(blocks, number, number)
    return blocks


def _formats(book: xlrd.Book, sheet: XlrdSheet) -> dict[int, list[FormatBlock]]:
    """Where numbers and dates have a format that can show them in another way."""
    found: dict[int, list[FormatBlock]] = {}
    if not book.formatting_info:
        return found
    codes = [str(book.format_map[style.format_key].format_str) for style in book.xf_list]
    wanted = {at for at, code in enumerate(codes) if is_followed(code)}
    for row in range(sheet.nrows if wanted else 0):
        for column, kind in enumerate(sheet.row_types(row)):
            if kind in {_NUMBER, _DATE} and (style := sheet.cell_xf_index(row, column)) in wanted:
                add_format(found, row, column, codes[style])
    return found


def _errors(sheet: XlrdSheet) -> Iterator[ValuelessCell]:
    from xlrd import error_text_from_code  # noqa: PLC0415 - as above

    for row in range(sheet.nrows):
        kinds = sheet.row_types(row)
        if _ERROR in kinds:
            for column, kind in enumerate(kinds):
                if kind == _ERROR:
                    text = error_text_from_code.get(sheet.cell_value(row, column), "#ERROR!")
                    yield ValuelessCell(row, column, text, "error_cell")


def _rows(book: xlrd.Book, sheet: XlrdSheet, left: int) -> Iterator[list[str]]:
    for row in range(sheet.nrows):
        kinds, values = sheet.row_types(row, left), sheet.row_values(row, left)
        if max(kinds, default=0) > _NUMBER:
            for at, kind in enumerate(kinds):
                if kind == _DATE:
                    values[at] = _moment(values[at], _format(book, sheet, row, left + at), book.datemode)
                elif kind == _BOOLEAN:
                    values[at] = bool(values[at])
        yield [value if type(value) is str else cell_text(value) for value in values]


def _format(book: xlrd.Book, sheet: XlrdSheet, row: int, column: int) -> str:
    """A cell's number format; empty where formats could not be read."""
    if not book.formatting_info:
        return ""
    style = book.xf_list[sheet.cell_xf_index(row, column)]
    return str(book.format_map[style.format_key].format_str)


def _moment(value: float, number_format: str, datemode: int) -> Any:  # noqa: ANN401 - a date, a time, a duration …
    """What a number with a date's format stands for; the number itself where that is no date."""
    from xlrd.xldate import xldate_as_datetime  # noqa: PLC0415 - as above

    try:
        if any(unit in number_format.lower() for unit in ("[h", "[m", "[s")):
            return timedelta(seconds=round(value * 86_400, 3))
        moment = xldate_as_datetime(value, datemode)
    except (ValueError, OverflowError):
        return value
    return moment.time() if 0 <= value < 1 else moment
