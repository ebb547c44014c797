"""OpenDocument spreadsheets (.ods), streamed from their XML by expat.

No other reader will do. Calamine gives a blank cell for an error and for a formula that was never calculated, leaves
out tabs and line breaks, puts in what notes and shapes say, does not give merged cells, and refuses XML with white
space between its tags. odfpy has had no release since 2020 and took 60 times as long as this, and 1.5 GB for 100,000
rows; odfdo took longer still (benchmarks of docs/reader.md). So the rows are taken from `content.xml` here, by OASIS
OpenDocument 1.3, part 3, sections 6 and 9.1.
"""

from __future__ import annotations

import re
import zipfile
from collections import deque
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING
from xml.parsers import expat

from batchupdate.reader.excel.sheet import MAX_VALUELESS, Sheet, SheetName, SheetRecords, ValuelessCell, choose_sheet
from batchupdate.reader.excel.size_guard import MAX_ROWS, refuse_large_parts, refuse_large_sheet
from batchupdate.reader.files.kind import damage_as_sentence, refuse_password
from batchupdate.reader.records import MAX_COLUMNS
from batchupdate.reader.value_to_text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from batchupdate.reader.excel.sheet import Place
    from batchupdate.reader.records import ReadOptions

CHUNK_BYTES = 1 << 16
MAX_TEXT = 1 << 20
"""Characters. A cell with more is none that a spreadsheet program wrote."""
MAX_SPACES = 32_767

_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 "
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
_STYLE = "urn:oasis:names:tc:opendocument:xmlns:style:1.0 "
_KIND = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 value-type"
_CELLS = frozenset({f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"})
_ASIDE = frozenset({f"{_TEXT}note", f"{_TEXT}ruby-text"})
_NUMBERS = frozenset({"float", "percentage", "currency"})
_LANGUAGE = re.compile(r"\w+:(?==)")
_SHOWN_ERROR = re.compile(r"#(?:N/A|[A-Z0-9/]+[!?])|Err:\d+", re.ASCII)
_DURATION = re.compile(r"(-?)PT(\d+)H(\d+)M(\d+)(?:[.,](\d+))?S", re.ASCII)


def open_ods(path: Path, options: ReadOptions, source: str) -> SheetRecords:
    """Opens a sheet; see `Format.open`.

    Raises:
        InputError: it can't be read, has a password, is too large, or has no such sheet.
    """
    with damage_as_sentence(source):
        with zipfile.ZipFile(path) as archive:
            refuse_large_parts(archive.infolist(), source)
            if "META-INF/manifest.xml" in archive.namelist() and b":encryption-data" in archive.read(
                "META-INF/manifest.xml"
            ):
                refuse_password(source)
        found = _Survey().through(path)
    names = [SheetName(sheet.name, sheet.visible) for sheet in found]
    by_name = {sheet.name: sheet for sheet in reversed(found)}
    name, notices = choose_sheet(names, options.sheet, lambda name: by_name[name].cells > 0, source)
    sheet = by_name[name]
    refuse_large_sheet(name, sheet.rows, sheet.columns, sheet.cells, source)
    left = sheet.first_column or 0
    rows = partial(_rows, path, name, left, source)
    return SheetRecords(
        "ods", Sheet(name, left, sheet.columns - left, rows, sheet.valueless, sheet.merged, notices), source
    )


def _rows(path: Path, name: str, left: int, source: str) -> Iterator[list[str]]:
    """The sheet's rows up to the last that holds anything, as text."""
    with damage_as_sentence(source):
        rows = _Rows(name, left)
        for _ in rows.pieces(path):
            while rows.ready:
                count, cells = rows.ready.popleft()
                # A blank row may be repeated to the last of the sheet; the rows that are given out can be changed.
                yield from (list(cells) for _ in repeat(None, count))


class _Pass:
    """One pass over a content.xml, cell by cell; `_cell` and `_row_ends` are for what a pass wants to know."""

    def __init__(self) -> None:
        self._name = ""
        self._styled = ""
        self._hidden_styles: set[str] = set()
        self._row = self._repeated = self._column = 0
        self._open: _Cell | None = None

    def pieces(self, path: Path) -> Iterator[None]:
        """Goes through the file, and pauses after each piece of it."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            with zipfile.ZipFile(path) as archive, archive.open("content.xml") as file:
                while piece := file.read(CHUNK_BYTES):
                    parser.Parse(piece)
                    yield
                parser.Parse(b"", True)  # noqa: FBT003 - expat knows no names of arguments
            yield
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error

    def _sheet(self, name: str, *, visible: bool) -> None:
        """A sheet begins."""

    def _cell(self, cell: _Cell, begin: int) -> None:
        """A cell has ended that began in a column of the row `self._row`."""

    def _row_ends(self) -> None:
        """A row has ended."""

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._open is not None:
            self._open.begin(tag, attributes)
        elif tag in _CELLS:
            self._open = _Cell(attributes)
        elif tag == f"{_TABLE}table-row":
            self._repeated = int(attributes.get(f"{_TABLE}number-rows-repeated", "1"))
            self._column = 0
        elif tag == f"{_TABLE}table":
            self._row = 0
            visible = attributes.get(f"{_TABLE}style-name", "") not in self._hidden_styles
            self._sheet(attributes.get(f"{_TABLE}name", ""), visible=visible)
        elif tag == f"{_STYLE}style":
            self._styled = attributes.get(f"{_STYLE}name", "")
        elif tag == f"{_STYLE}table-properties" and attributes.get(f"{_TABLE}display") == "false":
            self._hidden_styles.add(self._styled)

    def _end(self, tag: str) -> None:
        if self._open is not None:
            if self._open.ends():
                cell, self._open = self._open, None
                begin, self._column = self._column, self._column + cell.number("number-columns-repeated")
                self._cell(cell, begin)
        elif tag == f"{_TABLE}table-row":
            self._row_ends()
            self._row += self._repeated

    def _text(self, text: str) -> None:
        if self._open is not None:
            self._open.add(text)


class _Survey(_Pass):
    """What there is to know of every sheet before its rows are read."""

    def through(self, path: Path) -> list[_Extent]:
        self._extents: list[_Extent] = []
        for _ in self.pieces(path):
            pass
        return self._extents

    def _sheet(self, name: str, *, visible: bool) -> None:
        self._extents.append(_Extent(name, visible))

    def _cell(self, cell: _Cell, begin: int) -> None:
        extent = self._extents[-1]
        down, across = cell.number("number-rows-spanned"), cell.number("number-columns-spanned")
        if down > 1 or across > 1:
            extent.merged.append(((self._row, begin), (self._row + down - 1, begin + across - 1)))
        text, code = cell.value()
        if not text:
            return
        rows, columns = self._row + self._repeated, self._column
        if rows > MAX_ROWS or columns > MAX_COLUMNS:
            raise ValueError(f"{extent.name!r} has cells beyond row {MAX_ROWS:,} or column XFD")
        extent.rows, extent.columns = max(extent.rows, rows), max(extent.columns, columns)
        extent.cells += self._repeated * (columns - begin)
        extent.first_column = begin if extent.first_column is None else min(extent.first_column, begin)
        if code:
            for row in range(self._row, rows):
                for column in range(begin, columns):
                    if len(extent.valueless) <= MAX_VALUELESS:
                        extent.valueless.append(ValuelessCell(row, column, text, code))


class _Extent:
    """A sheet: how far its cells reach, and those that are odd."""

    def __init__(self, name: str, visible: bool) -> None:  # noqa: FBT001 - named where it is called
        self.name = name
        self.visible = visible
        self.rows = self.columns = self.cells = 0
        self.first_column: int | None = None
        self.valueless: list[ValuelessCell] = []
        self.merged: list[tuple[Place, Place]] = []


class _Rows(_Pass):
    """The rows of one sheet, as text. `ready` are those that the last piece ended, each with how often it stands there.

    Blank rows and cells wait until something follows them: a sheet often ends with a million of them.
    """

    def __init__(self, name: str, left: int) -> None:
        super().__init__()
        self._wanted = name
        self._left = left
        self._inside = False
        self._cells: list[str] = []
        self._blank_rows = 0
        self.ready: deque[tuple[int, list[str]]] = deque()

    def _sheet(self, name: str, *, visible: bool) -> None:  # noqa: ARG002 - the same for every pass
        # Of two sheets of one name, the first is read.
        self._inside, self._wanted = name == self._wanted, "" if name == self._wanted else self._wanted
        self._blank_rows = 0

    def _cell(self, cell: _Cell, begin: int) -> None:
        if self._inside and (text := cell.value()[0]):
            self._cells.extend([""] * (begin - self._left - len(self._cells)))
            self._cells.extend([text] * (self._column - begin))

    def _row_ends(self) -> None:
        if not self._inside:
            return
        if not self._cells:
            self._blank_rows += self._repeated
            return
        if self._blank_rows:
            self.ready.append((self._blank_rows, []))
        self.ready.append((self._repeated, self._cells))
        self._cells, self._blank_rows = [], 0


class _Cell:
    """One cell while it is gone through: its paragraphs, without what stands aside of the text."""

    __slots__ = ("_aside_from", "_depth", "_paragraphs", "_size", "attributes")

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.attributes = attributes
        self._paragraphs: list[list[str]] = []
        self._depth = self._aside_from = self._size = 0

    def begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._aside_from:
            return
        if not tag.startswith(_TEXT) or tag in _ASIDE:
            self._aside_from = self._depth
        elif self._depth == 1:
            self._paragraphs.append([])
        elif tag == f"{_TEXT}s":
            self.add(" " * min(int(attributes.get(f"{_TEXT}c", "1")), MAX_SPACES))
        elif tag == f"{_TEXT}tab":
            self.add("\t")
        elif tag == f"{_TEXT}line-break":
            self.add("\n")

    def ends(self) -> bool:
        """One element ends; whether that was the cell itself."""
        if self._aside_from == self._depth:
            self._aside_from = 0
        self._depth -= 1
        return self._depth < 0

    def add(self, text: str) -> None:
        if self._depth and not self._aside_from:
            self._size += len(text)
            if self._size > MAX_TEXT:
                raise ValueError(f"a cell has more than {MAX_TEXT:,} characters")
            self._paragraphs[-1].append(text)

    def number(self, name: str) -> int:
        """One of the cell's counts, which are 1 where nothing is said."""
        return int(self.attributes.get(f"{_TABLE}{name}", "1"))

    def value(self) -> tuple[str, str]:
        """What the cell holds, as `text_of` would write it; and if that is no value, the code of the problem."""
        attributes = self.attributes
        string = attributes.get(f"{_OFFICE}string-value")
        if attributes.get(_KIND) == "error" or (string == "" and _SHOWN_ERROR.fullmatch(self._shown())):
            return self._shown() or "#ERROR!", "error_cell"
        kind = attributes.get(f"{_OFFICE}value-type")
        formula = attributes.get(f"{_TABLE}formula")
        if formula is not None and kind is None and not self._paragraphs:
            return _LANGUAGE.sub("", formula, count=1), "formula_without_value"
        if kind in _NUMBERS:
            return text_of(float(attributes.get(f"{_OFFICE}value", "nan"))), ""
        if kind == "date":
            return attributes.get(f"{_OFFICE}date-value", "").removesuffix("T00:00:00"), ""
        if kind == "time":
            return _time(attributes.get(f"{_OFFICE}time-value", "")), ""
        if kind == "boolean":
            return text_of(attributes.get(f"{_OFFICE}boolean-value") == "true"), ""
        return self._shown() if string is None else string, ""

    def _shown(self) -> str:
        return "\n".join(map("".join, self._paragraphs))


def _time(text: str) -> str:
    """A time of day or a duration (`PT18H45M00S`) as `text_of` would write it."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return text
    sign, hours, minutes, seconds, fraction = found.groups()
    after = (fraction or "").rstrip("0")
    return f"{sign}{hours.zfill(2)}:{minutes.zfill(2)}:{seconds.zfill(2)}{'.' if after else ''}{after}"
