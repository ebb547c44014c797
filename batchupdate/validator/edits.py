"""What was edited in a sheet that `pull` wrote: cells that differ from the old values beside them.

Only those are sent, so that a sheet of 400 records with five edits makes five requests, and no value that somebody else
has changed meanwhile is written back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import Level, Problem
from batchupdate.result_columns import OLD_EMPTY, OLD_NULL
from batchupdate.validator.mapping import CHANGES, truncate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Row
    from batchupdate.targets import FieldRule, Target
    from batchupdate.validator.columns import Layout, Old, Slot

UNTOUCHED = "not edited since it was pulled"
BLANKED_ONLY = "nothing to send: its only edits are blanked cells, which leave their fields as they are"


class Edit(NamedTuple):
    """One row of a pulled sheet: the cells to send, blank where nothing was edited, and what is to be told.

    `why_not` says why nothing of it is sent; '' where something is.
    """

    cells: tuple[str, ...]
    why_not: str
    problems: Sequence[Problem]


@dataclass(slots=True)
class Edits:
    """What was edited in one batch, by row number: `cells` of rows to be checked, `untouched` rows with the reason.

    `problems` are told besides. A row that is in neither is an ordinary one.
    """

    cells: dict[int, tuple[str, ...]] = field(default_factory=dict)
    untouched: dict[int, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, row: int, edit: Edit) -> None:
        """Keeps what was found in a row."""
        self.problems += edit.problems
        if edit.why_not:
            self.untouched[row] = edit.why_not
        else:
            self.cells[row] = edit.cells


class Comparison:
    """Compares the rows of one layout with their old values.

    Args:
        layout: with `old`.
        target: knows which fields go along with every change.
    """

    def __init__(self, layout: Layout, target: Target) -> None:
        self._old = layout.old
        self._slots = layout.slots
        self._locked = layout.locked
        self._sets = [number for number, slot in enumerate(layout.slots) if slot.field in target.fields]
        self._target = target

    def edit(self, row: Row, picked: tuple[str, ...]) -> Edit | None:
        """What was edited in a row; None for one of which no old value is known, as when it was added by hand.

        Args:
            row: all its cells.
            picked: those of the slots, and what is computed.
        """
        if not self._is_locked(row) and not any(row.cells[one.place] for one in self._old):
            return None if any(picked[number] for number in self._sets) else Edit(picked, UNTOUCHED, ())
        cells = list(picked)
        blanked: list[Problem] = []
        unedited: list[Old] = []
        for one in self._old:
            slot, cell, old = self._slots[one.slot], picked[one.slot], row.cells[one.place]
            if _same(_transformed(slot, cell), old, slot):
                cells[one.slot] = ""
                unedited.append(one)
            elif cell:
                continue
            elif one.blank == "leave":
                blanked.append(_blanked(row, slot, self._target.fields[slot.name]))
            else:
                cells[one.slot] = slot.null_marker if one.blank == "null" else slot.empty_marker
        edited = [number for number in self._sets if cells[number]]
        if not edited:
            return Edit(picked, BLANKED_ONLY if blanked else UNTOUCHED, blanked)
        problems = [self._refused(row, cells, edited[0])] if self._is_locked(row) else blanked
        for one in unedited:
            if self._target.fields[self._slots[one.slot].name].required:
                cells[one.slot] = self._along(one, picked[one.slot], row.cells[one.place])
        return Edit(tuple(cells), "", problems)

    def _is_locked(self, row: Row) -> bool:
        return self._locked is not None and bool(row.cells[self._locked].strip())

    def _refused(self, row: Row, cells: Sequence[str], place: int) -> Problem:
        told = f"this record must not be edited: {row.cells[self._locked or 0].strip()}; put the old value back"
        return Problem("locked_record", row.number, self._slots[place].heading, cells[place], told)

    def _along(self, one: Old, cell: str, old: str) -> str:
        """An unedited cell that goes along, because the API wants its field with every change."""
        slot = self._slots[one.slot]
        rule = self._target.fields[slot.name]
        if cell or old not in {OLD_NULL, OLD_EMPTY}:
            return cell
        allowed = rule.nullable if old == OLD_NULL else rule.clearable
        return (slot.null_marker if old == OLD_NULL else slot.empty_marker) if allowed else ""


def _same(cell: str, old: str, slot: Slot) -> bool:
    if cell == old or (not cell and old in {OLD_NULL, OLD_EMPTY}):
        return True
    return (cell == slot.null_marker and old == OLD_NULL) or (cell == slot.empty_marker and old == OLD_EMPTY)


def _transformed(slot: Slot, cell: str) -> str:
    """The cell as it would be sent: a transform that changes it makes an edit of it."""
    if not slot.transforms or not cell or cell in {slot.null_marker, slot.empty_marker}:
        return cell
    for name in slot.transforms:
        cell = CHANGES[name](cell) if name != "truncate" else truncate(cell, slot.longest)
    return cell


def _blanked(row: Row, slot: Slot, rule: FieldRule) -> Problem:
    markers = [*([slot.empty_marker] if rule.clearable else []), *([slot.null_marker] if rule.nullable else [])]
    way_out = f"write {' or '.join(markers)} to clear it" if markers else f"{slot.name} can't be cleared"
    told = f"the cell was blanked since it was pulled, and blank leaves {slot.name} as it is; {way_out}"
    return Problem("blanked_cell", row.number, slot.heading, "", told, Level.WARNING)
