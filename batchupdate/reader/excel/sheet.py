"""One sheet of a workbook of any format: which one is read, its rows as text, and what is wrong with its cells."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import InputError
from batchupdate.model import Level
from batchupdate.reader.addresses import column_letters
from batchupdate.reader.excel.cell_text import dated, formatted
from batchupdate.reader.records import CellProblem
from batchupdate.spreadsheet.headers import HIDDEN_ROW
from batchupdate.spreadsheet.reserved_columns import CHANGES_SHEET, HOW_TO_SHEET
from batchupdate.spreadsheet.typed_text import DateText
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MAX_VALUELESS = 100_000
"""A sheet with more cells without a value is broken as a whole, and its list of problems would have no end."""

Place = tuple[int, int]
"""The row and the column of a cell, from 0."""

Block = tuple[int, int]
"""The first and the last of some rows or columns side by side, from 0."""

FormatBlock = tuple[int, int, str]
"""The first and the last of some rows, and the number format that the cells of one column have there."""


class ValuelessCell(NamedTuple):
    """A cell without a value: its row and column from 0, the error or formula in it, and the code of its problem.

    The code is `error_cell` or `formula_without_value`.
    """

    row: int
    column: int
    text: str
    code: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is odd about a sheet's cells, rows and columns.

    Attributes:
        valueless: the cells without a value, in the order of rows.
        hidden_rows: the rows that are hidden or filtered out: the first and the last of each block, from 0, in order.
        hidden_columns: the columns that are hidden, likewise.
        formats: by column, from 0, the blocks of rows whose cells are numbers or dates with the same
            format, in order.
        merged: the first and the last place of each merged cell, in order, where calamine does not give them.
    """

    valueless: Sequence[ValuelessCell] = ()
    hidden_rows: Sequence[Block] = ()
    hidden_columns: Sequence[Block] = ()
    formats: Mapping[int, Sequence[FormatBlock]] = field(default_factory=dict)
    merged: Sequence[tuple[Place, Place]] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open sheet.

    Attributes:
        name: its name.
        first_column: how many columns lie left of the first cell of every row.
        width: how many columns a row has from there on; shorter rows are filled up, because a sheet has no short ones.
        rows: gives its rows as text, from row 1 of the sheet on, blank ones too; anew at every call. What it has in
            the place of a valueless or a covered cell makes no difference.
        found: what is odd about it.
        merged: the first and the last place of each merged cell, in order.
        notices: what was found out or guessed, as sentences for the user.
        close: releases the file.
    """

    name: str
    first_column: int
    width: int
    rows: Callable[[], Iterator[list[str]]]
    found: Found = Found()
    merged: Sequence[tuple[Place, Place]] = ()
    notices: tuple[str, ...] = ()
    close: Callable[[], None] = lambda: None


class SheetRecords:
    """A sheet as `Records`.

    Args:
        kind: the name of the workbook's format.
        sheet: the sheet.
        source: what to call the file in a sentence.

    Raises:
        InputError: it has more cells without a value than anyone would correct one by one.
    """

    def __init__(self, kind: str, sheet: Sheet, source: str) -> None:
        if len(sheet.found.valueless) > MAX_VALUELESS:
            raise InputError(
                f"{source}: more than {MAX_VALUELESS:,} cells of the sheet {sheet.name!r} hold an error, or a formula "
                "without a result.",
                "Open it in your spreadsheet program, correct its formulas, and save it.",
            )
        self._sheet = sheet
        self.format = kind
        self.encoding: str | None = None
        self.delimiter: str | None = None
        self.sheet: str | None = sheet.name
        self.notices = sheet.notices
        self.columns_before = sheet.first_column
        self.first_number = 1
        self.typed = True
        self.hidden_columns = frozenset(
            place
            for place in range(sheet.width)
            if any(first <= place + sheet.first_column <= last for first, last in sheet.found.hidden_columns)
        )

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The sheet's rows from its first on, as text."""
        rows = self._sheet.rows()
        before = 0
        while chunk := list(islice(rows, size)):
            for cells in chunk:
                if len(cells) < self._sheet.width:
                    cells.extend([""] * (self._sheet.width - len(cells)))
            self._format_numbers(chunk, before)
            self._blank_covered_cells(chunk, before)
            for cell in self._valueless(before, before + len(chunk) - 1):
                cells, place = chunk[cell.row - before], cell.column - self.columns_before
                cells.extend([""] * (place + 1 - len(cells)))
                cells[place] = cell.text
            before += len(chunk)
            yield chunk

    def problems(self, first: int, last: int) -> list[CellProblem]:
        """Errors, formulas that were never calculated, cells that are covered by a merged one, and hidden rows."""
        found = [
            CellProblem(
                cell.row + 1,
                cell.column - self.columns_before,
                cell.code,
                cell.text,
                f"holds the error {quoted(cell.text)}; correct the cell"
                if cell.code == "error_cell"
                else "holds a formula without a result; open the file in your spreadsheet program and save it",
                Level.ERROR,
            )
            for cell in self._valueless(first - 1, last - 1)
        ]
        found += self._hidden(first - 1, last - 1) + self._covered(first - 1, last - 1)
        return sorted(found)

    def close(self) -> None:
        """Releases the workbook."""
        self._sheet.close()

    def _valueless(self, first: int, last: int) -> Sequence[ValuelessCell]:
        """The cells without a value of some rows, counted from 0."""
        cells = self._sheet.found.valueless
        begin = bisect_left(cells, first, key=itemgetter(0))
        return cells[begin : bisect_right(cells, last, lo=begin, key=itemgetter(0))]

    def _format_numbers(self, chunk: list[list[str]], before: int) -> None:
        """Gives numbers the text that people see of them, and marks dates that are shown in another way."""
        for column, blocks in self._sheet.found.formats.items():
            place = column - self.columns_before
            for first, last, code in blocks[bisect_left(blocks, before, key=itemgetter(1)) :]:
                if first >= before + len(chunk):
                    break
                for cells in chunk[max(first - before, 0) : last - before + 1]:
                    if type(cells[place]) is str:
                        cells[place] = formatted(cells[place], code)
                    elif type(cells[place]) is DateText:
                        cells[place] = dated(cells[place], code)

    def _blank_covered_cells(self, chunk: list[list[str]], before: int) -> None:
        """Empties the cells under a merged one: a file can still hold what they once were, and nobody sees that."""
        for (top, left), (bottom, right) in self._sheet.merged:
            for row in range(max(before, top), min(before + len(chunk) - 1, bottom) + 1):
                cells = chunk[row - before]
                begin = max((left + 1 if row == top else left) - self.columns_before, 0)
                end = min(right + 1 - self.columns_before, len(cells))
                if begin < end:
                    cells[begin:end] = [""] * (end - begin)

    def _hidden(self, first: int, last: int) -> list[CellProblem]:
        """The hidden ones among some rows, counted from 0."""
        message = "is in a row that is hidden or filtered out in the spreadsheet"
        return [
            CellProblem(row + 1, 0, HIDDEN_ROW, "", message, Level.WARNING)
            for top, bottom in self._sheet.found.hidden_rows
            for row in range(max(first, top), min(last, bottom) + 1)
        ]

    def _covered(self, first: int, last: int) -> list[CellProblem]:
        """For each row of a merged cell, the first place that it covers; rows are counted from 0."""
        found = []
        for (top, left), (bottom, right) in self._sheet.merged:
            name = f"{column_letters(left)}{top + 1}:{column_letters(right)}{bottom + 1}"
            message = f"is part of the merged cell {name}, whose text counts for {column_letters(left)}{top + 1} only"
            for row in range(max(first, top), min(last, bottom) + 1):
                place = (left + 1 if row == top else left) - self.columns_before
                if row > top or right > left:
                    found.append(CellProblem(row + 1, place, "merged_cell", "", message, Level.WARNING))
        return found


class SheetNotice(str):
    """A notice that one of several sheets is read; `sheets` are the names of them all, in their order."""

    __slots__ = ("sheets",)

    sheets: tuple[str, ...]

    @classmethod
    def of(cls, notice: str, sheets: Sequence[str]) -> SheetNotice:
        """The notice about these sheets."""
        made = cls(notice)
        made.sheets = tuple(sheets)
        return made


class SheetName(NamedTuple):
    """A worksheet of a workbook, and whether its user sees it."""

    name: str
    visible: bool


def choose_sheet(
    sheets: Sequence[SheetName], wanted: str | None, is_used: Callable[[str], bool], source: str
) -> tuple[str, tuple[str, ...]]:
    """Which sheet is read: the wanted one, or the first visible one that holds anything.

    Args:
        sheets: the workbook's sheets with cells, in order; charts and the like are none.
        wanted: the name that the user says, None for the first.
        is_used: whether a sheet holds anything.
        source: what to call the file in a sentence.

    Returns:
        Its name, and what to tell the user about the choice.

    Raises:
        InputError: there is no such sheet.
    """
    if wanted is not None:
        names = [sheet.name for sheet in sheets]
        found = [name for name in names if name == wanted] or [
            name for name in names if name.casefold().strip() == wanted.casefold().strip()
        ]
        if not found:
            raise InputError(f"{source} has no sheet named {wanted!r}.", f"Its sheets: {_listed(names)}.")
        hidden = [sheet.name for sheet in sheets if not sheet.visible]
        return found[0], (f"The sheet {found[0]!r} is hidden in the spreadsheet.",) if found[0] in hidden else ()
    visible = [sheet.name for sheet in sheets if sheet.visible]
    if HOW_TO_SHEET in visible:  # wherever `changes` was moved to
        visible.sort(key=lambda name: name != CHANGES_SHEET)
    first = next(filter(is_used, visible), None)
    if first is None:
        hidden = [sheet.name for sheet in sheets if not sheet.visible]
        hint = f"To read a hidden sheet, say --sheet with its name: {_listed(hidden)}." if hidden else ""
        raise InputError(f"{source}: all visible sheets are empty.", hint or "Check that this is the right file.")
    if len(visible) == 1 or visible == [CHANGES_SHEET, HOW_TO_SHEET]:  # the second are of `template` and `pull`
        return first, ()
    others = _listed([name for name in visible if name != first])
    notice = f"Sheet {first!r} is read; say --sheet to read another one ({others})."
    return first, (SheetNotice.of(notice, visible),)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def add_format(formats: dict[int, list[FormatBlock]], row: int, column: int, code: str) -> None:
    """Adds the format of a cell; those of a column come in the order of rows."""
    blocks = formats.setdefault(column, [])
    if blocks and blocks[-1][1] == row - 1 and blocks[-1][2] == code:
        blocks[-1] = (blocks[-1][0], row, code)
    else:
        blocks.append((row, row, code))


def add_to_blocks(blocks: list[Block], first: int, last: int) -> None:
    """Adds some rows or columns, which are not before those that are there already."""
    if blocks and blocks[-1][1] >= first - 1:
        blocks[-1] = (blocks[-1][0], max(blocks[-1][1], last))
    else:
        blocks.append((first, last))
