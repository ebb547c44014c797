"""Picks the cells of the mapped columns, applies their transforms, and checks their text."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from batchupdate.model import Level, Problem
from batchupdate.spreadsheet.typed_text import ShownText
from batchupdate.util.text import quoted
from batchupdate.validator.checks.suspicious_text import harmless, level_of, suspicions, trimmed, trimmed_suspicion
from batchupdate.validator.columns.transforms import transformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.checks.suspicious_text import Kind, Strictness
    from batchupdate.validator.columns.column_map import ColumnMap, MappedColumn
    from batchupdate.validator.problems import Problems


class CellText:
    """Picks the cells of the mapped columns, applies their transforms, and reports suspicious text.

    Of a pulled sheet, only edited cells are picked. Invisible characters at the ends of a cell are left out, unless it
    is an old value: the record had them.
    """

    def __init__(self, target: Target, columns: ColumnMap, strictness: Strictness) -> None:
        found = target.id if columns.match else ()  # by the API, so no spreadsheet program has touched them
        self._columns: list[tuple[MappedColumn, Kind]] = [
            (mapped, "other" if mapped.name in found else kind_of(mapped, target)) for mapped in columns.mapped
        ]
        self._pick = itemgetter(*[mapped.index for mapped in columns.mapped])  # an id and a field at least
        self._strictness, self._trims = strictness, not columns.undoes

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        picked: list[tuple[str, ...]] = list(map(self._pick, batch.cells))
        if batch.edits and batch.edits.cells:
            edited = batch.edits.cells
            picked = [edited.get(row.number, cells) for row, cells in zip(batch.rows, picked, strict=True)]
        before = list(zip(*picked, strict=True))
        batch.columns = [
            self._checked(batch, mapped, column, kind)
            for (mapped, kind), column in zip(self._columns, before, strict=True)
        ]
        same = all(one is other for one, other in zip(before, batch.columns, strict=True))
        batch.mapped = picked if same else list(zip(*batch.columns, strict=True))

    def picked(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """The cells of the mapped columns, as they are."""
        return tuple(self._pick(cells))

    def _checked(self, batch: Batch, mapped: MappedColumn, column: Sequence[str], kind: Kind) -> Sequence[str]:
        """One column's cells as they are to be checked; the same object if nothing changed."""
        if kind == "other" and ShownText in set(map(type, column)):
            column = [cell.number if isinstance(cell, ShownText) else cell for cell in column]
        if mapped.transforms:
            cells = zip(batch.rows, column, strict=True)
            column = [_transformed(row, mapped, cell, batch.problems) for row, cell in cells]
        if harmless(column, kind):
            return column
        kept = list(column)
        for position, cell in enumerate(column):
            if cell and not cell.isspace() and cell not in {mapped.null_marker, mapped.empty_marker}:
                kept[position] = self._inspected(batch.rows[position], mapped, cell, kind, batch.problems)
        return kept

    def _inspected(self, row: Row, mapped: MappedColumn, cell: str, kind: Kind, problems: Problems) -> str:
        """Reports what is suspicious about a cell, and returns it without invisible ends."""
        kept = trimmed(cell, kind) if self._trims else cell
        if not kept:
            message = "the cell contains only invisible characters; clear it"
            problems.add(Problem("white_space", row.number, mapped.heading, cell, message))
            return cell
        found = list(suspicions(kept, kind))
        if kept != cell:
            stopped = level_of("trimmed", self._strictness) is Level.ERROR
            found.insert(0, trimmed_suspicion(cell, kept, stopped=stopped))
        for code, message in found:
            level = level_of(code, self._strictness)
            problems.add(Problem(code, row.number, mapped.heading, cell, message, level))
        return kept


def kind_of(mapped: MappedColumn, target: Target) -> Kind:
    """What to expect in a column's cells."""
    if mapped.name in target.id:
        return "ruled_id" if target.id[mapped.name].regex else "id"
    rule = target.fields[mapped.field]
    if mapped.item is not None and rule.items:
        rule = rule.items
    return "text" if rule.type in {"string", "enum", "list"} else "other"


def _transformed(row: Row, mapped: MappedColumn, cell: str, problems: Problems) -> str:
    def report(before: str, after: str) -> None:
        message = f"{quoted(before)} was cut to {len(after)} characters: {quoted(after)}"
        problems.add(Problem("truncated", row.number, mapped.heading, before, message, Level.WARNING))

    return transformed(mapped, cell, report)
