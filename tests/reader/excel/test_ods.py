from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import ods

from batchupdate.model import Level
from batchupdate.reader import open_table
from batchupdate.reader.excel import ods as ods_format
from batchupdate.reader.excel import sheet
from batchupdate.reader.excel.size_guard import MAX_RATIO, RATIO_MATTERS_FROM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem


@pytest.mark.slow
def test_a_large_ods_that_is_packed_very_small_is_not_taken_for_a_damaged_one(read: Callable[..., Any]) -> None:
    large = f"<!--{'always the same' * 1000}-->" * 1200  # costs least to read
    content = ods([["id", "name", "note"], *[["1", "Integration", "x"]] * 2000], large)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        part = archive.getinfo("content.xml")
    assert part.file_size > max(RATIO_MATTERS_FROM, MAX_RATIO * part.compress_size)
    assert len(read(content, "a.ods").rows) == 2000


def test_typed_cells_of_an_ods_become_the_texts_that_the_guide_says(read: Callable[..., Any]) -> None:
    cells = [
        ('"float" office:value="123"', "123"),
        ('"percentage" office:value="0.5"', "0.5"),
        ('"currency" office:value="12.5" office:currency="EUR"', "12.5"),
        ('"boolean" office:boolean-value="true"', "TRUE"),
        ('"date" office:date-value="2026-11-21"', "2026-11-21"),
        ('"date" office:date-value="2026-11-21T18:45:00"', "2026-11-21T18:45:00"),
        ('"time" office:time-value="PT18H45M00S"', "18:45:00"),
        ('"time" office:time-value="PT30H00M01.500000000S"', "30:00:01.5"),
    ]
    row = "".join(f"<table:table-cell office:value-type={cell}/>" for cell, _ in cells)
    got = read(ods([[f"h{n}" for n in range(len(cells))]], f"<table:table-row>{row}</table:table-row>"), "a.ods")
    assert got.cells == [tuple(text for _, text in cells)]
    assert got.table.format == "ods"


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
def test_an_error_is_a_problem_of_its_row_and_never_a_blank_cell(
    make: Callable[..., Path], read: Callable[..., Any], shown: str
) -> None:
    path = make(ods([HEADER, ["1", "A", "x"]], row(text("2"), error(shown), text("y"))), "a.ods")
    assert read(path).cells == [("1", "A", "x"), ("2", shown, "y")]
    [problem] = problems(path)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("error_cell", 3, "name", shown)
    assert problem.level is Level.ERROR
    assert problem.message == f"s!B3 holds the error {shown!r}; correct the cell"


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


@pytest.mark.parametrize("cell_of", [text, error])
@pytest.mark.parametrize(
    ("rows", "columns"), [("1048576", "1"), ("99999999999999", "1"), ("x", "1"), ("1", "16385"), ("1", "-")]
)
def test_cells_beyond_the_last_row_or_column_are_damage(
    refused: Callable[..., str], cell_of: Callable[[str], str], rows: str, columns: str
) -> None:
    far = cell_of("#N/A").replace("<table:table-cell", f'<table:table-cell table:number-columns-repeated="{columns}"')
    assert "damaged" in refused(ods([HEADER], row(far, attributes=f'table:number-rows-repeated="{rows}"')), "a.ods")


def test_a_sheet_that_spreads_too_far_is_refused(refused: Callable[..., str]) -> None:
    far = row('<table:table-cell table:number-columns-repeated="16000"/>', text("x"))
    blank = row(attributes='table:number-rows-repeated="900000"')
    assert "spreads over" in refused(ods([HEADER], blank + far), "a.ods")


def test_xml_that_breaks_off_is_damage(refused: Callable[..., str]) -> None:
    assert "mismatched tag" in refused(ods([HEADER], row(text("1")) + "<broken>"), "a.ods")


def test_a_cell_without_end_is_damage(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ods_format, "MAX_TEXT", 1000)
    assert "more than 1,000 characters" in refused(ods([HEADER], row(text("x" * 1001))), "a.ods")
    spaces = '<text:s text:c="30000"/>'
    assert "more than 1,000 characters" in refused(ods([HEADER], row(text(spaces))), "a.ods")


def test_too_many_errors_are_refused_as_a_whole(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_VALUELESS", 5)
    six = row(error("#N/A"), attributes='table:number-rows-repeated="6"')
    assert "more than 5 cells of the sheet 's' hold an error" in refused(ods([HEADER], six), "a.ods")


def test_white_space_between_the_tags_makes_no_difference(read: Callable[..., Any]) -> None:
    plain = ods([HEADER, ["1", "A", "x"]])
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["content.xml"] = parts["content.xml"].replace(b"><table", b">\n  <table").replace(b"><text", b">\n    <text")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert out.getvalue() != plain
    assert read(out.getvalue(), "a.ods").cells == read(plain, "a.ods").cells == [("1", "A", "x")]


@pytest.mark.parametrize(
    "parts",
    [
        {"content.xml": b"\x8f\x01", "META-INF/manifest.xml": b"<m:file-entry><m:encryption-data/></m:file-entry>"},
        {"encrypted-package": b"\x8f\x01", "META-INF/manifest.xml": b"<m:manifest/>"},
    ],
)
def test_a_password_is_named_as_the_reason(refused: Callable[..., str], parts: dict[str, bytes]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "protected with a password" in refused(out.getvalue(), "a.ods")


def test_what_a_merged_cell_covers_is_blank_whatever_the_file_still_holds(read: Callable[..., Any]) -> None:
    wide = cell("<text:p>A</text:p>", 'office:value-type="string" table:number-columns-spanned="2"')
    old = '<table:covered-table-cell office:value-type="string"><text:p>old</text:p></table:covered-table-cell>'
    assert read(ods([HEADER], row(text("1"), wide, old)), "a.ods").cells == [("1", "A", "")]


def test_a_hidden_sheet_is_read_only_if_it_is_named(read: Callable[..., Any]) -> None:
    hidden = (
        '<style:style xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" style:name="ta1">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    content = ods([], row(text("id")) + row(text("1")))
    secret = f'<table:table table:name="secret" table:style-name="ta1">{row(text("id"))}{row(text("2"))}</table:table>'
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    parts["content.xml"] = parts["content.xml"].replace("<table:table ", f"{hidden}{secret}<table:table ", 1)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    assert read(out.getvalue(), "a.ods").cells == [("1",)]
    assert read(out.getvalue(), "a.ods", sheet="secret").cells == [("2",)]
