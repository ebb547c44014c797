"""Makes records of the cells, and takes out those that clear a field: `<null>`, `<empty>`, or a blank that means it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem

if TYPE_CHECKING:
    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch, Record
    from batchupdate.validator.columns.column_map import ColumnMap, MappedColumn
    from batchupdate.validator.problems import Problems


class ClearMarkers:
    """Makes a record of each row's cells, without blank ones, and sets aside those that clear a field.

    Clearing a field that can't be cleared is a problem, and so is a cell of nothing but white space.
    """

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._target = target
        self._mapped = columns.mapped
        self._names = tuple(mapped.name for mapped in columns.mapped)

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        names = self._names
        batch.records = [{name: cell for name, cell in zip(names, cells) if cell} for cells in batch.mapped]  # noqa: B905 - they are as many
        for mapped, column in zip(self._mapped, batch.columns, strict=True):
            blank_clears = mapped.blank != "leave" and "" in column
            markers = {mapped.null_marker, mapped.empty_marker}
            if blank_clears or not markers.isdisjoint(column) or any(map(str.isspace, column)):
                for position, cell in enumerate(column):
                    self._check_cell(batch, position, mapped, cell)

    def _check_cell(self, batch: Batch, position: int, mapped: MappedColumn, cell: str) -> None:
        row = batch.rows[position]
        if cell in {mapped.null_marker, mapped.empty_marker}:
            batch.records[position].pop(mapped.name)
            if mapped.item is None:
                batch.set_aside.setdefault(position, {}).update(
                    cleared(row, mapped, cell, self._target, batch.problems)
                )
        elif cell.isspace():
            message = "the cell contains only white space; clear it, or enter a value"
            batch.problems.add(Problem("white_space", row.number, mapped.heading, cell, message))
            batch.records[position].pop(mapped.name)
            batch.set_aside_value(position, mapped.name, cell)
        elif not cell and mapped.blank != "leave":  # that the field allows it was checked when columns were mapped
            empty = self._target.fields[mapped.name].empty
            batch.set_aside_value(position, mapped.name, None if mapped.blank == "null" else empty)


def cleared(row: Row, mapped: MappedColumn, cell: str, target: Target, problems: Problems) -> Record:
    """The value that a marker sends, by field; a problem where the field can't have it."""
    name = mapped.field
    rule = target.fields.get(name)
    null = cell == mapped.null_marker
    if rule is None:
        problems.add(Problem("bad_id", row.number, mapped.heading, cell, "an id can't be cleared"))
    elif null and not rule.nullable:
        message = f"{name} can't be null; leave the cell blank to keep the field as it is"
        problems.add(Problem("null_not_allowed", row.number, mapped.heading, cell, message))
    elif not null and not rule.clearable:
        message = f"{name} can't be empty; leave the cell blank to keep the field as it is"
        problems.add(Problem("empty_not_allowed", row.number, mapped.heading, cell, message))
    return {name: None if null or rule is None else rule.empty}
