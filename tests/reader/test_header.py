from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from workbooks import book

from batchupdate.reader import ReadOptions, open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TITLED = "Renames 2026,,,\nAs of,May,,\n\nid,name,note,color\n1,A,x,y\n2,B,x,y\n"


def test_a_row_that_is_said_to_be_the_header_is(read: Callable[..., Any]) -> None:
    got = read("a,b\nid,name\n1,A\n", header_row=2)
    assert got.columns == ("id", "name")
    assert got.numbers == [3]
    assert got.table.header_row == 2
    assert got.notices == ""


@pytest.mark.parametrize(
    ("row", "why"), [(9, "has no row 9"), (2, "has nothing in row 2"), (0, "no row 0"), (-1, "no row -1")]
)
def test_a_header_row_that_can_be_none_is_refused(refused: Callable[..., str], row: int, why: str) -> None:
    assert why in refused("id\n\n1\n", header_row=row)


def test_titles_above_the_header_are_guessed_and_told(read: Callable[..., Any]) -> None:
    got = read(TITLED)
    assert got.columns == ("id", "name", "note", "color")
    assert got.numbers == [5, 6]
    assert "row 4 is taken as the header. If it is another row, say which: --header-row N." in got.notices


def test_titles_of_a_workbook_are_guessed_too(read: Callable[..., Any]) -> None:
    rows = [cells.split(",") for cells in TITLED.split("\n") if cells]
    assert read(book(("s", rows), at=(2, 1)), "a.xlsx").table.header_row == 5


@pytest.mark.parametrize("below", ["1,A,x,y", "id,id,x,y", "#N/A,b,c,d"])
def test_where_no_row_looks_like_headings_the_first_one_stands_and_that_is_told(
    read: Callable[..., Any], below: str
) -> None:
    got = read(f"id\n{below}\na,b,note,color\na,b,note,color\n")
    assert got.columns == ("id",)
    assert "Row 1 is taken as the header, although it has only 1 headings" in got.notices


@pytest.mark.parametrize("header", ["id,name,note", "id,name,note,", "id,name,note,color"])
def test_a_header_that_names_half_of_the_columns_is_no_title(read: Callable[..., Any], header: str) -> None:
    got = read(f"{header}\na,b,c,d\ne,f,g,h\n")
    assert got.columns[:2] == ("id", "name")
    assert got.notices == ""


def test_where_the_first_row_fills_just_half_of_the_columns_it_stands_and_that_is_told(
    read: Callable[..., Any],
) -> None:
    got = read("Renames,\nid,name\n1,A\n")
    assert got.columns == ("Renames", "")
    assert "Row 1 is taken as the header, although it has only 1 headings" in got.notices
    assert read("Renames\nid;name\n1;A\n", header_row=2).columns == ("id", "name")


def test_a_title_without_delimiters_hides_none_of_the_columns(read: Callable[..., Any]) -> None:
    assert read("Renames of all\n\nid;name;note\n1;A;x\n2;B;y\n3;C;z\n").columns == ("id", "name", "note")


@pytest.mark.parametrize("texts", [["A, B", "C, D", "E, F", "G, H"], ["A", "B, C, D", "E, F", "G", "H"]])
def test_commas_in_texts_do_not_make_columns(read: Callable[..., Any], texts: list[str]) -> None:
    assert read("\n".join(["name", *texts])).cells == [(text,) for text in texts]


def test_one_column_is_no_title(read: Callable[..., Any]) -> None:
    assert read("id\na\nb\n").notices == ""


def test_a_header_row_means_nothing_where_columns_have_names(
    make: Callable[..., Path], refused: Callable[..., str]
) -> None:
    assert "Leave --header-row out" in refused('{"id": 1}\n', "a.jsonl", header_row=1)
    with open_table(make("x\n1\n"), ReadOptions(header_row=1)) as table:
        assert table.columns == ("x",)


@pytest.mark.parametrize("below", ["", "d,e,f\ng,h,i\n"])
def test_a_row_with_too_many_commas_is_no_header(read: Callable[..., Any], below: str) -> None:
    got = read(f"id,name,note\na,b,c\nx,Sales, Marketing, Finance, and more, and, too\n{below}")
    assert got.columns == ("id", "name", "note")
    assert "it has only 3 headings and rows below it have up to 7" in got.notices
    assert got.numbers[:2] == [2, 3]


@pytest.mark.parametrize("title", ["Renames", "As of,May", "Renames\nAs of,May", "As of,May\nBy,Eve"])
def test_titles_stand_above_a_table_with_many_blank_cells_too(read: Callable[..., Any], title: str) -> None:
    got = read(f"{title}\nid,name,note,color,size\n1,,x,,\n2,,,y,\n3,A,,,\n")
    assert got.columns == ("id", "name", "note", "color", "size")


def test_titles_stand_above_a_header_without_rows_too(read: Callable[..., Any]) -> None:
    assert read("Renames,,\nof May,,\nid,name,note\n").columns == ("id", "name", "note")
