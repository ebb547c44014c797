"""Results of an earlier run as input: our results.csv, its parts and results.xlsx hold the rows as typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.spreadsheet.coercion import is_retyped
from batchupdate.spreadsheet.csv_injection import GUARD, unguard, unguard_id
from batchupdate.spreadsheet.headers import find_short_row
from batchupdate.spreadsheet.reserved_columns import CHANGE, FILE, REPLY, RESULT_COLUMNS, SHEET_BACK, SHEET_FRONT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OWN_COLUMNS = frozenset(RESULT_COLUMNS)
"""The columns a report adds to the input's own. A file that has all of them is a report."""


def kept_columns(headings: Sequence[str]) -> tuple[int, ...] | None:
    """The places of the input's own columns in a report of ours, or None if the file is none."""
    if not set(headings) >= OWN_COLUMNS:
        return None
    ours = {*(own_place(headings, heading) for heading in RESULT_COLUMNS), _file_column(headings)}
    if is_workbook(headings):
        ours |= {place for place in (own_place(headings, "_row") + 1,) if headings[place] == CHANGE}
    ours |= {place for place, heading in enumerate(headings) if heading.startswith(REPLY)}
    return tuple(place for place in range(len(headings)) if place not in ours)


def is_workbook(headings: Sequence[str]) -> bool:
    """Whether these are the columns of our results.xlsx, whose texts are as typed: nothing in them is guarded."""
    return _sheet_places(headings) is not None


def _sheet_places(headings: Sequence[str]) -> dict[str, int] | None:
    """Where our columns stand in a results.xlsx, by their headings; None in any other file."""
    front = [heading for heading in headings[: len(SHEET_FRONT) + 1] if heading != FILE]
    width = len(SHEET_BACK)
    back = (at for at in reversed(range(len(headings) - width + 1)) if tuple(headings[at : at + width]) == SHEET_BACK)
    last = next(back, None)
    if tuple(front[: len(SHEET_FRONT)]) != SHEET_FRONT or last is None:
        return None
    places = {heading: headings.index(heading) for heading in SHEET_FRONT}
    return places | {heading: last + at for at, heading in enumerate(SHEET_BACK)}


def own_place(headings: Sequence[str], heading: str) -> int:
    """Where a column of ours stands in a report.

    The input may have had one of that name, too, as the `_id` of MongoDB. Ours stand side by side, behind the input's
    own, where nobody has moved them; in a workbook, some stand before them.
    """
    if places := _sheet_places(headings):
        return places[heading]
    width = len(RESULT_COLUMNS)
    starts = range(len(headings) - width + 1)
    block = next((place for place in starts if tuple(headings[place : place + width]) == RESULT_COLUMNS), None)
    if block is not None:
        return block + RESULT_COLUMNS.index(heading)
    return len(headings) - 1 - headings[::-1].index(heading)


def _file_column(headings: Sequence[str]) -> int | None:
    """The place of the column that names the files, which reports of several files have: mostly directly before `_row`.

    The input may have had a column of that name, too.
    """
    named = [place for place, heading in enumerate(headings) if heading == FILE]
    before = own_place(headings, RESULT_COLUMNS[0]) - 1
    return before if before in named else next(reversed(named), None)


def strip(chunk: list[list[str]], kept: tuple[int, ...], width: int, *, guarded: bool = True) -> list[list[str]]:
    """The records as they stood in the original input: without our columns and the guards before formulas.

    Args:
        chunk: records of the report.
        kept: the places of the input's own columns.
        width: how many columns the report has; cells beyond them stay.
        guarded: whether its texts have guards; see `is_workbook`.
    """
    if not guarded:
        return [[cells[place] for place in kept if place < len(cells)] + cells[width:] for cells in chunk]
    return [
        [unguard(cells[place]) for place in kept if place < len(cells)] + [unguard(cell) for cell in cells[width:]]
        for cells in chunk
    ]


def retyped_ids(chunk: list[list[str]], kept: tuple[int, ...], copy: int) -> Iterator[tuple[int, int, str]]:
    """The ids that a spreadsheet program changed when the report was opened and saved in it.

    Only the column `_id` is guarded against that. An id that someone has corrected is none of these: the cell has to be
    what such a program makes of the id.

    Args:
        chunk: records of the report.
        kept: the places of the input's own columns.
        copy: the place of the column `_id`.

    Yields:
        The record's place in the chunk, the cell's place in the record, and what the id was.
    """
    for at, cells in enumerate(chunk):
        if len(cells) <= copy or not (cells[copy].startswith(GUARD) or "/" in cells[copy]):
            continue
        own = {place: unguard(cells[place]) for place in kept if place < len(cells)}
        original = unguard_id(cells[copy])
        for one in {original, *original.split("/")}:  # an id of several parts stands there as a path
            if one not in own.values():
                yield from ((at, place, one) for place, cell in own.items() if is_retyped(cell, one))


def short_rows(chunk: list[list[str]], kept: tuple[int, ...], error: int) -> Iterator[tuple[int, int, str]]:
    """The rows that broke off in the original input, and that nobody has corrected: a report has made them whole again.

    Args:
        chunk: records of the report.
        kept: the places of the input's own columns.
        error: the place of the column `_error`; who empties its cell says that the row is right.

    Yields:
        The record's place in the chunk, the place of the first cell that was not there, and what was said of the row.
    """
    for at, cells in enumerate(chunk):
        short = find_short_row(cells[error]) if len(cells) > error else None
        missing = kept[short[0] :] if short else ()
        if short and missing and not any(cells[place].strip() for place in missing if place < len(cells)):
            yield at, missing[0], short[1]
