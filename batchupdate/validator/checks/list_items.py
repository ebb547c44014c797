"""Puts lists together whose items are in columns of their own: `labels[0]`, `labels[1]` and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.model import Level, Problem
from batchupdate.spreadsheet.reserved_columns import OLD_MARKERS
from batchupdate.validator.checks.clear_markers import cleared
from batchupdate.validator.checks.nested_objects import CODE
from batchupdate.validator.types import RefusedError, parser, require_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Row
    from batchupdate.targets import FieldRule, Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap, MappedColumn
    from batchupdate.validator.types import Parse


class ListItems:
    """Puts lists together whose items are in columns of their own. A blank cell ends the list.

    In a pulled sheet, what the list had beyond the row's items is kept if the target says that it replaces what is
    nested, and a warning if not.
    """

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._target = target
        self._lists = _lists(target, columns)
        self._replaced = target.body.nesting == "replace"
        self._or_say_so = "" if target.body.nesting else ", or say 'nested: replace' under 'body' in the target"
        self._old_ids = [one.index for one in columns.old_ids]
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
            kept, lost = self._beyond(row, items, count) if items.old is not None else ([], None)
            if lost and lost.level is Level.WARNING:
                batch.problems.add(lost)
                lost = None
            problem = problem or lost or items.miscounted(row, cells, count + len(kept))
            if problem:
                batch.problems.add(problem)
            if problem or row.number in batch.problems.invalid_rows:
                batch.set_aside_value(position, items.field, cells)  # the row sets it, although not as it should
            else:
                record[items.field] = [record.pop(mapped.name) for mapped in items.mapped[:count]] + kept

    def _beyond(self, row: Row, items: _ItemColumns, count: int) -> tuple[list[Any], Problem | None]:
        """The old items to send along after the row's own, and what is wrong where there are any that are not."""
        text = row.cells[items.old or 0]
        pulled = any(row.cells[index] for index in self._old_ids)
        if text in OLD_MARKERS or not (text or pulled):
            return [], None
        name, heading = items.field, items.mapped[0].heading
        try:
            beyond = items.parse(text)[count:] if items.parse and text else None
        except RefusedError as error:
            problem = Problem(error.code, row.number, heading, text, f"among the old items, {error}")
            return [], problem if self._replaced else None
        if beyond == [] or (self._replaced and beyond):
            return beyond, None
        if beyond:
            message = (
                f"{name} had {count + len(beyond)} items when it was pulled, and the row sends {count}: the others "
                f"would be removed; to keep them, fill in {name}[{count}] and so on{self._or_say_so}"
            )
            return [], Problem(CODE, row.number, heading, "", message, Level.WARNING)
        if not self._replaced:
            return [], None
        message = (
            f"which items {name} had when it was pulled is not known, and those that the row does not send would be "
            f"lost; write the whole list into a column {name}"
        )
        return [], Problem(CODE, row.number, heading, "", message)


def _lists(target: Target, columns: ColumnMap) -> list[_ItemColumns]:
    """The lists that have a column for each item."""
    found: dict[str, dict[int, tuple[MappedColumn, int]]] = {}
    for place, mapped in enumerate(columns.mapped):
        if mapped.item is not None:
            found.setdefault(mapped.field, {})[mapped.item] = (mapped, place)
    lists = []
    for name, items in found.items():
        columns_of_items, places = zip(*(items[number] for number in sorted(items)), strict=True)
        rule, old = target.fields[name], columns.old_lists.get(name)
        lists.append(_ItemColumns(name, rule, columns_of_items, places, old, parser(name, rule, columns.decimal)))
    return lists


class _ItemColumns(NamedTuple):
    """The columns of one list: `mapped` by item number, and their `places` among all mapped columns.

    `old` is the index of the column with the whole list as it was pulled, if there is one; `parse` reads it.
    """

    field: str
    rule: FieldRule
    mapped: tuple[MappedColumn, ...]
    places: tuple[int, ...]
    old: int | None
    parse: Parse | None

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
