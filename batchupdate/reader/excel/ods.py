"""OpenDocument spreadsheets (.ods), whose rows are taken from their XML by expat.

No other reader will do. Calamine gives a blank cell for an error and for a formula that was never calculated, leaves
out tabs and line breaks, puts in what notes and shapes say, does not give merged cells, and refuses XML with white
space between its tags. odfpy, whose last release is of 2020, needed 75 seconds and 1.5 GB for 100,000 rows, and odfdo
had not finished after 100. The format is OASIS OpenDocument 1.3, part 3, sections 6 and 9.1.
"""

from __future__ import annotations

import re
import zipfile
from functools import partial
from typing import TYPE_CHECKING
from xml.parsers import expat

from batchupdate.reader.excel.cell_text import cell_text
from batchupdate.reader.excel.sheet import (
    MAX_VALUELESS,
    Found,
    Sheet,
    SheetName,
    SheetRecords,
    ValuelessCell,
    add_to_blocks,
    choose_sheet,
)
from batchupdate.reader.excel.size_guard import (
    MAX_CELLS,
    MAX_ROWS,
    MAX_SPARSE_CELLS,
    open_part,
    parts_to_read,
    pieces,
    refuse_large_sheet,
)
from batchupdate.reader.files.kind import damage_as_sentence, refuse_password
from batchupdate.reader.records import MAX_COLUMNS
from batchupdate.spreadsheet.typed_text import DateText, FormattedDateText, FormattedText, ShownText

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from batchupdate.reader.excel.sheet import Block, Place
    from batchupdate.reader.records import ReadOptions

_MANIFEST = "META-INF/manifest.xml"
MAX_TEXT = 1 << 20
"""Characters. A cell with more is none that a spreadsheet program wrote."""
MAX_SPACES = 32_767
_RATIO_MATTERS_FROM = 64 << 20
"""See `parts_to_read`; equal rows shrink to nearly nothing here, because cells have no addresses."""

_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 "
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
_STYLE = "urn:oasis:names:tc:opendocument:xmlns:style:1.0 "
# As constants, for each is compared with every tag of a file.
_SHEET_TAG = f"{_TABLE}table"
_ROW_TAG = f"{_TABLE}table-row"
_NAME = f"{_TABLE}name"
_STYLE_NAME = f"{_TABLE}style-name"
_ROWS_REPEATED = f"{_TABLE}number-rows-repeated"
_COLUMNS_REPEATED = f"{_TABLE}number-columns-repeated"
_ROWS_SPANNED = f"{_TABLE}number-rows-spanned"
_COLUMNS_SPANNED = f"{_TABLE}number-columns-spanned"
_COLUMN_TAG = f"{_TABLE}table-column"
_GROUPS = frozenset({f"{_TABLE}table-row-group", f"{_TABLE}table-column-group"})
_VISIBILITY = f"{_TABLE}visibility"
_DISPLAY = f"{_TABLE}display"
_FORMULA = f"{_TABLE}formula"
_VALUE_TYPE = f"{_OFFICE}value-type"
_STRING_VALUE = f"{_OFFICE}string-value"
_CALC_TYPE = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 value-type"
_CELLS = frozenset({f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"})
_ASIDE = frozenset({f"{_TEXT}note", f"{_TEXT}ruby-text"})
_TYPED = frozenset({"float", "percentage", "currency", "date", "time", "boolean"})
_LANGUAGE = re.compile(r"\w+:(?==)")
_SHOWN_ERROR = re.compile(r"#(?:N/A|[A-Z0-9/]+[!?])|Err:\d+", re.ASCII)
_GROUPED = re.compile(r"(?<!\d)[1-9]\d{0,2}([.,'\u2019\u00a0\u202f ])\d{3}(?:\1\d{3})*(?!\d)")
_DURATION = re.compile(r"(-?)PT(\d+)H(\d+)M(\d+)(?:[.,](\d+))?S", re.ASCII)


def open_ods(path: Path, options: ReadOptions, source: str) -> SheetRecords:
    """Opens a sheet; see `Format.open`.

    Raises:
        InputError: it can't be read, has a password, is too large, or has no such sheet.
    """
    with damage_as_sentence(source), zipfile.ZipFile(path) as archive:
        parts = {part.filename: part for part in parts_to_read(archive, source, _RATIO_MATTERS_FROM)}
        if _MANIFEST in parts:
            with open_part(archive, parts[_MANIFEST]) as file:
                if any(b":encryption-data" in piece for piece in pieces(file)):
                    refuse_password(source)
        with open_part(archive, parts["content.xml"]) as file:
            found = _Content(source).sheets_of(file)
    names = [SheetName(sheet.name, sheet.visible) for sheet in found]
    by_name = {sheet.name: sheet for sheet in reversed(found)}  # of two sheets of one name, the first is read
    name, notices = choose_sheet(names, options.sheet, lambda name: by_name[name].cells > 0, source)
    sheet = by_name[name]
    refuse_large_sheet(name, sheet.height, sheet.columns, sheet.cells, source)
    left = sheet.first_column or 0
    rows = partial(_rows, sheet.rows, left)
    return SheetRecords(
        "ods", Sheet(name, left, sheet.columns - left, rows, sheet.found(), sheet.merged, notices), source
    )


def _rows(rows: Sequence[tuple[int, list[str]]], left: int) -> Iterator[list[str]]:
    """The rows, each as often as it stands there; they are lists of their own, for they can be changed."""
    for count, cells in rows:
        for _ in range(count):
            yield cells[left:]


class _OdsSheet:
    """A sheet: its texts, how far they reach, and what is odd about its cells.

    `rows` are those up to the last that holds anything, each with how often it stands there, for a program may say of
    a row that it is repeated, and does so of the million blank ones at the end.
    """

    def __init__(self, name: str, visible: bool) -> None:  # noqa: FBT001 - always given by its place
        self.name = name
        self.visible = visible
        self.height = self.columns = self.cells = 0
        self.first_column: int | None = None
        self.rows: list[tuple[int, list[str]]] = []
        self.valueless: list[ValuelessCell] = []
        self.merged: list[tuple[Place, Place]] = []
        self.hidden_rows: list[Block] = []
        self.hidden_columns: list[Block] = []

    def found(self) -> Found:
        """What is odd about it."""
        return Found(self.valueless, self.hidden_rows, self.hidden_columns)


class _Content:
    """One pass over a content.xml, from tag to tag."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._sheets: list[_OdsSheet] = []
        self._sheet = _OdsSheet("", False)  # noqa: FBT003 - see there
        self._style = ""
        self._hidden_styles: set[str] = set()
        self._row = self._repeated = self._column = self._columns = 0
        self._hidden_groups: list[str] = []
        self._texts: list[str] = []
        self._places = self._filled = 0
        self._cell: _Cell | None = None

    def sheets_of(self, file: IO[bytes]) -> list[_OdsSheet]:
        """The sheets in order.

        Raises:
            InputError: one of them is too large.
            ValueError: the file is no sound one.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.ParseFile(file)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
        return self._sheets

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._cell is not None:
            self._cell.begin(tag, attributes)
        elif tag in _CELLS:
            self._cell = _Cell(attributes)
        elif tag == _ROW_TAG:
            self._repeated = int(attributes.get(_ROWS_REPEATED, "1"))
            self._column = 0
            self._texts = []
            if self._hidden_groups or attributes.get(_VISIBILITY, "visible") != "visible":
                add_to_blocks(self._sheet.hidden_rows, self._row, self._row + self._repeated - 1)
        elif tag == _COLUMN_TAG:
            self._keep_column(attributes)
        elif tag in _GROUPS:
            self._hidden_groups += [tag] if self._hidden_groups or attributes.get(_DISPLAY) == "false" else []
        elif tag == _SHEET_TAG:
            self._row = self._columns = 0
            visible = attributes.get(_STYLE_NAME, "") not in self._hidden_styles
            self._sheet = _OdsSheet(attributes.get(_NAME, ""), visible)
            self._sheets.append(self._sheet)
        elif tag == f"{_STYLE}style":
            self._style = attributes.get(f"{_STYLE}name", "")
        elif tag == f"{_STYLE}table-properties" and attributes.get(_DISPLAY) == "false":
            self._hidden_styles.add(self._style)

    def _text(self, text: str) -> None:
        if self._cell is not None:
            self._cell.add(text)

    def _end(self, tag: str) -> None:
        if self._cell is not None:
            if self._cell.ends():
                self._keep(self._cell)
                self._cell = None
        elif tag == _ROW_TAG:
            if self._texts:
                self._bound_memory()
                blank = self._row - self._sheet.height
                self._sheet.rows += [(blank, [])] if blank else []
                self._sheet.rows.append((self._repeated, self._texts))
                self._sheet.height = self._row + self._repeated
            self._row += self._repeated
        elif tag in _GROUPS and self._hidden_groups:
            self._hidden_groups.pop()

    def _keep_column(self, attributes: Mapping[str, str]) -> None:
        begin = self._columns
        self._columns += int(attributes.get(_COLUMNS_REPEATED, "1"))
        if self._hidden_groups or attributes.get(_VISIBILITY, "visible") != "visible":
            add_to_blocks(self._sheet.hidden_columns, begin, self._columns - 1)

    def _bound_memory(self) -> None:
        """Refuses a file whose rows, with blank and repeated cells, would fill the memory."""
        self._places += len(self._texts)
        if self._places > MAX_SPARSE_CELLS and self._filled * 10 < self._places:
            refuse_large_sheet(self._sheet.name, MAX_ROWS, self._sheet.columns, self._filled, self._source)

    def _keep(self, cell: _Cell) -> None:
        sheet, begin = self._sheet, self._column
        self._column += cell.number(_COLUMNS_REPEATED)
        down, across = cell.number(_ROWS_SPANNED), cell.number(_COLUMNS_SPANNED)
        if down > 1 or across > 1:
            sheet.merged.append(((self._row, begin), (self._row + down - 1, begin + across - 1)))
        text, code = cell.value()
        if not text:
            return
        sheet.columns = max(sheet.columns, self._column)
        sheet.cells += self._repeated * (self._column - begin)
        if self._row + self._repeated > MAX_ROWS or self._column > MAX_COLUMNS or sheet.cells > MAX_CELLS:
            refuse_large_sheet(sheet.name, self._row + self._repeated, sheet.columns, sheet.cells, self._source)
        if sheet.first_column is None or begin < sheet.first_column:
            sheet.first_column = begin
        self._filled += 1
        self._texts += [""] * (begin - len(self._texts))
        self._texts += [text] * (self._column - begin)
        if code:
            for row in range(self._row, self._row + self._repeated):
                for column in range(begin, self._column):
                    if len(sheet.valueless) <= MAX_VALUELESS:
                        sheet.valueless.append(ValuelessCell(row, column, text, code))


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
        return int(self.attributes.get(name, "1"))

    def value(self) -> tuple[str, str]:
        """What the cell holds, as `text_of` would write it; and if that is no value, the code of the problem."""
        attributes = self.attributes
        kind, string = attributes.get(_VALUE_TYPE), attributes.get(_STRING_VALUE)
        if attributes.get(_CALC_TYPE) == "error" or (string == "" and _SHOWN_ERROR.fullmatch(self._shown())):
            return self._shown() or "#ERROR!", "error_cell"
        if kind in _TYPED:
            return self._formatted(kind, _typed(kind, attributes)), ""
        if kind is None and not self._paragraphs and _FORMULA in attributes:
            return _LANGUAGE.sub("", attributes[_FORMULA], count=1), "formula_without_value"
        return self._shown() if string is None else string, ""

    def _formatted(self, kind: str, value: str) -> str:
        """A number as its format shows it, which stands in the cell, or a date that is shown in another way."""
        shown = self._shown().strip()
        if type(value) is DateText and shown and shown != value:
            return FormattedDateText.of(value, shown, "")
        if type(value) is not str or not shown or shown.replace(",", ".") == value:
            return value
        digits = "".join(filter(str.isdecimal, shown))
        written = "\t" not in shown and "\n" not in shown  # else no format has made it
        if written and kind == "float" and digits.lstrip("0") == value.lstrip("0") and not _GROUPED.search(shown):
            return ShownText.of(shown, value)
        return FormattedText(value)

    def _shown(self) -> str:
        return "\n".join(map("".join, self._paragraphs))


def _typed(kind: str, attributes: Mapping[str, str]) -> str:
    """The text of a value that stands in an attribute of its own."""
    if kind == "date":
        return DateText(attributes.get(f"{_OFFICE}date-value", "").removesuffix("T00:00:00"))
    if kind == "time":
        return DateText(_time(attributes.get(f"{_OFFICE}time-value", "")))
    if kind == "boolean":
        return cell_text(attributes.get(f"{_OFFICE}boolean-value") == "true")
    return cell_text(float(attributes.get(f"{_OFFICE}value", "nan")))


def _time(text: str) -> str:
    """A time of day or a duration (`PT18H45M00S`) as `text_of` would write it."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return text
    sign, hours, minutes, seconds, fraction = found.groups()
    after = (fraction or "").rstrip("0")
    return f"{sign}{hours.zfill(2)}:{minutes.zfill(2)}:{seconds.zfill(2)}{'.' if after else ''}{after}"
