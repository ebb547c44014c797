"""Finds the row with the headings: as the user says, or by a guess that a notice always mentions."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import InputError
from batchupdate.reader.records import is_blank, read_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.reader.records import Records

LOOKED_AT = 30
"""So many rows that are not blank are looked at: titles above a table are few."""

_SAY = "If it is another row, say which: --header-row N."


class Header(NamedTuple):
    """The header's row number, its cells as typed, and what was guessed about it, as sentences for the user."""

    number: int
    cells: list[str]
    notices: tuple[str, ...] = ()


def find_header(records: Records, source: str, given: int | None) -> Header:
    """Finds the header of an open file.

    It is the first row that is not blank. If that fills less than half of the columns that rows below it fill, it
    looks like a title; then the header is the first row below that fills more than three quarters of them, if its
    cells look like headings: all different, and none a number. The first row stays the header, with a notice, where
    they don't; where most other rows fill only columns that the first row fills too, so that the wide one has commas
    without quotes; or where the first row fills just half.

    Args:
        records: the open file.
        source: what to call it in a sentence.
        given: the row that the user says; None to guess.

    Raises:
        InputError: there is no such row, or it is blank, or all are.
    """
    if given is not None:
        return _given(records, source, given)
    with closing(read_chunks(records, source, 100)) as chunks:
        numbered = enumerate((cells for chunk in chunks for cells in chunk), records.first_number)
        rows = list(islice(((number, cells) for number, cells in numbered if not is_blank(cells)), LOOKED_AT))
    if not rows:
        place = f"the sheet {records.sheet!r}" if records.sheet is not None else "the file"
        raise InputError(
            f"{source}: {place} is empty.",
            "It needs a header row with the columns' names, and below it one row for each record to change.",
        )
    number, cells = rows[0]
    if records.first_number == 0:
        return Header(number, cells)
    widest = max(_filled(row) for _, row in rows)
    if _filled(cells) * 2 > widest or widest == 1:
        above = f"The first {number - 1:,} rows are blank; row {number:,} is taken as the header. {_SAY}"
        return Header(number, cells, (above,) if number > 1 else ())
    for below, candidate in rows[1:] if _filled(cells) * 2 < widest else ():
        if _filled(candidate) * 4 > widest * 3:
            if not _looks_like_headings(candidate) or _stands_out(candidate, [row for _, row in rows]):
                break
            notice = (
                f"What stands above row {below:,} looks like a title, so row {below:,} is taken as the header. {_SAY}"
            )
            return Header(below, candidate, (notice,))
    notice = (
        f"Row {number:,} is taken as the header, although it has only {_filled(cells):,} headings and rows below it "
        f"have up to {widest:,} cells. {_SAY}"
    )
    return Header(number, cells, (notice,))


def _given(records: Records, source: str, given: int) -> Header:
    if given < 1:
        raise InputError(f"There is no row {given}.", "Rows are counted from 1: --header-row 3.")
    with closing(read_chunks(records, source, 100)) as chunks:
        cells = next(islice((cells for chunk in chunks for cells in chunk), given - 1, None), None)
    if cells is None or is_blank(cells):
        what = "has no row" if cells is None else "has nothing in row"
        raise InputError(f"{source} {what} {given:,}.", "Say the number of the row with the columns' names.")
    return Header(given, cells)


def _filled(cells: list[str]) -> int:
    return sum(map(bool, map(str.strip, cells)))


def _looks_like_headings(cells: list[str]) -> bool:
    texts = [cell.strip().casefold() for cell in cells if cell.strip()]
    return len(set(texts)) == len(texts) and not any(text[0].isdigit() or text[0] in "#=<" for text in texts)


def _stands_out(candidate: list[str], rows: Sequence[list[str]]) -> bool:
    """Whether a wide row is one of the table's that went wrong: the first row is headings enough for most others."""
    at = next(place for place, row in enumerate(rows) if row is candidate)
    others = rows[at + 1 :] or rows[1:at]
    headed = _places(rows[0])
    return len(headed) > 1 and 2 * sum(_places(row) <= headed for row in others) > len(others)


def _places(cells: list[str]) -> set[int]:
    """The places of the cells that are not blank."""
    return {place for place, cell in enumerate(cells) if cell.strip()}
