"""Lists with a column for each item: `labels[0]`, `labels[1]` and so on. A blank cell ends the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import Problem
from batchupdate.validator.types import RefusedError, require_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Row
    from batchupdate.targets import FieldRule
    from batchupdate.validator.layout import Slot


class SpreadList(NamedTuple):
    """A list field with a column for each item: `slots` by item number, and `places` of these among all slots."""

    field: str
    rule: FieldRule
    slots: tuple[Slot, ...]
    places: tuple[int, ...]

    def odd(self, columns: Sequence[Sequence[str]]) -> bool:
        """Whether a cell of a batch may say null or empty."""
        return any(
            slot.null_marker in column or slot.empty_marker in column
            for slot, column in zip(self.slots, columns, strict=True)
        )

    def marked(self, cells: Sequence[str]) -> int | None:
        """The first item of a row that says null or empty."""
        both = zip(self.slots, cells, strict=True)
        return next((n for n, (slot, cell) in enumerate(both) if cell in {slot.null_marker, slot.empty_marker}), None)

    def gap(self, row: Row, cells: Sequence[str]) -> Problem | None:
        """The problem of a row in which a cell is filled after a blank one."""
        blank = cells.index("")
        filled = next((number for number in range(blank, len(cells)) if cells[number]), None)
        if filled is None:
            return None
        slot = self.slots[filled]
        told = (
            f"{self.slots[blank].heading!r} is blank, and {slot.heading!r} after it is not; a blank cell ends the "
            "list: fill it in, or move what follows up"
        )
        return Problem("list_gap", row.number, slot.heading, cells[filled], told)

    def misplaced(self, row: Row, number: int, cell: str) -> Problem:
        """The problem of a row in which null or empty stands beside other items."""
        first, slot = self.slots[0].heading, self.slots[number]
        told = (
            f"{cell!r} is said of a whole list, not of an item; write it into {first!r} and leave the other cells of "
            f"{self.field} blank, or take it out"
        )
        return Problem("marker_in_list", row.number, slot.heading, cell, told)

    def miscounted(self, row: Row, cells: Sequence[str], count: int) -> Problem | None:
        """The problem of a row with too few or too many items."""
        try:
            require_count(self.field, self.rule, count)
        except RefusedError as error:
            wrong = self.rule.max_items if error.code == "too_many" else count
            place = min(wrong or 0, len(self.slots) - 1)
            return Problem(error.code, row.number, self.slots[place].heading, cells[place], str(error))
        return None
