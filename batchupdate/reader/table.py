"""The table that is made of a format's records: its columns, and the rows below the header.

A format turns bytes into records (see `records`); everything that is the same for all formats happens here, once.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol, Self

from batchupdate.errors import InputError
from batchupdate.model import ONE_FILE, Level, Problem, Row
from batchupdate.reader import previous_results
from batchupdate.reader.addresses import Addresses, column_letters
from batchupdate.reader.chosen_rows import ChosenRows
from batchupdate.reader.header import find_header
from batchupdate.reader.records import MAX_COLUMNS, CellProblem, is_blank, read_chunks
from batchupdate.spreadsheet.csv_injection import unguard, unguard_id
from batchupdate.spreadsheet.error_values import error_values
from batchupdate.spreadsheet.headers import RAGGED
from batchupdate.spreadsheet.reserved_columns import COPY_SHEET, ERROR_COLUMN, ID_COLUMN, UNDO_OF, heading_key, is_old
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from batchupdate.reader.addresses import Addressing
    from batchupdate.reader.records import ReadOptions, Records

MAX_BATCH_CELLS = 1_000_000
"""A batch of a very wide table has fewer rows, so that its memory stays bounded."""
MAX_NAMED = 3
"""At most so many cells of a header are named one by one."""
_WORKBOOKS = frozenset({"xlsx", "xls", "xlsb", "ods"})
"""These keep errors and texts apart, and their readers know which is which."""

_first_cell = itemgetter(0)


class Batch(list[Row]):
    """Some rows, and what is wrong with cells of theirs that only the reader can know, in the order of rows.

    Codes: `error_cell` and `formula_without_value` (errors; the cell's text is the error or the formula, and must not
    be sent), `id_as_number` (an error; the id of an earlier run came back changed), `ragged_row` (an error; the row
    was too short in the file of an earlier run), `merged_cell` (a warning; the cell is blank, and does not look so),
    `hidden_row` (a warning; the whole row is meant).
    """

    __slots__ = ("problems",)

    def __init__(self, rows: Iterable[Row] = (), problems: Sequence[Problem] = ()) -> None:
        super().__init__(rows)
        self.problems = problems


class HasBatches(Protocol):
    """One file, or several."""

    def batches(self, size: int = 500) -> Generator[Batch, None, None]:
        """See `Table.batches`."""
        ...


class Table:
    """An open input file: its columns and its rows.

    Use it as a context manager, or call `close`.

    Attributes:
        source: what to call the file in a sentence.
        format: "csv", "jsonl", "parquet", or one of the workbooks: "xlsx", "xls", "xlsb", "ods".
        encoding: Python's name of a text file's encoding, None for a workbook.
        delimiter: the character between a text file's columns, None for a workbook.
        sheet: name of the sheet that is read, None for a text file.
        typed: whether its cells have types of their own, so that some can be `TypedText`.
        hidden_columns: the headings of those columns that a spreadsheet program does not show.
        columns: the headings as typed, trimmed; a column without a heading is ''. Our own columns are left out.
        notices: what was found out or guessed, as sentences for the user.
        header_row: number of the header's row, 1 unless blank rows stand above it, 0 where it is
            made of keys.
        sheet_places: in which column of the file each of `columns` stands, from 0.
        own: whether this is a results.csv of ours, a part of one, or a results.xlsx.
        addresses: how its cells are called.
        light: whether it holds neither memory nor a file while it is open.
        labels: how its rows are called; those of a single file need no file's name.
        rows: how many data rows were read of each file, where there are several.
    """

    labels = ONE_FILE
    rows: Sequence[int] = ()

    def __init__(
        self,
        records: Records,
        source: str,
        options: ReadOptions,
        addresses: Callable[[tuple[int, ...] | None], Addressing] | None = None,
    ) -> None:
        self._records = records
        self._limit = options.limit
        self._chosen = None if options.rows is None else ChosenRows(options.rows, source)
        self._opened = ExitStack()
        self.light = False
        self.source = source
        self.format = records.format
        self.encoding = records.encoding
        self.delimiter = records.delimiter
        self.sheet = records.sheet
        self.typed = records.typed
        header = find_header(records, source, options.header_row)
        self.header_row = header.number
        hidden = records.hidden_columns
        headings = [heading.strip() for heading in header.cells]
        self._width = len(headings)
        self._kept = previous_results.kept_columns(headings)
        self.own = self._kept is not None
        self._unguards = not previous_results.is_workbook(headings)
        own = Addresses(records.sheet, records.columns_before, self._width, self._kept)
        self.addresses: Addressing = addresses(self._kept) if addresses else own
        self._copy_of_id = previous_results.own_place(headings, ID_COLUMN) if self.own else 0
        self._error = previous_results.own_place(headings, ERROR_COLUMN) if self.own else 0
        # `pull` guards a CSV as reports are; a workbook's texts are no formulas, and need no guard.
        self._guarded = not self.own and self.format == "csv" and any(map(is_old, headings))
        # `undo.csv` guards every cell as ids are guarded, against being retyped as well. Saved as a workbook, it still
        # has its guards; a copy that `check --annotate` made of it has none.
        saved_as_workbook = self.format in _WORKBOOKS and records.sheet != COPY_SHEET
        self._undoes = not self.own and UNDO_OF in headings and (self.format == "csv" or saved_as_workbook)
        if self._kept is not None:
            headings = previous_results.strip([headings], self._kept, self._width, guarded=self._unguards)[0]
        elif self._guarded or self._undoes:
            headings = list(map(unguard, headings))
        self.columns = tuple(headings)
        places = self._kept if self._kept is not None else range(self._width)
        self.hidden_columns = frozenset(one for place, one in zip(places, headings, strict=True) if place in hidden)
        self.sheet_places = tuple(records.columns_before + place for place in places)
        self.notices = records.notices + header.notices + self._own_notices() + self._header_notices()
        if len(self.columns) > MAX_COLUMNS:
            raise InputError(
                f"{source}: the header has {len(self.columns):,} columns; at most {MAX_COLUMNS:,} can be read.",
                "Check that this is the right file, and say --delimiter if its columns are separated another way.",
            )

    def batches(self, size: int = 500) -> Generator[Batch, None, None]:
        """The data rows in order, up to `size` of them at a time; anew from the first row at every call.

        Blank rows are left out, but counted in the numbers of the rows below them. A row can have fewer or more
        cells than there are columns; empty cells beyond the last column are cut off.

        Raises:
            InputError: the file breaks off, or breaks its format's rules, somewhere below; or it lacks rows that were
                asked for by their numbers.
        """
        left, chosen = self._limit, self._chosen
        if chosen is not None:
            chosen.begin()
        size = max(min(size, MAX_BATCH_CELLS // (self._width or 1)), 1)
        number = self._records.first_number
        with closing(read_chunks(self._records, self.source, size)) as chunks:
            for chunk in chunks:
                first, number = number, number + len(chunk)
                if first <= self.header_row:
                    del chunk[: self.header_row - first + 1]
                    first = number - len(chunk)
                known = [*self._retyped_ids(chunk, first), *self._short_rows(chunk, first)]
                known += self._records.problems(first, number - 1)
                known += _error_values(chunk, first) if self.format not in _WORKBOOKS else ()
                rows = self._rows(chunk, first)
                if chosen is not None:
                    rows = chosen.among(rows)
                if left is not None:
                    rows = rows[:left]
                    left -= len(rows)
                if rows:
                    yield Batch(rows, self._problems(rows, sorted(known)))
                if left == 0:
                    return
                if chosen is not None and number > chosen.last:
                    break
        if chosen is not None:
            chosen.refuse_missing()

    def has_more_rows(self, count: int) -> bool:
        """Whether there are more data rows than so many."""
        return has_more_rows(self, count)

    def refuse_twins_of(self, used: AbstractSet[int]) -> None:
        """Refuses a table in which a column that is used has the same heading as another: which one is meant?

        Args:
            used: the places of these columns in `columns`, from 0.

        Raises:
            InputError: there is such a column.
        """
        places: dict[str, list[int]] = {}
        for place, heading in enumerate(self.columns):
            places.setdefault(heading_key(heading), []).append(place)
        for key, twins in places.items():
            if key and len(twins) > 1 and not used.isdisjoint(twins):
                raise self._duplicate_heading(*twins[:2])

    def owns(self, opened: ExitStack, *, light: bool) -> None:
        """Takes over what has to be closed together with the table; `light` where that is nothing."""
        self._opened = opened
        self.light = light

    def close(self) -> None:
        """Closes the file, and removes the temporary copy if there is one."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def address(self, row: int, column: int | None) -> str:
        """Where a cell stands, as a spreadsheet program writes it: `changes!C17`, or `C17` in a file without sheets.

        In a DataFrame it is as pandas has it: `df.loc['k3', 'name']`, or `df.loc['k3']` for a row.

        Args:
            row: the row's number.
            column: the place of the cell in its `Row`, and of its heading in `columns`, from 0; None for a whole row,
                which has no address in a file.
        """
        return self.addresses.of(row, column)

    def _retyped_ids(self, chunk: list[list[str]], first: int) -> list[CellProblem]:
        """Ids of an earlier run that a spreadsheet program took for numbers when its results were saved again."""
        if self._kept is None:
            return []
        return [
            CellProblem(
                first + at,
                place,
                "id_as_number",
                chunk[at][place],
                f"was {quoted(original)} in the run that these results are of: a spreadsheet program took the id for a "
                "number or a date; type it again, in a column that is formatted as text",
                Level.ERROR,
            )
            for at, place, original in previous_results.retyped_ids(chunk, self._kept, self._copy_of_id)
        ]

    def _short_rows(self, chunk: list[list[str]], first: int) -> list[CellProblem]:
        """Rows of an earlier run that were too short in its file, and are whole in its results."""
        if self._kept is None:
            return []
        way_out = "Fill in what is missing, or, if the row is right as it stands, empty its _error cell"
        return [
            CellProblem(
                first + at, place, RAGGED, "", f"is blank: in the file of an earlier run, {text} {way_out}", Level.ERROR
            )
            for at, place, text in previous_results.short_rows(chunk, self._kept, self._error)
        ]

    def _problems(self, rows: list[Row], found: Sequence[CellProblem]) -> Sequence[Problem]:
        """What the reader knows of single cells, as problems of the rows that are left."""
        if not found:
            return ()
        numbers = {row.number for row in rows}
        return [
            Problem(
                cell.code,
                cell.row,
                self._heading(cell.place),
                cell.cell,
                f"{self.addresses.at(cell.row, cell.place)} {cell.message}",
                cell.level,
            )
            for cell in found
            if cell.row in numbers and self._is_kept(cell.place)
        ]

    def _is_kept(self, place: int) -> bool:
        return self._kept is None or place in self._kept or place >= self._width

    def _heading(self, place: int) -> str:
        if self._kept is not None and place in self._kept:
            place = self._kept.index(place)
        return self.columns[place] if place < len(self.columns) else ""

    def _rows(self, chunk: list[list[str]], first: int) -> list[Row]:
        if self._kept is not None:
            chunk = previous_results.strip(chunk, self._kept, self._width, guarded=self._unguards)
        elif self._undoes:
            chunk = [list(map(unguard_id, cells)) for cells in chunk]
        elif self._guarded:
            chunk = [list(map(unguard, cells)) for cells in chunk]
        width = len(self.columns)
        if chunk and max(map(len, chunk)) > width:
            _cut_empty_ends(chunk, width)
            self._refuse_endless_rows(chunk, first)
        # An id in the first column, as in nearly every file, proves the whole batch free of blank rows.
        if all(chunk) and all(map(str.strip, map(_first_cell, chunk))):
            return [Row(number, tuple(cells)) for number, cells in enumerate(chunk, first)]
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
        found = self._records.problems(self.header_row, self.header_row)
        notices = [f"In the header, {self.addresses.at(c.row, c.place)} {c.message}." for c in found[:MAX_NAMED]]
        if len(found) > MAX_NAMED:
            notices.append(f"The same is true of {len(found) - MAX_NAMED:,} more cells of the header.")
        return tuple(notices)

    def _duplicate_heading(self, *twins: int) -> InputError:
        places = self._kept if self._kept is not None else range(self._width)
        names = [self.columns[twin] for twin in twins]
        letters = [column_letters(self._records.columns_before + places[twin]) for twin in twins]
        return InputError(
            f"{self.source}: the columns {letters[0]} and {letters[1]} have the same heading "
            f"({quoted(names[0])} and {quoted(names[1])}; case, spaces, '_' and '-' make no difference).",
            "Rename or delete one of them.",
        )


def has_more_rows(table: HasBatches, count: int) -> bool:
    """Whether a table has more data rows than so many; no more of it is read than that takes."""
    with closing(table.batches(count + 1)) as batches:
        for batch in batches:
            count -= len(batch)
            if count < 0:
                return True
    return False


def _error_values(chunk: list[list[str]], first: int) -> list[CellProblem]:
    """Texts that are the error of a formula."""
    return [
        CellProblem(
            first + at,
            place,
            "error_cell",
            chunk[at][place],
            f"holds {quoted(chunk[at][place])}, which a spreadsheet program writes where it has no value to show; "
            "correct the cell",
            Level.ERROR,
        )
        for at, place in error_values(chunk)
    ]


def _cut_empty_ends(chunk: list[list[str]], width: int) -> None:
    for cells in chunk:
        while len(cells) > width and not cells[-1]:
            cells.pop()
