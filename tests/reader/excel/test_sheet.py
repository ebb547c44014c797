from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import xlsxwriter
from workbooks import book

from batchupdate.model import Level
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem


TABLE = [["id", "name"], ["007", "A"], ["", ""], ["NA", "B"]]


def test_the_first_visible_sheet_that_is_not_empty_is_read_and_told(read: Callable[..., Any]) -> None:
    content = book(("Secret", TABLE), ("Cover", []), ("Data", [["id"], ["1"]]), ("More", TABLE), hidden="Secret")
    got = read(content, "a.xlsx")
    assert got.sheet == "Data"
    assert "Sheet 'Data' is read; say --sheet to read another one ('Cover', 'More')." in got.notices


def test_a_sheet_is_found_by_name_and_whatever_its_case(read: Callable[..., Any]) -> None:
    content = book(("One", TABLE), ("one two", [["id"], ["2"]]))
    assert read(content, "a.xlsx", sheet="ONE TWO").sheet == "one two"
    assert read(content, "a.xlsx", sheet="One").notices == ""


def test_a_hidden_sheet_can_be_named(read: Callable[..., Any]) -> None:
    assert read(book(("A", []), ("B", TABLE), hidden="B"), "a.xlsx", sheet="B").numbers == [2, 4]


def test_a_wrong_sheet_is_refused_with_the_list(refused: Callable[..., str]) -> None:
    assert "has no sheet named 'Three'. Its sheets: 'One', 'Two'." in refused(
        book(("One", TABLE), ("Two", [])), "a.xlsx", sheet="Three"
    )


def test_a_workbook_of_empty_sheets_is_refused(refused: Callable[..., str]) -> None:
    assert "all visible sheets are empty" in refused(book(("One", []), ("Two", [])), "a.xlsx")
    hidden = refused(book(("One", []), ("Two", TABLE), hidden="Two"), "a.xlsx")
    assert "To read a hidden sheet, say --sheet with its name: 'Two'" in hidden
    assert "the sheet 'One' is empty" in refused(book(("One", []), ("Two", TABLE)), "a.xlsx", sheet="One")


def problems(path: Path, size: int = 500) -> list[Problem]:
    with open_table(path) as table:
        return [problem for batch in table.batches(size) for problem in batch.problems]


def merged_book() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as made:
        sheet = made.add_worksheet("s")
        sheet.write_row(0, 0, ["id", "name", "note"])
        sheet.write_column(1, 1, ["A", "B", "C"])
        sheet.merge_range("A2:A4", "7")
        sheet.merge_range("B5:C5", "D")
    return out.getvalue()


def test_a_merged_cell_counts_in_its_first_row_only_and_the_others_are_warned_of(
    make: Callable[..., Path], read: Callable[..., Any]
) -> None:
    path = make(merged_book(), "a.xlsx")
    assert read(path).cells == [("7", "A", ""), ("", "B", ""), ("", "C", ""), ("", "D", "")]
    found = problems(path)
    assert [(problem.row, problem.column, problem.code) for problem in found] == [
        (3, "id", "merged_cell"),
        (4, "id", "merged_cell"),
        (5, "note", "merged_cell"),
    ]
    assert {problem.level for problem in found} == {Level.WARNING}
    assert found[0].message == "s!A3 is part of the merged cell A2:A4, whose text counts for A2 only"
    assert problems(path, 1) == found


def test_a_merged_heading_is_told(read: Callable[..., Any]) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as made:
        sheet = made.add_worksheet("s")
        sheet.merge_range("B1:D1", "name")
        sheet.write("A1", "id")
        sheet.write_row(1, 0, ["1", "A"])
    got = read(out.getvalue(), "a.xlsx")
    assert "In the header, s!C1 is part of the merged cell B1:D1, whose text counts for B1 only." in got.notices
