"""How the columns of an input are used: what `matching` finds out, and what the checks go by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.validator.columns.conditions import Condition
    from batchupdate.validator.columns.expected_columns import ExpectedColumn
    from batchupdate.validator.columns.templates import Template


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column that sets an id or field: its index (from 0), its heading, the id or field, and its markers.

    `blank` is what a blank cell means. `transforms` change its cells, and `longest` is the length that `truncate` cuts
    them to. If the column holds one item of a list, `item` is its number (from 0), and `name` is such as `labels[0]`.
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
        """The id or field itself: for `labels[0]`, it is `labels`."""
        return self.name if self.item is None else self.name[: self.name.rindex("[")]


@dataclass(frozen=True, slots=True)
class OldColumn:
    """The column of a pulled sheet, at `index`, that holds the old values of a mapped column.

    `mapped` is the position of that one among all mapped columns. `blank` is what a blank cell of it means where that
    is an edit.
    """

    mapped: int
    index: int
    blank: str


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How the columns of an input are used.

    Attributes:
        width: how many columns there are. The mapped columns with an index from here on are computed.
        mapped: the columns that set an id or field.
        ignored: the headings of columns that are not used.
        extra: the indexes of `_extra_` columns, which hold cells beyond the header row.
        computed: the templates of computed and constant fields.
        when: the conditions that a row has to meet.
        hints: sentences about headings that are nearly a field's.
        decimal: the decimal separator of numbers.
        old: in a pulled sheet, the columns with the old values of fields. Only what differs from them is sent.
        locked: in a pulled sheet, the index of the column that says why a record must not be edited.
        old_ids: in a pulled sheet, the columns that say which record the old values belong to.
        old_lists: in a pulled sheet, the indexes of the columns that hold the old lists of fields whose items have
            columns of their own.
        version: in a pulled sheet, the index of the column with the records' versions, if the target guards with them.
        expected: the columns that say what records must have before their changes.
        match: the columns by which records are found; then the ids are among the computed columns, and come empty.
        undoes: whether its cells are what records had before a run, so that what looks odd in them is meant.
    """

    width: int
    mapped: tuple[MappedColumn, ...]
    ignored: tuple[str, ...]
    extra: tuple[int, ...]
    computed: tuple[Template, ...] = ()
    when: tuple[Condition, ...] = ()
    hints: tuple[str, ...] = ()
    decimal: str = "."
    old: tuple[OldColumn, ...] = ()
    locked: int | None = None
    old_ids: tuple[OldColumn, ...] = ()
    old_lists: Mapping[str, int] = field(default_factory=dict)
    version: int | None = None
    expected: tuple[ExpectedColumn, ...] = ()
    match: tuple[MappedColumn, ...] = ()
    undoes: bool = False

    def used(self) -> frozenset[int]:
        """The indexes of the columns that decide what is sent."""
        return frozenset(
            [
                *(one.index for one in self.mapped + self.match if one.index < self.width),
                *(one.index for one in self.old + self.old_ids),
                *(one.index for one in self.expected),
                *(place for template in self.computed for place in template.places),
                *(condition.place for condition in self.when),
                *(index for index in (self.locked, self.version) if index is not None),
            ]
        )

    def heading(self, name: str) -> str:
        """The heading of the column that sets a field or its first item; the field's name if no column does."""
        own = [mapped for mapped in self.mapped if mapped.field == name]
        return min(own, key=lambda mapped: mapped.item or 0).heading if own else name
