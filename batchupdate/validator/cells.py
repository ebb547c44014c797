"""A column's cells before they are checked: transformed as the user wants, without unseen ends, and looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Level, Problem, Row
from batchupdate.util.text import quoted
from batchupdate.validator.mapping import CHANGES, truncate
from batchupdate.validator.suspicious import harmless, level_of, suspicions, told_trimmed, trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.targets import Target
    from batchupdate.validator.findings import Findings
    from batchupdate.validator.layout import Slot
    from batchupdate.validator.suspicious import Kind, Strictness


def kind_of(slot: Slot, target: Target) -> Kind:
    """What is to be expected of a column's cells."""
    if slot.name in target.id:
        return "ruled_id" if target.id[slot.name].regex else "id"
    rule = target.fields[slot.field]
    if slot.item is not None and rule.items:
        rule = rule.items
    return "text" if rule.type in {"string", "enum", "list"} else "other"


def polished(
    rows: Sequence[Row], slot: Slot, column: Sequence[str], kind: Kind, strictness: Strictness, findings: Findings
) -> Sequence[str]:
    """The column's cells as they are to be checked; the same object where nothing had to change."""
    if slot.transforms:
        column = [_transformed_and_told(row, slot, cell, findings) for row, cell in zip(rows, column, strict=True)]
    if harmless(column, kind):
        return column
    kept = list(column)
    for place, cell in enumerate(column):
        if cell and not cell.isspace() and cell not in {slot.null_marker, slot.empty_marker}:
            kept[place] = _looked_at(rows[place], slot, cell, kind, strictness, findings)
    return kept


def transformed(slot: Slot, cell: str, on_cut: Callable[[str, str], None] = lambda _before, _after: None) -> str:
    """The cell as it would be sent: its column's transforms done, and a marker as it is.

    `on_cut` is told what `truncate` shortens, before and after.
    """
    if not cell or cell in {slot.null_marker, slot.empty_marker}:
        return cell
    for name in slot.transforms:
        if name != "truncate":
            cell = CHANGES[name](cell)
        elif len(cell) > slot.longest:
            before, cell = cell, truncate(cell, slot.longest)
            on_cut(before, cell)
    return cell


def _transformed_and_told(row: Row, slot: Slot, cell: str, findings: Findings) -> str:
    def tell(before: str, after: str) -> None:
        told = f"{quoted(before)} is cut to {len(after)} characters: {quoted(after)}"
        findings.add(Problem("truncated", row.number, slot.heading, before, told, Level.WARNING))

    return transformed(slot, cell, tell)


def _looked_at(row: Row, slot: Slot, cell: str, kind: Kind, strictness: Strictness, findings: Findings) -> str:
    """Tells what is odd about a cell, and gives it back without unseen ends."""
    kept = trimmed(cell)
    found = [] if not kept else list(suspicions(kept, kind))
    if kept != cell:
        stopped = level_of("trimmed", strictness) is Level.ERROR
        if not kept:
            findings.add(
                Problem(
                    "white_space", row.number, slot.heading, cell, "the cell holds nothing that can be seen; clear it"
                )
            )
        else:
            found.insert(0, told_trimmed(cell, kept, stopped=stopped))
    for code, message in found:
        findings.add(Problem(code, row.number, slot.heading, cell, message, level_of(code, strictness)))
    return kept or cell
