"""Which columns of a pulled sheet hold the old values of its fields."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import (
    LOCKED,
    OLD,
    OLD_EMPTY,
    OLD_NULL,
    VERSION,
    is_old,
    old_field,
    pulled_name,
)
from batchupdate.validator.columns.column_map import MappedColumn, OldColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.targets import Target


class PulledColumns(NamedTuple):
    """The columns that `pull` wrote beside the fields, and the mapped columns as these change them.

    `old` hold the old values of fields and `old_ids` those of ids; `old_lists` are the indexes of the columns that hold
    the whole of a list whose items have columns of their own. `locked` is the index of the column `_locked`, and
    `version` that of `_version`.
    """

    mapped: list[MappedColumn]
    old: tuple[OldColumn, ...]
    old_ids: tuple[OldColumn, ...]
    old_lists: dict[str, int]
    locked: int | None
    version: int | None


def find_pulled_columns(columns: Sequence[str], mapped: list[MappedColumn], target: Target) -> PulledColumns:
    """Finds the old values of a pulled sheet.

    In a column with old values, a blank cell is an edit, so what it means is decided there. An item of a list has no
    old value of its own: a list is sent as a whole. Where the API replaces objects, the old value of a member goes
    along with the others, even if the member's own column was deleted.
    """
    indexes = {old_field(one): i for i, one in enumerate(columns) if is_old(one)}
    names = {one.name for one in mapped}
    for name in chain(*target.objects.values()) if target.body.nesting == "replace" else ():
        if name not in names and (index := indexes.get(normalise_heading(name))) is not None:
            mapped = [*mapped, MappedColumn(index, columns[index], name, OLD_NULL, OLD_EMPTY)]
    found = [
        OldColumn(position, indexes[key], one.blank)
        for position, one in enumerate(mapped)
        if one.item is None and (key := normalise_heading(one.name)) in indexes
    ]
    compared = {one.mapped for one in found}
    changed = [replace(one, blank="leave") if position in compared else one for position, one in enumerate(mapped)]
    old = tuple(one for one in found if mapped[one.mapped].name in target.fields)
    old_ids = tuple(one for one in found if mapped[one.mapped].name in target.id)
    spread = {one.field for one in mapped if one.item is not None}
    old_lists = {name: indexes[key] for name in spread if (key := normalise_heading(name)) in indexes}
    version = _index(VERSION, columns) if target.precondition else None
    old_ids = old_ids if old or old_lists or version is not None else ()
    locked = _index(LOCKED, columns) if old else None
    return PulledColumns(changed, old, old_ids, old_lists, locked, version)


def hints_about_missing(
    columns: Sequence[str], mapped: Sequence[MappedColumn], old: Sequence[OldColumn], target: Target
) -> tuple[str, ...]:
    """A sentence for each column whose old values were deleted from a pulled sheet: all its cells are sent then."""
    if target.list is None or not any(is_old(heading) or pulled_name(heading) == LOCKED for heading in columns):
        return ()
    compared = {one.mapped for one in old}
    listed = set(target.fields) - set(target.list.absent)
    return tuple(
        f"The column {one.heading!r} has no old values beside it ({OLD}{one.field}), so all its cells are "
        "sent, edited or not. To send only edited cells, pull the records again."
        for position, one in enumerate(mapped)
        if position not in compared and one.field in listed and one.index < len(columns) and not one.item
    )


def _index(name: str, columns: Sequence[str]) -> int | None:
    return next((index for index, heading in enumerate(columns) if pulled_name(heading) == name), None)
