"""pandas at the edge: results and problems as DataFrames, whole or in pieces, and figures over time.

How a DataFrame is read as an input stands in `reader/data_frame.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic_core import from_json

from batchupdate.model import FieldChange, Level, Outcome, PlanState
from batchupdate.spreadsheet.reserved_columns import EXTRA, FILE, REPLY, RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchupdate.model import Line, PlannedRow, Problem, RowLabels

ROWS_AT_ONCE = 10_000
MISSING = pd.NA
"""What stands for a value that there is not; None is JSON's null."""

_OUTCOMES = pd.CategoricalDtype([outcome.value for outcome in Outcome])
_LEVELS = pd.CategoricalDtype([level.value for level in Level])
_UTC = pd.DatetimeTZDtype("ns", "UTC")
_RESULT_TYPES = dict(
    zip(
        RESULT_COLUMNS,
        ("Int64", "string", _OUTCOMES, "Int64", "Int64", "string", "string", _UTC, "Float64"),
        strict=True,
    )
)
_PROBLEM_TYPES: dict[str, Any] = {
    "code": "string",
    "level": _LEVELS,
    "file": "string",
    "row": "Int64",
    "column": "string",
    "cell": "string",
    "address": "string",
    "message": "string",
}
_STATES = pd.CategoricalDtype([state.value for state in PlanState])
_PLAN_TYPES: dict[str, Any] = {
    "file": "string",
    "row": "Int64",
    "id": "string",
    "state": _STATES,
    "field": "string",
    "old": object,
    "new": object,
    "message": "string",
}
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def problem_frames(problems: Iterable[Problem], size: int = ROWS_AT_ONCE) -> Iterator[pd.DataFrame]:
    """Problems as DataFrames of at most `size` rows: code, level, file, row, column, cell, address and message.

    `row` is the row's number in its file; in a DataFrame it is the position, counted from 1.
    """
    start = 0
    for part in _batches(problems, size):
        rows = [
            (one.code, one.level.value, one.file, one.row, one.column, one.cell, one.address, one.message)
            for one in part
        ]
        yield _frame(dict(zip(_PROBLEM_TYPES, zip(*rows, strict=True), strict=True)), _PROBLEM_TYPES, start)
        start += len(part)


def result_frames(
    lines: Iterable[Line],
    columns: Sequence[str],
    width: int,
    labels: RowLabels,
    size: int = ROWS_AT_ONCE,
    captured: Sequence[str] = (),
) -> Iterator[pd.DataFrame]:
    """Rows and their outcomes as DataFrames of at most `size` rows, with the columns of `results.csv`.

    Args:
        lines: the rows in input order.
        columns: the input's headings.
        width: the most cells that any row has; those beyond the headings get columns of their own.
        labels: how the rows are called; where there are several files, `_file` says which one a row is of.
        size: the most rows of a frame.
        captured: the names of what is kept of replies; each has a column.
    """
    own = [*columns, *(f"{EXTRA}{number + 1}" for number in range(width - len(columns)))]
    start = 0
    for part in _batches(lines, size):
        cells = [from_json(line.cells) for line in part]
        texts = list(zip(*([*row, *[""] * (len(own) - len(row))] for row in cells), strict=True))
        frames = [pd.DataFrame(dict(enumerate(texts)), dtype="string").set_axis(own, axis=1)] if own else []
        if labels.names:
            files = pd.Categorical([labels.file(line.number) for line in part], categories=list(labels.names))
            frames.append(pd.DataFrame({FILE: files}))
        results = [
            (
                labels.row(line.number),
                line.record_id,
                line.outcome,
                line.http_status,
                line.attempts,
                line.error,
                line.request_id,
                line.finished_at,
                line.duration_ms,
            )
            for line in part
        ]
        frames.append(_frame(dict(zip(RESULT_COLUMNS, zip(*results, strict=True), strict=True)), _RESULT_TYPES, 0))
        if captured:
            found = [from_json(line.captured) if line.captured else {} for line in part]
            texts_by_name = {f"{REPLY}{name}": [one.get(name, "") for one in found] for name in captured}
            frames.append(pd.DataFrame(texts_by_name, dtype="string"))
        whole = pd.concat(frames, axis=1)
        whole.index = pd.RangeIndex(start, start + len(part))
        start += len(part)
        yield whole


def plan_frames(rows: Iterable[PlannedRow], labels: RowLabels, size: int = ROWS_AT_ONCE) -> Iterator[pd.DataFrame]:
    """A plan as DataFrames of at most `size` rows: one for each field that changes, or for a row without any.

    `old` and `new` are JSON values as Python has them; `old` is None where there was none, and pandas' NA where it is
    not known.
    """
    start = 0
    nothing = FieldChange("", None, None, known=False)
    pairs = ((row, change) for row in rows for change in row.changes or (nothing,))
    for part in _batches(pairs, size):
        cells = [
            (
                labels.file(row.key),
                labels.row(row.key),
                row.record_id,
                row.state.value,
                change.name,
                change.old if change.known else pd.NA,
                change.new if change.name else pd.NA,
                row.message,
            )
            for row, change in part
        ]
        yield _frame(dict(zip(_PLAN_TYPES, zip(*cells, strict=True), strict=True)), _PLAN_TYPES, start)
        start += len(part)


def verified_frames(rows: Iterable[tuple[object, ...]], states: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
    """What `verify` has found as DataFrames of at most `size` rows: one for each field that drifted, or for a row.

    Args:
        rows: file, row, id, state, field, sent, now and message of each.
        states: all that there are.
        size: rows of a frame at the most.
    """
    return _frames(rows, _verified_types(states), size)


def no_verified_rows(states: Sequence[str]) -> pd.DataFrame:
    """A frame of them without rows."""
    types = _verified_types(states)
    return _frame(dict.fromkeys(types, ()), types, 0)


def _verified_types(states: Sequence[str]) -> dict[str, Any]:
    text: dict[str, Any] = dict.fromkeys(("file", "row", "id", "state", "field", "sent", "now", "message"), "string")
    return {**text, "row": "Int64", "state": pd.CategoricalDtype([*states]), "sent": object, "now": object}


def _frames(rows: Iterable[tuple[object, ...]], types: dict[str, Any], size: int) -> Iterator[pd.DataFrame]:
    start = 0
    for part in _batches(rows, size):
        yield _frame(dict(zip(types, zip(*part, strict=True), strict=True)), types, start)
        start += len(part)


def diff_frames(rows: Iterable[tuple[object, ...]], kinds: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
    """The rows in which two runs differ as DataFrames of at most `size` rows: one for each field, or for a row.

    Args:
        rows: their cells; `MISSING` for a value that a run was not to set.
        kinds: how rows can differ.
        size: rows of a frame at the most.
    """
    return _frames(rows, _diff_types(kinds), size)


def no_diff(kinds: Sequence[str]) -> pd.DataFrame:
    """A frame of them without rows."""
    types = _diff_types(kinds)
    return _frame(dict.fromkeys(types, ()), types, 0)


def _diff_types(kinds: Sequence[str]) -> dict[str, Any]:
    return {
        "kind": pd.CategoricalDtype([*kinds]),
        "id": "string",
        "old_file": "string",
        "old_row": "Int64",
        "new_file": "string",
        "new_row": "Int64",
        "old_outcome": _OUTCOMES,
        "new_outcome": _OUTCOMES,
        "field": "string",
        "old": object,
        "new": object,
        "old_error": "string",
        "new_error": "string",
    }


def no_plan() -> pd.DataFrame:
    """A frame of a plan without rows."""
    return _frame(dict.fromkeys(_PLAN_TYPES, ()), _PLAN_TYPES, 0)


def joined(frames: Iterable[pd.DataFrame], empty: pd.DataFrame) -> pd.DataFrame:
    """Pieces as one frame; `empty` where there is none."""
    parts = list(frames)
    return pd.concat(parts) if parts else empty


def no_problems() -> pd.DataFrame:
    """A frame of problems without any."""
    return _frame(dict.fromkeys(_PROBLEM_TYPES, ()), _PROBLEM_TYPES, 0)


def no_results(columns: Sequence[str], captured: Sequence[str] = ()) -> pd.DataFrame:
    """A frame of results without rows."""
    own = pd.DataFrame(dict.fromkeys(range(len(columns)), ()), dtype="string").set_axis(list(columns), axis=1)
    replies = pd.DataFrame(dict.fromkeys([f"{REPLY}{name}" for name in captured], ()), dtype="string")
    return pd.concat([own, _frame(dict.fromkeys(RESULT_COLUMNS, ()), _RESULT_TYPES, 0), replies], axis=1)


def durations(lines: Iterable[Line]) -> pd.Series[float]:
    """How long requests took, in milliseconds: count, mean, p50, p95, p99 and max of each row's last request."""
    taken = pd.Series([line.duration_ms for line in lines if line.duration_ms is not None], dtype="float64")
    figures = {"count": float(len(taken)), "mean": taken.mean()}
    figures |= {name: float(taken.quantile(share)) for name, share in QUANTILES.items()}
    return pd.Series({**figures, "max": taken.max()}, name="duration_ms")


def timeline(lines: Iterable[Line], every: str) -> pd.DataFrame:
    """What a run did over time: for each span of time, how many rows ended in each outcome, and rows per second.

    Args:
        lines: the rows; those that were never sent have no time and are left out.
        every: the length of a span, as pandas writes it: `1s`, `5min`.

    Raises:
        ValueError: pandas does not know such a span.
    """
    span = pd.Timedelta(every)
    ended = [(line.finished_at, line.outcome) for line in lines if line.finished_at is not None]
    times, outcomes = zip(*ended, strict=True) if ended else ((), ())
    counted = pd.DataFrame({outcome: [one == outcome for one in outcomes] for outcome in _OUTCOMES.categories})
    counted.index = pd.DatetimeIndex(_times(times))
    counted = counted.resample(span).sum().astype("int64")
    counted["rows_per_s"] = counted.sum(axis=1) / span.total_seconds()
    return counted


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _frame(columns: dict[str, Sequence[Any]], types: dict[str, Any], start: int) -> pd.DataFrame:
    """A frame of columns with these types."""
    frame = pd.DataFrame({name: _column(values, types[name]) for name, values in columns.items()})
    frame.index = pd.RangeIndex(start, start + len(frame))
    return frame


def _column(values: Sequence[Any], kind: Any) -> Any:  # noqa: ANN401 - pandas has no common type of its columns
    if kind is object:  # in an array without an index, pandas looks whether they may be texts
        return pd.Series(list(values), dtype=object)
    return _times(values) if kind is _UTC else pd.array(list(values), dtype=kind)


def _times(seconds: Sequence[float | None]) -> pd.Series[Any]:
    """Unix times as UTC, to the microsecond, which is what a float holds of them."""
    whole = pd.array([None if one is None else round(one * 1e6) for one in seconds], dtype="Int64")
    return pd.to_datetime(pd.Series(whole), unit="us", utc=True).astype(_UTC)
