"""A copy of an input as a workbook, in which the cells that `check` finds something in are coloured and noted."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Any

from batchupdate.errors import InputError
from batchupdate.model import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from batchupdate.model import Problem, Row

MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767
"""Excel's own limits of a sheet and of a cell."""
MOST_NOTES = 20_000
"""Of so many rows, problems are noted; each note costs about a kilobyte, here and in Excel."""
SHOWN = 400
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
    from xlsxwriter.exceptions import FileCreateError  # noqa: PLC0415 - as above

    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.touch(mode=0o600)  # where this fails, XlsxWriter would leave files of its own open
        with xlsxwriter.Workbook(str(beside), {"constant_memory": True}) as book:
            sheet = book.add_worksheet("check")
            styles = {level: book.add_format({"num_format": "@", **look}) for level, look in _LOOKS.items()}
            bold = book.add_format({"bold": True})
            for place, heading in enumerate(columns):
                sheet.write_string(header_row - 1, place, redact(heading), bold)
            for row in chain.from_iterable(batches):
                if row.number > MOST_ROWS:
                    raise InputError(f"A sheet can't hold more than {MOST_ROWS:,} rows.", "Say --limit, or split it.")
                notes = _notes(problems.get(row.number, ()), columns)
                _write_row(sheet, row.number - 1, list(map(redact, row.cells)), notes, styles)
        beside.replace(path)
    except (OSError, FileCreateError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path} can't be written: {reason}.", "Close it if it is open, or give another name."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


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
            sheet.write_comment(at, place, note, {"x_scale": 2})


def _notes(problems: Sequence[Problem], columns: Sequence[str]) -> dict[int, tuple[Level, str]]:
    """What is said about a row's cells, by their places."""
    notes: dict[int, tuple[Level, str]] = {}
    for problem in problems:
        place = columns.index(problem.column) if problem.column in columns else 0
        level, before = notes.get(place, (problem.level, ""))
        told = f"{problem.message[:SHOWN]} [{problem.code}]"
        worse = Level.ERROR if Level.ERROR in {level, problem.level} else Level.WARNING
        notes[place] = (worse, f"{before}\n{told}" if before else told)
    return notes
