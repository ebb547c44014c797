"""`results.csv` and `failed.csv`: the input's own columns as typed, then what became of each row."""

from __future__ import annotations

import csv
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, TYPE_CHECKING

from pydantic_core import from_json

from batchupdate.formula_guard import guard_all
from batchupdate.model import FINE
from batchupdate.reporter.files import replacing
from batchupdate.result_columns import EXTRA, RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from batchupdate.model import Line

_needs_quotes = re.compile(r'["\r\n]').search
BYTE_ORDER_MARK = "\ufeff"
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
    header = [*guard_all(columns), *extra, *RESULT_COLUMNS]
    count = 0
    with replacing(path) as file, replacing(failed_path) as failed_file:
        file.write(BYTE_ORDER_MARK)
        failed_file.write(BYTE_ORDER_MARK)
        write, write_failed = _writer(file), _writer(failed_file)
        write(header)
        write_failed(header)
        for count, line in enumerate(lines, 1):  # noqa: B007 - the count is what we return
            record = _record(line, len(columns) + len(extra))
            write(record)
            if line.outcome not in FINE:
                write_failed(record)
    return count


def _writer(file: IO[str]) -> Callable[[list[str]], object]:
    """Writes rows as `csv.writer` does, and most of them in a fifth of its time: those that need no quotes."""
    write, write_slowly = file.write, csv.writer(file).writerow

    def write_row(cells: list[str]) -> None:
        line = ",".join(cells)
        if _needs_quotes(line) or line.count(",") != len(cells) - 1:
            write_slowly(cells)
        else:
            write(f"{line}\r\n")

    return write_row


def _record(line: Line, width: int) -> list[str]:
    cells = from_json(line.cells)
    cells += [""] * (width - len(cells))
    *cells, record_id, error, request_id = guard_all([*cells, line.record_id, line.error, line.request_id])
    return [
        *cells,
        str(line.number),
        record_id,
        line.outcome,
        "" if line.http_status is None else str(line.http_status),
        str(line.attempts),
        error,
        request_id,
        iso(line.finished_at),
        "" if line.duration_ms is None else str(line.duration_ms),
    ]


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
