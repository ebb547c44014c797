"""Several files as one table: the rows of the first, then those of the second, and so on.

All files have the same headings, as headings are compared, in whatever order; the cells of every row are put into the
order of the first file. One heavy file (a workbook, a compressed one) is open at a time.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Self

from batchupdate.errors import InputError
from batchupdate.model import BITS, MOST_ROWS, Problem, Row, RowLabels, RowRef
from batchupdate.reader.registry import FORMATS, OPTIONS, option_name
from batchupdate.reader.table import Batch, has_more_rows
from batchupdate.spreadsheet.headers import RAGGED, normalise_heading, ragged_message
from batchupdate.spreadsheet.reserved_columns import EXTRA, heading_key, is_pulled
from batchupdate.util.text import listed, quoted, short_names

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from types import TracebackType

    from batchupdate.config.row_spans import RowSpan
    from batchupdate.reader.addresses import Addressing
    from batchupdate.reader.records import ReadOptions
    from batchupdate.reader.sources import Source
    from batchupdate.reader.table import Table

NAMED_AT_MOST = 3
_SAME_HEADINGS = "All files of a run need the same headings, in any order."


class _Part(NamedTuple):
    """One of several files: how it was found, and how its rows become those of the whole.

    `order` says where each column of the whole stands in it, its own width for nowhere; None where they agree. `table`
    is there where it costs nothing to keep it open.
    """

    source: Source
    options: ReadOptions
    columns: tuple[str, ...]
    notices: tuple[str, ...]
    addresses: Addressing
    format: str
    typed: bool
    hidden_columns: frozenset[str]
    table: Table | None
    order: tuple[int, ...] | None = None

    @classmethod
    def survey(cls, source: Source, options: ReadOptions) -> Self:
        """Opens a file once, for its headings."""
        table = source.open(options)
        table.refuse_twins_of(frozenset(range(len(table.columns))))
        if not table.light:
            table.close()
        kept = table if table.light else None
        return cls(
            source,
            options,
            table.columns,
            table.notices,
            table.addresses,
            table.format,
            table.typed,
            table.hidden_columns,
            kept,
        )

    def open(self) -> AbstractContextManager[Table]:
        """The file, opened again where it was not kept open."""
        if self.table is not None:
            return nullcontext(self.table)
        table = self.source.open(self.options)
        if table.columns != self.columns:
            table.close()
            raise InputError(f"{self.source.name} was changed while it was being read.", "Start again.")
        return table

    def place_of(self, column: int) -> int | None:
        """Where a column of the whole stands in this file."""
        if self.order is None:
            return column
        if column >= len(self.order):  # cells beyond the headings
            return len(self.columns) + column - len(self.order)
        return self.order[column] if self.order[column] < len(self.columns) else None


def open_tables(sources: Sequence[Source], options: ReadOptions, redact: Callable[[str], str] = str) -> Table | Tables:
    """Opens the inputs of a run as one table; see `Source.open` for a single one, and `Tables` for several."""
    if len(sources) == 1:
        return sources[0].open(options)
    return Tables(sources, options, redact)


class Tables:
    """Several input files as one table; see `Table`, whose attributes and methods these are.

    A row's number is that of its file and its row: see `batchupdate.model`. Options that mean nothing for the format
    of one of the files are heeded by the others.

    Args:
        sources: the files, in order.
        options: what the user said about each of them; `limit` counts the rows of all.
        redact: takes secrets out of a heading before it is shown.

    Attributes:
        rows: how many data rows of each file were read so far.

    Raises:
        InputError: one can't be read, or has other headings than the first.
        ConfigError: rows are named without their file, or with one that is not among these.
    """

    def __init__(self, sources: Sequence[Source], options: ReadOptions, redact: Callable[[str], str] = str) -> None:
        self._limit = options.limit
        self._redact = redact
        self.labels = RowLabels(short_names([source.name for source in sources]))
        self.source = listed(self.labels.names)
        mixed = replace(options, mixed=True)
        parts = [_Part.survey(source, own) for source, own in zip(sources, self._by_file(mixed), strict=True)]
        _refuse_meaningless(parts, options)
        for part in parts[1:]:
            self._refuse_others(part, parts[0])
        self.columns = _all_columns(parts)
        self._parts = [part._replace(order=_order(self.columns, part.columns)) for part in parts]
        self.notices = self._joined_notices()
        self.typed = any(part.typed for part in parts)
        hidden = {_key(heading) for part in parts for heading in part.hidden_columns}
        self.hidden_columns = frozenset(heading for heading in self.columns if _key(heading) in hidden)
        self.rows = [0] * len(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The files are open during a pass only."""

    def refuse_twins_of(self, used: AbstractSet[int]) -> None:
        """Does nothing: none of several files has two equal headings, so that it is clear which columns go together."""

    def has_more_rows(self, count: int) -> bool:
        """Whether all files together have more data rows than so many."""
        return has_more_rows(self, count)

    def batches(self, size: int = 500) -> Generator[Batch, None, None]:
        """The data rows of all files in order, up to `size` at a time; anew from the first row at every call."""
        left = self._limit
        self.rows = [0] * len(self._parts)
        for index, part in enumerate(self._parts):
            if left == 0:
                return
            if part.options.rows == ():
                continue
            with part.open() as table:
                for batch in table.batches(size):
                    rows = batch if left is None else _first(batch, left)
                    self.rows[index] += len(rows)
                    yield self._placed(index, part, rows)
                    if left is not None:
                        left -= len(rows)
                    if left == 0:
                        break

    def _by_file(self, options: ReadOptions) -> list[ReadOptions]:
        """The options for each file, with the rows that are named of it."""
        names = self.labels.names
        if options.rows is None:
            return [options] * len(names)
        rows: list[list[RowSpan]] = [[] for _ in names]
        for span in options.rows:
            rows[span.file_index(names)].append(span._replace(file=""))
        return [replace(options, rows=tuple(own)) for own in rows]

    def address(self, row: int, column: int | None) -> str:
        """Where a cell, or a row, stands in its file; empty where its file has no such column."""
        part = self._parts[RowRef.of(row).file]
        place = None if column is None else part.place_of(column)
        return "" if place is None and column is not None else part.addresses.of(RowRef.of(row).number, place)

    def _placed(self, index: int, part: _Part, batch: Batch) -> Batch:
        """A file's rows as rows of the whole."""
        if batch[-1].number > MOST_ROWS:
            raise InputError(
                f"{part.source.name} has more than {MOST_ROWS:,} rows, blank ones too; one of several files can't.",
                "Give it alone.",
            )
        base = index << BITS
        if part.order is None and not base:
            return batch
        problems = self._problems(base, batch.problems)
        if part.order is None:
            return Batch([Row(base + number, cells) for number, cells in batch], problems)
        pick, width = itemgetter(*part.order), len(part.columns)
        rows = []
        for number, cells in batch:
            if len(cells) == width:
                rows.append(Row(base + number, pick((*cells, ""))))
                continue
            # Once its cells stand in another order, how many there were can't be seen any more.
            many = len(cells) > width
            message = ragged_message(len(cells), width, many=many)
            problems.append(Problem(RAGGED, base + number, "", cells[width] if many else "", message))
            squared = (*cells[:width], *("",) * (width - len(cells)), "")
            rows.append(Row(base + number, (*pick(squared), *cells[width:])))
        return Batch(rows, problems)

    def _problems(self, base: int, problems: Sequence[Problem]) -> list[Problem]:
        """What a file's reader says of its cells, under the headings of the whole."""
        if not problems:
            return []
        own = {_key(heading): heading for heading in self.columns if heading}
        return [replace(one, row=base + one.row, column=own.get(_key(one.column), one.column)) for one in problems]

    def _joined_notices(self) -> tuple[str, ...]:
        """What was found out about the files, each sentence once."""
        files_of: defaultdict[str, list[str]] = defaultdict(list)
        for name, part in zip(self.labels.names, self._parts, strict=True):
            for notice in part.notices:
                files_of[notice].append(name)
        # A notice keeps its class, which can be `UncertainNotice`.
        return tuple(type(notice)(f"{listed(names)}: {notice}") for notice, names in files_of.items())

    def _refuse_others(self, part: _Part, first: _Part) -> None:
        """Refuses a file whose headings are not those of the first."""
        wanted, found = _named(first.columns), _named(part.columns)
        missing = [self._shown(wanted[key]) for key in wanted if key not in found]
        added = [self._shown(found[key]) for key in found if key not in wanted]
        if missing:
            more = f", but has {_several(added)}" if added else ""
            raise InputError(
                f"{part.source.name} has no column {_several(missing)}, which {first.source.name} has{more}.",
                f"{_SAME_HEADINGS} Rename or add it (a blank cell leaves its field as it is), or give that file alone.",
            )
        if added:
            raise InputError(
                f"{part.source.name} has a column {_several(added)}, which {first.source.name} does not have.",
                f"{_SAME_HEADINGS} Rename or delete it, or give that file alone.",
            )

    def _shown(self, heading: str) -> str:
        return quoted(self._redact(heading))


def _first(batch: Batch, count: int) -> Batch:
    """The first rows of a batch, and what is wrong with them."""
    if len(batch) <= count:
        return batch
    last = batch[count - 1].number
    return Batch(batch[:count], [problem for problem in batch.problems if problem.row <= last])


def _several(headings: Sequence[str]) -> str:
    more = f" and {len(headings) - NAMED_AT_MOST:,} more" if len(headings) > NAMED_AT_MOST else ""
    return ", ".join(headings[:NAMED_AT_MOST]) + more


def _is_free(heading: str) -> bool:
    """Whether a column need not be in every file: it has no heading, or a report or `pull` has put it there."""
    return not normalise_heading(heading) or heading.startswith(EXTRA) or is_pulled(heading)


def _named(columns: Sequence[str]) -> dict[str, str]:
    """The headings that all files must have, by how they are compared."""
    return {normalise_heading(heading): heading for heading in columns if not _is_free(heading)}


def _all_columns(parts: Sequence[_Part]) -> tuple[str, ...]:
    """The columns of the first file, and the free ones that only others have."""
    columns = list(parts[0].columns)
    for part in parts[1:]:
        for heading in dict.fromkeys(filter(_is_free, part.columns)):
            columns += [heading] * (part.columns.count(heading) - columns.count(heading))
    return tuple(columns)


def _order(columns: Sequence[str], own: Sequence[str]) -> tuple[int, ...] | None:
    """Where each of the columns stands in a file with its `own` ones; None where they stand there just so."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, heading in enumerate(own):
        places[_key(heading)].append(place)
    order = tuple(places[_key(heading)].pop(0) if places[_key(heading)] else len(own) for heading in columns)
    return None if order == tuple(range(len(own))) else order


def _key(heading: str) -> str:
    return heading if _is_free(heading) and not is_pulled(heading) else heading_key(heading)


def _refuse_meaningless(parts: Sequence[_Part], options: ReadOptions) -> None:
    """Refuses an option that means something for none of the files."""
    meant = frozenset[str]().union(*(FORMATS[part.format].options for part in parts if part.format in FORMATS))
    for name in sorted(OPTIONS - meant):
        if getattr(options, name) is not None:
            option = option_name(name)
            raise InputError(f"{option} means nothing for any of these files.", f"Leave {option} out.")
