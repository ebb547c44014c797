"""Refuses rows in which a cell contains the API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem

if TYPE_CHECKING:
    from batchupdate.config import Secrets
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap


class SecretsInCells:
    """Refuses rows in which a cell contains the API key."""

    def __init__(self, target: Target, columns: ColumnMap, secrets: Secrets) -> None:
        self._secrets = secrets
        self._mapped = {mapped.index: mapped for mapped in columns.mapped}
        self._ids = set(target.id)

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        if not self._secrets or not self._secrets.within("\n".join(["\t".join(row.cells) for row in batch.rows])):
            return
        for row in batch.rows:
            for index, cell in enumerate(row.cells):
                if self._secrets.within(cell):
                    mapped = self._mapped.get(index)
                    heading = mapped.heading if mapped else ""
                    message = "the cell contains your API key; remove it from the file, and change the key"
                    batch.problems.add(Problem("holds_key", row.number, heading, self._secrets.redact(cell), message))
                    if mapped and mapped.name in self._ids:
                        batch.problems.unidentified_rows.add(row.number)
        batch.problems.closed_rows |= batch.problems.invalid_rows  # other problems could show the key
