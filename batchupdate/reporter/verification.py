"""What `verify` has found: whether the records of a run still have what it gave them; and its two files."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE
from batchupdate.model import ONE_FILE
from batchupdate.reporter.atomic_write import replacing_all
from batchupdate.reporter.plan_files import shown
from batchupdate.reporter.results_csv import BYTE_ORDER_MARK, iso
from batchupdate.spreadsheet.csv_injection import guard, guard_id
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pandas import DataFrame

    from batchupdate.model import RowLabels

SCHEMA = 1
"""Grows when a key of `verify.json` changes its meaning."""
CSV, JSON = "verify.csv", "verify.json"
COLUMNS = ("row", "id", "state", "field", "sent", "now", "message")


class RecordState(StrEnum):
    """What became of the record of a row after its run."""

    OURS = "ours"
    """It has the values of the row."""
    DRIFTED = "drifted"
    """It has others."""
    GONE = "gone"
    """There is no such record any more."""
    UNKNOWN = "unknown"
    """The API does not return what the row has set."""
    UNREADABLE = "unreadable"
    """It can't be read now."""


class Drift(NamedTuple):
    """A field that is not as it was sent: JSON values. `absent` is whether the record has no such field now."""

    name: str
    sent: Any
    now: Any = None
    absent: bool = False

    @property
    def shown_now(self) -> str:
        """The present value as the text of a cell; '' where there is none."""
        return "" if self.absent else shown(self.now)


class VerifiedRow(NamedTuple):
    """One row of a run, verified; a plain tuple, for there can be millions. `message` is a sentence, or ''."""

    key: int
    record_id: str
    state: RecordState
    drifts: tuple[Drift, ...] = ()
    message: str = ""


@dataclass(slots=True)
class Verification:
    """What the records of a run are now, compared with what it gave them. Nothing was changed.

    Attributes:
        run_id: the run, with its `folder`, the `target`'s name, and the `base_url` that it was sent to.
        verified_at: Unix time.
        requests: how many it took to read the records.
        counts: rows by state; every state is there.
        fields: by field, in how many rows it drifted.
        notices: sentences about the whole.
        files: where `verify.csv` and `verify.json` were written; empty if the folder can't be written to.
    """

    run_id: str
    folder: Path
    target: str
    base_url: str
    verified_at: float
    requests: int = 0
    counts: dict[RecordState, int] = field(default_factory=lambda: dict.fromkeys(RecordState, 0))
    fields: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    labels: RowLabels = ONE_FILE
    lines: Callable[[], Iterable[VerifiedRow]] = field(default=tuple, repr=False, compare=False)

    def count(self) -> None:
        """Counts the rows."""
        for row in self.lines():
            self.counts[row.state] += 1
            for drift in row.drifts:
                self.fields[drift.name] = self.fields.get(drift.name, 0) + 1

    @property
    def exit_code(self) -> int:
        """0 if every record still has what the run gave it, else 1."""
        others = sum(count for state, count in self.counts.items() if state is not RecordState.OURS)
        return EXIT_ROWS_NOT_FINE if others else EXIT_OK

    def rows(self) -> Iterator[VerifiedRow]:
        """Every row that was verified, in input order; streamed."""
        yield from self.lines()

    @overload
    def to_frame(self) -> DataFrame: ...

    @overload
    def to_frame(self, chunksize: int) -> Iterator[DataFrame]: ...

    def to_frame(self, chunksize: int | None = None) -> DataFrame | Iterator[DataFrame]:
        """Every drifted field as a row of a pandas DataFrame, and every other row of the run that was verified.

        The columns are file, row, id, state, field, sent, now (JSON values as Python has them) and message.

        Args:
            chunksize: give an iterator over frames of at most so many rows instead.
        """
        from batchupdate import frames  # noqa: PLC0415 - it loads pandas

        states = [state.value for state in RecordState]
        size = frames.ROWS_AT_ONCE if chunksize is None else chunksize
        parts = frames.verified_frames(map(self._cells, self._pairs()), states, size)
        return frames.joined(parts, frames.no_verified_rows(states)) if chunksize is None else parts

    def _pairs(self) -> Iterator[tuple[VerifiedRow, Drift | None]]:
        return ((row, drift) for row in self.lines() for drift in row.drifts or (None,))

    def _cells(self, pair: tuple[VerifiedRow, Drift | None]) -> tuple[object, ...]:
        row, drift = pair
        what = ("", None, None) if drift is None else (drift.name, drift.sent, drift.now)
        return (self.labels.file(row.key), self.labels.row(row.key), row.record_id, row.state.value, *what, row.message)

    def to_json(self) -> dict[str, Any]:
        """What `verify --json` prints, and `verify.json` begins with."""
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "target": self.target,
            "base_url": self.base_url,
            "verified_at": iso(self.verified_at),
            "rows": sum(self.counts.values()),
            "counts": {state.value: count for state, count in self.counts.items()},
            "fields": self.fields,
            "requests": self.requests,
            "notices": self.notices,
            "folder": str(self.folder),
            "exit_code": self.exit_code,
        }

    def write(self) -> None:
        """Writes `verify.csv` and `verify.json` into the run's folder.

        Raises:
            SafetyStop: they can't be written.
        """
        paths = [self.folder / CSV, self.folder / JSON]
        with replacing_all(paths, self.notices) as (table, document):
            table.write(BYTE_ORDER_MARK)
            writer = csv.writer(table)
            writer.writerow([*(["file"] if self.labels.names else []), *COLUMNS])
            for row, drift in self._pairs():
                place = ([guard(self.labels.file(row.key))] if self.labels.names else []) + [
                    str(self.labels.row(row.key))
                ]
                cells = ("", "", "") if drift is None else (drift.name, shown(drift.sent), drift.shown_now)
                writer.writerow(
                    [*place, guard_id(row.record_id), row.state.value, *map(guard, cells), guard(row.message)]
                )
            head = json.dumps(self.to_json(), ensure_ascii=False, indent=2)
            document.write(head.removesuffix("\n}") + ',\n  "verified": [')
            for number, row in enumerate(self.lines()):
                document.write(("," if number else "") + "\n    " + exact_json.dumps(self._row(row)))
            document.write("\n  ]\n}\n")
        self.files = paths

    def _row(self, row: VerifiedRow) -> dict[str, Any]:
        file = {"file": self.labels.file(row.key)} if self.labels.names else {}
        drifts = {one.name: {"sent": one.sent} | ({} if one.absent else {"now": one.now}) for one in row.drifts}
        return {
            **file,
            "row": self.labels.row(row.key),
            "id": row.record_id,
            "state": row.state.value,
            **({"drifted": drifts} if drifts else {}),
            **({"message": row.message} if row.message else {}),
        }
