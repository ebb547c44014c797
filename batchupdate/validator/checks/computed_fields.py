"""Computes the cells of computed and constant fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.validator.problems import Problems

if TYPE_CHECKING:
    from batchupdate.model import Row
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap


class ComputedFields:
    """Adds the cells of computed and constant fields; a template of which only some cells are blank is a problem."""

    def __init__(self, columns: ColumnMap) -> None:
        mapped = [one for one in columns.mapped if one.index >= columns.width]
        self._computed = list(zip(mapped, columns.computed, strict=True))

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        if self._computed:
            rows = zip(batch.rows, batch.cells, strict=True)
            batch.cells = [self._completed(row, cells, batch.problems) for row, cells in rows]

    def completed(self, row: Row) -> tuple[str, ...]:
        """A row's cells and the computed ones, without a word about problems."""
        return self._completed(row, row.cells, Problems()) if self._computed else row.cells

    def _completed(self, row: Row, cells: tuple[str, ...], problems: Problems) -> tuple[str, ...]:
        computed = []
        for mapped, template in self._computed:
            blank = [
                heading
                for place, heading in zip(template.places, template.headings, strict=True)
                if not cells[place].strip() or cells[place] in {mapped.null_marker, mapped.empty_marker}
            ]
            some = bool(blank) and len(blank) < len(template.places)
            if some:
                message = f"the column {blank[0]!r}, from which {mapped.name} is computed, is blank; fill it in"
                problem = Problem("incomplete_template", row.number, mapped.heading, "", message)
                problems.add_and_close_cell(problem, of_id=False)
            computed.append("" if blank and not some else template.fill(cells))
        return (*cells, *computed)
