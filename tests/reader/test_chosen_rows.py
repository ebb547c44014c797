from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.config.row_spans import RowSpan, parse_rows
from batchupdate.errors import ConfigError, InputError
from batchupdate.model import RowRef
from batchupdate.reader import ReadOptions
from batchupdate.reader.multi_file import open_tables
from batchupdate.reader.sources import local_copies

if TYPE_CHECKING:
    from pathlib import Path


def rows_of(paths: list[Path], rows: str, limit: int | None = None, size: int = 500) -> list[int]:
    with local_copies(paths) as sources, open_tables(sources, ReadOptions(limit=limit, rows=parse_rows(rows))) as table:
        return [row.number for batch in table.batches(size) for row in batch]


def file(folder: Path, count: int, name: str = "a.csv", blank: frozenset[int] = frozenset()) -> Path:
    """Rows 2 to count + 1, some of them blank."""
    path = folder / name
    lines = ["" if number in blank else f"id-{number},x" for number in range(2, count + 2)]
    path.write_text("\n".join(["id,name", *lines]) + "\n", "utf-8")
    return path


@given(
    count=st.integers(1, 40),
    blank=st.frozensets(st.integers(2, 41), max_size=3),
    spans=st.lists(st.tuples(st.integers(0, 45), st.integers(0, 12)), min_size=1, max_size=4),
    size=st.integers(1, 12),
    limit=st.none() | st.integers(1, 10),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_each_row_that_is_named_comes_once_and_in_order_and_a_span_without_rows_is_an_error(
    count: int,
    blank: frozenset[int],
    spans: list[tuple[int, int]],
    size: int,
    limit: int | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = file(tmp_path_factory.mktemp("rows"), count, blank=blank)
    there = [number for number in range(2, count + 2) if number not in blank]
    named = [(first, first + more) for first, more in spans]
    wanted = [number for number in there if any(first <= number <= last for first, last in named)]
    text = ",".join(f"{first}-{last}" for first, last in named)
    empty = [span for span in named if not any(span[0] <= number <= span[1] for number in there)]
    if not empty:
        assert rows_of([path], text, limit, size) == wanted[:limit]
    elif limit is None:
        with pytest.raises(InputError, match="which --rows names"):
            rows_of([path], text, limit, size)


def test_rows_of_several_files_are_named_with_their_file_and_the_others_are_not_read(tmp_path: Path) -> None:
    paths = [file(tmp_path, 5), file(tmp_path, 5, "b.csv"), file(tmp_path, 5, "c.csv")]
    keys = rows_of(paths, "c.csv:3-4,a.csv:2")
    assert [RowRef.of(key) for key in keys] == [RowRef(0, 2), RowRef(2, 3), RowRef(2, 4)]
    with pytest.raises(ConfigError, match="names no file, but this run has several"):
        rows_of(paths, "3-4")
    with pytest.raises(InputError, match=r"b\.csv has no data row 9"):
        rows_of(paths, "b.csv:9,a.csv:2")


def test_a_file_that_breaks_off_below_the_last_row_that_is_named_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,name\n" + "k,x\n" * 2000 + 'k,"never closed\n', "utf-8")
    assert rows_of([path], "2-3", size=100) == [2, 3]


def test_a_file_is_not_named_where_there_is_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names a file, but this run has only one"):
        rows_of([file(tmp_path, 3)], str(RowSpan("a.csv", 2, 3)))
