"""`results.xlsx`: what became of every row, for people: their own sheet with outcomes, the failures, and a summary."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from batchupdate.model import SUCCEEDED, Outcome
from batchupdate.reporter.atomic_write import replacing_workbook
from batchupdate.reporter.outcomes import NO_FAILURES
from batchupdate.reporter.results_csv import captured_texts
from batchupdate.reporter.results_summary_sheet import LOOKS, write_summary_sheet
from batchupdate.reporter.workbook import (
    HEADING,
    MOST_ROWS,
    OPTIONS,
    OUR_HEADING,
    TEXT,
    TOP,
    Widths,
    on_paper,
    write_text,
)
from batchupdate.spreadsheet.reserved_columns import (
    CHANGE,
    EXTRA,
    FAILURES_SHEET,
    FILE,
    REPLY,
    RESULTS_SHEET,
    SHEET_BACK,
    SHEET_FRONT,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.model import Line
    from batchupdate.reporter.summary import Summary

NAME = "results.xlsx"
WIDTHS = {
    "_outcome": 14,
    "_error": 60,
    FILE: 20,
    "_row": 8,
    CHANGE: 50,
    "_id": 38,
    "_http_status": 13,
    "_attempts": 11,
    "_request_id": 26,
    "_finished_at": 20,
    "_duration_ms": 14,
}
"""Of our columns, in characters; how wide the user's are, their file says, or what is in them."""
REPLY_WIDTH = 24
NARROW, NARROWER = 40, 16
"""Of errors and changes on the sheet of all rows, where the user's own columns are to be in view; of no errors."""
MOST_LINKS = 50_000
"""From the first failures to their rows; each takes half a kilobyte of memory, here and in Excel."""
LINE_HEIGHT, MOST_HEIGHT = 15, 150
"""In points. LibreOffice does not fit a row to its wrapped texts, so it is said how high each is."""
MOST_HEIGHTS = 50_000
"""Rows whose height is said; the library keeps each."""
_DAY, _EPOCH = 86_400, 25_569
"""Seconds of a day, and 1970 as a spreadsheet program counts days."""
_FIRST_DATE = datetime(1900, 3, 1)  # noqa: DTZ001 - cells have no time zone; before that, Excel counts a day too many
_ZERO_DATE = datetime(1899, 12, 30)  # noqa: DTZ001 - as above
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII).fullmatch
_DIGITS, _LONGEST = 15, 24


@dataclass(frozen=True, slots=True)
class Content:
    """What the sheets hold.

    `columns` are the input's headings, and `width` the most cells that any row has. `rows` gives all rows in input
    order, each with old → new of its fields as a text; `changes` is whether any of these is known. `look` is how the
    input's sheet looks: its `name`, the `others` of its workbook, and `widths` and `formats` of its columns. `replies`
    are the names of what is kept of replies.
    """

    columns: Sequence[str]
    width: int
    rows: Callable[[], Iterable[tuple[Line, str]]]
    changes: bool
    look: Mapping[str, Any]
    replies: Sequence[str] = ()


def write_results_xlsx(path: Path, summary: Summary, content: Content, notices: list[str] | None = None) -> list[Path]:
    """Writes the workbook, and more of them where a sheet can't hold all rows. Memory stays flat.

    Args:
        path: the first file to write; one that is there is replaced.
        summary: the run's figures.
        content: its rows.
        notices: gets a sentence if there are several files, or one had to take another name.

    Returns:
        The paths of the files.

    Raises:
        SafetyStop: a file can't be written.
    """
    import xlsxwriter  # noqa: PLC0415 - slow

    each = MOST_ROWS - 1
    count = max(1, -(-summary.rows // each))
    paths = [path, *(path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(2, count + 1))]
    said = ""
    if count > 1:
        to = "and" if count == 2 else "to"  # noqa: PLR2004 - both are named
        said = f"A sheet can't hold {summary.rows:,} rows: they stand in {path.name} {to} {paths[-1].name}."
    rows = iter(content.rows())
    for one in paths:
        with replacing_workbook(one, notices) as file, xlsxwriter.Workbook(file, OPTIONS) as book:
            book.set_properties({"title": summary.run_id, "created": _made_at(summary)})
            _write_book(book, summary, content, islice(rows, each), said)
    if said and notices is not None:
        notices.append(said)
    return paths


def _made_at(summary: Summary) -> datetime:
    """The end of the run, so that the same run gives the same file."""
    return datetime.fromtimestamp(summary.sessions.finished_at or summary.sessions.started_at or 0, UTC)


def _write_book(book: Any, summary: Summary, content: Content, rows: Iterator[tuple[Line, str]], said: str) -> None:  # noqa: ANN401 - the library has no types
    all_rows = _Rows(book, RESULTS_SHEET, summary, content)
    failures = _Rows(book, FAILURES_SHEET, summary, content)
    wanted = {(group.example_file, group.example_row) for group in summary.errors}
    examples: dict[tuple[str, int], int] = {}
    labels = summary.labels
    for line, change in rows:
        cells = from_json(line.cells)
        at = all_rows.write(line, cells, change)
        if line.outcome not in NO_FAILURES:
            failures.write(line, cells, change, link_to=at)
        if wanted and (place := (labels.file(line.number), labels.row(line.number))) in wanted:
            examples[place] = at
    failures.finish("No row failed." if not failures.count else "")
    all_rows.finish("")
    write_summary_sheet(book, summary, content.look, examples, said)


class _Rows:
    """A sheet of rows: some of our columns, then the input's own, then the others of ours."""

    def __init__(self, book: Any, name: str, summary: Summary, content: Content) -> None:  # noqa: ANN401 - as above
        self._sheet = book.add_worksheet(name)
        self._labels, self._replies = summary.labels, content.replies
        self._lists_failures = name == FAILURES_SHEET
        own = [*content.columns, *(f"{EXTRA}{number + 1}" for number in range(content.width - len(content.columns)))]
        front: list[str] = [*SHEET_FRONT, CHANGE] if content.changes else [*SHEET_FRONT]
        if self._labels.names:
            front.insert(front.index("_row"), FILE)
        self._front, self._back = len(front), len(front) + len(own)
        self._row, self._change = front.index("_row"), content.changes
        self.count = 0
        self._text = book.add_format(TEXT)
        self._number = book.add_format({**TOP, "align": "left"})
        self._place = book.add_format({**TOP, "align": "left", "indent": 1})
        self._time = book.add_format({**TOP, "num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"})
        self._long = book.add_format({**TEXT, "text_wrap": True}) if self._lists_failures else self._text
        self._link = book.add_format({**TOP, "align": "left", "indent": 1, "underline": 1, "font_color": "#0563C1"})
        self._looks = {
            outcome.value: book.add_format({**TOP, "bg_color": look.back, "font_color": look.text})
            for outcome, look in LOOKS.items()
        }
        self._formats = self._column_formats(book, content)
        self._widths = Widths(own)
        self._write_headings(book, front, own)
        self._set_widths(front, content, any(count for one, count in summary.counts.items() if one not in SUCCEEDED))

    def _write_headings(self, book: Any, front: Sequence[str], own: Sequence[str]) -> None:  # noqa: ANN401 - as above
        ours, users = book.add_format(OUR_HEADING), book.add_format(HEADING)
        back = [*SHEET_BACK, *(f"{REPLY}{name}" for name in self._replies)]
        self._headings = [*front, *own, *back]
        numbers = book.add_format({**HEADING, "align": "right"})
        for place, heading in enumerate(self._headings):
            look = ours
            if self._front <= place < self._back:
                look = numbers if self._formats[place - self._front] else users
            write_text(self._sheet, 0, place, heading, look)
        self._sheet.freeze_panes(1, 1)
        on_paper(self._sheet)
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})

    def _set_widths(self, front: Sequence[str], content: Content, some_failed: bool) -> None:  # noqa: FBT001 - private
        for place, heading in enumerate(front):
            width = WIDTHS[heading] if self._lists_failures else min(WIDTHS[heading], NARROW)
            if heading == "_error" and not (some_failed or self._lists_failures):
                width = NARROWER
            self._sheet.set_column(place, place, width)
        for place, heading in enumerate(self._headings[self._back :], self._back):
            self._sheet.set_column(place, place, WIDTHS.get(heading, REPLY_WIDTH))
        known = content.look.get("widths") or []
        self._known_widths = known if len(known) == len(content.columns) else []

    @staticmethod
    def _column_formats(book: Any, content: Content) -> list[tuple[Callable[[str], float | None], Any] | None]:  # noqa: ANN401 - as above
        """For each column of the input what makes a number of its texts, and the format; None for texts."""
        formats = content.look.get("formats") or []
        made: list[tuple[Callable[[str], float | None], Any] | None] = [None] * content.width
        for place, one in enumerate(formats if len(formats) == len(content.columns) else ()):
            if one is not None and place < content.width:
                read = _date if one["date"] else _number
                made[place] = (read, book.add_format({**TOP, "num_format": one["code"]}))
        return made

    def write(self, line: Line, cells: Sequence[str], change: str, link_to: int | None = None) -> int:
        """Writes one row; returns its number on the sheet, from 1.

        Args:
            line: what became of it.
            cells: as typed.
            change: old → new of its fields.
            link_to: the number of the same row on the sheet of all rows.
        """
        self.count += 1
        at, sheet, row = self.count, self._sheet, self._labels.row(line.number)
        if link_to is not None:
            self._fit(at, line.error, change)
        sheet.write_string(at, 0, line.outcome, self._looks[line.outcome])
        write_text(sheet, at, 1, line.error, self._long)
        if self._labels.names:
            write_text(sheet, at, self._row - 1, self._labels.file(line.number), self._text)
        if link_to is not None and at <= MOST_LINKS:
            sheet.write_url(at, self._row, f"internal:'{RESULTS_SHEET}'!A{link_to}", self._link, str(row))
            sheet.write_number(at, self._row, row, self._link)  # so that it is sorted as a number
        else:
            sheet.write_number(at, self._row, row, self._place)
        if self._change:
            write_text(sheet, at, self._row + 1, change, self._long)
        self._write_cells(at, cells)
        self._write_back(at, line)
        return at + 1

    def _write_cells(self, at: int, cells: Sequence[str]) -> None:
        sheet, first, text = self._sheet, self._front, self._text
        self._widths.look_at(cells)
        for place, cell in enumerate(cells):
            if not cell:
                continue
            known = self._formats[place]
            if known is not None and (number := known[0](cell)) is not None:
                sheet.write_number(at, first + place, number, known[1])
            else:
                write_text(sheet, at, first + place, cell, text)

    def _write_back(self, at: int, line: Line) -> None:
        sheet, place = self._sheet, self._back
        write_text(sheet, at, place, line.record_id, self._text)
        if line.http_status is not None:
            sheet.write_number(at, place + 1, line.http_status, self._number)
        sheet.write_number(at, place + 2, line.attempts, self._number)
        write_text(sheet, at, place + 3, line.request_id, self._text)
        if line.finished_at is not None:
            sheet.write_number(at, place + 4, line.finished_at / _DAY + _EPOCH, self._time)
        if line.duration_ms is not None:
            sheet.write_number(at, place + 5, line.duration_ms, self._number)
        if self._replies:
            for column, text in enumerate(captured_texts(line, self._replies), place + len(SHEET_BACK)):
                write_text(sheet, at, column, text, self._text)

    def _fit(self, at: int, error: str, change: str) -> None:
        """Makes a row as high as its wrapped texts."""
        lines = max(1 + len(error) // (WIDTHS["_error"] + 2), 1 + len(change) // (WIDTHS[CHANGE] + 2))
        if lines > 1 and at <= MOST_HEIGHTS:
            self._sheet.set_row(at, min(LINE_HEIGHT * lines, MOST_HEIGHT))

    def finish(self, said: str) -> None:
        """Sets what is known once all rows are written; `said` stands in the place of rows if there are none."""
        if said:
            self._sheet.write_string(1, 0, said)
        self._sheet.autofilter(0, 0, max(self.count, 1), len(self._headings) - 1)
        self._sheet.print_area(0, 0, max(self.count, 1), max(self._back - 1, 0))  # the others make it too small to read
        self._widths.set_on(self._sheet, self._front)
        for place, width in enumerate(self._known_widths, self._front):
            if width:
                self._sheet.set_column(place, place, width)
        if self._lists_failures and self.count:
            self._sheet.set_tab_color(LOOKS[Outcome.FAILED].text)


def _number(text: str) -> float | None:
    """A number that stays the same text, as far as the program keeps its digits that reads it."""
    if len(text) > _LONGEST or not _NUMBER(text):
        return None
    number = float(text)
    if "." in text:  # the library writes 16 digits
        same = text == repr(number) and float(f"{number:.16g}") == number
        return number if same and not number.is_integer() else None
    return number if len(text.lstrip("-")) <= _DIGITS and text != "-0" else None


def _date(text: str) -> float | None:
    """A date, with a time or without, as a spreadsheet program counts days."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is None and found >= _FIRST_DATE:
            return (found - _ZERO_DATE).total_seconds() / _DAY
    return None
