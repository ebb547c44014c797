from __future__ import annotations

import datetime as dt
import io
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402 - an extra

if TYPE_CHECKING:
    from collections.abc import Callable


def written(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, row_group_size=2)
    return out.getvalue()


def test_rows_are_counted_from_1_and_null_is_blank(read: Callable[..., Any]) -> None:
    got = read(written({"id": ["007", "8", "9"], "n": pa.array([1, None, 3])}), "a.parquet", size=2)
    assert got.columns == ("id", "n")
    assert [(row.number, row.cells) for row in got.rows] == [(1, ("007", "1")), (2, ("8", "")), (3, ("9", "3"))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pa.array([2**63 - 1]), "9223372036854775807"),
        (pa.array([0.1], pa.float32()), "0.1"),
        (pa.array([123.0]), "123"),
        (pa.array([True]), "TRUE"),
        (pa.array([Decimal("1.10")]), "1.10"),
        (pa.array([Decimal("1E+5")]), "100000"),
        (pa.array([dt.date(2026, 11, 21)]), "2026-11-21"),
        (pa.array([0], pa.timestamp("ns")), "1970-01-01"),
        (pa.array([1_500_000_001], pa.timestamp("ns")), "1970-01-01T00:00:01.500000001"),
        (pa.array([1], pa.timestamp("s", tz="Europe/Berlin")), "1970-01-01T00:00:01Z"),
        (pa.array([dt.time(7, 5)]), "07:05:00"),
        (pa.array([dt.timedelta(hours=30)]), "30:00:00"),
        (pa.array([["a", "b"]]), '["a", "b"]'),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array(["x"], pa.large_string()), "x"),
        (pa.nulls(1), ""),
    ],
)
def test_a_value_becomes_the_text_that_the_guide_says(read: Callable[..., Any], value: Any, text: str) -> None:
    assert read(written({"id": ["1"], "v": value}), "a.parquet").cells == [("1", text)]


def test_nested_columns_are_dotted(read: Callable[..., Any]) -> None:
    got = read(written({"id": ["1"], "a": [{"b": {"c": 1}, "d": "x"}]}), "a.parquet")
    assert got.columns == ("id", "a.b.c", "a.d")
    assert got.cells == [("1", "1", "x")]


def test_a_column_of_bytes_is_refused_by_name(refused: Callable[..., str]) -> None:
    assert "the column 'v' holds binary" in refused(written({"id": ["1"], "v": [b"x"]}), "a.parquet")


@pytest.mark.parametrize("kept", [5, 50, 0.5, 0.99])
def test_a_damaged_file_is_refused(refused: Callable[..., str], kept: float) -> None:
    content = written({"id": ["1"] * 99})
    assert "damaged Parquet file" in refused(content[: int(kept if kept > 1 else kept * len(content))], "a.parquet")


def test_without_its_library_the_extra_is_named(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    content = written({"id": ["1"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'batchupdate[parquet]'" in refused(content, "a.parquet")


@pytest.mark.parametrize("option", ["sheet", "encoding", "delimiter"])
def test_options_of_other_formats_are_refused(refused: Callable[..., str], option: str) -> None:
    assert f"--{option} means nothing" in refused(written({"id": ["1"]}), "a.parquet", **{option: "x"})
