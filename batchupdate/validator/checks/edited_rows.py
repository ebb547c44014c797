"""Reports what is wrong with edited rows of a pulled sheet, such as edits of records that must not be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Level

if TYPE_CHECKING:
    from batchupdate.validator.batch import Batch


def check_edits(batch: Batch) -> None:
    """Takes over the problems of edited rows; nothing more is reported about a row that can't be sent."""
    for problem in batch.edits.problems if batch.edits else ():
        if batch.edits and problem.row in batch.edits.cells:
            if problem.level is Level.ERROR:
                batch.problems.add_and_close_row(problem)
            else:
                batch.problems.add(problem)
