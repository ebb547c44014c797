"""`results.csv` and `failed.csv`: the input's own columns as typed, then what became of each row."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batchupdate.formula_guard import guard
from batchupdate.model import FINE
from batchupdate.reporter.files import replacing
from batchupdate.result_columns import EXTRA, RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from batchupdate.model import Line

ENCODING = "utf-8-sig"
"""Excel takes a CSV without a byte order mark for the system's old code page, and would save broken names."""


def write_results(path: Path, failed_path: Path, columns: Sequence[str], width: int, lines: Iterable[Line]) -> int:
    """Writes both files in one pass over the journal, in constant memory.

    Args:
        path: where all rows go.
        failed_path: where the rows worth another try go.
        columns: the input's headings as typed.
        width: the most cells that any row has; cells beyond the headings get columns of their own.
        lines: the rows in input order.

    Returns:
        How many rows were written to `path`.
    """
    extra = [f"{EXTRA}{number + 1}" for number in range(width - len(columns))]
    header = [*map(guard, columns), *extra, *RESULT_COLUMNS]
    count = 0
    with replacing(path, ENCODING) as file, replacing(failed_path, ENCODING) as failed_file:
        write, write_failed = csv.writer(file).writerow, csv.writer(failed_file).writerow
        write(header)
        write_failed(header)
        for count, line in enumerate(lines, 1):  # noqa: B007 - the count is what we return
            record = _record(line, len(columns) + len(extra))
            write(record)
            if line.outcome not in FINE:
                write_failed(record)
    return count


def _record(line: Line, width: int) -> list[object]:
    cells = json.loads(line.cells)
    cells += [""] * (width - len(cells))
    return [
        *map(guard, cells),
        line.number,
        guard(line.record_id),
        line.outcome,
        line.http_status,
        line.attempts,
        guard(line.error),
        guard(line.request_id),
        iso(line.finished_at),
        line.duration_ms,
    ]


def iso(seconds: float | None) -> str:
    """A Unix time as UTC in ISO 8601, to the millisecond; empty for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
