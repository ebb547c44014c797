"""Takes over what the reader found in the cells that are used, such as errors and formulas without a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from batchupdate.model import Level
from batchupdate.spreadsheet.headers import HIDDEN_ROW, RAGGED

if TYPE_CHECKING:
    from batchupdate.model import Problem
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap

HiddenRows = Literal["send", "skip", "error"]
"""What becomes of rows that their spreadsheet does not show."""


class ReaderProblems:
    """Takes over what the reader found in the cells that are used, such as errors and formulas without a result."""

    def __init__(self, target: Target, columns: ColumnMap, hidden_rows: HiddenRows) -> None:
        self._hidden_rows = hidden_rows
        self._ids = set(target.id)
        used = dict.fromkeys((heading for template in columns.computed for heading in template.headings), "")
        used |= dict.fromkeys((condition.heading for condition in columns.when), "")
        used |= dict.fromkeys((one.heading for one in columns.expected), "")
        used |= {mapped.heading: mapped.name for mapped in columns.mapped}
        self._used = used | dict.fromkeys((one.heading for one in columns.match), next(iter(target.id)))

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for problem in batch.reader_problems:
            if problem.code == RAGGED:
                batch.problems.add_and_close_row(problem)
            elif problem.code == HIDDEN_ROW:
                self._add_hidden(problem, batch)
            elif problem.column in self._used:
                of_id = self._used[problem.column] in self._ids
                if of_id or problem.code != "id_as_number":  # the reader does not know which column is the id
                    batch.problems.add_and_close_cell(problem, of_id=of_id)

    def _add_hidden(self, problem: Problem, batch: Batch) -> None:
        problem = replace(problem, column="")
        if self._hidden_rows == "error":
            way_out = 'unhide it, or set hidden_rows to "send" or "skip"'
            problem = replace(problem, level=Level.ERROR, message=f"{problem.message}; {way_out}")
            batch.problems.add_and_close_row(problem)
        else:
            batch.problems.add(problem)
