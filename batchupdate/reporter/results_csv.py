"""`results.csv` and `failed.csv`: the input's own columns as typed, then what became of each row."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic_core import from_json

from batchupdate.model import ONE_FILE, SUCCEEDED, RowRef
from batchupdate.reporter.atomic_write import replacing_all
from batchupdate.spreadsheet.csv_injection import guard, guard_all, guard_id
from batchupdate.spreadsheet.reserved_columns import EXTRA, FILE, RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from batchupdate.model import Line, RowLabels

_may_begin_a_formula = re.compile(r"""\"[\\\s'=+\-@＝＋－＠]""").search  # noqa: RUF001 - in JSON; see `formula_guard`
_harmless = re.compile(r'\w[^,"\r\n]*').fullmatch
BYTE_ORDER_MARK = "\ufeff"
"""Excel takes a CSV without a byte order mark for the system's old code page, and would save broken names."""


def write_results(
    path: Path,
    failed_path: Path,
    columns: Sequence[str],
    width: int,
    lines: Iterable[Line],
    notices: list[str] | None = None,
    labels: RowLabels = ONE_FILE,
) -> int:
    """Writes both files in one pass over the journal, in constant memory.

    Args:
        path: where all rows go.
        failed_path: where the rows worth another try go.
        columns: the input's headings as typed.
        width: the most cells that any row has; cells beyond the headings get columns of their own.
        lines: the rows in input order.
        notices: gets a sentence for each file that had to take another name.
        labels: how rows are called; with several files, each row names its own.

    Returns:
        How many rows were written to `path`.
    """
    extra = [f"{EXTRA}{number + 1}" for number in range(width - len(columns))]
    header = [*guard_all(columns), *extra, *([FILE] if labels.names else []), *RESULT_COLUMNS]
    numbered = _placer(labels)
    count = 0
    with replacing_all([path, failed_path], notices) as (file, failed_file):
        file.write(BYTE_ORDER_MARK)
        failed_file.write(BYTE_ORDER_MARK)
        head = _joined(header) + "\r\n"
        file.write(head)
        failed_file.write(head)
        for count, line in enumerate(lines, 1):  # noqa: B007 - the count is what we return
            text = _text_of(line, len(columns) + len(extra), numbered)
            file.write(text)
            if line.outcome not in SUCCEEDED:
                failed_file.write(text)
    return count


def _placer(labels: RowLabels) -> Callable[[int], object]:
    """Writes where a row is: its number, or its file and its number there."""
    if not labels.names:
        return int
    names = [_cell(name) for name in labels.names]

    def numbered(number: int) -> str:
        index = RowRef.of(number).file
        name = names[index] if index < len(names) else _cell(labels.file(number))
        return f"{name},{RowRef.of(number).number}"

    return numbered


def _text_of(line: Line, width: int, numbered: Callable[[int], object]) -> str:
    """One row of a file; there can be millions, so that what is harmless is proven so as cheaply as can be."""
    cells = from_json(line.cells)
    cells += [""] * (width - len(cells))
    if _may_begin_a_formula(line.cells):
        cells = guard_all(cells)
    status = "" if line.http_status is None else line.http_status
    duration = "" if line.duration_ms is None else line.duration_ms
    record_id, error, request_id = _written(guard_id(line.record_id)), _cell(line.error), _cell(line.request_id)
    return (
        f"{_joined(cells)},{numbered(line.number)},{record_id},{line.outcome},{status},{line.attempts},{error},{request_id},"
        f"{iso(line.finished_at)},{duration}\r\n"
    )


def _joined(cells: Sequence[str]) -> str:
    """Cells as `csv.writer` writes them, and most rows in a fifth of its time: those that need no quotes."""
    text = ",".join(cells)
    if text.count(",") == len(cells) - 1 and '"' not in text and "\n" not in text and "\r" not in text:
        return text
    written: list[str] = []
    csv.writer(_Appender(written.append)).writerow(cells)
    return "".join(written).removesuffix("\r\n")


@dataclass(frozen=True, slots=True)
class _Appender:
    """As much of a file as `csv.writer` needs."""

    write: Callable[[str], object]


def _cell(text: str) -> str:
    """One guarded cell."""
    return text if not text or _harmless(text) else _joined([guard(text)])


def _written(text: str) -> str:
    """One cell that is guarded already."""
    return text if not text or _harmless(text) else _joined([text])


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
