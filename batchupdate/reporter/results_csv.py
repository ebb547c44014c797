"""`results.csv` and its parts: the input's own columns as typed, then what became of each row."""

from __future__ import annotations

import csv
import io
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic_core import from_json

from batchupdate.model import ONE_FILE, SUCCEEDED, Outcome
from batchupdate.reporter.atomic_write import replacing_all
from batchupdate.reporter.outcomes import NO_FAILURES
from batchupdate.spreadsheet.csv_injection import guard, guard_all, guard_id
from batchupdate.spreadsheet.reserved_columns import EXTRA, FILE, REPLY, RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from batchupdate.model import Line, RowLabels

# In JSON; see `csv_injection`.
_may_begin_a_formula = re.compile(r"""\"[\\\s'=+\-@＝＋－＠]|;|\\[tnr]""").search  # noqa: RUF001 - full-width forms
SUCCESS, NOT_ATTEMPTED = "success.csv", "not_attempted.csv"
BYTE_ORDER_MARK = "\ufeff"
"""Excel takes a CSV without a byte order mark for the system's old code page, and would save broken names."""


def write_results(  # noqa: PLR0913 - all that it takes, the last ones by name
    path: Path,
    failed_path: Path,
    columns: Sequence[str],
    width: int,
    lines: Iterable[Line],
    notices: list[str] | None = None,
    labels: RowLabels = ONE_FILE,
    *,
    parts: tuple[Path, Path] | None = None,
    captured: Sequence[str] = (),
) -> int:
    """Writes the files in one pass over the journal, in constant memory.

    Args:
        path: where all rows go.
        failed_path: where the rows worth another try go.
        columns: the input's headings as typed.
        width: the most cells that any row has; cells beyond the headings get columns of their own.
        lines: the rows in input order.
        notices: gets a sentence for each file that had to take another name.
        labels: how rows are called; with several files, each row names its own.
        parts: where the rows go that succeeded, and those that were not attempted. Each row is then in one part alone;
            without them, `failed_path` has the second as well.
        captured: the names of what is kept of replies; each has a column.

    Returns:
        How many rows were written to `path`.
    """
    extra = [f"{EXTRA}{number + 1}" for number in range(width - len(columns))]
    header = [*guard_all(columns), *extra, *([FILE] if labels.names else []), *RESULT_COLUMNS]
    header += [f"{REPLY}{name}" for name in captured]
    count = 0
    with replacing_all([path, failed_path, *(parts or ())], notices) as (file, failed_file, *others):
        for each in (file, failed_file, *others):
            each.write(BYTE_ORDER_MARK + _csv_line(header))
        for count, line in enumerate(lines, 1):  # noqa: B007 - the count is what we return
            record = _record(line, len(columns) + len(extra), labels)
            if captured:
                record += map(guard, captured_texts(line, captured))
            text = _csv_line(record)
            file.write(text)
            if others and line.outcome in NO_FAILURES:
                others[line.outcome == Outcome.NOT_ATTEMPTED].write(text)
            elif line.outcome not in SUCCEEDED:
                failed_file.write(text)
    return count


def _record(line: Line, width: int, labels: RowLabels) -> list[str]:
    """One row of a file, guarded: its own cells, made as many as there are columns, and what became of it."""
    cells = from_json(line.cells)
    cells += [""] * (width - len(cells))
    if _may_begin_a_formula(line.cells):
        cells = guard_all(cells)
    file = [guard(labels.file(line.number))] if labels.names else []
    return [
        *cells,
        *file,
        str(labels.row(line.number)),
        guard_id(line.record_id),
        line.outcome,
        "" if line.http_status is None else str(line.http_status),
        str(line.attempts),
        guard(line.error),
        guard(line.request_id),
        iso(line.finished_at),
        "" if line.duration_ms is None else str(line.duration_ms),
    ]


def captured_texts(line: Line, names: Sequence[str]) -> list[str]:
    """What is kept of the reply to a row's change, in the order of the names; '' for what it did not have."""
    found = from_json(line.captured) if line.captured else {}
    return [found.get(name, "") for name in names]


def _csv_line(cells: Sequence[str]) -> str:
    """A line as `csv.writer` writes it (RFC 4180), in a fifth of its time where no cell needs quotes.

    `benchmarks/instructions.py --without joined_lines` shows what that saves.
    """
    text = ",".join(cells)
    if text.count(",") == len(cells) - 1 and '"' not in text and "\n" not in text and "\r" not in text:
        return text + "\r\n"
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()


def iso(seconds: float | None) -> str:
    """A Unix time as UTC in ISO 8601, to the millisecond; empty for None."""
    if seconds is None:
        return ""
    whole, thousandths = divmod(math.floor(seconds * 1000), 1000)
    return f"{_to_the_second(whole)}.{thousandths:03}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    """Rows that finish together share their second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
