"""The last sheet of `results.xlsx`: what the run came to, in figures, in a chart, and in its most frequent errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.model import Outcome
from batchupdate.reporter.outcomes import MEANINGS
from batchupdate.reporter.results_csv import iso
from batchupdate.reporter.workbook import A4, HEADING, TEXT, TOP, write_text
from batchupdate.spreadsheet.reserved_columns import RESULTS_SHEET, SUMMARY_SHEET
from batchupdate.util.text import listed, quoted
from batchupdate.util.units import span, three_digits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchupdate.reporter.summary import Summary


class Look(NamedTuple):
    """The colours of an outcome: of its cell and of the text there, and of its bar in the chart."""

    back: str
    text: str
    bar: str


LOOKS = {
    Outcome.UPDATED: Look("#C6EFCE", "#006100", "#548235"),
    Outcome.ACCEPTED: Look("#DDEBF7", "#1F4E78", "#2E75B6"),
    Outcome.UNCHANGED: Look("#EDEDED", "#404040", "#A6A6A6"),
    Outcome.INVALID: Look("#FFC7CE", "#9C0006", "#E06666"),
    Outcome.CONFLICT: Look("#FFEB9C", "#7F4F00", "#E2A400"),
    Outcome.FAILED: Look("#FFC7CE", "#9C0006", "#C00000"),
    Outcome.UNKNOWN: Look("#F8CBAD", "#833C0B", "#ED7D31"),
    Outcome.NOT_ATTEMPTED: Look("#D9D9D9", "#404040", "#7F7F7F"),
}
"""Each text stands out from its cell by a contrast of 5 or more (WCAG 2.2 asks for 4.5)."""
WIDTHS = (20, 12, 12, 70)
FACT_WIDTH = sum(WIDTHS[1:])
LINE_HEIGHT = 15
ERROR_WIDTH = 90
"""Of an error, in characters: a column counts digits, and most letters are narrower."""
_INDENTED = {**TEXT, "align": "left", "indent": 1}


def write_summary_sheet(
    book: Any,  # noqa: ANN401 - the library has no types
    summary: Summary,
    look: Mapping[str, Any],
    examples: Mapping[tuple[str, int], int],
    said: str,
) -> None:
    """Adds the sheet.

    Args:
        book: the workbook.
        summary: the figures.
        look: the `name` of the sheet that was read, and the `others` of its workbook.
        examples: where an error's first row stands on the sheet of all rows, by its file and number.
        said: a sentence about the workbook itself.
    """
    sheet = book.add_worksheet(SUMMARY_SHEET)
    for place, width in enumerate(WIDTHS):
        sheet.set_column(place, place, width)
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 1)
    sheet.hide_gridlines(2)
    at = _write_facts(book, sheet, _facts(summary, look, said))
    at = _write_counts(book, sheet, summary, at + 1)
    _write_errors(book, sheet, summary, examples, at + 1)


def _facts(summary: Summary, look: Mapping[str, Any], said: str) -> Iterable[tuple[str, str]]:
    sessions, traffic = summary.sessions, summary.sessions.traffic
    yield "run", summary.run_id
    yield "input", summary.input_path
    if name := look.get("name"):
        others = [quoted(one) for one in look.get("others") or []]
        rest = f"; not read: {listed(others)}" if others else ""
        yield "sheet", f"{quoted(name)}{rest}"
    yield "target", summary.target
    if sessions.started_at is not None:
        yield "started", _time(sessions.started_at)
    if sessions.finished_at is not None:
        yield "finished", _time(sessions.finished_at)
        yield "at work", span(sessions.duration_s)
    slowed = f", {traffic.throttled:,} answered with 'slow down'" if traffic.throttled else ""
    repeats = (
        f", {traffic.retried:,} of them {'a repeat' if traffic.retried == 1 else 'repeats'}" if traffic.retried else ""
    )
    yield "requests", f"{traffic.sent:,}{repeats}{slowed}"
    allowed = f"; the API let in {three_digits(traffic.allowed_per_s)}/s" if traffic.allowed_per_s else ""
    yield "rate", f"{three_digits(summary.achieved_per_s)} requests/s{allowed}"
    if summary.stopped:
        yield "stopped", summary.stopped.message
    if said:
        yield "files", said
    yield "folder", str(summary.folder)


def _time(seconds: float) -> str:
    return f"{iso(seconds)[:19].replace('T', ' ')} UTC"


def _write_facts(book: Any, sheet: Any, facts: Iterable[tuple[str, str]]) -> int:  # noqa: ANN401 - as above
    bold, wrapped = book.add_format({**TOP, "bold": True}), book.add_format({**TEXT, "text_wrap": True})
    at = -1
    for at, (name, fact) in enumerate(facts):
        sheet.set_row(at, LINE_HEIGHT * (1 + len(fact) // FACT_WIDTH))
        sheet.write_string(at, 0, name, bold)
        sheet.merge_range(at, 1, at, len(WIDTHS) - 1, "", wrapped)
        write_text(sheet, at, 1, fact, wrapped)
    return at + 1


def _write_counts(book: Any, sheet: Any, summary: Summary, at: int) -> int:  # noqa: ANN401 - as above
    """The outcomes that there are, and a chart of them below."""
    heading = book.add_format(HEADING)
    number, share = (book.add_format({**TOP, "num_format": code}) for code in ("#,##0", "0.0 %"))
    text, bold = book.add_format(_INDENTED), book.add_format({**TOP, "num_format": "#,##0", "bold": True, "top": 1})
    right, indented = book.add_format({**HEADING, "align": "right"}), book.add_format({**HEADING, "indent": 1})
    looks = (heading, right, right, indented)
    for place, name in enumerate(("outcome", "rows", "share", "meaning")):
        sheet.write_string(at, place, name, looks[place])
    there = [(outcome, count) for outcome, count in summary.counts.items() if count]
    first = at + 1
    for row, (outcome, count) in enumerate(there, first):
        look = LOOKS[outcome]
        colours = book.add_format({**TOP, "bg_color": look.back, "font_color": look.text})
        sheet.write_string(row, 0, outcome.value, colours)
        sheet.write_number(row, 1, count, number)
        sheet.write_number(row, 2, count / summary.rows, share)
        sheet.write_string(row, 3, MEANINGS[outcome], text)
    last = first + len(there)
    for place in range(len(WIDTHS)):
        sheet.write_blank(last, place, None, bold)
    sheet.write_string(last, 0, "all", bold)
    sheet.write_number(last, 1, summary.rows, bold)
    if not there:
        return last + 1
    return _write_chart(book, sheet, there, first)


def _write_chart(book: Any, sheet: Any, there: list[tuple[Outcome, int]], first: int) -> int:  # noqa: ANN401 - as above
    last = first + len(there) - 1
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": "rows",
            "categories": [SUMMARY_SHEET, first, 0, last, 0],
            "values": [SUMMARY_SHEET, first, 1, last, 1],
            "points": [{"fill": {"color": LOOKS[outcome].bar}} for outcome, _ in there],
            "data_labels": {"value": True, "num_format": "#,##0"},
            "gap": 60,
        }
    )
    chart.set_title({"name": "Rows by outcome", "name_font": {"size": 12}})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True})
    chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
    height = 80 + 32 * len(there)
    chart.set_size({"width": 800, "height": height})
    sheet.insert_chart(last + 3, 0, chart, {"description": "Rows by outcome", "object_position": 1})
    return last + 3 + -(-height // 20)


def _write_errors(
    book: Any,  # noqa: ANN401 - as above
    sheet: Any,  # noqa: ANN401 - as above
    summary: Summary,
    examples: Mapping[tuple[str, int], int],
    at: int,
) -> None:
    """The most frequent errors, each with a link to its first row."""
    if not summary.errors:
        return
    heading, wrapped = book.add_format(HEADING), book.add_format({**_INDENTED, "text_wrap": True})
    right, indented = book.add_format({**HEADING, "align": "right"}), book.add_format({**HEADING, "indent": 1})
    number = book.add_format({**TOP, "num_format": "#,##0"})
    link = book.add_format({**TOP, "underline": 1, "font_color": "#0563C1"})
    sheet.write_string(at, 0, "first row", heading)
    sheet.write_string(at, 1, "rows", right)
    sheet.write_string(at, 2, "error, and what to do", indented)
    sheet.write_blank(at, 3, None, heading)
    for line, group in enumerate(summary.errors, at + 1):
        error = f"{group.message}: {group.way_out}" if group.way_out else group.message
        sheet.set_row(line, LINE_HEIGHT * (1 + len(error) // ERROR_WIDTH))
        place = f"{group.example_file} row {group.example_row}" if group.example_file else f"row {group.example_row}"
        row = examples.get((group.example_file, group.example_row))
        if row is None:
            write_text(sheet, line, 0, place, wrapped)
        else:
            sheet.write_url(line, 0, f"internal:'{RESULTS_SHEET}'!A{row}", link, place)
        sheet.write_number(line, 1, group.count, number)
        sheet.merge_range(line, 2, line, 3, "", wrapped)
        write_text(sheet, line, 2, error, wrapped)
