"""pandas DataFrames as records: one that a program hands over, or the frames that a file is read as, piece by piece."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from batchupdate.errors import InputError
from batchupdate.model import Level
from batchupdate.reader.column_text import column_texts
from batchupdate.reader.records import MAX_COLUMNS, CellProblem
from batchupdate.reader.registry import OPTIONS, option_name
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from batchupdate.reader.records import ReadOptions

ROWS_AT_ONCE = 5000


class FrameAddresses(NamedTuple):
    """How the cells of a DataFrame are called: `df.loc['k3', 'name']`, with the row's own label.

    `labels` is the frame's index; `levels` are the numbers of its levels that are read as columns before the `columns`.
    `kept` is as in `Addresses`: the places of the input's own columns, where the frame holds results of an earlier run.
    """

    labels: pd.Index[Any]
    levels: tuple[int, ...]
    columns: tuple[Any, ...]
    kept: tuple[int, ...] | None = None

    def of(self, row: int, column: int | None) -> str:
        """Where a cell stands, by its row's number, from 1, and the place of its column, from 0; or a whole row."""
        return self._address(row, self.kept[column] if self.kept and column is not None else column)

    def at(self, row: int, place: int) -> str:
        """Where a cell stands, by its row's number, from 1, and the place of its column in the frame, from 0."""
        return self._address(row, place)

    def _address(self, row: int, column: int | None) -> str:
        position = row - 1
        if column is not None and column < len(self.levels):
            level = f".get_level_values({self.levels[column]})" if self.labels.nlevels > 1 else ""
            return f"df.index{level}[{position}]"
        label = _plain(self.labels[position])
        name = "" if column is None else f", {self.columns[column - len(self.levels)]!r}"
        return f"df.loc[{label!r}{name}]"


def _plain(label: Any) -> object:  # noqa: ANN401 - anything can be a label
    """A label without numpy's own types, as it would be typed."""
    if isinstance(label, tuple):
        return tuple(map(_plain, label))
    return label.item() if isinstance(label, np.generic) else label


class FrameRecords:
    """Frames as records; see `Records`. The headings are record 0, so that a frame's first row is row 1.

    Args:
        format: what the frames were read from, "dataframe" for one of a program's own.
        headings: the columns' names; None where they are the first row of the frames themselves.
        frames: gives the frames from the first on, anew at every call, each of at most so many rows if it can.
        notices: what was found out, as sentences for the user.
        close: releases the file.
        sheet: which of a file's tables it is.
        encoding: Python's name of a text file's encoding.
    """

    delimiter: str | None = None
    columns_before = 0
    typed = True
    hidden_columns: Collection[int] = ()

    def __init__(
        self,
        format: str,  # noqa: A002 - as `Records` has it
        headings: Sequence[str] | None,
        frames: Callable[[int], Iterator[pd.DataFrame]],
        *,
        notices: tuple[str, ...] = (),
        close: Callable[[], object] = lambda: None,
        sheet: str | None = None,
        encoding: str | None = None,
    ) -> None:
        self.format = format
        self.encoding = encoding
        self.first_number = 1 if headings is None else 0
        self.sheet = sheet
        self.notices = notices
        self._headings = headings
        self._frames = frames
        self._close = close
        self._problems: list[CellProblem] = []

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The headings, then one record for each row."""
        self._problems = []
        if self._headings is not None:
            yield [list(self._headings)]
        number = 1
        for frame in self._frames(size):
            for start in range(0, len(frame), size):
                part = frame.iloc[start : start + size]
                yield self._records(part, number)
                number += len(part)

    def _records(self, part: pd.DataFrame, first: int) -> list[list[str]]:
        columns: list[Sequence[str]] = []
        self._problems = []
        for place, (_, values) in enumerate(part.items()):
            texts, refused = column_texts(values)
            columns.append(texts)
            self._problems += [
                CellProblem(first + one.position, place, one.code, one.cell, one.message, Level.ERROR)
                for one in refused
            ]
        self._problems.sort()
        return list(map(list, zip(*columns, strict=True)))

    def problems(self, first: int, last: int) -> Sequence[CellProblem]:
        """The values without a text among the rows that were given last."""
        return [one for one in self._problems if first <= one.row <= last]

    def close(self) -> None:
        """Releases the file that the frames come from."""
        self._close()


def refuse_options(options: ReadOptions, source: str) -> None:
    """Refuses what the user said about how a file is written.

    Raises:
        InputError: such an option is set.
    """
    for name in sorted(OPTIONS):
        if getattr(options, name) is not None:
            option = option_name(name)
            raise InputError(f"{option} means nothing for {source}.", f"Leave {option} out.")


def frame_records(
    frame: pd.DataFrame, source: str
) -> tuple[FrameRecords, Callable[[tuple[int, ...] | None], FrameAddresses]]:
    """A DataFrame as records, and what says how its cells are called, given the places of its own columns.

    The levels of an index that have names are columns, before the frame's own.

    Raises:
        InputError: its columns have several levels, or two have the same name.
    """
    levels = tuple(level for level, name in enumerate(frame.index.names) if name is not None)
    named = _names([frame.index.names[level] for level in levels], source)
    columns = _columns(frame, source)
    headings = [*named, *columns]
    if len(set(headings)) < len(headings):
        twice = Counter(headings).most_common(1)[0][0]
        what = "the index and a column" if twice in named and twice in columns else "two columns"
        raise InputError(f"{source}: {what} are named {quoted(twice)}.", "Rename or drop one of them.")
    if len(headings) > MAX_COLUMNS:
        raise InputError(
            f"{source} has {len(headings):,} columns; at most {MAX_COLUMNS:,} can be read.",
            "Hand over only those that are needed.",
        )

    def frames(size: int) -> Iterator[pd.DataFrame]:
        for start in range(0, len(frame), size):
            part = frame.iloc[start : start + size]
            if levels:
                # Whatever the levels are called, now their names are their numbers, which are no column's.
                part = part.rename_axis(index=[str(level) for level in range(part.index.nlevels)])
                part = part.reset_index(level=[str(level) for level in levels], allow_duplicates=True)
            yield part

    records = FrameRecords("dataframe", headings, frames, notices=_index_notices(frame.index, named))
    return records, partial(FrameAddresses, frame.index, levels, tuple(frame.columns))


def _columns(frame: pd.DataFrame, source: str) -> list[str]:
    if frame.columns.nlevels > 1:
        raise InputError(
            f"{source}: its columns have {frame.columns.nlevels} levels (a MultiIndex), and a heading has one.",
            "Give each column one name, such as: df.columns = ['_'.join(names) for names in df.columns].",
        )
    return _names(list(frame.columns), source)


def _names(names: Sequence[object], source: str) -> list[str]:
    """The names of columns or levels as headings; a number is its digits."""
    texts, refused = column_texts(pd.Series(names, dtype=object))
    if refused:
        raise InputError(f"{source}: the name of a column {refused[0].message}.", "Give each column a name of text.")
    return list(map(str, texts))


def _index_notices(index: pd.Index[Any], named: Sequence[str]) -> tuple[str, ...]:
    """What is said about a frame's index: its levels with names are columns, and the others are not."""
    if len(named) == 1:
        return (f"The index {quoted(named[0])} is read as a column.",)
    if named:
        return (f"The index levels {', '.join(map(quoted, named))} are read as columns.",)
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
        return ()
    notice = (
        "The index has no name, so it is not read as a column; its labels are only used to say where a problem is. If "
        "it holds the ids or a field, name it (df.index.name = 'id') or make it a column (df.reset_index())."
    )
    return (notice,)


def digest_of(frame: pd.DataFrame, source: str) -> str:
    """What tells a DataFrame from all others: the SHA-256 of its headings, its types and the text of every cell.

    Raises:
        InputError: see `frame_records`.
    """
    records, _ = frame_records(frame, source)
    digest = hashlib.sha256(json.dumps([str(one) for one in frame.dtypes]).encode())
    for chunk in records.chunks(ROWS_AT_ONCE):
        digest.update(json.dumps(chunk).encode())
    return digest.hexdigest()
