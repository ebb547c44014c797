"""An xlsx to fill in: headings with notes, drop-downs and bounds, a sheet that explains, and maybe present records."""

from __future__ import annotations

from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from batchupdate.errors import InputError
from batchupdate.roundtrip.sheet import data_validation, instructions
from batchupdate.spreadsheet.reserved_columns import CHANGES_SHEET, HOW_TO_SHEET, LOCKED
from batchupdate.spreadsheet.xlsx_file import workbook_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchupdate.roundtrip.sheet.columns import Columns, PulledRow

MOST_ROWS = 1_048_576
"""Excel's own limit of a sheet, its headings among them."""
MOST_NOTES = 2_000
"""A note costs about a kilobyte, here and in Excel; a locked row is grey without one, too."""
_LISTS = "lists"
_OPTIONS = {
    "constant_memory": True,
    "use_zip64": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_NEEDED = {"bold": True, "bg_color": "#1F4E79", "font_color": "#FFFFFF", "valign": "vcenter", "border": 1}
_OPTIONAL = {"bold": True, "bg_color": "#DDEBF7", "font_color": "#1F3864", "valign": "vcenter", "border": 1}
_BESIDE = {"bold": True, "bg_color": "#E7E6E6", "font_color": "#595959", "valign": "vcenter", "border": 1}
_GREY = {"bg_color": "#EDEDED", "font_color": "#7F7F7F"}


@contextmanager
def open_workbook(path: Path, columns: Columns, *, pulled: bool = True) -> Iterator[XlsxSheet]:
    """A workbook for some columns, written row by row; it is whole when the context ends.

    Raises:
        InputError: it has too many rows.
        OSError: it can't be written.
    """
    import xlsxwriter  # noqa: PLC0415 - only what is needed is loaded

    # A folder of our own for the rows that wait on the disk, so that nothing of them is left whatever happens.
    with TemporaryDirectory(prefix="batchupdate-") as folder, workbook_file(path) as file:
        book = xlsxwriter.Workbook(file, {**_OPTIONS, "tmpdir": folder})
        try:
            sheet = XlsxSheet(book, columns)
            instructions.write(book.add_worksheet(HOW_TO_SHEET), book, columns, pulled=pulled)
            sheet.add_lists()
            yield sheet
            book.close()
        finally:
            for each in book.worksheets():
                each.row_data_fh.close()


class XlsxSheet:
    """The sheet with the table; see `Sheet`."""

    def __init__(self, book: Any, columns: Columns) -> None:  # noqa: ANN401 - the library has no types
        self._book, self._columns = book, columns
        self._sheet = book.add_worksheet(CHANGES_SHEET)
        self._rows = 1
        formats = [*(data_validation.TEXT for _ in columns.ids), *map(data_validation.number_format, columns.rules)]
        formats += [data_validation.TEXT] * (len(columns.headings) - len(formats))
        self._plain = [book.add_format({"num_format": each}) for each in formats]
        self._grey = [book.add_format({"num_format": each, **_GREY}) for each in formats]
        self._lay_out()
        self._write_headings()

    def add(self, row: PulledRow) -> None:
        """Writes one record, every cell as text.

        Raises:
            InputError: the sheet is full.
        """
        if self._rows >= MOST_ROWS:
            raise InputError(f"A sheet can't hold more than {MOST_ROWS - 1:,} records.", "Use --format csv or --limit.")
        looks = self._grey if row.locked else self._plain
        write = self._sheet.write_string
        for place, cell in enumerate(self._columns.cells_of(row)):
            if cell:
                write(self._rows, place, cell, looks[place])
            elif row.locked:
                self._sheet.write_blank(self._rows, place, None, looks[place])
        if row.locked and self._rows <= MOST_NOTES:
            self._sheet.write_comment(self._rows, 0, f"Don't edit this row: {row.locked}.", {"x_scale": 2})
        self._rows += 1

    def add_lists(self) -> None:
        """Sets what each column's cells may hold; drop-downs that are too long go to a hidden sheet."""
        columns, target = self._columns, self._columns.target
        lists: dict[int, list[str]] = {}
        for place, name in enumerate(columns.ids):
            self._allow(place, data_validation.validation_of_id(name, target.id[name]))
        for place, (name, rule) in enumerate(zip(columns.fields, columns.rules, strict=True), len(columns.ids)):
            source: object = (offered := data_validation.choices(rule))
            if offered and not data_validation.fits_in_a_list(offered):
                lists[place] = offered
                source = f"={_LISTS}!${_letters(place)}$1:${_letters(place)}${len(offered)}"
            self._allow(place, data_validation.validation_of_field(name, rule, f"{_letters(place)}2", source))
        if lists:
            self._write_lists(lists)

    def _write_lists(self, lists: dict[int, list[str]]) -> None:
        sheet, text = self._book.add_worksheet(_LISTS), self._book.add_format({"num_format": data_validation.TEXT})
        for number in range(max(map(len, lists.values()))):  # row by row, as constant memory wants it
            for place, values in lists.items():
                if number < len(values):
                    sheet.write_string(number, place, values[number], text)
        sheet.hide()

    def _allow(self, place: int, validation: dict[str, Any]) -> None:
        self._sheet.data_validation(1, place, MOST_ROWS - 1, place, validation)

    def _lay_out(self) -> None:
        sheet, columns, target = self._sheet, self._columns, self._columns.target
        named = [(name, target.id[name]) for name in columns.ids]
        widths = [data_validation.width(name, rule) for name, rule in named]
        widths += [data_validation.width(name, rule) for name, rule in zip(columns.fields, columns.rules, strict=True)]
        for place, _ in enumerate(columns.headings):
            hidden = place >= len(columns.headings) - len(columns.hidden)
            wide = widths[place] if place < len(widths) else 46
            sheet.set_column(place, place, wide, self._plain[place], {"hidden": hidden})
        last = len(columns.headings) - 1
        sheet.freeze_panes(1, len(columns.ids))
        # Over all columns, for a sort that left the hidden ones out would give every record another's old values.
        sheet.autofilter(0, 0, MOST_ROWS - 1, last)
        sheet.ignore_errors({"number_stored_as_text": f"A2:{_letters(last)}{MOST_ROWS}"})
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_row(0, 24)

    def _write_headings(self) -> None:
        columns, target = self._columns, self._columns.target
        needed, optional, beside = map(self._book.add_format, (_NEEDED, _OPTIONAL, _BESIDE))
        notes = [data_validation.note_of_id(target.id[name]) for name in columns.ids]
        notes += map(data_validation.note_of_field, columns.rules)
        for place, heading in enumerate(columns.headings):
            own = place - len(columns.ids)
            if own < 0 or (own < len(columns.fields) and columns.rules[own].required):
                look = needed
            else:
                look = optional if own < len(columns.fields) else beside
            self._sheet.write_string(0, place, heading, look)
            if heading == LOCKED and own >= len(columns.fields):
                notes.append("Why a record must not be edited. A change in such a row is refused.")
            if place < len(notes):
                self._sheet.write_comment(0, place, notes[place], _size_of(notes[place]))


def _size_of(note: str) -> dict[str, float]:
    """How large a note must be to be read: one line holds about 45 characters in a box of double width."""
    lines = sum(1 + len(line) // 45 for line in note.split("\n"))
    return {"x_scale": 2.2, "y_scale": max(1.0, 0.25 * lines)}


def _letters(place: int) -> str:
    from xlsxwriter.utility import xl_col_to_name  # noqa: PLC0415 - only what is needed is loaded

    return str(xl_col_to_name(place))
