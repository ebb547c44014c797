"""`plan.json` and `plan.csv`: what a plan says of every row, for programs and for spreadsheets."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from batchupdate.reporter.atomic_write import replacing
from batchupdate.reporter.plan_rows import as_text
from batchupdate.reporter.results_csv import BYTE_ORDER_MARK
from batchupdate.spreadsheet.csv_injection import guard, guard_id
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from batchupdate.model import FieldChange, PlannedRow, RowLabels
    from batchupdate.reporter.plan_summary import Plan

COLUMNS = ("row", "id", "state", "field", "old", "new", "message")


def write_plan_csv(path: Path, rows: Iterable[PlannedRow], labels: RowLabels, notices: list[str] | None = None) -> int:
    """Writes a line for every field that changes, and one for every row of which nothing is sent.

    Returns:
        How many rows the plan has.
    """
    count = 0
    with replacing(path, notices) as file:
        file.write(BYTE_ORDER_MARK)
        writer = csv.writer(file)
        writer.writerow(([*("file",)] if labels.names else []) + [*COLUMNS])
        for count, row in enumerate(rows, 1):  # noqa: B007 - the count is what we return
            place = ([guard(labels.file(row.key))] if labels.names else []) + [str(labels.row(row.key))]
            for change in row.changes or (None,):
                cells = ["", "", ""] if change is None else [change.name, shown_old(change), shown(change.new)]
                line = [*place, guard_id(row.record_id), row.state.value, *map(guard, cells), guard(row.message)]
                writer.writerow(line)
    return count


def write_plan_json(path: Path, plan: Plan, rows: Iterable[PlannedRow], notices: list[str] | None = None) -> None:
    """Writes the plan's figures, and every row with its changes; a row is a line."""
    with replacing(path, notices) as file:
        head = json.dumps(plan.to_json(), ensure_ascii=False, indent=2)
        file.write(head.removesuffix("\n}") + ',\n  "rows": [')
        for number, row in enumerate(rows):
            file.write(("," if number else "") + "\n    " + exact_json.dumps(_row(row, plan.labels)))
        file.write("\n  ]\n}\n")


def _row(row: PlannedRow, labels: RowLabels) -> dict[str, Any]:
    file = {"file": labels.file(row.key)} if labels.names else {}
    changes = {change.name: _change(change) for change in row.changes}
    said = {"message": row.message} if row.message else {}
    return {
        **file,
        "row": labels.row(row.key),
        "id": row.record_id,
        "state": row.state.value,
        "changes": changes,
        **said,
    }


def _change(change: FieldChange) -> dict[str, Any]:
    if not change.known:
        return {"new": change.new}
    return {"new": change.new} | ({"absent": True} if change.absent else {"old": change.old})


def shown(value: object) -> str:
    """A value in a cell: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else exact_json.dumps(value)


def shown_old(change: FieldChange) -> str:
    """The old value likewise; `?` where it is not known, and '' where there is none."""
    return shown(change.old) if change.known and not change.absent else as_text(change)
