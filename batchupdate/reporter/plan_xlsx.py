"""`plan.xlsx`: a plan for people: old and new side by side, what needs somebody's attention first, and a summary."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.model import SENT_STATES, PlanState
from batchupdate.reporter.atomic_write import replacing_workbook
from batchupdate.reporter.plan_rows import old_values
from batchupdate.reporter.plan_values import BLANK, NOT_KNOWN, in_words, value_of
from batchupdate.reporter.results_csv import iso
from batchupdate.reporter.workbook import (
    BAD,
    GOOD,
    HEADING,
    MOST_CHARACTERS,
    MOST_ROWS,
    NEUTRAL,
    OPTIONS,
    TEXT,
    TOP,
    on_paper,
    write_text,
)
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchupdate.model import FieldChange, PlannedRow, RowLabels
    from batchupdate.reporter.plan_rows import EqualChange
    from batchupdate.reporter.plan_summary import Plan

PLAN, SUMMARY = "plan", "summary"
"""The names of the two sheets."""
COLUMNS = {"row": 8, "id": 46, "what": 14, "field": 18, "old": 42, "new": 42, "why": 70}
"""With their widths in characters; where there are several files, each row's file stands before it."""
FILE_WIDTH = 24
LINE_HEIGHT, MOST_HEIGHT = 15, 150
"""In points. LibreOffice does not fit a row to its wrapped texts, so it is said how high each is."""
SHARE_FILLED = 1.05
"""Of a line: a column's width counts digits, and most letters are narrower, but texts are broken at words."""
_WIDTHS = [COLUMNS[name] for name in ("id", "old", "new", "why")]
ONLY_BLANKS = "only white space differs"
WORDS = {
    PlanState.CHANGE: "change",
    PlanState.CREATE: "create",
    PlanState.UNKNOWN: "send",
    PlanState.UNCHANGED: "unchanged",
    PlanState.CONFLICT: "conflict",
    PlanState.NOT_THERE: "not there",
    PlanState.UNREADABLE: "can't be read",
    PlanState.INVALID: "invalid",
}
_MEANINGS = {
    PlanState.CHANGE: "rows whose records change",
    PlanState.CREATE: "rows that make a new record",
    PlanState.UNKNOWN: "rows that are sent, although nothing says what their records hold now",
    PlanState.UNCHANGED: "rows whose records have these values already; nothing is sent",
    PlanState.CONFLICT: "rows whose records are not as the file expects; nothing is sent",
    PlanState.NOT_THERE: "rows without a record; nothing is sent",
    PlanState.UNREADABLE: "rows whose records can't be read; nothing is sent",
    PlanState.INVALID: "rows that break a rule; nothing is sent",
}
_TEXT = {**TEXT, "text_wrap": True}
_WORD = {"italic": True, "font_color": "#595959"}


@contextmanager
def plan_workbook(path: Path, plan: Plan, notices: list[str], *, hint: str = "") -> Iterator[PlanSheet]:
    """A workbook with a line for every field that changes, and for every row of which nothing is sent.

    Memory stays flat: lines are written as they come.

    Args:
        path: the file to write; one that is there is replaced.
        plan: its figures, which are looked at when all lines are written.
        notices: gets a sentence if the sheet can't hold all lines, or the file had to take another name.
        hint: what to do if the file can't be written.

    Yields:
        The sheet that rows are added to: what needs attention first, then what is sent.

    Raises:
        SafetyStop: the file can't be written.
    """
    import xlsxwriter  # noqa: PLC0415 - slow

    with (
        replacing_workbook(path, notices, hint=hint) as file,
        xlsxwriter.Workbook(file, OPTIONS) as book,
    ):
        sheet = PlanSheet(book, plan.labels)
        yield sheet
        sheet.end(notices)
        _write_summary(book, plan)


class PlanSheet:
    """The sheet of lines.

    Args:
        book: where it is made.
        labels: how rows are called.
    """

    def __init__(self, book: Any, labels: RowLabels) -> None:  # noqa: ANN401 - the library has no types
        self._sheet, self._labels = book.add_worksheet(PLAN), labels
        self._file = bool(labels.names)
        self._top = book.add_format({**TOP, "align": "left"})
        self._text = book.add_format(_TEXT)
        self._heading = book.add_format(HEADING)
        self._old, self._new = _Looks(book, NEUTRAL), _Looks(book, GOOD)
        self._bad_cell, self._bad = _Looks(book, BAD), book.add_format({**TOP, "bg_color": BAD})
        self._last, self._full = 0, False
        self._columns = ({"file": FILE_WIDTH} if self._file else {}) | COLUMNS
        for place, (heading, width) in enumerate(self._columns.items()):
            self._sheet.write_string(0, place, heading, self._heading)
            self._sheet.set_column(place, place, width)
        self._sheet.freeze_panes(1, 0)
        on_paper(self._sheet)

    def add(self, row: PlannedRow) -> None:
        """Writes the lines of one row, as long as there is room."""
        for change in row.changes or (None,):
            if self._full or self._last + 1 >= MOST_ROWS - 1:
                self._full = True
                return
            self._last += 1
            self._write(self._last, row, change)

    def end(self, notices: list[str]) -> None:
        """Makes the lines a table, and says if there was no room for all of them."""
        last = self._last
        if self._full:
            notice = f"{PLAN}.xlsx ends here, after {last:,} lines: a sheet can't hold more. plan.csv has all of them."
            self._sheet.write_string(last + 1, 0, notice, self._heading)
            notices.append(notice)
        self._sheet.autofilter(0, 0, last, len(self._columns) - 1)

    def _write(self, at: int, row: PlannedRow, change: FieldChange | None) -> None:
        sheet, labels = self._sheet, self._labels
        bad = row.state not in SENT_STATES
        old, new, why = "", "", row.message
        if change is not None:
            old, new = in_words(change), value_of(change.new)
            if not why and old != new and old.split() == new.split():
                why = ONLY_BLANKS
        place = 0
        height = LINE_HEIGHT * max(map(_lines, (row.record_id, old, new, why), _WIDTHS))
        if height > LINE_HEIGHT:  # the library keeps each height that is set
            sheet.set_row(at, min(height, MOST_HEIGHT))
        if self._file:
            sheet.write_string(at, 0, labels.file(row.key)[:MOST_CHARACTERS], self._top)
            place = 1
        sheet.write_number(at, place, labels.row(row.key), self._top)
        write_text(sheet, at, place + 1, row.record_id, self._text)
        sheet.write_string(at, place + 2, WORDS[row.state], self._bad if bad else self._top)
        if change is not None:
            before, after = (self._bad_cell, self._bad_cell) if bad else (self._old, self._new)
            write_text(sheet, at, place + 3, change.name, self._text)
            write_text(sheet, at, place + 4, old, before.of(change.old, known=change.known and not change.absent))
            write_text(sheet, at, place + 5, new, after.of(change.new))
        write_text(sheet, at, place + 6, why, self._text)


class _Looks:
    """The looks of a coloured cell: of a text, and of a word that stands for what is no text."""

    def __init__(self, book: Any, colour: str) -> None:  # noqa: ANN401 - the library has no types
        self._text = book.add_format({**_TEXT, "bg_color": colour})
        self._word = book.add_format({**_TEXT, **_WORD, "bg_color": colour})

    def of(self, value: object, *, known: bool = True) -> object:
        """How a value looks."""
        return self._text if known and isinstance(value, str) and value else self._word


def _write_summary(book: Any, plan: Plan) -> None:  # noqa: ANN401 - the library has no types
    """A second sheet: what was planned, what it comes to, and how to go on."""
    sheet = book.add_worksheet(SUMMARY)
    bold, text = book.add_format({**TOP, "bold": True}), book.add_format(_TEXT)
    heading, number = book.add_format(HEADING), book.add_format({**TOP, "num_format": "#,##0", "align": "left"})
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 90)
    on_paper(sheet, header=False)
    command = f"batchupdate run --plan {shlex.quote(str(plan.folder))}"
    facts: list[tuple[str, str]] = [
        ("plan", plan.plan_id),
        ("input", plan.input_path),
        ("target", plan.target),
        ("sends to", plan.base_url),
        ("made", iso(plan.made_at)),
        ("to send exactly this", command if plan.to_send else "nothing is to be sent"),
        *(("", notice) for notice in plan.notices),
    ]
    at = 0
    for name, fact in facts:
        sheet.write_string(at, 0, name, bold)
        write_text(sheet, at, 1, fact, text)
        at += 1
    for title, lines in (
        ("rows", [(plan.counts[state], f"{WORDS[state]}: {_MEANINGS[state]}") for state in PlanState]),
        ("fields that change", [(count, name) for name, count in plan.fields.most_common()]),
        ("fields that are cleared", [(count, name) for name, count in plan.cleared.most_common()]),
        ("equal changes", [(one.rows, _equal(one)) for one in plan.equal]),
    ):
        if any(count for count, _ in lines):
            sheet.write_string(at + 1, 0, title, heading)
            sheet.write_string(at + 1, 1, "", heading)
            for at, (count, said) in enumerate((line for line in lines if line[0]), at + 2):  # noqa: B020 - goes on from there
                sheet.write_number(at, 0, count, number)
                write_text(sheet, at, 1, said, text)
            at += 1


def _equal(one: EqualChange) -> str:
    if one.old is None:
        old = old_values(one.values)
    elif one.old in {"", NOT_KNOWN}:
        old = one.old or BLANK
    else:
        old = _quoted(exact_json.loads(one.old))
    return f"{one.name}: {old} → {_quoted(exact_json.loads(one.new))}"


def _quoted(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) and value else value_of(value)


def _lines(text: str, width: int) -> int:
    """How many lines a text takes in a column of a width."""
    if len(text) <= width and "\n" not in text:  # nearly always
        return 1
    return sum(1 + int(len(line) / (SHARE_FILLED * width)) for line in text[:MOST_CHARACTERS].split("\n"))
