"""`plan.xlsx`: a plan for people: old and new side by side, what needs somebody's attention first, and a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchupdate.model import FINE_STATES, SENT_STATES, PlanState
from batchupdate.reporter.atomic_write import replacing_workbook
from batchupdate.reporter.plan_values import BLANK, NOT_KNOWN, in_words, value_of
from batchupdate.reporter.results_csv import iso
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from batchupdate.model import FieldChange, PlannedRow
    from batchupdate.reporter.plan_rows import EqualChange
    from batchupdate.reporter.plan_summary import Plan

MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767
"""Excel's own limits of a sheet and of a cell."""
PLAN, SUMMARY = "plan", "summary"
"""The names of the two sheets."""
COLUMNS = {"row": 8, "id": 46, "what": 14, "field": 18, "old": 42, "new": 42, "why": 70}
"""With their widths in characters; where there are several files, each row's file stands before it."""
FILE_WIDTH = 24
LINE_HEIGHT, MOST_HEIGHT = 15, 150
"""In points. LibreOffice does not fit a row to its wrapped texts, so it is said how high each is."""
SHARE_FILLED = 1.05
"""Of a line: a column's width counts digits, and most letters are narrower, but texts are broken at words."""
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
# The colours that Excel itself uses for bad, good and neutral.
_BAD, _GOOD, _NEUTRAL = "#FFC7CE", "#C6EFCE", "#FFEB9C"
_TOP = {"valign": "top"}
_TEXT = {**_TOP, "num_format": "@", "text_wrap": True}
_HEADING = {"bold": True, "bottom": 1, "bg_color": "#F2F2F2"}
_WORD = {"italic": True, "font_color": "#595959"}


def write_plan_xlsx(
    path: Path, plan: Plan, rows: Callable[[], Iterable[PlannedRow]], notices: list[str] | None = None
) -> None:
    """Writes a workbook with a line for every field that changes, and for every row of which nothing is sent.

    Rows that are unchanged are only counted. Memory stays flat: lines are written as they come.

    Args:
        path: the file to write; one that is there is replaced.
        plan: its figures.
        rows: gives all rows in input order, whenever it is called: once for the conflicts, the other problems and what
            is sent, as far as there are any.
        notices: gets a sentence if the sheet can't hold all lines, or the file had to take another name.

    Raises:
        SafetyStop: the file can't be written.
    """
    import xlsxwriter  # noqa: PLC0415 - slow

    own: list[str] = []
    with (
        replacing_workbook(path, notices) as file,
        xlsxwriter.Workbook(
            file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        ) as book,
    ):
        sheet = book.add_worksheet(PLAN)
        _Lines(book, sheet, plan).write(rows, own)
        _write_summary(book, plan, own)
    if notices is not None:
        notices.extend(own)


class _Lines:
    """Writes the sheet of lines."""

    def __init__(self, book: Any, sheet: Any, plan: Plan) -> None:  # noqa: ANN401 - the library has no types
        self._sheet, self._plan = sheet, plan
        self._file = bool(plan.labels.names)
        self._top = book.add_format({**_TOP, "align": "left"})
        self._text = book.add_format(_TEXT)
        self._heading = book.add_format(_HEADING)
        self._old, self._new = _Looks(book, _NEUTRAL), _Looks(book, _GOOD)
        self._bad_cell, self._bad = _Looks(book, _BAD), book.add_format({**_TOP, "bg_color": _BAD})

    def write(self, rows: Callable[[], Iterable[PlannedRow]], notices: list[str]) -> None:
        """Writes headings and lines; what needs attention stands first."""
        columns = ({"file": FILE_WIDTH} if self._file else {}) | COLUMNS
        for place, (heading, width) in enumerate(columns.items()):
            self._sheet.write_string(0, place, heading, self._heading)
            self._sheet.set_column(place, place, width)
        self._sheet.freeze_panes(1, 0)
        self._sheet.repeat_rows(0)
        self._sheet.set_landscape()
        self._sheet.set_paper(9)  # A4
        self._sheet.fit_to_pages(1, 0)
        last, full = 0, False
        for row, change in self._in_order(rows):
            if full := last + 1 >= MOST_ROWS - 1:
                break
            last += 1
            self._write(last, row, change)
        if full:
            notice = f"{PLAN}.xlsx ends here, after {last:,} lines: a sheet can't hold more. plan.csv has all of them."
            self._sheet.write_string(last + 1, 0, notice, self._heading)
            notices.append(notice)
        self._sheet.autofilter(0, 0, last, len(columns) - 1)

    def _in_order(self, rows: Callable[[], Iterable[PlannedRow]]) -> Iterator[tuple[PlannedRow, FieldChange | None]]:
        conflicts = {PlanState.CONFLICT}
        for states in (conflicts, set(PlanState) - FINE_STATES - conflicts, SENT_STATES):
            if any(self._plan.counts[state] for state in states):
                for row in rows():
                    if row.state in states:
                        for change in row.changes or (None,):
                            yield row, change

    def _write(self, at: int, row: PlannedRow, change: FieldChange | None) -> None:
        sheet, labels = self._sheet, self._plan.labels
        bad = row.state not in SENT_STATES
        old, new, why = "", "", row.message
        if change is not None:
            old, new = in_words(change), value_of(change.new)
            if not why and old != new and old.split() == new.split():
                why = ONLY_BLANKS
        place = 0
        height = _height({"id": row.record_id, "old": old, "new": new, "why": why})
        if height > LINE_HEIGHT:  # the library keeps each height that is set
            sheet.set_row(at, height)
        if self._file:
            sheet.write_string(at, 0, labels.file(row.key)[:MOST_CHARACTERS], self._top)
            place = 1
        sheet.write_number(at, place, labels.row(row.key), self._top)
        _text(sheet, at, place + 1, row.record_id, self._text)
        sheet.write_string(at, place + 2, WORDS[row.state], self._bad if bad else self._top)
        if change is not None:
            before, after = (self._bad_cell, self._bad_cell) if bad else (self._old, self._new)
            _text(sheet, at, place + 3, change.name, self._text)
            _text(sheet, at, place + 4, old, before.of(change.old, known=change.known and not change.absent))
            _text(sheet, at, place + 5, new, after.of(change.new))
        _text(sheet, at, place + 6, why, self._text)


class _Looks:
    """The looks of a coloured cell: of a text, and of a word that stands for what is no text."""

    def __init__(self, book: Any, colour: str) -> None:  # noqa: ANN401 - the library has no types
        self._text = book.add_format({**_TEXT, "bg_color": colour})
        self._word = book.add_format({**_TEXT, **_WORD, "bg_color": colour})

    def of(self, value: object, *, known: bool = True) -> object:
        """How a value looks."""
        return self._text if known and isinstance(value, str) and value else self._word


def _write_summary(book: Any, plan: Plan, notices: Sequence[str]) -> None:  # noqa: ANN401 - the library has no types
    """A second sheet: what was planned, what it comes to, and how to go on."""
    sheet = book.add_worksheet(SUMMARY)
    bold, text = book.add_format({**_TOP, "bold": True}), book.add_format(_TEXT)
    heading, number = book.add_format(_HEADING), book.add_format({**_TOP, "num_format": "#,##0", "align": "left"})
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 90)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    facts: list[tuple[str, str]] = [
        ("plan", plan.plan_id),
        ("input", plan.input_path),
        ("target", plan.target),
        ("sends to", plan.base_url),
        ("made", iso(plan.made_at)),
        ("to send exactly this", f"batchupdate run --plan {plan.folder}" if plan.to_send else "nothing is to be sent"),
        *(("", notice) for notice in [*plan.notices, *notices]),
    ]
    at = 0
    for name, fact in facts:
        sheet.write_string(at, 0, name, bold)
        _text(sheet, at, 1, fact, text)
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
                _text(sheet, at, 1, said, text)
            at += 1


def _equal(one: EqualChange) -> str:
    old = one.old or BLANK
    if one.old not in {"", NOT_KNOWN}:
        old = _quoted(exact_json.loads(one.old))
    return f"{one.name}: {old} → {_quoted(exact_json.loads(one.new))}"


def _quoted(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) and value else value_of(value)


def _height(cells: dict[str, str]) -> int:
    """How high a row has to be for its texts."""
    lines = [
        sum(1 + int(len(line) / (SHARE_FILLED * COLUMNS[name])) for line in text[:MOST_CHARACTERS].split("\n"))
        for name, text in cells.items()
    ]
    return min(LINE_HEIGHT * max(lines), MOST_HEIGHT)


def _text(sheet: Any, at: int, place: int, text: str, look: object) -> None:  # noqa: ANN401 - the library has no types
    """A text as a text, whatever it looks like; cut with an ellipsis at Excel's limit, which counts UTF-16 units."""
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MOST_CHARACTERS:
        half = text.encode("utf-16-le", "surrogatepass")[: 2 * (MOST_CHARACTERS - 1)]
        text = half.decode("utf-16-le", "ignore") + "…"
    if text:
        sheet.write_string(at, place, text, look)
