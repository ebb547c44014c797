"""A copy of an input as a workbook, in which the cells that `check` finds something in are coloured and noted."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Any

from batchupdate.errors import InputError
from batchupdate.model import Level
from batchupdate.reporter.workbook import MOST_CHARACTERS, MOST_ROWS, Widths
from batchupdate.spreadsheet.reserved_columns import COPY_SHEET, PROBLEMS_SHEET
from batchupdate.spreadsheet.xlsx_file import workbook_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from batchupdate.model import Problem, Row

MOST_NOTES = 20_000
"""Of so many rows, problems are noted; each note costs about a kilobyte, here and in Excel."""
SHOWN = 400
MOST_LINKS = 65_530
"""Excel's own limit of links on a sheet."""
MESSAGE_WIDTH, LINE_HEIGHT = 75, 15
"""Of a problem's sentence, in characters and points."""
# The colours that Excel itself uses for bad and neutral.
_LOOKS: dict[Level | None, dict[str, str]] = {
    None: {},
    Level.ERROR: {"bg_color": "#FFC7CE"},
    Level.WARNING: {"bg_color": "#FFEB9C"},
}


def write_annotated(
    path: Path,
    columns: Sequence[str],
    header_row: int,
    batches: Iterable[Sequence[Row]],
    problems: Mapping[int, Sequence[Problem]],
    redact: Callable[[str], str],
) -> None:
    """Writes the copy: every cell as text, in its own row; a row whose problem has no cell has it at its first one.

    A second sheet lists the problems.

    Args:
        path: the workbook to write; one that is there is replaced.
        columns: the headings.
        header_row: their row's number.
        batches: the rows, in order.
        problems: by row.
        redact: takes secrets out of a text.

    Raises:
        InputError: the path can't be written, or the input has more rows than a sheet.
    """
    import xlsxwriter  # noqa: PLC0415 - slow

    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.touch(mode=0o600)  # where this fails, XlsxWriter would leave files of its own open
        with workbook_file(beside) as file, xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
            sheet = book.add_worksheet(COPY_SHEET)
            styles = {level: book.add_format({"num_format": "@", **look}) for level, look in _LOOKS.items()}
            headings = [redact(heading) for heading in columns]
            if header_row:  # in JSON Lines, there is no row for them
                _write_headings(book, sheet, header_row - 1, headings)
            widths = Widths(headings)
            for row in chain.from_iterable(batches):
                if row.number > MOST_ROWS:
                    raise InputError(
                        f"A sheet can't hold more than {MOST_ROWS:,} rows.", "Use --limit, or split the file."
                    )
                notes = _notes(problems.get(row.number, ()), columns)
                cells = list(map(redact, row.cells))
                widths.look_at(cells)
                _write_row(sheet, row.number - 1, cells, notes, styles)
            widths.set_on(sheet)
            _list_problems(book, problems, columns)
        beside.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} can't be written: {error.strerror or error}.", "Close it if it is open, or give another name."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _write_headings(book: Any, sheet: Any, at: int, headings: Sequence[str]) -> None:  # noqa: ANN401 - the library has no types
    """Headings that stay in view, also on paper, and can be filtered by colour."""
    look = book.add_format({"bold": True, "bottom": 1, "bg_color": "#F2F2F2"})
    for place, heading in enumerate(headings):
        sheet.write_string(at, place, heading, look)
    sheet.freeze_panes(at + 1, 0)
    sheet.repeat_rows(at)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _list_problems(
    book: Any,  # noqa: ANN401 - the library has no types
    problems: Mapping[int, Sequence[Problem]],
    columns: Sequence[str],
) -> None:
    """A second sheet with every problem in a row of its own, as an alternative to the notes."""
    from xlsxwriter.utility import xl_rowcol_to_cell  # noqa: PLC0415 - slow, and an extra

    if not problems:
        return
    sheet = book.add_worksheet(PROBLEMS_SHEET)
    headings = ["row", "column", "cell", "what to do", "level", "code"]
    _write_headings(book, sheet, 0, headings)
    link = book.add_format({"underline": 1, "font_color": "#0563C1", "valign": "top"})
    top = book.add_format({"valign": "top", "align": "left"})
    levels = {level: book.add_format({"valign": "top", **look}) for level, look in _LOOKS.items()}
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    text = [problem for row in sorted(problems) for problem in problems[row]]
    for at, problem in enumerate(text, 1):
        place = columns.index(problem.column) if problem.column in columns else 0
        sheet.set_row(at, LINE_HEIGHT * (1 + len(problem.message[:SHOWN]) // MESSAGE_WIDTH))
        sheet.write_number(at, 0, problem.row, top)
        sheet.write_string(at, 1, problem.column, top)
        address = xl_rowcol_to_cell(problem.row - 1, place)
        if at <= MOST_LINKS:
            sheet.write_url(at, 2, f"internal:'{COPY_SHEET}'!{address}", link, address)
        else:
            sheet.write_string(at, 2, address, top)
        sheet.write_string(at, 3, problem.message[:SHOWN], wrapped)
        sheet.write_string(at, 4, problem.level, levels[problem.level])
        sheet.write_string(at, 5, problem.code, top)
    for place, width in enumerate((8, 20, 9, MESSAGE_WIDTH + 8, 10, 24)):
        sheet.set_column(place, place, width)
    sheet.autofilter(0, 0, len(text), len(headings) - 1)


def _write_row(
    sheet: Any,  # noqa: ANN401 - the library has no types
    at: int,
    cells: Sequence[str],
    notes: Mapping[int, tuple[Level, str]],
    styles: Mapping[Level | None, object],
) -> None:
    for place in range(max(len(cells), max(notes, default=-1) + 1)):
        cell = cells[place][:MOST_CHARACTERS] if place < len(cells) else ""
        level, note = notes.get(place, (None, ""))
        if cell:
            sheet.write_string(at, place, cell, styles[level])
        elif level:
            sheet.write_blank(at, place, None, styles[level])
        if note:
            lines = note.count("\n") + 1 + len(note) // 45
            sheet.write_comment(at, place, note, {"x_scale": 2.2, "y_scale": max(lines / 4.5, 0.6)})


def _notes(problems: Sequence[Problem], columns: Sequence[str]) -> dict[int, tuple[Level, str]]:
    """What is said about a row's cells, by their places."""
    notes: dict[int, tuple[Level, str]] = {}
    for problem in problems:
        place = columns.index(problem.column) if problem.column in columns else 0
        level, before = notes.get(place, (problem.level, ""))
        text = f"{problem.message[:SHOWN]} [{problem.code}]"
        worse = Level.ERROR if Level.ERROR in {level, problem.level} else Level.WARNING
        notes[place] = (worse, f"{before}\n{text}" if before else text)
    return notes
