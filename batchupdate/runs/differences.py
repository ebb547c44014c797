"""What became of rows in one run and in another."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, overload

from batchupdate.config import Settings
from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE
from batchupdate.journal import Journal
from batchupdate.journal.differences import differences
from batchupdate.model import files_of, labels_of
from batchupdate.reporter.plan_files import shown
from batchupdate.reporter.results_csv import BYTE_ORDER_MARK
from batchupdate.runs.folder import find
from batchupdate.spreadsheet.csv_injection import guard, guard_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pandas import DataFrame

    from batchupdate.journal.differences import Difference, Values
    from batchupdate.model import RowLabels
    from batchupdate.runs.folder import RunFolder

KINDS = ("outcome", "fields", "only_in_first", "only_in_second")
"""How rows can differ."""
COLUMNS = (
    "kind",
    "id",
    "old_file",
    "old_row",
    "new_file",
    "new_row",
    "old_outcome",
    "new_outcome",
    "field",
    "old",
    "new",
    "old_error",
    "new_error",
)
_ID, _OLD, _NEW = (COLUMNS.index(name) for name in ("id", "old", "new"))


@dataclass(slots=True)
class RunDiff:
    """The rows of two runs that differ; nothing was sent, and neither run was changed.

    Attributes:
        one: the folder of the first run, which is the old one, and `other` that of the second.
        counts: rows by how they differ: in their `outcome`, in what they set alone (`fields`), or `only_in_first` and
            `only_in_second`. All are there once the rows were passed by to their end.
    """

    one: RunFolder
    other: RunFolder
    one_labels: RowLabels
    other_labels: RowLabels
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @classmethod
    def of(cls, one: RunFolder, other: RunFolder) -> RunDiff:
        """Of these runs; nothing is counted yet.

        Raises:
            ConfigError: one can't be read.
        """
        return cls(one, other, _labels(one), _labels(other))

    @property
    def exit_code(self) -> int:
        """0 if nothing differs, else 1."""
        return EXIT_ROWS_NOT_FINE if any(self.counts.values()) else EXIT_OK

    def rows(self) -> Iterator[Difference]:
        """The rows that differ, in the order of the first run; streamed from the journals."""
        counts: Counter[str] = Counter()
        for found in differences(self.one.journal, self.other.journal):
            counts[kind_of(found)] += 1
            yield found
        self.counts = {kind: counts[kind] for kind in KINDS}

    @overload
    def to_frame(self) -> DataFrame: ...

    @overload
    def to_frame(self, chunksize: int) -> Iterator[DataFrame]: ...

    def to_frame(self, chunksize: int | None = None) -> DataFrame | Iterator[DataFrame]:
        """Every field that differs as a row of a pandas DataFrame, and every other row that does.

        The columns are kind, id, old_file, old_row, new_file, new_row, old_outcome, new_outcome, field, old, new
        (JSON values as Python has them), old_error and new_error. What a run does not have is missing (`NA`).

        Args:
            chunksize: give an iterator over frames of at most so many rows instead.
        """
        from batchupdate import frames  # noqa: PLC0415 - it loads pandas

        size = frames.ROWS_AT_ONCE if chunksize is None else chunksize
        lines = (self._cells(pair, absent=frames.MISSING) for pair in _pairs(self.rows()))
        parts = frames.diff_frames(lines, KINDS, size)
        return frames.joined(parts, frames.no_diff(KINDS)) if chunksize is None else parts

    def to_json(self) -> dict[str, Any]:
        """What `diff --json` prints, but for the rows."""
        return {"runs": [self.one.run_id, self.other.run_id], "counts": self.counts, "exit_code": self.exit_code}

    def row_to_json(self, found: Difference) -> dict[str, Any]:
        """One row for programs."""
        row, other_row = found.one_row, found.other_row
        return {
            "id": found.record_id,
            "kind": kind_of(found),
            "rows": [
                None if row is None else self.one_labels.label(row),
                None if other_row is None else self.other_labels.label(other_row),
            ],
            "outcomes": [found.one_outcome, found.other_outcome],
            "errors": [found.one_error, found.other_error],
            "fields": {
                one.name: ({"old": one.one} if one.in_one else {}) | ({"new": one.other} if one.in_other else {})
                for one in found.fields
            },
        }

    def written(self, file: IO[str], rows: Iterable[Difference]) -> Iterator[Difference]:
        """Writes rows as CSV while they pass by: a line for every field that differs, and for every other row."""
        file.write(BYTE_ORDER_MARK)
        writer = csv.writer(file)
        several = bool(self.one_labels.names or self.other_labels.names)
        shown_columns = [index for index, name in enumerate(COLUMNS) if several or not name.endswith("_file")]
        writer.writerow([COLUMNS[index] for index in shown_columns])
        for found in rows:
            for pair in _pairs([found]):
                cells = ["" if cell is None else cell for cell in self._cells(pair, absent="")]
                cells[_OLD], cells[_NEW] = shown(cells[_OLD]), shown(cells[_NEW])
                texts = [(guard_id if index == _ID else guard)(str(cell)) for index, cell in enumerate(cells)]
                writer.writerow([texts[index] for index in shown_columns])
            yield found

    def _cells(self, pair: tuple[Difference, Values | None], *, absent: object) -> tuple[object, ...]:
        """One line, in the order of `COLUMNS`; `absent` stands for what a run was not to set."""
        found, values = pair
        old = values.one if values and values.in_one else absent
        new = values.other if values and values.in_other else absent
        return (
            kind_of(found),
            found.record_id,
            *_place(self.one_labels, found.one_row),
            *_place(self.other_labels, found.other_row),
            found.one_outcome,
            found.other_outcome,
            "" if values is None else values.name,
            old,
            new,
            found.one_error,
            found.other_error,
        )


def diff(run1: str | Path, run2: str | Path, settings: Settings | None = None) -> RunDiff:
    """Compares what became of rows in one run and in another; the same as the command `diff`.

    Rows belong together by the ids of their records.

    Args:
        run1: the older run's id, its folder, or `latest`.
        run2: the other one likewise.
        settings: says where runs are (`runs_dir`).

    Raises:
        UsageError: a run can't be found or read.
    """
    runs_dir = (settings or Settings()).runs_dir
    found = RunDiff.of(find(runs_dir, str(run1)), find(runs_dir, str(run2)))
    for _ in found.rows():
        pass  # they are counted
    return found


def kind_of(found: Difference) -> str:
    """How a row differs."""
    if found.other_row is None:
        return "only_in_first"
    if found.one_row is None:
        return "only_in_second"
    return "outcome" if found.one_outcome != found.other_outcome else "fields"


def _pairs(rows: Iterable[Difference]) -> Iterator[tuple[Difference, Values | None]]:
    return ((row, values) for row in rows for values in row.fields or (None,))


def _place(labels: RowLabels, key: int | None) -> tuple[str, int | None]:
    """What the file is called of a row, and its number there."""
    return ("", None) if key is None else (labels.file(key), labels.row(key))


def _labels(folder: RunFolder) -> RowLabels:
    with Journal.open(folder.journal) as journal:
        return labels_of(files_of(journal.meta().get("input")))
