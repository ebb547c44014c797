"""The rows of a plan as its journal has them: state, and old → new by field."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.model import FieldChange, Outcome, PlannedRow, PlanState
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchupdate.model import PlanLine

MOST_DISTINCT = 10_000
"""Different changes, and different new values, that are counted; beyond them, only those that have come up by then."""

_NOTHING = Seen()
_UNCHANGED = {Outcome.UNCHANGED, Outcome.INVALID}
"""Of rows with these outcomes, no change is shown."""


def planned_rows(lines: Iterable[PlanLine]) -> Iterator[PlannedRow]:
    """The rows in input order; streamed."""
    for line in lines:
        if line.outcome in _UNCHANGED:
            yield PlannedRow(line.key, line.record_id, PlanState(line.outcome), (), line.error)
            continue
        seen = Seen.from_json(line.state) if line.state else _NOTHING
        changes = _changes(line.fields, seen)
        yield PlannedRow(line.key, line.record_id, _state(line.outcome, seen, changes), changes, line.error)


def _state(outcome: str | None, seen: Seen, changes: Sequence[FieldChange]) -> PlanState:
    if outcome == Outcome.CONFLICT:
        return PlanState.CONFLICT
    if outcome is not None:
        return PlanState.NOT_THERE if seen.gone else PlanState.UNREADABLE
    if seen.gone:
        return PlanState.CREATE
    return PlanState.CHANGE if any(change.known for change in changes) else PlanState.UNKNOWN


def _changes(fields: str | None, seen: Seen) -> tuple[FieldChange, ...]:
    found = []
    for name, value in exact_json.loads(fields).items() if fields else ():
        known = name in seen.values
        if known and seen.values[name] == value:
            continue
        absent = seen.gone or name in seen.absent
        found.append(FieldChange(name, seen.values.get(name), value, known or absent, absent))
    return tuple(found)


class EqualChange(NamedTuple):
    """A change that several rows make: of which field, from what to what, as JSON; and the first of them.

    `old` is None where only the new value is the same: of so many old `values`, or of 0 for more than are counted.
    """

    name: str
    old: str | None
    new: str
    rows: int
    example: int
    values: int = 1


class EqualChanges:
    """Counts changes that are the same in many rows, and new values that are."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, str]] = Counter()
        self._changes: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, ...], int] = {}

    def add(self, row: PlannedRow) -> None:
        """Counts those of one row."""
        for change in row.changes:
            name, new = change.name, exact_json.dumps(change.new)
            self._count(self._rows, (name, new), row.key)
            self._count(self._changes, (name, as_text(change), new), row.key)

    def _count(self, counts: Counter[Any], key: tuple[str, ...], row: int) -> None:
        if key in counts:
            counts[key] += 1
        elif len(counts) < MOST_DISTINCT:
            counts[key] = 1
            self._first[key] = row

    def most(self, count: int, least: int = 2) -> list[EqualChange]:
        """The most frequent, of those that at least so many rows make.

        A new value is one of them as a whole, unless half of its rows or more had the same old one.
        """
        changes: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for (name, old, new), rows in self._changes.items():
            changes.setdefault((name, new), []).append((rows, old))
        found = []
        for (name, new), rows in self._rows.items():
            olds = changes.get((name, new), [])
            if 2 * max(olds, default=(0, ""))[0] >= rows:
                found += [EqualChange(name, old, new, one, self._first[name, old, new]) for one, old in olds]
            else:
                values = len(olds) if sum(one for one, _ in olds) == rows else 0
                found.append(EqualChange(name, None, new, rows, self._first[name, new], values))
        frequent = [one for one in found if one.rows >= least]
        return sorted(frequent, key=lambda one: (-one.rows, one.example))[:count]


def old_values(count: int) -> str:
    """How many different old values there are, in words."""
    return f"{count:,} values" if count else "many values"


def as_text(change: FieldChange) -> str:
    """The old value as JSON; '' where it was not there, and `?` where it is not known."""
    if not change.known:
        return "?"
    return "" if change.absent else exact_json.dumps(change.old)
