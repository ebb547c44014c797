"""Refuses rows that set an object as a whole and one of its members, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap


class WholeOrParts:
    """Refuses rows that set an object as a whole and one of its members, too."""

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._columns = columns
        fields = {mapped.field for mapped in columns.mapped}
        self._wholes = {
            whole: own
            for whole, parts in target.parts.items()
            if whole in fields and (own := [name for name in parts if name in fields])
        }

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for whole, parts in self._wholes.items():
            for position, row in enumerate(batch.rows):
                if batch.sets(position, whole) and (
                    part := next((name for name in parts if batch.sets(position, name)), "")
                ):
                    heading = self._columns.heading(whole)
                    message = (
                        f"the row sets {whole} as a whole and also {part}, which is part of it; leave one of the two "
                        f"blank: {heading!r} or {self._columns.heading(part)!r}"
                    )
                    batch.problems.add(Problem("whole_and_part", row.number, heading, "", message))
