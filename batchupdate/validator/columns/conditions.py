"""Conditions: `when` limits a run to the rows whose cells have certain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import InputError
from batchupdate.util.text import quoted
from batchupdate.validator.columns.field_names import index_of_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from batchupdate.config import Secrets
    from batchupdate.model import Row


class Condition(NamedTuple):
    """One condition on a row: the cell at `place` is one of `values`, whatever its case and the spaces around it."""

    place: int
    heading: str
    values: frozenset[str]

    def holds(self, cells: Sequence[str]) -> bool:
        """Whether a row meets it; a row too short to have the cell doesn't."""
        return (cells[self.place] if self.place < len(cells) else "").strip().casefold() in self.values


def parse_conditions(conditions: Mapping[str, Sequence[str]], columns: Sequence[str]) -> tuple[Condition, ...]:
    """Finds the columns of the conditions.

    Raises:
        InputError: the file has no such column.
    """
    found = []
    for heading, values in conditions.items():
        place = index_of_column(heading, columns)
        if place is None:
            message = f"'when' names a column {heading!r} that the file does not have."
            raise InputError(message, f"The file has: {', '.join(filter(None, columns))}.")
        found.append(Condition(place, columns[place], frozenset(value.strip().casefold() for value in values)))
    return tuple(found)


def skip_reason(
    conditions: Sequence[Condition], row: Row, unreadable: AbstractSet[tuple[int, str]], secrets: Secrets
) -> str:
    """Why the conditions skip a row; '' if they don't.

    Args:
        conditions: all of which a row has to meet.
        row: the row.
        unreadable: row number and heading of the cells whose content is not known, such as errors: they skip nothing.
        secrets: kept out of the reason.
    """
    for condition in conditions:
        if not condition.holds(row.cells) and (row.number, condition.heading) not in unreadable:
            cell = row.cells[condition.place] if condition.place < len(row.cells) else ""
            return secrets.redact(f"skipped by 'when': column {condition.heading!r} is {quoted(cell)} (when)")
    return ""
