from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from workbooks import with_sheet

from batchupdate.model import Level
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem


HEADER = '<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>name</v></c></row>'


def problems(path: Path, size: int = 500) -> list[Problem]:
    with open_table(path) as table:
        return [problem for batch in table.batches(size) for problem in batch.problems]


@pytest.mark.parametrize(
    "error",
    ["#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!", "#N/A", "#REF!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#VALUE!"],
)
def test_an_error_cell_is_a_problem_and_never_a_blank_cell(
    make: Callable[..., Path], read: Callable[..., Any], error: str
) -> None:
    sheet = f'{HEADER}<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><v>{error}</v></c></row>'
    path = make(with_sheet(sheet), "a.xlsx")
    assert read(path).cells == [("1", error)]
    [problem] = problems(path)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("error_cell", 2, "name", error)
    assert problem.level is Level.ERROR
    assert problem.message == f"s!B2 holds the error {error!r}; correct the cell"


def test_a_row_of_nothing_but_an_error_is_no_blank_row(make: Callable[..., Path], read: Callable[..., Any]) -> None:
    path = make(with_sheet(f'{HEADER}<row r="5"><c r="B5" t="e"><v>#N/A</v></c></row>'), "a.xlsx")
    assert read(path).numbers == [5]
    assert [problem.row for problem in problems(path)] == [5]


@pytest.mark.parametrize("formula", ["<f>1+A9</f>", "<f>1+A9</f><v></v>", "<f>1+A9</f><v/>", '<f t="shared">1+A9</f>'])
def test_a_formula_that_was_never_calculated_is_a_problem(
    make: Callable[..., Path], read: Callable[..., Any], formula: str
) -> None:
    path = make(with_sheet(f'{HEADER}<row r="2"><c r="A2"><v>1</v></c><c r="B2">{formula}</c></row>'), "a.xlsx")
    assert read(path).cells == [("1", "=1+A9")]
    [problem] = problems(path)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("formula_without_value", 2, "name", "=1+A9")


def test_a_formula_without_its_own_text_is_told_too(make: Callable[..., Path]) -> None:
    path = make(with_sheet(f'{HEADER}<row r="2"><c r="B2"><f t="shared" si="0"/></c></row>'), "a.xlsx")
    assert [problem.cell for problem in problems(path)] == ["="]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="B2"><f>1+1</f><v>2</v></c>', "2"),
        ('<c r="B2" t="str"><f>A1&amp;"e"</f><v>x</v></c>', "x"),
        ('<c r="B2" t="str"><f>""</f><v></v></c>', ""),
        ('<c r="B2" t="inlineStr"><is><t>"e" t="e" &lt;f&gt;</t></is></c>', '"e" t="e" <f>'),
        ('<c r="B2" t="str"><v>#N/A</v></c>', "#N/A"),
        ('<c r="B2" t="inlineStr"><f>A1</f><is><t>x</t></is></c>', "x"),
    ],
)
def test_a_cell_with_a_value_is_no_problem(
    make: Callable[..., Path], read: Callable[..., Any], cell: str, text: str
) -> None:
    path = make(with_sheet(f'{HEADER}<row r="2"><c r="A2"><v>1</v></c>{cell}</row>'), "a.xlsx")
    assert read(path).cells == [("1", text)]
    assert problems(path) == []


@pytest.mark.parametrize("tag", ['<c r="{0}" t="e">', "<c s='1' r='{0}' t='e'>", '<c t="e">'])
def test_errors_are_found_however_a_cell_is_written(make: Callable[..., Path], tag: str) -> None:
    error = "<v>#N/A</v></c>"
    sheet = (
        f'<row r="1"><c t="str"><v>id</v></c><c t="str"><v>name</v></c></row>'
        f"<row><c><v>1</v></c>{tag.format('B2')}{error}</row>"
        f'<row r="9">{tag.format("A9")}{error}{tag.format("B9")}{error}</row>'
    )
    path = make(with_sheet(sheet), "a.xlsx")
    assert [(problem.row, problem.column) for problem in problems(path)] == [(2, "name"), (9, "id"), (9, "name")]


@pytest.mark.parametrize("size", [1, 2, 500])
def test_a_problem_comes_with_the_batch_of_its_row(make: Callable[..., Path], size: int) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="e"><v>#N/A</v></c></row>' for n in (3, 4, 7))
    with open_table(make(with_sheet(HEADER + rows), "a.xlsx")) as table:
        for batch in table.batches(size):
            assert [problem.row for problem in batch.problems] == [row.number for row in batch]


def test_formulas_without_value_beyond_all_other_cells_are_found(
    make: Callable[..., Path], read: Callable[..., Any]
) -> None:
    formula = "<f>1</f></c>"
    sheet = (
        f'<row r="2"><c r="B2" t="str"><v>id</v></c><c r="C2" t="str"><v>name</v></c></row>'
        f'<row r="3"><c r="A3">{formula}<c r="B3"><v>1</v></c><c r="E3">{formula}</row>'
        f'<row r="7"><c r="C7">{formula}</row>'
    )
    path = make(with_sheet(sheet), "a.xlsx")
    got = read(path, size=2)
    assert got.columns == ("", "id", "name")
    assert [(row.number, row.cells) for row in got.rows] == [(3, ("=1", "1", "", "", "=1")), (7, ("", "", "=1"))]
    assert [problem.message[:4] for problem in problems(path)] == ["s!A3", "s!E3", "s!C7"]


def test_errors_in_rows_out_of_order_belong_to_their_rows(make: Callable[..., Path]) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="e"><v>#N/A</v></c></row>' for n in (4, 3))
    assert [problem.row for problem in problems(make(with_sheet(HEADER + rows), "a.xlsx"))] == [3, 4]


def test_errors_are_those_of_the_sheet_that_is_read(make: Callable[..., Path]) -> None:
    made = openpyxl.Workbook()
    made.active.append(["id", "=1+1"])
    other = made.create_sheet("It's")
    other.append(["id", "name"])
    other.append(["1", "=A1"])
    made.move_sheet("It's", -1)
    out = io.BytesIO()
    made.save(out)
    [problem] = problems(make(out.getvalue(), "a.xlsx"))
    assert problem.message.startswith("'It''s'!B2 holds a formula without a result")


def test_an_error_in_the_header_is_told(read: Callable[..., Any]) -> None:
    cells = "".join(f'<c r="{letter}1" t="e"><v>#N/A</v></c>' for letter in "B")
    got = read(with_sheet(f'<row r="1"><c r="A1" t="str"><v>id</v></c>{cells}</row>'), "a.xlsx")
    assert "In the header, s!B1 holds the error '#N/A'" in got.notices


def test_a_sheet_of_endless_errors_is_refused(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchupdate.reader.excel.sheet.MAX_VALUELESS", 1)
    sheet = f'{HEADER}<row r="2"><c r="A2" t="e"/><c r="B2" t="e"/></row>'
    assert "more than 1 cells of the sheet 's' hold an error" in refused(with_sheet(sheet), "a.xlsx")


def test_a_cell_without_end_is_refused(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchupdate.reader.excel.xlsx_cells.MAX_TEXT", 1000)
    cell = f'<c r="A2" t="str"><f>{"x" * 2000}</f></c>'
    assert "larger than any cell" in refused(with_sheet(f'{HEADER}<row r="2">{cell}</row>'), "a.xlsx")
