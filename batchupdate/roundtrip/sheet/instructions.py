"""The second sheet of a workbook to fill in: what the columns mean, and what to do with the file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from batchupdate.model import Level
from batchupdate.targets.field_help import field_help

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.roundtrip.sheet.columns import Columns
    from batchupdate.targets import FieldRule

Line = tuple[str, ...]
"""The cells of one line, the name of its look before them."""
_LOOKS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 16, "font_color": "#1F3864"},
    "part": {"bold": True, "font_size": 12, "font_color": "#1F3864", "bottom": 1, "bottom_color": "#BFBFBF"},
    "head": {"bold": True, "bg_color": "#DDEBF7", "border": 1, "border_color": "#BFBFBF"},
    "cell": {"text_wrap": True, "valign": "top", "border": 1, "border_color": "#BFBFBF"},
    "text": {"text_wrap": False},
    "code": {"font_name": "Courier New", "indent": 1},
}
_WIDTHS = (28, 12, 54, 60)


def write(sheet: Any, book: Any, columns: Columns, *, pulled: bool) -> None:  # noqa: ANN401 - the library has no types
    """Fills the sheet; `pulled` is whether it goes with present records."""
    for place, wide in enumerate(_WIDTHS):
        sheet.set_column(place, place, wide)
    looks = {name: book.add_format({"num_format": "@", **look}) for name, look in _LOOKS.items()}
    for number, (look, *cells) in enumerate(_lines(columns, pulled=pulled)):
        if look == "cell":
            lines = max(1 + len(text) // (wide - 2) for text, wide in zip(cells, _WIDTHS, strict=True))
            sheet.set_row(number, 15 * lines)
        for place, text in enumerate(cells):
            sheet.write_string(number, place, text, looks[look])
        for place in range(len(cells), len(_WIDTHS) if look == "part" else 0):
            sheet.write_blank(number, place, None, looks[look])
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _lines(columns: Columns, *, pulled: bool) -> Iterator[Line]:
    target = columns.target
    yield "title", target.title
    if pulled:
        yield "text", f"Edit the first sheet. Each edited row becomes one {target.method} request."
    else:
        yield "text", f"Fill in the first sheet, one row for each record. Each row becomes one {target.method} request."
    yield ("text",)
    yield "part", "The columns"
    yield "head", "column", "", "may hold", "meaning"
    for name in columns.ids:
        yield "cell", name, "needed", target.id[name].wanted, target.id[name].description
    for name, rule in zip(columns.fields, columns.rules, strict=True):
        yield "cell", name, "needed" if rule.required else "", field_help(rule), rule.description
    for one in target.rules:
        if one.when:
            yield "text", f"A row that sets {' or '.join(one.when)}: {one.message}."
        elif one.level is Level.ERROR:
            yield "text", f"A row needs at least one of: {', '.join(one.any_of)}."
        else:
            yield "text", f"A row without any of {', '.join(one.any_of)} is sent with a warning: {one.message}."
    yield ("text",)
    yield from _cells(columns)
    yield from _beside(columns) if pulled else ()
    yield "part", "What to do with the file"
    yield "text", "1. Save the file as .xlsx and check it. This sends nothing and needs no key:"
    yield "code", f"batchupdate check FILE.xlsx --target {shlex.quote(columns.called)}"
    key = f" The key comes from the environment variable {target.auth.env}." if target.auth.env else ""
    yield "text", f"2. Run it. It shows what it is about to do, and asks you to confirm.{key}"
    yield "code", f"batchupdate run FILE.xlsx --target {shlex.quote(columns.called)}"
    yield ("text",)
    yield "part", "Limits"
    yield (
        "text",
        "A sheet has room for 1,048,575 rows below its headings; a CSV file with the same headings has no limit.",
    )
    yield "text", "Excel keeps 15 digits of a number. For longer ones, format the cells as text first."
    but = ", except the hidden ones" if pulled else ""
    yield "text", f"Columns may be deleted{but}, moved, and added; those that match no field are ignored."


def _cells(columns: Columns) -> Iterator[Line]:
    clear: list[FieldRule] = list(columns.rules)
    yield "part", "The cells"
    yield "text", "A blank cell leaves its field as it is."
    if any(rule.nullable for rule in clear):
        yield "text", "<null> sends null, which clears the field in most APIs, where the column's note says so."
    if any(rule.clearable for rule in clear):
        yield "text", "<empty> sends an empty text or list, where the column's note says so."
    yield "text", "Nothing else that you type is changed: 007 stays 007."
    yield ("text",)


def _beside(columns: Columns) -> Iterator[Line]:
    yield "part", "The present records"
    yield "text", "Only what you edit is sent. A row without edits is not sent."
    yield "text", "The old values are in hidden columns (_old.…). Leave them as they are, and sort only whole rows."
    yield "text", "Clearing a cell leaves its field as it is; write <empty> or <null> to clear the field."
    yield "text", "After a run, pull the records again, because the old values here are from before it."
    if columns.locked:
        yield "text", "Grey rows must not be edited; the column _locked says why."
    if unknown := [name for name in columns.fields if name not in columns.old]:
        yield "text", f"The API's list does not show {', '.join(unknown)}: what you fill in there is always sent."
    yield ("text",)
