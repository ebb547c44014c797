from __future__ import annotations

import datetime as dt
import io
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbooks import book, with_sheet

from batchupdate.errors import InputError
from batchupdate.reader import open_table
from batchupdate.reader.excel import size_guard, workbook
from batchupdate.reader.value_to_text import text_of

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


def test_letters_of_twin_headings_are_those_that_excel_shows(refused: Callable[..., str]) -> None:
    assert "columns D and AC have" in refused(
        book(("s", [["x", "id", *map(str, range(24)), "ID"]]), at=(1, 2)), "a.xlsx"
    )


def test_rows_of_a_workbook_can_be_read_again(make: Callable[..., Path]) -> None:
    with open_table(make(book(("s", TABLE)), "a.xlsx")) as table:
        assert list(table.batches()) == list(table.batches()) != []
    table.close()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("007", "007"),
        (" x ", " x "),
        (True, "TRUE"),
        (False, "FALSE"),
        (123.0, "123"),
        (-0.0, "0"),
        (-12, "-12"),
        (0.1, "0.1"),
        (1234567890123450000.0, "1234567890123450000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (dt.date(2026, 11, 21), "2026-11-21"),
        (dt.datetime.fromisoformat("2026-11-21T00:00:00"), "2026-11-21"),
        (dt.datetime.fromisoformat("2026-11-21T18:45:00"), "2026-11-21T18:45:00"),
        (dt.time(7, 5), "07:05:00"),
        (dt.timedelta(hours=30, seconds=1), "30:00:01"),
        (dt.timedelta(seconds=-90), "-00:01:30"),
        (dt.timedelta(microseconds=500), "00:00:00.000500"),
    ],
)
def test_a_cell_becomes_the_text_that_the_guide_says(cell: object, text: str) -> None:
    assert text_of(cell) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_number_loses_a_digit(number: float) -> None:
    assert float(text_of(number)) == number


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


def test_the_old_xls_format_is_read(read: Callable[..., Any], data: Path) -> None:
    got = read(data / "changes.xls")
    assert got.table.format == "xls"
    assert got.columns == ("id", "name", "note")
    assert [(row.number, row.cells) for row in got.rows] == [
        (4, ("007", "Zürich “Büro”", "123")),
        (6, ("NA", "TRUE", "2026-11-21")),
    ]


def test_content_decides_between_xls_and_xlsx_and_where_the_name_says_nothing(
    read: Callable[..., Any], data: Path
) -> None:
    assert read(book(("s", TABLE)), "a.xls").table.format == "xlsx"
    assert read((data / "changes.xls").read_bytes(), "a.xlsx").table.format == "xls"
    assert read(book(("s", TABLE)), "download").table.format == "xlsx"


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


@pytest.mark.parametrize("option", ["encoding", "delimiter"])
def test_options_of_text_files_are_refused_for_a_workbook(refused: Callable[..., str], option: str) -> None:
    assert f"--{option} means nothing" in refused(book(("s", TABLE)), "a.xlsx", **{option: "x"})


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_workbook_that_is_cut_off_is_refused(refused: Callable[..., str], share: str) -> None:
    content = book(("s", TABLE))
    assert "damaged workbook" in refused(content[: int(len(content) * share)], "a.xlsx")


def test_a_workbook_with_a_changed_part_is_refused(refused: Callable[..., str]) -> None:
    assert "damaged Excel workbook" in refused(with_sheet('<row r="1"><c r="A1"><v>1</v></d></row>'), "a.xlsx")
    content = bytearray(book(("s", TABLE)))
    at = content.index(b"xl/worksheets/sheet1.xml") + 60
    content[at : at + 9] = b"\xff" * 9
    assert "damaged Excel workbook" in refused(bytes(content), "a.xlsx")


@pytest.mark.parametrize("kept", [600, 3000, 4700])
def test_an_xls_that_is_cut_off_is_refused(refused: Callable[..., str], data: Path, kept: str) -> None:
    assert "damaged Excel workbook" in refused((data / "changes.xls").read_bytes()[:kept], "a.xls")


def test_an_xls_that_would_end_the_process_is_refused(refused: Callable[..., str], data: Path) -> None:
    content = (data / "changes.xls").read_bytes()
    # The DIMENSIONS record ([MS-XLS], section 2.4.90) says how many rows there are; calamine allocates what it says.
    at = content.index(b"\x00\x02\x0e\x00", content.index(b"\x00\x02\x0e\x00") + 4)
    changed = content[: at + 8] + b"\xff\xff\xff\x7f" + content[at + 12 :]
    assert "damaged Excel workbook" in refused(changed, "a.xls")


def test_an_xls_that_takes_for_ever_is_refused(
    refused: Callable[..., str], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_args: object, **_options: object) -> None:
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(subprocess, "run", run)
    assert "can't be read within" in refused(data / "changes.xls")


def test_a_panic_of_the_library_becomes_a_sentence(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(_cell: object) -> str:
        raise PanicException("index out of bounds")

    with open_table(make(book(("s", [["id"], [1]])), "a.xlsx")) as table:
        monkeypatch.setattr(workbook, "text_of", panic)
        with pytest.raises(InputError, match=r"damaged Excel workbook.*index out of bounds"):
            list(table.batches())


def test_a_user_who_interrupts_is_not_told_of_damage(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_cell: object) -> str:
        raise KeyboardInterrupt

    with open_table(make(book(("s", [["id"], [1]])), "a.xlsx")) as table:
        monkeypatch.setattr(workbook, "text_of", stop)
        with pytest.raises(KeyboardInterrupt):
            list(table.batches())


def test_a_password_is_named_as_the_reason(
    refused: Callable[..., str], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ole = (data / "changes.xls").read_bytes()
    encrypted = ole + "EncryptedPackage".encode("utf-16-le") + bytes(480)
    assert "protected with a password" in refused(encrypted, "a.xlsx")

    class PasswordError(Exception):
        pass

    def closed(*_args: object, **_options: object) -> None:
        raise PasswordError

    monkeypatch.setattr(workbook.WorkbookRecords, "_first_used", closed)
    assert "protected with a password" in refused(ole, "b.xls")


def test_an_encrypted_part_is_named_as_a_password(refused: Callable[..., str]) -> None:
    content = bytearray(book(("s", TABLE)))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    assert "protected with a password" in refused(bytes(content), "a.xlsx")


def test_a_workbook_that_unfolds_too_far_is_refused_before_it_is_read(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_guard, "MAX_UNPACKED_BYTES", 1000)
    assert "1,000 bytes" in refused(book(("s", TABLE)), "a.xlsx")


def test_a_workbook_of_absurdly_many_parts_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_guard, "MAX_MEMBERS", 3)
    assert "at most" in refused(book(("s", TABLE)), "a.xlsx")


def test_a_part_that_is_larger_than_it_says_is_refused(refused: Callable[..., str]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(("s", TABLE)))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (b" " * 5_000_000 if name.endswith("sharedStrings.xml") else b""))
    content = bytearray(out.getvalue())
    at = content.rindex(b"xl/sharedStrings.xml") - 46
    content[at + 24 : at + 28] = (500).to_bytes(4, "little")
    assert "damaged Excel workbook" in refused(bytes(content), "a.xlsx")


@pytest.mark.parametrize(
    ("xml", "sentence"),
    [
        (
            '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c></row>',
            "spreads over 1,048,576 rows and 16,384",
        ),
        ('<row r="1"><c r="AAAAAA1"><v>1</v></c></row>', "beyond row"),
        ('<row r="1"><c r="A99999999999999"><v>1</v></c></row>', "beyond row"),
        ('<row r="4294967295"><c><v>1</v></c></row>', "beyond row"),
        ('<row r="1048577"><c r="A1048577"><v>1</v></c></row>', "beyond row"),
        ("<row>" + "<c/>" * 16_385 + "</row>", "beyond row"),
        ("<row>" + "<c/>" * 16_000 + '</row><row r="900000"><c/></row>', "spreads over"),
    ],
)
def test_cells_that_lie_absurdly_far_apart_are_refused_before_they_are_read(
    refused: Callable[..., str], xml: str, sentence: str
) -> None:
    assert sentence in refused(with_sheet(xml), "a.xlsx")


def test_cells_without_addresses_are_read_in_their_order(read: Callable[..., Any]) -> None:
    got = read(
        with_sheet(
            '<row><c t="inlineStr"><is><t>id</t></is></c><c t="inlineStr"><is><t>n</t></is></c></row><row/>'
            '<row><c><v>1</v></c><c r="B3"><v>2</v></c></row><row r="9"><c r="A9"><v>3</v></c><c><v>4</v></c></row>'
        ),
        "a.xlsx",
    )
    assert [(row.number, row.cells) for row in got.rows] == [(3, ("1", "2")), (9, ("3", "4"))]


@pytest.mark.parametrize("size", [25, 30, 64, 200])
def test_tags_are_weighed_whole_wherever_a_piece_ends(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_guard, "_CHUNK_BYTES", size)
    xml = b'<sheetData><row r="3"><c r="B3" s="1"><v>1</v></c><x:c s="1" r="AA7"/></row>' + b" " * 200 + b"</sheetData>"
    assert size_guard._extent(io.BytesIO(xml)) == (7, 27, 2, True, False)


def test_an_endless_text_or_tag_between_two_pieces_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_guard, "_CHUNK_BYTES", 10)
    assert max(map(len, size_guard.pieces(io.BytesIO(b"x" * 500 + b"<" + b"y" * 500)))) < 40
