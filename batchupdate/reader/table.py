"""What every format gives, and the table that is made of it: the header, the columns and the rows below.

A format knows how to turn bytes into records; everything that is the same for all formats happens here, once.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from batchupdate.errors import InputError
from batchupdate.model import ONE_FILE, Level, Problem, Row
from batchupdate.reader import own_results
from batchupdate.reader.header import find_header, is_blank, told_chunks
from batchupdate.spreadsheet.csv_injection import unguard
from batchupdate.spreadsheet.headers import RAGGED, normalise_heading
from batchupdate.spreadsheet.reserved_columns import ERROR_COLUMN, ID_COLUMN, OLD, is_pulled
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

MAX_COLUMNS = 16_384
"""Excel's limit; a "header" beyond it is no header."""
MAX_BATCH_CELLS = 1_000_000
"""A batch of a very wide table has fewer rows, so that its memory stays bounded."""
MAX_TOLD = 3
"""So many cells of a header are told one by one."""

_LIKE_A_CELL = re.compile(r"[A-Z]{1,3}\d+|R\d*C\d*", re.IGNORECASE)
"""A sheet's name that needs quotes, for it could be a cell's."""

_first_cell = itemgetter(0)
_to_row: Callable[[tuple[int, tuple[str, ...]]], Row] = partial(tuple.__new__, Row)  # `Row._make`, without its Python


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user may say about a file; None leaves it to be found out.

    Attributes:
        sheet: name of a workbook's sheet.
        encoding: a text file's encoding, as Python names it.
        delimiter: what separates a text file's columns: one character, or its name.
        limit: read the first so many data rows only.
        header_row: number of the row with the headings.
        mixed: leave out what means nothing for a file's format, for it is said of several files.
    """

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    limit: int | None = None
    header_row: int | None = None
    mixed: bool = False


class CellTrouble(NamedTuple):
    """A cell that has no text of its own, and why; what its row's `Problem` is made of.

    `row` is the number that the spreadsheet program shows, `place` the cell's place in its record, from 0. `message`
    goes on after the cell's address.
    """

    row: int
    place: int
    code: str
    cell: str
    message: str
    level: Level


class Batch(list[Row]):
    """Some rows, and what is wrong with cells of theirs that only the reader can know, in the order of rows.

    Codes: `error_cell` and `formula_without_value` (errors; the cell's text is the error or the formula, and must not
    be sent), `id_as_number` (an error; the id of an earlier run came back changed), `ragged_row` (an error; the row
    was too short in the file of an earlier run), `merged_cell` (a warning; the cell is blank, and does not look so).
    """

    __slots__ = ("problems",)

    def __init__(self, rows: Iterable[Row] = (), problems: Sequence[Problem] = ()) -> None:
        super().__init__(rows)
        self.problems = problems


class Records(Protocol):
    """One open file of one format.

    Attributes:
        format: "csv", "jsonl", "parquet", or one of the workbooks: "xlsx", "xls", "xlsb", "ods".
        encoding: Python's name of a text file's encoding.
        delimiter: the character between a text file's columns.
        sheet: name of the sheet that is read.
        notices: what was found out or guessed, as sentences for the user.
        columns_before: columns that lie left of the first one in a record.
        first_number: number of the first record: 1, or 0 where the headings are no row of the file.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    notices: tuple[str, ...]
    columns_before: int
    first_number: int

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The records from the first on, blank ones too, at most `size` at a time; anew at every call."""

    def troubles(self, first: int, last: int) -> Sequence[CellTrouble]:
        """What is wrong with single cells of the rows `first` to `last`, in the order of rows."""

    def close(self) -> None:
        """Lets go of the file."""


class Addresses(NamedTuple):
    """How the cells of a table are called; it holds nothing of the table open.

    `sheet` is None in a file without sheets. `before` is how many columns lie left of a record's first cell. `kept` are
    the places of the input's own columns in a report of ours, which has `width` columns; None for all other files.
    """

    sheet: str | None
    before: int
    width: int
    kept: tuple[int, ...] | None

    def of(self, row: int, column: int) -> str:
        """Where a cell stands, by the place of its heading among the table's columns; see `Table.address`."""
        place = column
        if self.kept is not None:
            beyond = column - len(self.kept)
            place = self.kept[column] if beyond < 0 else self.width + beyond
        return self.at(row, place)

    def at(self, row: int, place: int) -> str:
        """Where a cell stands, by its place in its record, from 0."""
        cell = f"{column_letters(self.before + place)}{row}"
        if self.sheet is None:
            return cell
        plain = self.sheet.isidentifier() and not _LIKE_A_CELL.fullmatch(self.sheet)
        name = self.sheet if plain else "'" + self.sheet.replace("'", "''") + "'"
        return f"{name}!{cell}"


class Table:
    """An open input file: its columns and its rows.

    Use it as a context manager, or call `close`.

    Attributes:
        source: what to call the file in a sentence.
        format: "csv", "jsonl", "parquet", or one of the workbooks: "xlsx", "xls", "xlsb", "ods".
        encoding: Python's name of a text file's encoding, None for a workbook.
        delimiter: the character between a text file's columns, None for a workbook.
        sheet: name of the sheet that is read, None for a text file.
        columns: the headings as typed, trimmed; a column without a heading is ''. Our own columns are left out.
        notices: what was found out or guessed, as sentences to be told to the user once.
        header_row: number of the header's row, 1 unless blank rows stand above it, 0 where it is
            made of keys.
        own: whether this is a results.csv or failed.csv of ours.
        addresses: how its cells are called.
        light: whether it holds neither memory nor a file while it is open.
        labels: how its rows are called; those of a single file need no file's name.
        rows: how many data rows were read of each file, where there are several.
    """

    labels = ONE_FILE
    rows: Sequence[int] = ()

    def __init__(self, records: Records, source: str, options: ReadOptions) -> None:
        self._records = records
        self._limit = options.limit
        self._opened = ExitStack()
        self.light = False
        self.source = source
        self.format = records.format
        self.encoding = records.encoding
        self.delimiter = records.delimiter
        self.sheet = records.sheet
        found = find_header(records, source, options.header_row)
        self.header_row = found.number
        headings = [heading.strip() for heading in found.cells]
        self._width = len(headings)
        self._kept = own_results.kept_columns(headings)
        self.own = self._kept is not None
        self.addresses = Addresses(records.sheet, records.columns_before, self._width, self._kept)
        self._copy_of_id = own_results.own_place(headings, ID_COLUMN) if self.own else 0
        self._error = own_results.own_place(headings, ERROR_COLUMN) if self.own else 0
        # `pull` guards a CSV as reports are; a workbook's texts are no formulas, and need no guard.
        self._guarded = not self.own and self.format == "csv" and any(heading.startswith(OLD) for heading in headings)
        if self._kept is not None:
            headings = own_results.strip([headings], self._kept, self._width)[0]
        elif self._guarded:
            headings = list(map(unguard, headings))
        self.columns = tuple(headings)
        self.notices = records.notices + found.notices + self._own_notices() + self._header_notices()
        self._refuse_twins()

    def batches(self, size: int = 500) -> Iterator[Batch]:
        """The data rows in order, up to `size` of them at a time; anew from the first row at every call.

        Blank rows are left out, but counted in the numbers of the rows below them. A row can have fewer or more
        cells than there are columns; empty cells beyond the last column are cut off.

        Raises:
            InputError: the file breaks off, or breaks its format's rules, somewhere below.
        """
        left = self._limit
        size = max(min(size, MAX_BATCH_CELLS // (self._width or 1)), 1)
        number = self._records.first_number
        with closing(told_chunks(self._records.chunks(size), self.source)) as chunks:
            for chunk in chunks:
                first, number = number, number + len(chunk)
                if first <= self.header_row:
                    del chunk[: self.header_row - first + 1]
                    first = number - len(chunk)
                known = [*self._spoilt_ids(chunk, first), *self._broken_rows(chunk, first)]
                rows = self._rows(chunk, first)
                if left is not None:
                    rows = rows[:left]
                    left -= len(rows)
                if rows:
                    troubles = sorted([*self._records.troubles(first, number - 1), *known])
                    yield Batch(rows, self._problems(rows, troubles))
                if left == 0:
                    return

    def owns(self, opened: ExitStack, *, light: bool) -> None:
        """Takes over what has to be closed together with the table; `light` where that is nothing."""
        self._opened = opened
        self.light = light

    def close(self) -> None:
        """Lets go of the file, and removes the temporary copy if there is one."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def address(self, row: int, column: int) -> str:
        """Where a cell stands, as a spreadsheet program writes it: `changes!C17`, or `C17` in a file without sheets.

        Args:
            row: the row's number.
            column: the place of the cell in its `Row`, and of its heading in `columns`, from 0.
        """
        return self.addresses.of(row, column)

    def _spoilt_ids(self, chunk: list[list[str]], first: int) -> list[CellTrouble]:
        """Ids of an earlier run that a spreadsheet program took for numbers when its results were saved again."""
        if self._kept is None:
            return []
        return [
            CellTrouble(
                first + at,
                place,
                "id_as_number",
                chunk[at][place],
                f"was {quoted(told)} in the run that these results are of: a spreadsheet program took the id for a "
                "number or a date; type it again, in a column that is formatted as text",
                Level.ERROR,
            )
            for at, place, told in own_results.spoilt_ids(chunk, self._kept, self._copy_of_id)
        ]

    def _broken_rows(self, chunk: list[list[str]], first: int) -> list[CellTrouble]:
        """Rows of an earlier run that were too short in its file, and are whole in its results."""
        if self._kept is None:
            return []
        way_out = "Fill in what is missing, or, if the row is right as it stands, empty its _error cell"
        return [
            CellTrouble(
                first + at, place, RAGGED, "", f"is blank: in the file of an earlier run, {told} {way_out}", Level.ERROR
            )
            for at, place, told in own_results.broken_rows(chunk, self._kept, self._error)
        ]

    def _problems(self, rows: list[Row], troubles: Sequence[CellTrouble]) -> Sequence[Problem]:
        """What the reader knows of single cells, as problems of the rows that are left."""
        if not troubles:
            return ()
        numbers = {row.number for row in rows}
        return [
            Problem(
                trouble.code,
                trouble.row,
                self._heading(trouble.place),
                trouble.cell,
                f"{self.addresses.at(trouble.row, trouble.place)} {trouble.message}",
                trouble.level,
            )
            for trouble in troubles
            if trouble.row in numbers and self._is_kept(trouble.place)
        ]

    def _is_kept(self, place: int) -> bool:
        return self._kept is None or place in self._kept or place >= self._width

    def _heading(self, place: int) -> str:
        if self._kept is not None and place in self._kept:
            place = self._kept.index(place)
        return self.columns[place] if place < len(self.columns) else ""

    def _rows(self, chunk: list[list[str]], first: int) -> list[Row]:
        if self._kept is not None:
            chunk = own_results.strip(chunk, self._kept, self._width)
        elif self._guarded:
            chunk = [list(map(unguard, cells)) for cells in chunk]
        width = len(self.columns)
        if chunk and max(map(len, chunk)) > width:
            _cut_empty_ends(chunk, width)
            self._refuse_endless_rows(chunk, first)
        # An id in the first column, as in nearly every file, proves the whole batch free of blank rows.
        if all(chunk) and all(map(str.strip, map(_first_cell, chunk))):
            return list(map(_to_row, zip(count(first), map(tuple, chunk), strict=False)))
        return [Row(number, tuple(cells)) for number, cells in enumerate(chunk, first) if not is_blank(cells)]

    def _refuse_endless_rows(self, chunk: list[list[str]], first: int) -> None:
        for number, cells in enumerate(chunk, first):
            if len(cells) > MAX_COLUMNS:
                raise InputError(
                    f"{self.source}: row {number:,} has {len(cells):,} cells; at most {MAX_COLUMNS:,} can be read.",
                    "Check that this is the right file, and say --delimiter if its columns are separated another way.",
                )

    def _own_notices(self) -> tuple[str, ...]:
        if not self.own:
            return ()
        return ("This file holds results of an earlier run; their columns (_row, _outcome and so on) are ignored.",)

    def _header_notices(self) -> tuple[str, ...]:
        troubles = self._records.troubles(self.header_row, self.header_row)
        told = [f"In the header, {self.addresses.at(t.row, t.place)} {t.message}." for t in troubles[:MAX_TOLD]]
        if len(troubles) > MAX_TOLD:
            told.append(f"The same goes for {len(troubles) - MAX_TOLD:,} more cells of the header.")
        return tuple(told)

    def _refuse_twins(self) -> None:
        if len(self.columns) > MAX_COLUMNS:
            raise InputError(
                f"{self.source}: the header has {len(self.columns):,} columns; at most {MAX_COLUMNS:,} can be read.",
                "Check that this is the right file, and say --delimiter if its columns are separated another way.",
            )
        seen: dict[str, int] = {}
        places = self._kept if self._kept is not None else range(self._width)
        for place, heading in zip(places, self.columns, strict=True):
            key = heading if is_pulled(heading) else normalise_heading(heading)
            if not key:
                continue
            if key in seen:
                raise self._twins(seen[key], place)
            seen[key] = place

    def _twins(self, one: int, other: int) -> InputError:
        places = list(self._kept if self._kept is not None else range(self._width))
        names = [self.columns[places.index(place)] for place in (one, other)]
        letters = [column_letters(self._records.columns_before + place) for place in (one, other)]
        return InputError(
            f"{self.source}: the columns {letters[0]} and {letters[1]} have the same heading "
            f"({quoted(names[0])} and {quoted(names[1])}; case, spaces, '_' and '-' make no difference).",
            "Rename or delete one of them.",
        )


def column_letters(index: int) -> str:
    """A column's name in a spreadsheet program: 0 is A, 25 is Z, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cut_empty_ends(chunk: list[list[str]], width: int) -> None:
    for cells in chunk:
        while len(cells) > width and not cells[-1]:
            cells.pop()
