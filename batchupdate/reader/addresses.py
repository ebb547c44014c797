"""How a cell is called, as a spreadsheet program writes it: `changes!C17`, or `C17` in a file without sheets."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

_LIKE_A_CELL = re.compile(r"[A-Z]{1,3}\d+|R\d*C\d*", re.IGNORECASE)
"""A sheet's name that needs quotes, because it could be a cell's."""


class Addressing(Protocol):
    """How the cells and rows of a table are called."""

    def of(self, row: int, column: int | None) -> str:
        """The address of a cell, by the index of its heading among the table's columns; or that of a whole row."""

    def at(self, row: int, place: int) -> str:
        """The address of a cell, by its index in its record, from 0."""


class Addresses(NamedTuple):
    """How the cells of a table are called; it keeps nothing of the table open.

    `sheet` is None in a file without sheets. `before` is how many columns lie left of a record's first cell. `kept` are
    the places of the input's own columns in a report of ours, which has `width` columns; None for all other files.
    """

    sheet: str | None
    before: int
    width: int
    kept: tuple[int, ...] | None

    def of(self, row: int, column: int | None) -> str:
        """The address of a cell, by the index of its heading among the table's columns; a whole row has none."""
        if column is None:
            return ""
        place = column
        if self.kept is not None:
            beyond = column - len(self.kept)
            place = self.kept[column] if beyond < 0 else self.width + beyond
        return self.at(row, place)

    def at(self, row: int, place: int) -> str:
        """The address of a cell, by its index in its record, from 0."""
        cell = f"{column_letters(self.before + place)}{row}"
        if self.sheet is None:
            return cell
        plain = self.sheet.isidentifier() and not _LIKE_A_CELL.fullmatch(self.sheet)
        name = self.sheet if plain else "'" + self.sheet.replace("'", "''") + "'"
        return f"{name}!{cell}"


def column_letters(index: int) -> str:
    """A column's name in a spreadsheet program: 0 is A, 25 is Z, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
