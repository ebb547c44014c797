"""What the workbooks among the reports have in common: Excel's limits, colours, and texts that stay texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767
"""Excel's own limits of a sheet and of a cell."""
A4 = 9
BAD, GOOD, NEUTRAL = "#FFC7CE", "#C6EFCE", "#FFEB9C"
"""The colours that Excel itself uses."""
TOP = {"valign": "top"}
TEXT = {**TOP, "num_format": "@"}
"""A cell that stays a text, also when somebody edits it."""
HEADING = {"bold": True, "bottom": 1, "bg_color": "#F2F2F2"}
OUR_HEADING = {**HEADING, "bg_color": "#1F4E78", "font_color": "#FFFFFF"}
"""Of the input's own columns, and of those that we add."""
ROWS_LOOKED_AT = 1000
NARROWEST, WIDEST = 8, 60
"""Of a column, in characters."""
OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
"""Of every workbook: rows go to the disk as they come, and a text is never run, nor taken for a link."""


def write_text(sheet: Any, at: int, place: int, text: str, look: object) -> None:  # noqa: ANN401 - the library has no types
    """A text as a text, whatever it looks like; cut with an ellipsis at Excel's limit, which counts UTF-16 units."""
    if 2 * len(text) > MOST_CHARACTERS < len(text.encode("utf-16-le", "surrogatepass")) // 2:
        half = text.encode("utf-16-le", "surrogatepass")[: 2 * (MOST_CHARACTERS - 1)]
        text = half.decode("utf-16-le", "ignore") + "…"
    if text:
        sheet.write_string(at, place, text, look)


def on_paper(sheet: Any, *, header: bool = True) -> None:  # noqa: ANN401 - as above
    """Prints a sheet as wide as a page; its first row, if it is a header, stands on every page."""
    if header:
        sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)


class Widths:
    """How wide columns have to be for their first rows; what is much longer is cut by its neighbour."""

    def __init__(self, headings: Sequence[str]) -> None:
        self._widths = [len(heading) + 1 for heading in headings]
        self._rows_left = ROWS_LOOKED_AT

    def look_at(self, cells: Sequence[str]) -> None:
        """Takes one more row into account."""
        if self._rows_left:
            self._rows_left -= 1
            for place, cell in enumerate(cells[: len(self._widths)]):
                self._widths[place] = max(self._widths[place], len(cell))

    def set_on(self, sheet: Any, first: int = 0) -> None:  # noqa: ANN401 - the library has no types
        """Gives them to a sheet, from its column `first` on."""
        for place, width in enumerate(self._widths, first):
            sheet.set_column(place, place, min(max(width + 1, NARROWEST), WIDEST))
