"""Looks at rows that send only some members of an object or a list: an API that replaces it would lose the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Level, Problem
from batchupdate.spreadsheet.reserved_columns import OLD_ABSENT, OLD_MARKERS, OLD_NULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.targets.place import Step
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap

CODE = "incomplete_object"
NAMED_AT_MOST = 4


class NestedObjects:
    """Refuses rows that would lose members of an object, and warns where the target does not say what the API does.

    A member of which a pulled sheet says that its record does not have it can't be lost. Cells of a pulled sheet that
    were not edited have been completed before; see `pulled_edits`.
    """

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._target = target
        self._columns = columns
        self._replaced = target.body.nesting == "replace"
        self._used = {mapped.field for mapped in columns.mapped}
        self._objects = [fields for fields in _replaced(target) if self._used & set(fields)]
        self._old = {columns.mapped[one.mapped].name: one.index for one in columns.old}

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for fields in self._objects:
            names = set(fields)
            for position, row in enumerate(batch.rows):
                if row.number in batch.problems.closed_rows or (
                    names.isdisjoint(batch.records[position]) and names.isdisjoint(batch.set_aside.get(position, ()))
                ):
                    continue
                sent = [name for name in fields if batch.sets(position, name)]
                if missing := [name for name in self._unset(fields, sent) if self._may_be_lost(row, name)]:
                    batch.problems.add(self._problem(row, sent, missing))

    def _unset(self, fields: Sequence[str], sent: Sequence[str]) -> list[str]:
        """The fields of an object that a row does not set, neither by themselves nor with what holds them."""
        steps = {name: self._target.places[name].steps for name in fields if name in self._target.places}
        paths: dict[str, tuple[Step, ...]] = {name: steps.get(name) or self._target.paths[name] for name in fields}
        return [name for name in fields if not any(paths[name][: len(paths[one])] == paths[one] for one in sent)]

    def _may_be_lost(self, row: Row, name: str) -> bool:
        """Whether there may be something in a field; one that holds others counts where it is known to have a value."""
        old = self._before(row, name)
        return old not in {"", *OLD_MARKERS} if name in self._target.parts else old != OLD_ABSENT

    def _before(self, row: Row, name: str) -> str:
        """What a pulled sheet says that a field was; '' where it says nothing."""
        place = self._old.get(name, len(row.cells))
        return row.cells[place] if place < len(row.cells) else ""

    def _problem(self, row: Row, sent: Sequence[str], missing: Sequence[str]) -> Problem:
        heading = self._columns.heading(sent[0])
        others = _listed(missing)
        if not self._replaced:
            message = (
                f"the row sets {_listed(sent)}, but not {others}, which some APIs would remove then; say under "
                "'body' in the target what this one does with objects: 'nested: replace' or 'nested: merge'"
            )
            return Problem(CODE, row.number, heading, "", message, Level.WARNING)
        whole = next(name for name, fields in self._target.objects.items() if sent[0] in fields)
        message = f"the API replaces {whole} as a whole, and the row does not say what {others} should be, so that "
        message += f"{'it' if len(missing) == 1 else 'they'} would be lost; "
        if (old := self._before(row, missing[0])) in OLD_MARKERS:
            allow = "nullable: true" if old == OLD_NULL else "an empty value"
            message += f"{missing[0]} is {old} now: allow that in the target ({allow}), or fill in the cell"
        else:
            way_out = "fill in the cell" if missing[0] in self._used else f"add the column {missing[0]}"
            message += f"{way_out}, or pull the records again"
        return Problem(CODE, row.number, heading, "", message)


def _replaced(target: Target) -> Iterable[Sequence[str]]:
    """The fields of each object or list that the API replaces as a whole, or may replace.

    A merge patch merges objects and replaces lists (RFC 7396).
    """
    if target.body.nesting != "merge":
        return target.objects.values()
    shared: dict[tuple[str, ...], list[str]] = {}
    if target.body.format == "merge-patch" and target.body.nested is None:
        for name, place in target.places.items():
            shared.setdefault(place.members_before, []).append(name)
    return [names for names in shared.values() if len(names) > 1]


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED_AT_MOST:
        return f"{', '.join(names[:NAMED_AT_MOST])} and {len(names) - NAMED_AT_MOST} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
