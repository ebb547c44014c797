from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from workbooks import ods

from batchupdate.model import Level
from batchupdate.reader import open_table
from batchupdate.reader.excel import ods_valueless_cells, size_guard, valueless_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem

CALC = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
HEADER = ["id", "name", "note"]


def cell(inside: str = "", attributes: str = 'office:value-type="string"') -> str:
    return f"<table:table-cell {attributes}>{inside}</table:table-cell>"


def error(text: str) -> str:
    """As LibreOffice writes it."""
    formula = 'table:formula="of:=1/0" office:value-type="string" office:string-value=""'
    return cell(f"<text:p>{text}</text:p>" if text else "", f'{formula} {CALC} calcext:value-type="error"')


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def text(word: str) -> str:
    return cell(f"<text:p>{word}</text:p>")


def problems(path: Path, size: int = 500) -> list[Problem]:
    with open_table(path) as table:
        return [problem for batch in table.batches(size) for problem in batch.problems]


@pytest.mark.parametrize("shown", ["#DIV/0!", "#N/A", "#REF!", "#NAME?", "Err:502", "Fehler:502"])
@pytest.mark.parametrize("size", [40, 1 << 20])
def test_an_error_is_a_problem_of_its_row_and_never_a_blank_cell(
    make: Callable[..., Path], read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, shown: str, size: int
) -> None:
    monkeypatch.setattr(size_guard, "_CHUNK_BYTES", size)
    path = make(ods([HEADER, ["1", "A", "x"]], row(text("2"), error(shown), text("y"))), "a.ods")
    assert read(path).cells == [("1", "A", "x"), ("2", shown, "y")]
    [problem] = problems(path)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("error_cell", 3, "name", shown)
    assert problem.level is Level.ERROR
    assert problem.message == f"s!B3 holds the error {shown!r}; mend the cell"


def test_an_error_without_its_text_or_without_the_mark_of_libreoffice_is_told_too(make: Callable[..., Path]) -> None:
    plain = 'table:formula="of:=1/0" office:value-type="string" office:string-value=""'
    path = make(ods([HEADER], row(error(""), cell("<text:p>#N/A</text:p>", plain))), "a.ods")
    assert [(one.cell, one.column) for one in problems(path)] == [("#ERROR!", "id"), ("#N/A", "name")]


def test_a_formula_that_was_never_calculated_is_told_and_one_with_an_empty_result_is_blank(
    make: Callable[..., Path], read: Callable[..., Any]
) -> None:
    never = cell(attributes='table:formula="of:=[.A1]&amp;&quot;x&quot;"')
    empty = cell("<text:p/>", 'table:formula="of:=&quot;&quot;"')
    shown = cell("<text:p>ab</text:p>", 'table:formula="of:=&quot;ab&quot;"')
    path = make(ods([HEADER], row(text("1"), never, empty) + row(text("2"), empty, shown)), "a.ods")
    assert read(path).cells == [("1", '=[.A1]&"x"', ""), ("2", "", "ab")]
    assert [(one.code, one.row, one.cell) for one in problems(path)] == [("formula_without_value", 2, '=[.A1]&"x"')]


def test_what_belongs_to_the_text_stays_and_what_stands_beside_it_does_not(read: Callable[..., Any]) -> None:
    inside = [
        ("<text:p>a<text:tab/>b</text:p>", "a\tb"),
        ("<text:p>one<text:line-break/>two</text:p>", "one\ntwo"),
        ('<text:p>a<text:s text:c="3"/>b<text:tab/></text:p>', "a   b\t"),
        ("<text:p>a<text:span>b<text:tab/></text:span>c</text:p><text:p>d</text:p>", "ab\tc\nd"),
        ('<draw:frame xmlns:draw="d"><text:p>shape</text:p></draw:frame><text:p>v</text:p>', "v"),
        ('<draw:frame xmlns:draw="d"><text:p>shape</text:p></draw:frame>', ""),
        ("<office:annotation><text:p>note</text:p></office:annotation><text:p>a<text:tab/></text:p>", "a\t"),
        ("<text:p>x<text:note><text:note-body><text:p>foot</text:p></text:note-body></text:note>y</text:p>", "xy"),
        ("<text:p><text:ruby><text:ruby-base>b</text:ruby-base><text:ruby-text>r</text:ruby-text></text:ruby></text:p>",
         "b"),
    ]  # fmt: skip
    got = read(ods([["h", "id"]], "".join(row(cell(xml), text("1")) for xml, _ in inside)), "a.ods")
    assert got.cells == [(want, "1") for _, want in inside]


def test_a_value_that_is_given_beside_the_text_stands(read: Callable[..., Any]) -> None:
    given = cell("<text:p>a<text:tab/>b</text:p>", 'office:value-type="string" office:string-value="value"')
    number = cell("<text:p>1<text:tab/>0</text:p>", 'office:value-type="float" office:value="10"')
    assert read(ods([["id", "name"]], row(given, number)), "a.ods").cells == [("value", "10")]


def test_repeated_rows_and_cells_and_blank_ones_before_them_are_counted(
    make: Callable[..., Path], read: Callable[..., Any]
) -> None:
    repeated = error("#N/A").replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="2"')
    blank = '<table:table-cell table:number-columns-repeated="2"/>'
    rows = [
        row(blank, attributes='table:number-rows-repeated="3"'),
        f"<table:table-header-rows>{row(blank, *map(text, HEADER))}</table:table-header-rows>",
        row(blank, text("1"), repeated, attributes='table:number-rows-repeated="2"'),
        row(blank, attributes='table:number-rows-repeated="2"'),
        row(blank, text("2"), text("B"), text("y")),
        row(blank, error("Err:508"), blank),
    ]
    path = make(ods([], "".join(rows)), "a.ods")
    for size in (1, 2, 500):
        got = read(path, size=size)
        assert (got.numbers, got.cells) == (
            [5, 6, 9, 10],
            [("1", "#N/A", "#N/A"), ("1", "#N/A", "#N/A"), ("2", "B", "y"), ("Err:508", "", "")],
        )
        assert [(one.row, one.column) for one in problems(path, size)] == [
            (5, "name"), (5, "note"), (6, "name"), (6, "note"), (10, "id"),
        ]  # fmt: skip
    assert problems(path)[0].message.startswith("s!D5 holds")


def test_only_the_sheet_that_is_read_counts(make: Callable[..., Path], read: Callable[..., Any]) -> None:
    other = f'</table:table><table:table table:name="t">{row(text("id"), text("name"))}{row(text("1"), error("#N/A"))}'
    path = make(ods([HEADER, ["1", "A", "x"]], other), "a.ods")
    assert read(path).cells == [("1", "A", "x")]
    assert problems(path) == []
    assert read(path, sheet="t").cells == [("1", "#N/A")]


@pytest.mark.parametrize("repeated", ["1048576", "99999999999999", "x"])
def test_marks_beyond_the_last_row_are_damage(refused: Callable[..., str], repeated: str) -> None:
    many = row(error("#N/A"), attributes=f'table:number-rows-repeated="{repeated}"')
    assert "damaged" in refused(ods([HEADER], many), "a.ods")


@pytest.mark.parametrize("repeated", ["rows", "columns"])
def test_a_mark_that_goes_on_beyond_the_sheet_ends_the_walk(make: Callable[..., Path], repeated: str) -> None:
    far = error("#N/A")
    attributes = ""
    if repeated == "rows":
        attributes = 'table:number-rows-repeated="1048577"'
    else:
        far = far.replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="16385"')
    path = make(ods([], row(far, attributes=attributes)), "a.ods")
    with pytest.raises(ValueError, match="beyond row 1,048,576 or column XFD"):
        ods_valueless_cells.find_ods_marks(path, "s", "a.ods")


def test_xml_that_breaks_off_ends_the_walk(make: Callable[..., Path]) -> None:
    path = make(ods([], row(error("#N/A")) + "<broken>"), "a.ods")
    with pytest.raises(ValueError, match="mismatched tag"):
        ods_valueless_cells.find_ods_marks(path, "s", "a.ods")


def test_too_many_marks_are_refused_as_a_whole(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valueless_cells, "MAX_MARKS", 5)
    monkeypatch.setattr(ods_valueless_cells, "MOST_MARKS", 10)
    six = row(error("#N/A"), attributes='table:number-rows-repeated="6"')
    assert "more than 5 cells of the sheet 's' hold an error" in refused(ods([HEADER], six), "a.ods")
    tabs = row(cell("<text:p>a<text:tab/></text:p>"), attributes='table:number-rows-repeated="11"')
    assert "more than 10 of its cells hold tabs" in refused(ods([HEADER], tabs), "a.ods")


def test_a_blank_cell_that_is_covered_by_a_merged_one_is_told(make: Callable[..., Path]) -> None:
    spans = 'office:value-type="string" table:number-rows-spanned="2" table:number-columns-spanned="2"'
    covered = '<table:covered-table-cell table:number-columns-repeated="2"/>'
    merged = row(text("1"), cell("<text:p>A</text:p>", spans), covered) + row(text("2"), covered)
    path = make(ods([HEADER], merged + row(text("3"), text("C"))), "a.ods")
    found = problems(path)
    assert [(one.code, one.row, one.column, one.level) for one in found] == [
        ("merged_cell", 2, "note", Level.WARNING),
        ("merged_cell", 3, "name", Level.WARNING),
    ]
    assert found[1].message == "s!B3 is part of the merged cell B2:C3, whose text counts for B2 only"


def test_a_sheet_without_traces_is_not_gone_through(read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ods_valueless_cells, "_Walk", None)
    formula = cell("<text:p>3</text:p>", 'table:formula="of:=1+2" office:value-type="float" office:value="3"')
    note = "<office:annotation><text:p>note</text:p></office:annotation>"
    assert read(ods([["id", "name"]], row(cell(f"{note}<text:p>a</text:p>"), formula)), "a.ods").cells == [("a", "3")]
