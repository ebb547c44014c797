"""Which columns a sheet has, and what a row of it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from batchupdate.spreadsheet.csv_injection import guard_id
from batchupdate.spreadsheet.reserved_columns import LOCKED, OLD, VERSION

if TYPE_CHECKING:
    from batchupdate.targets import FieldRule, Target


class PulledRow(NamedTuple):
    """One record as texts of cells: `ids`, `cells` and `old` in the order of the columns; `locked` is why it is.

    `version` is '' where it is not known.
    """

    ids: tuple[str, ...]
    cells: tuple[str, ...]
    old: tuple[str, ...]
    locked: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a sheet in their order: ids, fields, maybe why a record is locked, old values, maybe the version.

    `called` is how the user names the target, and `old` are the fields whose old values are known. The ids are
    repeated among the old values, so that a row with another record's old values is recognised. Those and the version
    are hidden in a workbook.
    """

    target: Target
    called: str
    ids: tuple[str, ...]
    fields: tuple[str, ...]
    old: tuple[str, ...] = ()
    locked: bool = False
    version: bool = False

    @classmethod
    def empty(cls, target: Target, called: str) -> Self:
        """Of a sheet without records."""
        return cls(target, called, tuple(target.id), tuple(target.fields))

    @classmethod
    def pulled(cls, target: Target, called: str) -> Self:
        """Of a sheet with the target's present records."""
        listing = target.list
        old = () if listing is None else tuple(name for name in target.fields if name not in listing.absent)
        locked = listing is not None and bool(listing.fixed)
        version = bool(target.listed_version)
        return cls(target, called, tuple(target.id), tuple(target.fields), old, locked, version)

    @property
    def headings(self) -> tuple[str, ...]:
        """All headings, from left to right."""
        beside = (LOCKED,) if self.locked else ()
        return (*self.ids, *self.fields, *beside, *self.hidden)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The last headings: of the columns that are not to be edited, and are hidden where that is possible."""
        return (*(OLD + name for name in (*self.old_ids, *self.old)), *([VERSION] if self.version else []))

    @property
    def old_ids(self) -> tuple[str, ...]:
        """The ids that are repeated among the old values."""
        return self.ids if self.old or self.version else ()

    @property
    def rules(self) -> tuple[FieldRule, ...]:
        """The rules of the fields."""
        return tuple(self.target.fields[name] for name in self.fields)

    def cells_of(self, row: PulledRow) -> tuple[str, ...]:
        """A row's cells under the headings."""
        beside = (row.locked,) if self.locked else ()
        old_ids = map(guard_id, row.ids) if self.old_ids else ()
        version = (guard_id(row.version),) if self.version else ()
        return (*row.ids, *row.cells, *beside, *old_ids, *row.old, *version)
