"""Which columns of a pulled sheet hold what the fields were, and which of these are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import LOCKED, OLD
from batchupdate.validator.layout import Old

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.targets import Target
    from batchupdate.validator.layout import Slot


def with_old(
    columns: Sequence[str], slots: list[Slot], target: Target
) -> tuple[list[Slot], tuple[Old, ...], tuple[Old, ...], int | None]:
    """Finds the old values of a pulled sheet; what a blank cell means is their affair in slots that have one.

    An item of a list has none: a list is sent as a whole.
    """
    places = {normalise_heading(heading.removeprefix(OLD)): i for i, heading in enumerate(columns) if is_old(heading)}
    found = [
        Old(number, places[key], slot.blank)
        for number, slot in enumerate(slots)
        if slot.item is None and (key := normalise_heading(slot.name)) in places
    ]
    made = {one.slot for one in found}
    kept = [replace(slot, blank="leave") if number in made else slot for number, slot in enumerate(slots)]
    old = tuple(one for one in found if slots[one.slot].name in target.fields)
    old_ids = tuple(one for one in found if slots[one.slot].name in target.id) if old else ()
    locked = columns.index(LOCKED) if old and LOCKED in columns else None
    return kept, old, old_ids, locked


def lost(columns: Sequence[str], slots: Sequence[Slot], old: Sequence[Old], target: Target) -> tuple[str, ...]:
    """A sentence for each column whose old values were deleted from a pulled sheet, for then all of it is sent."""
    if target.list is None or not any(is_old(heading) or heading == LOCKED for heading in columns):
        return ()
    known = {one.slot for one in old}
    listed = set(target.fields) - set(target.list.absent)
    return tuple(
        f"The column {slot.heading!r} has no old values beside it ({OLD}{slot.field}), so all that stands in it is "
        "sent, edited or not. If that is not meant, pull the records again."
        for number, slot in enumerate(slots)
        if number not in known and slot.field in listed and slot.index < len(columns) and not slot.item
    )


def is_old(heading: str) -> bool:
    """Whether a column holds what a field was when the sheet was pulled."""
    return heading.startswith(OLD)
