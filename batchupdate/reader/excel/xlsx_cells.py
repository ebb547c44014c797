"""Goes through the XML of an .xlsx sheet for what calamine does not give as it is: errors, formulas without a value.

Calamine gives an empty cell for both, which would mean "leave this field as it is" (ECMA-376, part 1, section 18.3.1.4:
a cell's `t="e"`, its formula `<f>` and its value `<v>`). openpyxl gives errors, but a formula that was never calculated
looks there like one whose result is blank, unless the file is read twice, and each time takes it ten times as long as
this pass. Most sheets have no such cells: `size_guard` finds that by a search, and they are not gone through.
"""

from __future__ import annotations

import posixpath
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.parsers import expat

from batchupdate.reader.excel.number_format import is_followed
from batchupdate.reader.excel.sheet import MAX_VALUELESS, Found, ValuelessCell, add_format, add_to_blocks
from batchupdate.reader.records import MAX_COLUMNS

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from batchupdate.reader.excel.sheet import Block, FormatBlock, Place

MAX_ROW_DIGITS = 9
_XML_BYTES = 1 << 16
MAX_TEXT = 1 << 20
"""Characters of one formula or value."""

_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_STRICT_RELATION = "http://purl.oclc.org/ooxml/officeDocument/relationships id"
# ECMA-376, part 1, section 18.8.30, without those of dates.
BUILT_IN_FORMATS = {
    "2": "0.00",
    "3": "#,##0",
    "4": "#,##0.00",
    "9": "0%",
    "10": "0.00%",
    "11": "0.00E+00",
    "12": "# ?/?",
    "13": "# ??/??",
    **dict.fromkeys(("37", "38", "41", "42"), "#,##0;(#,##0)"),
    **dict.fromkeys(("39", "40", "43", "44"), "#,##0.00;(#,##0.00)"),
    "48": "##0.0E+0",
}
BUILT_IN_DATES = {
    "14": "m/d/yyyy",
    "15": "d-mmm-yy",
    "16": "d-mmm",
    "17": "mmm-yy",
    "18": "h:mm AM/PM",
    "19": "h:mm:ss AM/PM",
    "20": "h:mm",
    "21": "h:mm:ss",
    "22": "m/d/yyyy h:mm",
    "45": "mm:ss",
    "46": "[h]:mm:ss",
    "47": "mm:ss.0",
    **{str(number): "yyyy/m/d" for number in (*range(27, 37), *range(50, 59))},  # of East Asia, each in its own way
}
"""Those of dates and times; those with `/` depend on the country (`date_format.LOCAL`)."""
_TRUE = frozenset({"1", "true"})


def part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The part that holds a sheet, by way of the workbook's relations.

    Raises:
        KeyError: there is none. (ValueError, too, where a part is no XML.)
    """
    parts = {name.lower(): name for name in archive.namelist()}
    with archive.open(parts["xl/workbook.xml"]) as file:
        for tag, attributes in tags(file):
            if tag == "sheet" and attributes.get("name") == sheet:
                return related_part(archive, "workbook.xml", attributes.get(_RELATION) or attributes[_STRICT_RELATION])
    raise KeyError(sheet)


def related_part(archive: zipfile.ZipFile, book: str, relation: str) -> str:
    """The part that a relation of the part with the workbook leads to.

    Raises:
        KeyError: there is none. (ValueError, too, where a part is no XML.)
    """
    parts = {name.lower(): name for name in archive.namelist()}
    with archive.open(parts[f"xl/_rels/{book}.rels"]) as file:
        for tag, attributes in tags(file):
            if tag == "Relationship" and attributes.get("Id") == relation:
                target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
                return parts[target.lstrip("/").lower()]
    raise KeyError(relation)


def macro_sheets(archive: zipfile.ZipFile) -> list[str]:
    """The names of the sheets with macros of Excel 4, which have cells, but no table.

    Raises:
        ValueError: a part is no XML.
    """
    parts = {name.lower(): name for name in archive.namelist()}
    if not {"xl/_rels/workbook.xml.rels", "xl/workbook.xml"} <= parts.keys():
        return []
    with archive.open(parts["xl/_rels/workbook.xml.rels"]) as file:
        relations = {one.get("Id") for _, one in tags(file) if one.get("Type", "").lower().endswith("macrosheet")}
    if not relations:
        return []
    with archive.open(parts["xl/workbook.xml"]) as file:
        sheets = [attributes for tag, attributes in tags(file) if tag == "sheet"]
    return [one.get("name", "") for one in sheets if (one.get(_RELATION) or one.get(_STRICT_RELATION)) in relations]


def formats_of(archive: zipfile.ZipFile) -> dict[str, str]:
    """The number formats that can show a number or a date in another way, by the number of the style that has them.

    Raises:
        ValueError: the part with the styles is no XML.
    """
    styles = style_formats(archive).items()
    codes = {style: BUILT_IN_DATES.get(number, code) for style, (number, code) in styles}
    return {style: code for style, code in codes.items() if is_followed(code)}


def style_formats(archive: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    """The number format of each style: its own number, and its code.

    Raises:
        ValueError: the part with the styles is no XML.
    """
    name = next((name for name in archive.namelist() if name.lower() == "xl/styles.xml"), None)
    if name is None:
        return {}
    codes = dict(BUILT_IN_FORMATS)
    styles: list[str] = []
    of_cells = False
    with archive.open(name) as file:
        for tag, attributes in tags(file):
            if tag == "numFmt":
                codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif tag in {"cellXfs", "cellStyleXfs"}:
                of_cells = tag == "cellXfs"
            elif tag == "xf" and of_cells:
                styles.append(attributes.get("numFmtId", ""))
    return {str(at): (number, codes.get(number, "General")) for at, number in enumerate(styles)}


def formats_by_style(styles: Sequence[str], codes: Mapping[str, str]) -> dict[str, str]:
    """The number formats that can show a number or a date in another way, by the number of the style that has them.

    Args:
        styles: the number of each style's format.
        codes: the formats by their numbers.
    """
    known = {**codes, **BUILT_IN_DATES}
    return {str(at): code for at, number in enumerate(styles) if is_followed(code := known.get(number, "General"))}


def tags(file: IO[bytes]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The tags of some XML in order, each with its attributes; no tree, which is twenty times as large as the XML.

    Raises:
        ValueError: it is no XML.
    """
    found: list[tuple[str, Mapping[str, str]]] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda tag, attributes: found.append((tag[tag.rfind(" ") + 1 :], attributes))
    try:
        while data := file.read(_XML_BYTES):
            parser.Parse(data)
            yield from found
            found.clear()
        parser.Parse(b"", True)  # noqa: FBT003 - expat's own
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


class SheetWalk:
    """One pass over the XML of a sheet, and what it finds.

    Args:
        file: the sheet's part.
        formats: the number formats to look for, by what cells say in `s`; see `formats_of`.

    Attributes:
        rows: the last row that has a cell, counted from 1.
        columns: the last column that has a cell, counted from 1.
        cells: how many cells there are.
        valueless: errors and formulas without a value, in order; at most one more than `MAX_VALUELESS`.
        merged: the first and the last place of each merged cell.
        hidden_rows: the rows that are hidden or filtered out; so is a row without any height (see `Found`).
        hidden_columns: the columns that are hidden, or without any width.
        formats: where numbers and dates have one of the formats that were given.

    Raises:
        ValueError: it is no XML, or a cell is larger than any that a spreadsheet program writes.
    """

    def __init__(self, file: IO[bytes], formats: Mapping[str, str] = MappingProxyType({})) -> None:
        self._format_of = formats
        self._format = ""
        self.formats: dict[int, list[FormatBlock]] = {}
        self.rows = self.columns = self.cells = 0
        self.valueless: list[ValuelessCell] = []
        self.merged: list[tuple[Place, Place]] = []
        self.hidden_rows: list[Block] = []
        self.hidden_columns: list[Block] = []
        self._row = self._column = 0
        self._kind = ""
        self._formula: list[str] | None = None
        self._value: list[str] | None = None
        self._into: list[str] | None = None
        self._has_value = False
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.ParseFile(file)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
        self.valueless.sort()

    def found(self) -> Found:
        """What it has found of interest to a reader."""
        return Found(self.valueless, self.hidden_rows, self.hidden_columns, self.formats)

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = tag[tag.rfind(" ") + 1 :]
        if name == "c":
            self._cell_begins(attributes)
        elif name == "v":
            self._value = self._into = []
            self._has_value = True
        elif name == "f":
            self._formula = self._into = []
        elif name == "is":
            self._has_value = True
        elif name == "row":
            self._row = bounded_int(attributes["r"].encode()) if "r" in attributes else self._row + 1
            self._column = 0
            if _is_hidden(attributes, "ht"):
                add_to_blocks(self.hidden_rows, self._row - 1, self._row - 1)
        elif name == "col":
            if _is_hidden(attributes, "width"):
                begin, end = (bounded_int(attributes.get(one, "").encode()) for one in ("min", "max"))
                add_to_blocks(self.hidden_columns, begin - 1, min(end, MAX_COLUMNS) - 1)
        elif name == "mergeCell":
            first, _, last = attributes.get("ref", "").partition(":")
            self.merged.append((_place(first), _place(last or first)))

    def _cell_begins(self, attributes: Mapping[str, str]) -> None:
        address = attributes.get("r")
        if address is None:
            self._column += 1
        else:
            row, column = _place(address)
            self._row, self._column = row + 1, column + 1
        self.cells += 1
        self.rows, self.columns = max(self.rows, self._row), max(self.columns, self._column)
        self._kind = attributes.get("t", "n")
        self._format = self._format_of.get(attributes.get("s", ""), "") if self._format_of else ""
        self._formula = self._value = None
        self._has_value = False

    def _end(self, tag: str) -> None:
        self._into = None
        if self._format and self._kind in {"n", "d"} and self._value and tag.endswith(" c"):
            add_format(self.formats, self._row - 1, self._column - 1, self._format)
        if tag.endswith(" c") and (self._kind == "e" or self._formula is not None):
            value = "".join(self._value or ())
            if self._kind == "e":
                self._keep(value or "#ERROR!", "error_cell")
            elif not value and not (self._has_value and self._kind in {"str", "inlineStr"}):
                # An empty text (`t="str"`) is a result, such as that of =""; so is a text that stands in the cell.
                self._keep(f"={''.join(self._formula or ())}", "formula_without_value")

    def _keep(self, text: str, code: str) -> None:
        if len(self.valueless) <= MAX_VALUELESS:
            self.valueless.append(ValuelessCell(self._row - 1, self._column - 1, text, code))

    def _text(self, text: str) -> None:
        if self._into is not None:
            self._into.append(text)
            if len(text) > MAX_TEXT or len(self._into) > MAX_TEXT:
                raise ValueError("a cell is larger than any cell can be")


def _is_hidden(attributes: Mapping[str, str], size: str) -> bool:
    """Whether a row or column is hidden: it says so, or has no height or width (ECMA-376-1, 18.3.1.13 and .73)."""
    return attributes.get("hidden") in _TRUE or not attributes.get(size, "1").strip("0.")


def _place(address: str) -> Place:
    """The row and column of an address such as `B7` or `$B$7`, from 0; beyond the last where it is none."""
    plain = address.replace("$", "").encode()
    letters = plain.rstrip(b"0123456789")
    return bounded_int(plain[len(letters) :]) - 1, column_number(letters) - 1


def bounded_int(digits: bytes) -> int:
    """A row's number, or one beyond the last where there are absurdly many digits."""
    return int(digits) if digits.isdigit() and len(digits) <= MAX_ROW_DIGITS else 10**MAX_ROW_DIGITS


def column_number(letters: bytes) -> int:
    """A column's number from its letters: A is 1; one beyond the last where there are too many."""
    if len(letters) > 3 or not letters.isalpha():  # noqa: PLR2004 - XFD is the last column
        return MAX_COLUMNS + 1
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
