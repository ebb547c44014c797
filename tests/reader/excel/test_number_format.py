"""What number formats make of numbers: as Excel and LibreOffice show them."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter
from workbooks import biff, ods, ole2, xls, xls_cell

from batchupdate.config import Settings
from batchupdate.reader.excel.number_format import matters, shown
from batchupdate.run import check_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.validator.checkup import Checkup

PHONE = "[<=9999999]###-####;(###) ###-####"


@pytest.mark.parametrize(
    ("number", "code", "seen"),
    [
        ("501", "00000", "00501"),
        ("1234567", "00000", "1234567"),
        ("123456789", "000-00-0000", "123-45-6789"),
        ("6789", "000-00-0000", "000-00-6789"),
        ("5551234", PHONE, "555-1234"),
        ("2125551234", PHONE, "(212) 555-1234"),
        ("42", '"ID-"0000', "ID-0042"),
        ("42", "\\K\\-0", "K-42"),
        ("-7", "000", "-007"),
        ("-7", "000;[Red](000)", "(007)"),
        ("0", '00;-00;"none"0', "none0"),
        ("0", "#", ""),
        ("501", "#,##0", "501"),
        ("5", "0_)", "5"),
        ("501", "[$-409]00000", "00501"),
        ("1501", "#,##0", None),
        ("1.5", "000", None),
        ("7", "0.00", None),
        ("7", "0%", None),
        ("7", "# ?/?", None),
        ("7", "0.0E+0", None),
        ("7", '"x"General', None),
    ],
)
def test_digits_and_literals_are_followed_and_nothing_else(number: str, code: str, seen: str | None) -> None:
    assert matters(code)
    assert shown(number, code) == seen


@pytest.mark.parametrize("code", ["General", "0", "@", "yyyy-mm-dd", "[h]:mm", 'd" of "mmmm'])
def test_plain_digits_texts_and_dates_do_not_matter(code: str) -> None:
    assert not matters(code)


TARGET = """
name: things
title: Things
base_url: http://127.0.0.1:9
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
  count: {type: integer}
"""


@pytest.fixture
def check(tmp_path: Path, make: Callable[..., Path]) -> Callable[..., Checkup]:
    (tmp_path / "things.yaml").write_text(TARGET)

    def check(content: bytes, name: str = "a.xlsx", **options: Any) -> Checkup:
        given = {"target": str(tmp_path / "things.yaml"), "allow_http": True, "input": options}
        return check_file(make(content, name), Settings.model_validate(given))

    return check


def xlsx(rows: list[list[Any]], formats: list[str]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as made:
        sheet = made.add_worksheet("s")
        styles = [made.add_format({"num_format": code}) for code in formats]
        sheet.write_row(0, 0, rows[0])
        for number, cells in enumerate(rows[1:], 1):
            for place, cell in enumerate(cells):
                sheet.write(number, place, cell, styles[place])
    return out.getvalue()


def test_ids_and_texts_are_what_people_see_and_numbers_are_numbers(
    read: Callable[..., Any], check: Callable[..., Checkup]
) -> None:
    made = xlsx(
        [["id", "name", "count"], [501, 2125551234, 7], ["0x", "y", 8], [12, 5551234, 9]], ["00000", PHONE, "000"]
    )
    cells = read(made, "a.xlsx").cells
    assert cells == [("00501", "(212) 555-1234", "007"), ("0x", "y", "008"), ("00012", "555-1234", "009")]
    assert cells[0][2].number == "7"
    checkup = check(made)
    assert (checkup.rows, checkup.invalid, checkup.codes) == (3, 0, {})


def test_other_formats_are_a_warning_for_ids_and_texts_only(check: Callable[..., Checkup]) -> None:
    made = xlsx([["id", "name", "count"], [1501, 0.5, 1234]], ["#,##0", "0%", "#,##0.00"])
    assert [(one.column, one.code, one.cell) for one in check(made).found] == [
        ("id", "number_format", "1501"),
        ("name", "number_format", "0.5"),
    ]
    assert check(made, strictness="strict").invalid == 1


def test_formats_of_xls_are_followed(read: Callable[..., Any]) -> None:
    styled = biff(0x0203, struct.pack("<HHHd", 1, 0, 1, 501.0))
    code = biff(0x041E, struct.pack("<HHB", 164, 5, 0) + b"00000")
    font = biff(0x0031, struct.pack("<HHHHHBBBBBB", 200, 0, 8, 400, 0, 0, 0, 0, 0, 1, 0) + b"A")
    styles = b"".join(biff(0x00E0, struct.pack("<HHHBBBBIIH", 0, key, 0, 0, 0, 0, 0, 0, 0, 0)) for key in (0, 164))
    rows = (xls_cell(0, 0, "id"), xls_cell(0, 1, "count"), styled, xls_cell(1, 1, 501.0))
    assert read(ole2(Workbook=xls(*rows, before=font * 5 + code + styles)), "a.xls").cells == [("00501", "501")]


@pytest.mark.parametrize(
    ("value", "text", "seen", "codes"),
    [
        ("501", "00501", "00501", []),
        ("123456789", "123-45-6789", "123-45-6789", []),
        ("1.5", "1,5", "1.5", []),
        ("1234567", "1.234.567", "1234567", ["number_format"]),
        ("1.5", "1.50", "1.5", ["number_format"]),
        ("501", "", "501", []),
    ],
)
def test_an_ods_shows_its_numbers_itself(
    read: Callable[..., Any], check: Callable[..., Checkup], value: str, text: str, seen: str, codes: list[str]
) -> None:
    cell = (
        f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{text}</text:p></table:table-cell>'
    )
    name = '<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>'
    made = ods([["id", "name"]], f"<table:table-row>{cell}{name}</table:table-row>")
    assert read(made, "a.ods").cells == [(seen, "x")]
    assert list(check(made, "a.ods").codes) == codes
