"""The rows of a plan as its journal has them: state, and old → new by field."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import FieldChange, Outcome, PlannedRow, PlanState
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchupdate.model import PlanLine

MOST_DISTINCT = 10_000
"""Different changes that are counted; beyond them, only those that have come up by then."""

_NOTHING = Seen()
_NOT_SENT = {
    Outcome.UNCHANGED: PlanState.UNCHANGED,
    Outcome.CONFLICT: PlanState.CONFLICT,
    Outcome.INVALID: PlanState.INVALID,
}


def planned_rows(lines: Iterable[PlanLine]) -> Iterator[PlannedRow]:
    """The rows in input order; streamed."""
    for line in lines:
        seen = Seen.from_json(line.state) if line.state else _NOTHING
        changes = _changes(line, seen)
        yield PlannedRow(line.key, line.record_id, _state(line, seen, changes), changes, line.error, line.cells)


def _state(line: PlanLine, seen: Seen, changes: Sequence[FieldChange]) -> PlanState:
    if line.outcome in _NOT_SENT:
        return _NOT_SENT[Outcome(line.outcome)]
    if line.outcome is not None:
        return PlanState.NOT_THERE if seen.gone else PlanState.UNREADABLE
    if seen.gone:
        return PlanState.CREATE
    return PlanState.CHANGE if any(change.known for change in changes) else PlanState.UNKNOWN


def _changes(line: PlanLine, seen: Seen) -> tuple[FieldChange, ...]:
    if not line.fields or line.outcome in {Outcome.UNCHANGED, Outcome.INVALID}:
        return ()
    new = exact_json.loads(line.fields)
    found = []
    for name, value in new.items():
        if name in seen.values and seen.values[name] == value:
            continue
        absent = seen.gone or name in seen.absent
        found.append(FieldChange(name, seen.values.get(name), value, name in seen.values or absent, absent))
    return tuple(found)


class EqualChange(NamedTuple):
    """A change that several rows make: of which field, from what to what, as JSON; and the first of them."""

    name: str
    old: str
    new: str
    rows: int
    example: int


class EqualChanges:
    """Counts changes that are the same in many rows."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, str, str], int] = {}

    def add(self, row: PlannedRow) -> None:
        """Counts those of one row."""
        for change in row.changes:
            key = (change.name, as_text(change), exact_json.dumps(change.new))
            if key in self._counts or len(self._counts) < MOST_DISTINCT:
                self._counts[key] += 1
                self._first.setdefault(key, row.key)

    def most(self, count: int, least: int = 2) -> list[EqualChange]:
        """The most frequent, of those that at least so many rows make."""
        common = self._counts.most_common(count)
        return [EqualChange(*key, found, self._first[key]) for key, found in common if found >= least]


def as_text(change: FieldChange) -> str:
    """The old value as JSON; '' where it was not there, and `?` where it is not known."""
    if not change.known:
        return "?"
    return "" if change.absent else exact_json.dumps(change.old)
