"""Takes over what the reader found in the cells that are used, such as errors and formulas without a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.spreadsheet.headers import RAGGED

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap


class ReaderProblems:
    """Takes over what the reader found in the cells that are used, such as errors and formulas without a result."""

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._ids = set(target.id)
        used = dict.fromkeys((heading for template in columns.computed for heading in template.headings), "")
        used |= dict.fromkeys((condition.heading for condition in columns.when), "")
        self._used = used | {mapped.heading: mapped.name for mapped in columns.mapped}

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for problem in batch.reader_problems:
            if problem.code == RAGGED:
                batch.problems.add_and_close_row(problem)
            elif problem.column in self._used:
                of_id = self._used[problem.column] in self._ids
                if of_id or problem.code != "id_as_number":  # the reader does not know which column is the id
                    batch.problems.add_and_close_cell(problem, of_id=of_id)
