"""Puts lists together whose items are in columns of their own: `labels[0]`, `labels[1]` and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import Problem
from batchupdate.validator.checks.clear_markers import cleared
from batchupdate.validator.types import RefusedError, require_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Row
    from batchupdate.targets import FieldRule, Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap, MappedColumn


class ListItems:
    """Puts lists together whose items are in columns of their own. A blank cell ends the list."""

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._target = target
        self._lists = _lists(target, columns)
        self._fields = tuple(dict.fromkeys(mapped.field for mapped in columns.mapped))

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for one in self._lists:
            self._gather(batch, one)
        if self._lists:  # the fields in the order of the columns again
            batch.records = [
                {name: record[name] for name in self._fields if name in record} for record in batch.records
            ]

    def _gather(self, batch: Batch, items: _ItemColumns) -> None:
        own = [batch.columns[place] for place in items.places]
        may_be_marked = items.may_be_marked(own)
        for position, cells in enumerate(zip(*own, strict=True)):
            if not any(cells):
                continue
            row, record = batch.rows[position], batch.records[position]
            count = cells.index("") if "" in cells else len(cells)
            problem = items.gap(row, cells) if count < len(cells) else None
            if may_be_marked and problem is None and (marked := items.marked(cells)) is not None:
                if count == 1:
                    value = cleared(row, items.mapped[0], cells[0], self._target, batch.problems)
                    batch.set_aside.setdefault(position, {}).update(value)
                    continue
                problem = items.misplaced(row, marked, cells[marked])
            problem = problem or items.miscounted(row, cells, count)
            if problem:
                batch.problems.add(problem)
            if problem or row.number in batch.problems.invalid_rows:
                batch.set_aside_value(position, items.field, cells)  # the row sets it, although not as it should
            else:
                record[items.field] = [record.pop(mapped.name) for mapped in items.mapped[:count]]


def _lists(target: Target, columns: ColumnMap) -> list[_ItemColumns]:
    """The lists that have a column for each item."""
    found: dict[str, dict[int, tuple[MappedColumn, int]]] = {}
    for place, mapped in enumerate(columns.mapped):
        if mapped.item is not None:
            found.setdefault(mapped.field, {})[mapped.item] = (mapped, place)
    lists = []
    for name, items in found.items():
        columns_of_items, places = zip(*(items[number] for number in sorted(items)), strict=True)
        lists.append(_ItemColumns(name, target.fields[name], columns_of_items, places))
    return lists


class _ItemColumns(NamedTuple):
    """The columns of one list: `mapped` by item number, and their `places` among all mapped columns."""

    field: str
    rule: FieldRule
    mapped: tuple[MappedColumn, ...]
    places: tuple[int, ...]

    def may_be_marked(self, columns: Sequence[Sequence[str]]) -> bool:
        """Whether a cell of the batch may be a null or empty marker."""
        return any(
            one.null_marker in column or one.empty_marker in column
            for one, column in zip(self.mapped, columns, strict=True)
        )

    def marked(self, cells: Sequence[str]) -> int | None:
        """The first item of a row that says null or empty."""
        both = zip(self.mapped, cells, strict=True)
        return next((n for n, (one, cell) in enumerate(both) if cell in {one.null_marker, one.empty_marker}), None)

    def gap(self, row: Row, cells: Sequence[str]) -> Problem | None:
        """The problem of a row in which a cell is filled after a blank one."""
        blank = cells.index("")
        filled = next((number for number in range(blank, len(cells)) if cells[number]), None)
        if filled is None:
            return None
        one = self.mapped[filled]
        message = (
            f"{self.mapped[blank].heading!r} is blank, but {one.heading!r} after it is not, and a blank cell ends "
            "the list; fill it in, or move the items up"
        )
        return Problem("list_gap", row.number, one.heading, cells[filled], message)

    def misplaced(self, row: Row, number: int, cell: str) -> Problem:
        """The problem of a row in which a marker for null or empty is beside other items."""
        first, one = self.mapped[0].heading, self.mapped[number]
        message = (
            f"{cell!r} is for a whole list, not for an item; write it into {first!r} and leave the other cells of "
            f"{self.field} blank, or remove it"
        )
        return Problem("marker_in_list", row.number, one.heading, cell, message)

    def miscounted(self, row: Row, cells: Sequence[str], count: int) -> Problem | None:
        """The problem of a row with too few or too many items."""
        try:
            require_count(self.field, self.rule, count)
        except RefusedError as error:
            wrong = self.rule.max_items if error.code == "too_many" else count
            place = min(wrong or 0, len(self.mapped) - 1)
            return Problem(error.code, row.number, self.mapped[place].heading, cells[place], str(error))
        return None
