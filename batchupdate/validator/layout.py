"""How a table's columns are used: what `columns` finds out, and all else in the validator goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from batchupdate.validator.mapping import Template, When


@dataclass(frozen=True, slots=True)
class Slot:
    """One column that is used: its place (from 0), its heading, the id or field it sets, and its markers.

    `blank` is what a blank cell means. `transforms` change its cells; `longest` is what `truncate` leaves of one.
    Where `item` is not None, the column holds one item of a list, counted from 0, and `name` is such as `labels[0]`.
    """

    index: int
    heading: str
    name: str
    null_marker: str
    empty_marker: str
    blank: str = "leave"
    transforms: tuple[str, ...] = ()
    longest: int = 0
    item: int | None = None

    @property
    def field(self) -> str:
        """The id or field itself: of `labels[0]`, it is `labels`."""
        return self.name if self.item is None else self.name[: self.name.rindex("[")]


class Old(NamedTuple):
    """Where the old value of the slot at `slot`, or an id's copy, stands in a pulled sheet: in the column at `place`.

    `blank` is what a blank cell of the slot means where it is an edit.
    """

    slot: int
    place: int
    blank: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the table's columns are used. `width` counts all of them; `extra` are the places of `_extra_` columns.

    What `computed` makes stands behind a row's own cells, in the slots from `width` on. Rows that don't meet every
    condition in `when` are left alone. `hints` are sentences about headings that are nearly a field's. `decimal` is
    what stands before the decimals of a number.

    `old` is where old values stand, if `pull` wrote the sheet; only what differs from them is sent then. `old_ids` is
    where it says whose they are. `locked` is the place of the column that says why a record must not be edited.
    """

    width: int
    slots: tuple[Slot, ...]
    ignored: tuple[str, ...]
    extra: tuple[int, ...]
    computed: tuple[Template, ...] = ()
    when: tuple[When, ...] = ()
    hints: tuple[str, ...] = ()
    decimal: str = "."
    old: tuple[Old, ...] = ()
    locked: int | None = None
    old_ids: tuple[Old, ...] = ()

    def heading(self, name: str) -> str:
        """The heading of the column that sets a field, or its first item; the field's own name where no column does."""
        own = [slot for slot in self.slots if slot.field == name]
        return min(own, key=lambda slot: slot.item or 0).heading if own else name
