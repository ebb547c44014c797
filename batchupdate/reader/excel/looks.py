"""How an .xlsx sheet looks, so that its results can look like it: column widths, number formats, and other sheets."""

from __future__ import annotations

import re
import zipfile
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchupdate.reader.excel.number_format import is_date, matters
from batchupdate.reader.excel.xlsx_cells import BUILT_IN_FORMATS, part_of, style_formats, tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ROWS_LOOKED_AT = 1000
MOST_SHEETS = 100
WIDEST = 255.0
"""Of a column, in characters; Excel's own limit."""
MOST_OF_A_CODE = 255
"""Characters; Excel's own limit."""
PADDING = 5 / 7
"""ECMA-376, part 1, section 18.3.1.13: a width has five pixels beside its characters of seven."""
_BUILT_IN_DATES = frozenset(map(str, (*range(14, 18), 22)))
"""ECMA-376, part 1, section 18.8.30: dates, and dates with a time. Each country writes them in its own way."""
_COLUMN = re.compile(r"[A-Z]{1,3}(?=\d)")


def sheet_looks(path: Path, sheet: str, places: Sequence[int], header_row: int) -> dict[str, Any]:
    """How a sheet looks, as a run's journal keeps it; nothing where the file does not say.

    Args:
        path: the workbook.
        sheet: the name of the sheet that is read.
        places: in which column of the sheet each column of the table stands, from 0.
        header_row: the number of the row with the headings.

    Returns:
        `name` of the sheet, `others` (the names of the workbook's other sheets), and for each column of the table
        `widths` in characters and `formats`, or None. A format is its `code`, or the number of one that is built in,
        and whether it is that of a `date`; a column has one if all its cells in the first rows are numbers with it.
    """
    with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        parts = {name.lower(): name for name in archive.namelist()}
        with archive.open(parts["xl/workbook.xml"]) as file:
            names = [attributes.get("name", "") for tag, attributes in tags(file) if tag == "sheet"]
        widths, styles = _walk(archive, part_of(archive, sheet), header_row)
        formats = style_formats(archive)
        return {
            "name": sheet,
            "others": [name for name in names if name != sheet][:MOST_SHEETS],
            "widths": [widths.get(place) for place in places],
            "formats": [_common(styles.get(place, Counter()), formats) for place in places],
        }
    return {}


def _walk(archive: zipfile.ZipFile, part: str, header_row: int) -> tuple[dict[int, float], dict[int, Counter[str]]]:
    """The widths of columns, and how often the cells of each one's first rows have which style; '' is for texts."""
    widths: dict[int, float] = {}
    styles: dict[int, Counter[str]] = defaultdict(Counter)
    row = column = 0
    cell: Mapping[str, str] = {}
    with archive.open(part) as file:
        for tag, attributes in tags(file):
            if tag == "c":
                found = _COLUMN.match(attributes.get("r", ""))
                column = _index(found[0]) if found else column + 1
                cell = attributes
            elif tag in {"v", "is"} and row > header_row:
                is_number = tag == "v" and cell.get("t", "n") in {"n", "d"}
                styles[column][cell.get("s", "0") if is_number else ""] += 1
            elif tag == "row":
                row, column = int(attributes.get("r", row + 1)), -1
                if row > header_row + ROWS_LOOKED_AT:
                    break
            elif tag == "col" and "width" in attributes and attributes.get("hidden") not in {"1", "true"}:
                first, last = int(attributes["min"]) - 1, min(int(attributes["max"]), 1 << 14)
                width = min(max(float(attributes["width"]) - PADDING, 1.0), WIDEST)
                widths |= dict.fromkeys(range(first, last), round(width, 3))
    return widths, styles


def _index(letters: str) -> int:
    """The number, from 0, of a column that is called by these letters."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _common(styles: Counter[str], formats: Mapping[str, tuple[str, str]]) -> dict[str, Any] | None:
    """The format that all cells have, if it is one of numbers or dates."""
    if not styles or "" in styles:
        return None
    known = {formats.get(style, ("0", "General")) for style in styles}
    number, code = next(iter(known))
    if len(known) > 1 or code == "@" or len(code) > MOST_OF_A_CODE:
        return None
    if number in _BUILT_IN_DATES or number in BUILT_IN_FORMATS:
        return {"code": int(number), "date": number in _BUILT_IN_DATES}
    return {"code": code if is_date(code) or matters(code) else 0, "date": is_date(code)}
