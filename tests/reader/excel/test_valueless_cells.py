from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
import xlsxwriter
from workbooks import book, with_sheet

from batchupdate.model import Level
from batchupdate.reader import open_table
from batchupdate.reader.excel import size_guard, valueless_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem

HEADER = '<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>name</v></c></row>'


def problems(path: Path, size: int = 500) -> list[Problem]:
    with open_table(path) as table:
        return [problem for batch in table.batches(size) for problem in batch.problems]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#VALUE!"])
def test_an_error_cell_is_a_problem_and_never_a_blank_cell(
    make: Callable[..., Path], read: Callable[..., Any], error: str
) -> None:
    sheet = f'{HEADER}<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><v>{error}</v></c></row>'
    path = make(with_sheet(sheet), "a.xlsx")
    assert read(path).cells == [("1", error)]
    [problem] = problems(path)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("error_cell", 2, "name", error)
    assert problem.level is Level.ERROR
    assert problem.message == f"s!B2 holds the error {error!r}; mend the cell"


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
    ],
)
def test_a_cell_with_a_value_is_no_problem(
    make: Callable[..., Path], read: Callable[..., Any], cell: str, text: str
) -> None:
    path = make(with_sheet(f'{HEADER}<row r="2"><c r="A2"><v>1</v></c>{cell}</row>'), "a.xlsx")
    assert read(path).cells == [("1", text)]
    assert problems(path) == []


@pytest.mark.parametrize("size", [30, 41, 64, 100, 1000])
@pytest.mark.parametrize("tag", ['<c r="{0}" t="e">', "<c s='1' r='{0}' t='e'>", '<c t="e">'])
def test_marks_are_found_wherever_a_piece_ends_and_however_a_cell_is_written(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, size: int, tag: str
) -> None:
    monkeypatch.setattr(valueless_cells, "_CHUNK_BYTES", size)
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


def test_rows_out_of_order_keep_their_marks(make: Callable[..., Path]) -> None:
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
    monkeypatch.setattr(valueless_cells, "MAX_MARKS", 1)
    sheet = f'{HEADER}<row r="2"><c r="A2" t="e"/><c r="B2" t="e"/></row>'
    assert "more than 1 cells of the sheet 's' hold an error" in refused(with_sheet(sheet), "a.xlsx")


def test_a_cell_without_end_is_refused(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valueless_cells, "MAX_CELL_BYTES", 1000)
    monkeypatch.setattr(valueless_cells, "_CHUNK_BYTES", 100)
    cell = f'<c r="A2" t="str"><f>{"x" * 2000}</f></c>'
    assert "larger than any cell" in refused(with_sheet(f'{HEADER}<row r="2">{cell}</row>'), "a.xlsx")


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


@pytest.mark.parametrize(
    ("sheet", "address"),
    [("changes", "changes!C2"), ("Final list", "'Final list'!C2"), ("Q1", "'Q1'!C2"), ("It's", "'It''s'!C2")],
)
def test_an_address_is_written_as_a_spreadsheet_program_does(
    make: Callable[..., Path], sheet: str, address: str
) -> None:
    with open_table(make(book((sheet, [["id", "name"], ["1", "A"]]), at=(0, 1)), "a.xlsx")) as table:
        assert table.address(2, 1) == address


def test_an_address_in_a_text_file_has_no_sheet(make: Callable[..., Path]) -> None:
    with open_table(make("id,name\n1,A\n")) as table:
        assert table.address(2, 1) == "B2"


def test_the_address_in_results_of_ours_is_that_in_the_report(make: Callable[..., Path]) -> None:
    own = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"
    with open_table(make(f"id,{own},name\n1{',' * 10}A,spilled\n")) as table:
        assert table.columns == ("id", "name")
        assert [table.address(2, place) for place in range(3)] == ["A2", "K2", "L2"]


@pytest.mark.parametrize(("date_1904", "day"), [(False, "2023-03-15"), (True, "2027-03-16")])
def test_dates_are_those_that_excel_shows_in_both_date_systems(
    read: Callable[..., Any], date_1904: bool, day: str
) -> None:
    out = io.BytesIO()
    cells = [
        (45000, "dd.mm.yyyy", day),
        (45000.38888888889, "d.m.yy h:mm", f"{day}T09:20:00"),
        (45000, "mmm yy", day),
        (0.5, "hh:mm", "12:00:00"),
        (1.25, "[h]:mm", "30:00:00"),
        (0.5, "0%", "0.5"),
        (12.5, "#,##0.00 [$€-407]", "12.5"),
        (1234567.0, "[Red]#,##0", "1234567"),
        (45000, "@", "45000"),
        (3, '0 "days"', "3"),
    ]
    with xlsxwriter.Workbook(out, {"date_1904": date_1904}) as made:
        sheet = made.add_worksheet()
        for place, (number, form, _) in enumerate(cells):
            sheet.write_string(0, place, f"h{place}")
            sheet.write_number(1, place, number, made.add_format({"num_format": form}))
    assert read(out.getvalue(), "a.xlsx").cells == [tuple(text for *_, text in cells)]


def test_rich_text_is_its_text(read: Callable[..., Any]) -> None:
    rich = '<c r="B2" t="inlineStr"><is><r><rPr><b/></rPr><t>bo</t></r><r><t>ld</t></r></is></c>'
    assert read(with_sheet(f'{HEADER}<row r="2"><c r="A2"><v>1</v></c>{rich}</row>'), "a.xlsx").cells == [("1", "bold")]


def test_formatted_but_empty_rows_and_columns_are_no_data(read: Callable[..., Any]) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as made:
        sheet, bold = made.add_worksheet(), made.add_format({"bold": True})
        sheet.write_row(0, 0, ["id", "name"])
        sheet.write_row(1, 0, ["1", "A"])
        for row in range(20):
            sheet.write_blank(row, 5, None, bold)
    got = read(out.getvalue(), "a.xlsx")
    assert got.numbers == [2]
    assert got.cells[0][:2] == ("1", "A")
    assert not any(got.cells[0][2:])


def worth_a_look(xml: str, size: int = 1 << 20) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(size_guard, "_CHUNK_BYTES", size)
        return size_guard._extent(io.BytesIO(xml.encode())).marked


@pytest.mark.parametrize(
    "cell",
    [
        "<f>1+1</f><v>2</v>",
        '<f t="shared" ref="A1:A9" si="0">1+1</f><v>2</v>',
        '<f t="shared" si="0"/><v>2</v>',
        "<v>2</v>",
        "<is><t>: 'e</t></is>",
    ],
)
def test_a_sheet_whose_formulas_all_have_values_is_not_gone_through(cell: str) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}">{cell}</c><c r="B{n}"><v>1</v></c></row>' for n in range(1, 200))
    for size in (300, 301, 302, 317, 1 << 20):
        assert not worth_a_look(rows, size)


@pytest.mark.parametrize(
    "cell",
    [
        "<f>1+1</f>",
        "<f>1+1</f><v/>",
        "<f>1+1</f><v></v>",
        '<f t="shared" si="0"/>',
        '<f t="shared" si="0"/><v></v>',
        "<v>2</v><f>1+1</f>",
        "<x:f>1+1</x:f>",
    ],
)
def test_one_formula_without_a_value_among_many_with_one_is_seen(cell: str) -> None:
    rows = [f'<row r="{n}"><c r="A{n}"><f>1</f><v>{n}</v></c></row>' for n in range(1, 100)]
    for place in (0, 50, 99):
        for size in (300, 301, 1 << 20):
            assert worth_a_look("".join([*rows[:place], f'<row r="1"><c r="A1">{cell}</c></row>', *rows[place:]]), size)


@pytest.mark.parametrize("tag", ['t="e"', "t='e'"])
def test_one_error_is_seen(tag: str) -> None:
    assert worth_a_look(f'<row r="1"><c r="A1" {tag}><v>#N/A</v></c></row>')
