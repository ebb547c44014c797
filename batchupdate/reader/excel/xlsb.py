"""Excel's binary workbooks (.xlsb): calamine's values, and what it leaves out from the records of the sheet.

Calamine gives a blank cell for an error, which would mean "leave this field as it is", and says neither what is hidden
or merged nor how numbers are shown. pyxlsb gives errors, but nothing else of that, takes seven times as long, and has
had no release since 2022. The records are those of [MS-XLSB], sections 2.1.4 and 2.3.2.
"""

from __future__ import annotations

import io
import zipfile
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.reader.excel.calamine import open_sheet
from batchupdate.reader.excel.sheet import (
    MAX_VALUELESS,
    Block,
    FormatBlock,
    Found,
    Place,
    SheetRecords,
    ValuelessCell,
    add_format,
    add_to_blocks,
)
from batchupdate.reader.excel.size_guard import CHUNK_BYTES, MAX_ROWS, open_part, parts_to_read
from batchupdate.reader.excel.xlsx_cells import BUILT_IN_FORMATS, formats_by_style, related_part
from batchupdate.reader.files.kind import damage_as_sentence, refuse_damaged
from batchupdate.reader.probe import survives_workbook
from batchupdate.reader.records import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from batchupdate.reader.records import ReadOptions

# BrtRowHdr, BrtColInfo, BrtMergeCell, BrtFmt, BrtXF, BrtBundleSh, BrtBeginCellXFs and BrtEndCellXFs.
_ROW, _COLUMNS, _MERGED, _FORMAT, _STYLE, _SHEET, _STYLES, _STYLES_END = 0, 60, 176, 44, 47, 156, 617, 618
_ERRORS = frozenset({3, 11})
"""BrtCellError, BrtFmlaError."""
_NUMBERS = frozenset({2, 5, 9})
"""BrtCellRk, BrtCellReal, BrtFmlaNum."""
_ERROR_TEXTS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
_KEPT = 1024
"""Bytes; of a longer record, no more is looked at."""


def open_xlsb(path: Path, options: ReadOptions, source: str) -> SheetRecords:
    """Opens a sheet; see `Format.open`.

    Raises:
        InputError: it can't be read, has a password, is too large, or has no such sheet.
    """
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        for part in parts_to_read(archive, source):
            with open_part(archive, part) as file:
                while file.read(CHUNK_BYTES):
                    pass
    if not survives_workbook(path, source):
        refuse_damaged(source)
    return SheetRecords("xlsb", open_sheet(path, options.sheet, partial(_find, path, source), source), source)


def _find(path: Path, source: str, name: str) -> Found:
    """What is odd about a sheet."""
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        with archive.open("xl/workbook.bin") as file:
            relation = next(_text(content, 8) for record, content in _records(file) if _is_sheet(record, content, name))
        formats = {}
        if "xl/styles.bin" in archive.namelist():
            with archive.open("xl/styles.bin") as file:
                formats = _formats(file)
        with archive.open(related_part(archive, "workbook.bin", relation)) as file:
            return _walk(file, formats)


def _is_sheet(record: int, content: bytes, name: str) -> bool:
    """Whether a record is that of the sheet with this name, which stands behind the name of its relation."""
    return record == _SHEET and _text(content, 12 + 2 * _number(content, 8)) == name


def _formats(styles: IO[bytes]) -> dict[str, str]:
    """See `formats_by_style`."""
    codes = dict(BUILT_IN_FORMATS)
    of_styles: list[str] = []
    of_cells = False
    for record, content in _records(styles):
        if record == _FORMAT:
            codes[str(_number(content, 0, 2))] = _text(content, 2)
        elif record in {_STYLES, _STYLES_END}:
            of_cells = record == _STYLES
        elif record == _STYLE and of_cells:
            of_styles.append(str(_number(content, 2, 2)))
    return formats_by_style(of_styles, codes)


def _walk(sheet: IO[bytes], formats: Mapping[str, str]) -> Found:
    """One pass over the records of a sheet."""
    codes = {int(style): code for style, code in formats.items()}
    row = 0
    valueless: list[ValuelessCell] = []
    hidden_rows: list[Block] = []
    hidden_columns: list[Block] = []
    merged: list[tuple[Place, Place]] = []
    found: dict[int, list[FormatBlock]] = {}
    for record, content in _records(sheet):
        if record in _NUMBERS:
            if code := codes.get(_number(content, 4, 3)):
                add_format(found, row, _number(content, 0), code)
        elif record == _ROW:
            row = _below(_number(content, 0), MAX_ROWS)
            if _number(content, 11, 1) & 0x10:
                add_to_blocks(hidden_rows, row, row)
        elif record in _ERRORS and len(valueless) <= MAX_VALUELESS:
            text = _ERROR_TEXTS.get(_number(content, 8, 1), "#ERROR!")
            valueless.append(ValuelessCell(row, _below(_number(content, 0), MAX_COLUMNS), text, "error_cell"))
        elif record == _COLUMNS:
            first, last, width, flags = (_number(content, at) for at in (0, 4, 8, 16))
            if flags & 1 or not width:
                add_to_blocks(hidden_columns, first, min(last, MAX_COLUMNS - 1))
        elif record == _MERGED:
            top, bottom, left, right = (_number(content, at) for at in (0, 4, 8, 12))
            merged.append(((top, left), (bottom, right)))
    return Found(sorted(valueless), hidden_rows, hidden_columns, found, sorted(merged))


def _below(number: int, bound: int) -> int:
    if number >= bound:
        raise ValueError(f"a cell lies beyond row {MAX_ROWS:,} or column XFD")
    return number


def _number(content: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(content[at : at + size], "little")


def _text(content: bytes, at: int) -> str:
    """The text that stands at a place in a record: its length in letters, then UTF-16."""
    size = _number(content, at)
    return content[at + 4 : at + 4 + 2 * size].decode("utf-16-le", "replace")


def _records(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each record's type, and the first of its content."""
    stream = io.BufferedReader(file, CHUNK_BYTES)  # type: ignore[type-var] # a part is no raw stream, and is read like one
    try:
        while head := stream.read(1):
            record = head[0]
            if record & 0x80:
                record = record & 0x7F | stream.read(1)[0] << 7
            size = shift = 0
            while True:
                byte = stream.read(1)[0]
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 or shift == 28:  # noqa: PLR2004 - the last byte, or four of seven bits
                    break
            content = stream.read(min(size, _KEPT))
            left = size - len(content)
            while left:
                left -= len(stream.read(min(left, CHUNK_BYTES))) or left
            yield record, content
    except IndexError:
        raise ValueError("a sheet breaks off") from None
