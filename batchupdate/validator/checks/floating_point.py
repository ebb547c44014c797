"""Refuses floating-point numbers where an id or a text is expected: digits and leading zeros may be lost already."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from batchupdate.model import FloatText, Problem
from batchupdate.util.text import quoted
from batchupdate.validator.checks.cell_text import kind_of
from batchupdate.validator.checks.suspicious_text import level_of

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.checks.suspicious_text import Strictness
    from batchupdate.validator.columns.column_map import ColumnMap


class FloatingPoint:
    """Refuses floating-point numbers where an id or a text is expected, also those that a computed one is made of.

    A reader marks their cells as `FloatText`. In a column that sets a number, or any JSON value, they are welcome.
    """

    def __init__(self, target: Target, columns: ColumnMap, strictness: Strictness) -> None:
        self._level = level_of("id_as_number", strictness)
        self._columns: list[tuple[int, str, bool]] = []
        for mapped in columns.mapped:
            kind = kind_of(mapped, target)
            if kind == "other":
                continue
            computed = mapped.index - columns.width
            places = (mapped.index,) if computed < 0 else columns.computed[computed].places
            self._columns += [(place, mapped.heading, kind != "text") for place in places]

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for place, heading, of_id in self._columns:
            column = list(map(itemgetter(place), batch.cells))
            if FloatText not in map(type, column):
                continue
            wanted = "an id" if of_id else "a text"
            for row, cell in zip(batch.rows, column, strict=True):
                if type(cell) is FloatText:
                    message = (
                        f"{quoted(cell)} is a floating-point number where {wanted} is expected, and may have lost "
                        "digits or leading zeros; store the column as text, or as whole numbers"
                    )
                    problem = Problem("id_as_number", row.number, heading, cell, message, self._level)
                    batch.problems.add_and_close_cell(problem, of_id=of_id)
