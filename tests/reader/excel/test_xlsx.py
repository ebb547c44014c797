from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbooks import book, with_macro_sheet, with_sheet

from batchupdate.errors import InputError
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


TABLE = [["id", "name"], ["007", "A"], ["", ""], ["NA", "B"]]


def test_rows_have_the_numbers_that_excel_shows(read: Callable[..., Any]) -> None:
    got = read(book(("s", TABLE)), "a.xlsx")
    assert got.columns == ("id", "name")
    assert [(row.number, row.cells) for row in got.rows] == [(2, ("007", "A")), (4, ("NA", "B"))]
    assert got.sheet == "s"
    assert got.table.format == "xlsx"
    assert got.table.encoding is got.table.delimiter is None


def test_rows_have_the_numbers_that_excel_shows_where_the_table_begins_at_c4(read: Callable[..., Any]) -> None:
    got = read(book(("s", TABLE), at=(3, 2)), "a.xlsx")
    assert got.numbers == [5, 7]
    assert got.cells == [("007", "A"), ("NA", "B")]
    assert "row 4 is taken as the header" in got.notices


def test_letters_of_twin_headings_are_those_that_excel_shows(make: Callable[..., Path]) -> None:
    twins = make(book(("s", [["x", "id", *map(str, range(24)), "ID"]]), at=(1, 2)), "a.xlsx")
    with open_table(twins) as table, pytest.raises(InputError, match="columns D and AC have"):
        table.refuse_twins_of({1})


def test_rows_of_a_workbook_can_be_read_again(make: Callable[..., Path]) -> None:
    with open_table(make(book(("s", TABLE)), "a.xlsx")) as table:
        assert list(table.batches()) == list(table.batches()) != []
    table.close()


def test_types_come_over_from_a_real_workbook(read: Callable[..., Any]) -> None:
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.append(["id", "n", "b", "d", "t", "f"])
    sheet.append(["1", 123, True, dt.date(2026, 11, 21), dt.datetime.fromisoformat("2026-11-21T18:45:00"), 0.5])
    out = io.BytesIO()
    made.save(out)
    assert read(out.getvalue(), "a.xlsx").cells == [("1", "123", "TRUE", "2026-11-21", "2026-11-21T18:45:00", "0.5")]


cell_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.just("a\nb")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(cell_text, min_size=3, max_size=3), min_size=1, max_size=5))
def test_any_table_of_text_written_by_xlsxwriter_comes_back_the_same(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "table.xlsx"
    path.write_bytes(book(("s", [["id", "name", "note"], *rows])))
    with open_table(path) as table:
        got = {row.number: row.cells for batch in table.batches() for row in batch}
    assert got == {n: tuple(cells) for n, cells in enumerate(rows, 2) if "".join(cells).strip()}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_workbook_that_is_cut_off_is_refused(refused: Callable[..., str], share: str) -> None:
    content = book(("s", TABLE))
    assert "damaged workbook" in refused(content[: int(len(content) * share)], "a.xlsx")


def test_a_workbook_with_a_changed_part_is_refused(refused: Callable[..., str]) -> None:
    assert "damaged workbook" in refused(with_sheet('<row r="1"><c r="A1"><v>1</v></d></row>'), "a.xlsx")
    content = bytearray(book(("s", TABLE)))
    at = content.index(b"xl/worksheets/sheet1.xml") + 60
    content[at : at + 9] = b"\xff" * 9
    assert "damaged workbook" in refused(bytes(content), "a.xlsx")


def test_cells_without_addresses_are_read_in_their_order(read: Callable[..., Any]) -> None:
    got = read(
        with_sheet(
            '<row><c t="inlineStr"><is><t>id</t></is></c><c t="inlineStr"><is><t>n</t></is></c></row><row/>'
            '<row><c><v>1</v></c><c r="B3"><v>2</v></c></row><row r="9"><c r="A9"><v>3</v></c><c><v>4</v></c></row>'
        ),
        "a.xlsx",
    )
    assert [(row.number, row.cells) for row in got.rows] == [(3, ("1", "2")), (9, ("3", "4"))]


HEADER = '<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>name</v></c></row>'


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
        (3, '0 "days"', "3 days"),
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


def test_a_workbook_with_macros_of_excel_4_is_read_without_them_and_they_are_named(
    read: Callable[..., Any], refused: Callable[..., str]
) -> None:
    content = with_macro_sheet(("Auto", [["id", "name"], ["007", 1.5]]), ("Macro1", [["=HALT()"]]))
    got = read(content, "a.xlsm")
    assert (got.sheet, got.columns, got.cells) == ("Auto", ("id", "name"), [("007", "1.5")])
    assert "The sheet 'Macro1' holds macros of Excel 4 and is left out." in got.notices
    assert "has no sheet named 'Macro1'. Its sheets: 'Auto'." in refused(content, "a.xlsm", sheet="Macro1")
