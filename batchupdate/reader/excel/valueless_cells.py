"""Finds the cells of an .xlsx sheet that hold no value: errors, and formulas that were never calculated.

Calamine gives an empty cell for both, which would mean "leave this field as it is". So the sheet's XML is looked
through for them (ECMA-376, part 1, section 18.3.1.4: a cell's `t="e"`, its formula `<f>` and its value `<v>`). Nearly
all sheets have none, and cost three searches in each megabyte.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from html import unescape
from itertools import compress, islice
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from batchupdate.errors import InputError
from batchupdate.reader.excel.size_guard import bounded_int, column_number, is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

MAX_MARKS = 100_000
"""A sheet with more cells without a value is broken as a whole, and its list of problems would have no end."""
MAX_CELL_BYTES = 16 << 20

_CHUNK_BYTES = 1 << 20
_CELL_BEGINS = re.compile(rb'<(?:\w+:)?c(?: r="([A-Z]+)(\d+)")?(?=[\s/>])')
_PLAIN_CELL_BEGINS = re.compile(rb'<c r="([A-Z]+)(\d+)"(?=[\s/>])')
_ERROR_TAG = re.compile(rb"""[^<>]*\st\s*=\s*["']e["']""")
_TEXT_TAG = re.compile(rb"""[^<>]*\st\s*=\s*["']str["']""")
_ADDRESS = re.compile(rb"""[^<>]*?\sr\s*=\s*["']([A-Za-z]+)(\d+)["']""")
_ROW_BEGINS = re.compile(rb"""<(?:\w+:)?row(?=[\s/>])(?:[^<>]*?\sr\s*=\s*["'](\d+)["'])?""")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^<>]*)?>([^<]+)<")
_VALUE_BEGINS = re.compile(rb"<(?:\w+:)?v[\s/>]")
_FORMULA = re.compile(rb"<(?:\w+:)?f(?:\s[^<>]*?)?(?:/>|>([^<]*)<)")

_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


class Mark(NamedTuple):
    """A cell that calamine does not give as it is: its row and column from 0, and what to show for it.

    `code` is what is wrong with it: `error_cell`, `formula_without_value`, or nothing where only its text differs.
    """

    row: int
    column: int
    text: str
    code: str


def find_marks(path: Path, sheet: str, worth_a_look: frozenset[str], source: str) -> list[Mark]:
    """The cells without a value of one sheet, from top to bottom.

    Args:
        path: an .xlsx that has been weighed.
        sheet: name of the sheet.
        worth_a_look: the parts in which marks can be; see `weigh`.
        source: what to call the file in a sentence.

    Raises:
        InputError: there are more than anyone would mend one by one.
        ValueError: the file is no sound workbook. (So do `KeyError` and `zipfile.BadZipFile`.)
    """
    if not worth_a_look:
        return []
    with zipfile.ZipFile(path) as archive:
        part = _part_of(archive, sheet)
        if part not in worth_a_look:
            return []
        with archive.open(part) as file:
            marks = list(islice(_marks(file), MAX_MARKS + 1))
    return bounded_marks(marks, sheet, source)


def bounded_marks(marks: Sequence[Mark], sheet: str, source: str) -> list[Mark]:
    """The marks in order, if they are not too many.

    Raises:
        InputError: there are more than anyone would mend one by one.
    """
    if sum(mark.code != "" for mark in marks) > MAX_MARKS:
        raise InputError(
            f"{source}: more than {MAX_MARKS:,} cells of the sheet {sheet!r} hold an error, or a formula without a "
            "result.",
            "Open it in your spreadsheet program, mend its formulas, and save it.",
        )
    return sorted(marks)


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The part that holds a sheet, by way of the workbook's relations."""
    parts = {name.lower(): name for name in archive.namelist()}
    book = ET.fromstring(archive.read(parts["xl/workbook.xml"]))  # noqa: S314 - weighed; expat bounds entities
    links = ET.fromstring(archive.read(parts["xl/_rels/workbook.xml.rels"]))  # noqa: S314 - as above
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for entry in book.iter():
        if entry.tag.endswith("}sheet") and entry.get("name") == sheet:
            target = targets[entry.get(_RELATION) or entry.get(_STRICT_RELATION)]
            return parts[posixpath.normpath(posixpath.join("/xl", target)).lstrip("/").lower()]
    raise KeyError(sheet)


def _marks(file: IO[bytes]) -> Iterator[Mark]:
    row = column = -1
    for before, fields in _cells(file):
        row, column = _after(before, row, column)
        for cell in _possible(fields):
            row, column = _place(cell, row, column)
            if text := _text_of_mark(cell.rest):
                yield Mark(row, column, text, "error_cell" if text.startswith("#") else "formula_without_value")
            row, column = _after(cell.rest, row, column)


class _Cell(NamedTuple):
    """One `<c` tag: its address if that stands first, and everything that follows up to the next such tag."""

    letters: bytes | None
    digits: bytes | None
    rest: bytes


def _possible(fields: list[bytes]) -> Iterator[_Cell]:
    """The cells that can be marks, and the last one; all where some have no address, so that places are counted."""
    letters, digits, rests = fields[0::3], fields[1::3], fields[2::3]
    if not all(letters):
        return map(_Cell, letters, digits, rests)
    # Searches without patterns, for every cell of a sheet with a formula somewhere passes here.
    chosen = [
        (b"<f" in rest and (b"></v>" in rest or b"</v>" not in rest))
        or b'"e"' in rest
        or b":f" in rest
        or b"'e'" in rest
        for rest in rests
    ]
    chosen[-1:] = [True] * len(chosen[-1:])
    return map(_Cell, compress(letters, chosen), compress(digits, chosen), compress(rests, chosen))


def _place(cell: _Cell, row: int, column: int) -> tuple[int, int]:
    letters, digits = cell.letters, cell.digits
    if letters is None and (found := _ADDRESS.match(cell.rest)):
        letters, digits = found[1], found[2]
    if letters is None or digits is None:
        return row, column + 1
    return bounded_int(digits) - 1, column_number(letters) - 1


def _after(xml: bytes, row: int, column: int) -> tuple[int, int]:
    """The place after some XML between two cells, in which new rows may begin."""
    if b"row" in xml:
        for begins in _ROW_BEGINS.finditer(xml):
            row, column = (bounded_int(begins[1]) - 1 if begins[1] else row + 1), -1
    return row, column


def _text_of_mark(cell: bytes) -> str:
    """What stands in a cell without a value; '' for all others."""
    value = _VALUE.search(cell)
    if value is not None and not value[1].startswith(b"#"):
        return ""
    if _ERROR_TAG.match(cell):
        return _decoded(value[1]) if value is not None else "#ERROR!"
    formula = _FORMULA.search(cell) if value is None else None
    if formula is None or (_TEXT_TAG.match(cell) and _VALUE_BEGINS.search(cell)):
        return ""  # the second is a formula whose result is an empty text, such as =""
    return f"={_decoded(formula[1] or b'')}"


def _decoded(text: bytes) -> str:
    return unescape(text.decode("utf-8", "replace"))


def _cells(file: IO[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    """A sheet's XML cut where its cells begin, a megabyte at a time: what stands before them, and the cells.

    Three fields are a cell: the letters and digits of its address (None where that does not stand first), and
    everything that follows up to the next.
    """
    rest = b""
    while chunk := file.read(_CHUNK_BYTES):
        data = rest + chunk
        before, *fields = (_PLAIN_CELL_BEGINS if is_plain(data) else _CELL_BEGINS).split(data)
        if fields:
            yield before, fields[:-3]
            letters, digits, last = fields[-3:]
            rest = b"".join((b'<c r="', letters, digits, b'"', last) if letters else (b"<c", last))
        else:
            rest = before
        if len(rest) > MAX_CELL_BYTES:
            raise ValueError("a cell is larger than any cell can be")
    before, *fields = _CELL_BEGINS.split(rest)
    yield before, fields
