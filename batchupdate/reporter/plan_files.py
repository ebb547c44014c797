"""A plan's files: `plan.csv`, `plan.json` and `plan.xlsx`, written in one pass over its rows."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from typing import IO, TYPE_CHECKING, Any

from batchupdate.model import SENT_STATES
from batchupdate.reporter.atomic_write import replacing
from batchupdate.reporter.plan_rows import as_text
from batchupdate.reporter.plan_xlsx import plan_workbook
from batchupdate.reporter.results_csv import BYTE_ORDER_MARK
from batchupdate.spreadsheet.csv_injection import guard, guard_all, guard_id
from batchupdate.util import json as exact_json
from batchupdate.util.text import encodable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from batchupdate.model import FieldChange, PlannedRow, RowLabels
    from batchupdate.reporter.plan_summary import Plan

JSON, CSV, XLSX = "plan.json", "plan.csv", "plan.xlsx"
HINT = "Nothing was sent. Close the file or free some space, then make the plan again: batchupdate plan FILE"
COLUMNS = ("row", "id", "state", "field", "old", "new", "message")


def write_plan(folder: Path, plan: Plan, rows: Iterable[PlannedRow]) -> None:
    """Writes the three files of a plan; each appears whole or not at all, and `plan.json` last.

    Rows that need somebody's attention are read a second time, for they stand first in the workbook.

    Args:
        folder: where they go.
        plan: its figures, which are looked at when all rows have passed; its notices get what is to be said of a file.
        rows: all of them, in input order.

    Raises:
        SafetyStop: a file can't be written.
    """
    with (
        replacing(folder / JSON, plan.notices, hint=HINT) as json_file,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="", dir=folder) as kept,
    ):
        with (
            replacing(folder / CSV, plan.notices, hint=HINT) as csv_file,
            plan_workbook(folder / XLSX, plan, plan.notices, hint=HINT) as sheet,
        ):
            lines = _CsvLines(csv_file, plan.labels)
            for row in plan.problem_rows():
                sheet.add(row)
            for number, row in enumerate(rows):
                lines.add(row)
                kept.write(("," if number else "") + "\n    " + exact_json.dumps(_row(row, plan.labels)))
                if row.state in SENT_STATES:
                    sheet.add(row)
        head = json.dumps(plan.to_json(), ensure_ascii=False, indent=2)
        json_file.write(head.removesuffix("\n}") + ',\n  "rows": [')
        kept.seek(0)
        shutil.copyfileobj(kept, json_file)
        json_file.write("\n  ]\n}\n")


class _CsvLines:
    """`plan.csv`: a line for every field that changes, and one for every row of which nothing is sent."""

    def __init__(self, file: IO[str], labels: RowLabels) -> None:
        self._labels, self._several = labels, bool(labels.names)
        file.write(BYTE_ORDER_MARK)
        self._writer = csv.writer(file)
        self._writer.writerow(["file", *COLUMNS] if self._several else COLUMNS)

    def add(self, row: PlannedRow) -> None:
        """Writes the lines of one row."""
        place = [guard(self._labels.file(row.key))] if self._several else []
        place += [str(self._labels.row(row.key)), guard_id(row.record_id), row.state.value]
        for change in row.changes or (None,):
            cells = ["", "", ""] if change is None else [change.name, shown_old(change), shown(change.new)]
            self._writer.writerow([*place, *guard_all([*cells, row.message])])


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
    return encodable(value) if isinstance(value, str) else exact_json.dumps(value)


def shown_old(change: FieldChange) -> str:
    """The old value likewise; `?` where it is not known, and '' where there is none."""
    return shown(change.old) if change.known and not change.absent else as_text(change)
