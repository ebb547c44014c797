from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.journal.records import with_rows
from batchupdate.model import MOST_ROWS, ONE_FILE, InputFile, RowLabels, RowRef, files_of

TWO = RowLabels(("a.csv", "b.csv"))
spots = st.tuples(st.integers(0, 2**30), st.integers(0, MOST_ROWS))


@given(one=spots, other=spots)
def test_a_number_tells_file_and_row_and_keeps_their_order(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (RowRef.of(RowRef(*one).key).file, RowRef.of(RowRef(*one).key).number) == one
    assert (RowRef(*one).key < RowRef(*other).key) == (one < other)
    assert RowRef(*one).key < 2**63  # what SQLite holds


@given(row=st.integers(1, 2**60))
def test_in_a_run_of_one_file_a_number_is_the_row(row: int) -> None:
    assert (ONE_FILE.row(row), ONE_FILE.file(row), ONE_FILE.label(row)) == (row, "", f"row {row}")


def test_in_a_run_of_several_files_a_row_is_told_with_its_file() -> None:
    number = RowRef(1, 7).key
    assert (TWO.row(number), TWO.file(number), TWO.label(number)) == (7, "b.csv", "b.csv row 7")
    assert TWO.label(7) == "a.csv row 7"


def test_a_file_whose_name_is_lost_is_told_by_its_place() -> None:
    assert TWO.label(RowRef(4, 7).key) == "file 5 row 7"


def test_several_rows_are_told_together() -> None:
    assert ONE_FILE.label_all([7]) == "row 7"
    assert ONE_FILE.label_all([7, 9]) == "rows 7, 9"
    assert TWO.label_all([7, RowRef(1, 7).key]) == "a.csv row 7, b.csv row 7"


def test_rows_are_counted_by_file_also_where_there_are_none() -> None:
    assert RowLabels(("a", "b", "c")).rows_by_file([2, 3, RowRef(2, 2).key]) == [2, 0, 1]


def test_a_journal_tells_of_its_files() -> None:
    told = {"path": "/a, /b", "files": [{"name": n, "path": f"/{n}", "sha256": "0"} for n in "ab"]}
    assert files_of(told) == ()  # not read yet
    assert files_of(with_rows(told, [3, 4])) == (InputFile("a", "/a", "0", 3), InputFile("b", "/b", "0", 4))


@pytest.mark.parametrize(
    "told", [None, [], {"path": "x"}, {"files": 1}, {"files": [1]}, {"files": [{"name": 1, "path": "", "rows": 1}]}]
)
def test_what_a_damaged_journal_tells_is_no_list_of_files(told: Any) -> None:
    assert files_of(told) == ()
