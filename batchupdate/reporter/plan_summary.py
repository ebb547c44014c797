"""What a plan comes to: figures and equal changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE
from batchupdate.model import FINE_STATES, ONE_FILE, SENT_STATES, Outcome, PlanState
from batchupdate.reporter.plan_rows import EqualChange, EqualChanges, planned_rows
from batchupdate.reporter.results_csv import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pandas import DataFrame

    from batchupdate.model import PlanLine, PlannedRow, RowLabels

SCHEMA = 1
"""Grows when a key of `plan.json` changes its meaning."""

MOST_EQUAL = 20


@dataclass(slots=True)
class Plan:
    """What a file would change in the records as they are now; nothing was sent.

    Attributes:
        plan_id: its folder's name.
        folder: where it is kept, with `plan.json`, `plan.csv` and `plan.xlsx`.
        target: the target's name, and `base_url` where it sends to.
        input_path: what was read, with `sha256` and how many `rows` it has.
        counts: rows by what becomes of them; every state is there.
        fields: by field, in how many rows it changes, as far as that is known; `cleared` those that it empties.
        equal: changes that many rows make alike.
        requests: how many it took to read the records.
        made_at: Unix time.
        digest: what `run --plan` knows it by.
        notices: sentences about the whole.
    """

    plan_id: str
    folder: Path
    target: str
    base_url: str
    input_path: str
    sha256: str
    rows: int
    requests: int
    made_at: float
    digest: str = ""
    counts: dict[PlanState, int] = field(default_factory=lambda: dict.fromkeys(PlanState, 0))
    fields: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    equal: list[EqualChange] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    labels: RowLabels = ONE_FILE
    lines: Callable[..., Iterable[PlanLine]] = field(default=lambda *_: (), repr=False, compare=False)

    def count(self, rows: Iterable[PlannedRow]) -> Iterator[PlannedRow]:
        """Counts rows as they pass by."""
        equal = EqualChanges()
        for row in rows:
            self.counts[row.state] += 1
            if row.state in SENT_STATES:
                for change in row.changes:
                    self.fields[change.name] += 1
                    self.cleared[change.name] += change.new is None or change.new in ("", [])
                equal.add(row)
            yield row
        self.cleared = +self.cleared
        self.equal = equal.most(MOST_EQUAL)

    @property
    def to_send(self) -> int:
        """How many rows `run --plan` would send."""
        return sum(self.counts[state] for state in SENT_STATES)

    @property
    def exit_code(self) -> int:
        """0 when every row is fine, else 1."""
        return EXIT_ROWS_NOT_FINE if self.problems else EXIT_OK

    def changes(self) -> Iterator[PlannedRow]:
        """Every row, in input order; streamed from the plan's journal."""
        return planned_rows(self.lines())

    def problem_rows(self) -> Iterator[PlannedRow]:
        """The rows that need somebody's attention, conflicts first; streamed likewise."""
        for outcomes in ((Outcome.CONFLICT,), (Outcome.FAILED, Outcome.INVALID)):
            yield from planned_rows(self.lines(*outcomes))

    @overload
    def to_frame(self) -> DataFrame: ...

    @overload
    def to_frame(self, chunksize: int) -> Iterator[DataFrame]: ...

    def to_frame(self, chunksize: int | None = None) -> DataFrame | Iterator[DataFrame]:
        """Every changed field as a row of a pandas DataFrame, and every row of which nothing is sent.

        The columns are file, row, id, state, field, old, new (JSON values as Python has them) and message.

        Args:
            chunksize: give an iterator over frames of at most so many rows instead.
        """
        from batchupdate import frames  # noqa: PLC0415 - it loads pandas

        parts = frames.plan_frames(self.changes(), self.labels, frames.ROWS_AT_ONCE if chunksize is None else chunksize)
        return frames.joined(parts, frames.no_plan()) if chunksize is None else parts

    def to_json(self) -> dict[str, Any]:
        """What `plan --json` prints, and `plan.json` begins with."""
        return {
            "schema": SCHEMA,
            "plan_id": self.plan_id,
            "target": self.target,
            "base_url": self.base_url,
            "input": {"path": self.input_path, "sha256": self.sha256, "rows": self.rows},
            "made_at": iso(self.made_at),
            "digest": self.digest,
            "counts": {state.value: count for state, count in self.counts.items()},
            "to_send": self.to_send,
            "fields": dict(self.fields),
            "cleared": dict(self.cleared),
            "equal": [{**one._asdict(), "example": self.labels.row(one.example)} for one in self.equal],
            "requests": self.requests,
            "notices": self.notices,
            "folder": str(self.folder),
            "exit_code": self.exit_code,
        }

    @property
    def problems(self) -> Sequence[PlanState]:
        """The states that need somebody's attention, of which there are rows."""
        return [state for state, count in self.counts.items() if count and state not in FINE_STATES]
