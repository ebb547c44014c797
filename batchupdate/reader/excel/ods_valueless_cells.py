"""Finds the cells of an .ods sheet that calamine does not give as they are.

It gives a blank cell for an error and for a formula that was never calculated, which would mean "leave this field as it
is"; it leaves out tabs and line breaks within a paragraph, and puts in what shapes and footnotes say; and it does not
tell which cells are merged. So the sheet's XML is searched for those (OASIS OpenDocument 1.3, part 3, sections 6 and
9.1.4), and gone through where it has any. Most sheets have none, and cost a few searches in each megabyte.
"""

from __future__ import annotations

import re
import zipfile
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple
from xml.parsers import expat

from batchupdate.reader.excel.size_guard import MAX_ROWS, pieces
from batchupdate.reader.excel.valueless_cells import Mark, bounded_marks
from batchupdate.reader.records import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

MOST_MARKS = 1_000_000
"""Of a sheet whose cells have values, and only other texts than calamine says."""

_TRACES = (
    b':value-type="error"',  # how LibreOffice marks an error
    b':string-value=""',  # the value of an error, whose text is shown all the same
    b"<text:tab",
    b"<text:line-break",
    b"<text:note",
    b"<text:ruby",
    b"<draw:",
    b"<table:covered-table-cell",
)
_WITH_FORMULA = re.compile(rb"<[^<>]*:formula=[^<>]*")
_LANGUAGE = re.compile(r"\w+:(?==)")
_SHOWN_ERROR = re.compile(r"#(?:N/A|[A-Z0-9/]+[!?])|Err:\d+", re.ASCII)
_MOST_SPACES = 32_767

_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 "
_VALUE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 value-type"
_STRING = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 string-value"
_KIND = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 value-type"
_CELLS = frozenset({f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"})
Place = tuple[int, int]

_ASIDE = frozenset({f"{_TEXT}note", f"{_TEXT}ruby-text"})


class OdsMarks(NamedTuple):
    """What calamine does not tell of a sheet.

    `marks` are the cells that have no value, or another text than calamine says, from top to bottom; `merged` are the
    first and the last row and column of each merged cell, from 0.
    """

    marks: Sequence[Mark] = ()
    merged: Sequence[tuple[Place, Place]] = ()


def find_ods_marks(path: Path, sheet: str, source: str) -> OdsMarks:
    """What calamine does not tell of one sheet.

    Args:
        path: an .ods that has been weighed.
        sheet: name of the sheet.
        source: what to call the file in a sentence.

    Raises:
        InputError: there are more cells without a value than anyone would mend one by one.
        ValueError: the file is no sound workbook. (So do `KeyError`, `zipfile.BadZipFile` and `EOFError`.)
    """
    with zipfile.ZipFile(path) as archive:
        with archive.open("content.xml") as file:
            if not _worth_a_look(file):
                return OdsMarks()
        with archive.open("content.xml") as file:
            found = _Walk(sheet).through(file)
    marks = bounded_marks(found.marks, sheet, source)
    if len(marks) > MOST_MARKS:
        raise ValueError(f"more than {MOST_MARKS:,} of its cells hold tabs, shapes or notes")
    return found


def _worth_a_look(file: IO[bytes]) -> bool:
    return any(
        any(trace in data for trace in _TRACES)
        or (b":formula=" in data and any(b":value-type=" not in tag for tag in _WITH_FORMULA.findall(data)))
        for data in pieces(file)
    )


class _Walk:
    """One pass over a content.xml, which keeps the marks of one sheet."""

    def __init__(self, sheet: str) -> None:
        self._sheet = sheet
        self._marks: list[Mark] = []
        self._merged: list[tuple[Place, Place]] = []
        self._inside = False
        self._row = self._rows = self._column = 0
        self._cell: _Cell | None = None

    def through(self, file: IO[bytes]) -> OdsMarks:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.ParseFile(file)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
        return OdsMarks(self._marks, self._merged)

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._cell is not None:
            self._cell.begin(tag, attributes)
        elif tag == f"{_TABLE}table":
            self._inside = attributes.get(f"{_TABLE}name") == self._sheet
            self._row = self._rows = 0
        elif self._inside and tag == f"{_TABLE}table-row":
            self._rows = int(attributes.get(f"{_TABLE}number-rows-repeated", "1"))
            self._column = 0
        elif self._inside and tag in _CELLS:
            self._cell = _Cell(attributes)

    def _end(self, tag: str) -> None:
        if self._cell is not None:
            if self._cell.ends():
                self._keep(self._cell)
                self._cell = None
        elif tag == f"{_TABLE}table":
            self._inside = False
        elif self._inside and tag == f"{_TABLE}table-row":
            self._row += self._rows

    def _text(self, text: str) -> None:
        if self._cell is not None:
            self._cell.add(text)

    def _keep(self, cell: _Cell) -> None:
        begin, row = self._column, self._row
        self._column += cell.number("number-columns-repeated")
        down, across = cell.number("number-rows-spanned"), cell.number("number-columns-spanned")
        if down > 1 or across > 1:
            self._merged.append(((row, begin), (row + down - 1, begin + across - 1)))
        told = cell.mark()
        if told is None:
            return
        if row + self._rows > MAX_ROWS or self._column > MAX_COLUMNS:
            raise ValueError(f"{self._sheet!r} has cells beyond row {MAX_ROWS:,} or column XFD")
        places = product(range(row, row + self._rows), range(begin, self._column))
        self._marks += [Mark(*place, *told) for place in islice(places, MOST_MARKS + 1 - len(self._marks))]


class _Cell:
    """One cell while it is gone through: its paragraphs, without what stands aside of the text."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.attributes = attributes
        self._paragraphs: list[list[str]] = []
        self._depth = 0
        self._aside_from = 0
        self._odd = False

    def begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._aside_from:
            return
        if not tag.startswith(_TEXT) or tag in _ASIDE:
            self._aside_from = self._depth
            self._odd = True
        elif self._depth == 1:
            self._paragraphs.append([])
        elif tag == f"{_TEXT}s":
            self.add(" " * min(int(attributes.get(f"{_TEXT}c", "1")), _MOST_SPACES))
        elif tag in {f"{_TEXT}tab", f"{_TEXT}line-break"}:
            self.add("\t" if tag.endswith("tab") else "\n")
            self._odd = True

    def ends(self) -> bool:
        """One element ends; whether that was the cell itself."""
        if self._aside_from == self._depth:
            self._aside_from = 0
        self._depth -= 1
        return self._depth < 0

    def add(self, text: str) -> None:
        if self._depth and not self._aside_from:
            self._paragraphs[-1].append(text)

    def number(self, name: str) -> int:
        """One of the cell's counts, which are 1 where nothing is said."""
        return int(self.attributes.get(f"{_TABLE}{name}", "1"))

    def mark(self) -> tuple[str, str] | None:
        """The text and the code of the mark for this cell, None where calamine has it right."""
        text = "\n".join(map("".join, self._paragraphs))
        formula, typed = self.attributes.get(f"{_TABLE}formula"), self.attributes.get(_VALUE)
        string = self.attributes.get(_STRING)
        if self.attributes.get(_KIND) == "error" or (string == "" and _SHOWN_ERROR.fullmatch(text)):
            return text or "#ERROR!", "error_cell"
        if formula is not None and typed is None and not self._paragraphs:
            return _LANGUAGE.sub("", formula, count=1), "formula_without_value"
        if (typed == "string" and string is None and self._odd) or (formula is not None and typed is None and text):
            return text, ""
        return None
