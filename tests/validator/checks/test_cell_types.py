"""What becomes of a workbook's cells that are no text: made by other libraries, and checked as `check` does it."""

from __future__ import annotations

import datetime as dt
import io
import struct
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from workbooks import biff, book, ods, ole2, with_sheet, xls, xls_cell, xlsb

from batchupdate.config import Settings
from batchupdate.model import Level
from batchupdate.run import check_file

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.validator.checkup import Checkup

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
  price: {type: number}
  day: {type: date}
  at: {type: datetime, timezone: UTC}
  words: {type: list}
"""


def check(tmp_path: Path, content: bytes, name: str = "a.xlsx", **options: Any) -> Checkup:
    (tmp_path / "things.yaml").write_text(TARGET)
    (tmp_path / name).write_bytes(content)
    given = {"target": str(tmp_path / "things.yaml"), "allow_http": True, "input": options}
    return check_file(tmp_path / name, Settings.model_validate(given))


def codes(checkup: Checkup) -> list[tuple[int, str, str, Level]]:
    return [(one.row, one.column, one.code, one.level) for one in checkup.found]


LONG = [
    "98765432109876543",
    "9.87654321098765e+18",
    "9007199254740993",
    "1E+15",
    "-1000000000000000",
    "0.1234567890123456",
]


@pytest.mark.parametrize("raw", LONG)
def test_a_number_of_more_than_15_digits_is_no_id(tmp_path: Path, raw: str) -> None:
    rows = f'<row r="1">{texts("id", "name")}</row><row r="2"><c r="A2"><v>{raw}</v></c>{texts("x")}</row>'
    assert codes(check(tmp_path, with_sheet(rows))) == [(2, "id", "id_as_number", Level.ERROR)]


@pytest.mark.parametrize("number", [123456789012345, 999999999999999, 7, 12.5, -3])
def test_a_number_of_15_digits_is_an_id(tmp_path: Path, number: float) -> None:
    checkup = check(tmp_path, book(("s", [["id", "name"], [number, "x"]])))
    assert (codes(checkup), checkup.invalid) == ([], 0)


def test_a_text_of_30_digits_is_an_id(tmp_path: Path) -> None:
    assert codes(check(tmp_path, book(("s", [["id", "name"], ["9" * 30, "8" * 30]])))) == []


def test_a_number_of_more_than_15_digits_in_a_text_is_a_warning_and_an_error_where_strict(tmp_path: Path) -> None:
    made = book(("s", [["id", "name"], ["k1", 1234567890123456789]]))
    assert codes(check(tmp_path, made)) == [(2, "name", "number_rounded", Level.WARNING)]
    assert codes(check(tmp_path, made, strictness="strict")) == [(2, "name", "number_rounded", Level.ERROR)]


def test_a_whole_number_of_more_than_15_digits_in_a_number_is_a_warning_and_a_fraction_is_welcome(
    tmp_path: Path,
) -> None:
    made = book(("s", [["id", "count", "price"], ["k1", 12345678901234568, 0.1 + 0.2]]))
    assert codes(check(tmp_path, made)) == [(2, "count", "number_rounded", Level.WARNING)]


ODD = [dt.date(2026, 3, 1), dt.time(12, 30), True, False]


@pytest.mark.parametrize("cell", ODD)
def test_a_date_a_time_and_a_truth_value_are_no_ids_and_fine_as_texts_that_are_shown_as_they_are_sent(
    tmp_path: Path, cell: Any
) -> None:
    made = openpyxl.Workbook()
    made.active.append(["id", "name"])
    made.active.append([cell, "x"])
    made.active.append(["k2", cell])
    out = io.BytesIO()
    made.save(out)
    assert codes(check(tmp_path, out.getvalue())) == [(2, "id", "id_as_number", Level.ERROR)]
    lenient = check(tmp_path, out.getvalue(), strictness="lenient")
    assert (codes(lenient), lenient.invalid) == ([(2, "id", "id_as_number", Level.WARNING)], 0)


DATE, MOMENT, TIME = dt.date(2026, 3, 1), dt.datetime.fromisoformat("2026-03-01T12:30:00"), dt.time(12, 30)


def dated(cell: Any, code: str, heading: str = "name") -> bytes:
    made = openpyxl.Workbook()
    made.active.append(["id", heading])
    made.active.append(["k1", cell])
    made.active["B2"].number_format = code
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("cell", "code", "said"),
    [
        (DATE, "D-MMM", "'2026-03-01' is a date or a time that the workbook shows in its format 'D-MMM', and is sent"),
        (DATE, "[$-409]d\\-mmm;@", "in its format 'd-mmm', and is sent"),
        (DATE, "MMM YY", "in its format 'MMM YY'"),
        (DATE, "DD.MM.YYYY", "'2026-03-01' is a date or a time that the workbook shows as '01.03.2026', and is sent"),
        (DATE, "mm-dd-yy", "shows in another way, and is sent as it stands here; to send what you see, format the"),
        (MOMENT, "yyyy-mm-dd", "'2026-03-01T12:30:00' is a date or a time that the workbook shows as '2026-03-01'"),
        (MOMENT, "yyyy-mm-dd h:mm:ss", "shows as '2026-03-01 12:30:00'"),
        (TIME, "h:mm AM/PM", "'12:30:00' is a date or a time that the workbook shows as '12:30 PM'"),
        (dt.timedelta(hours=27, minutes=30), "[h]:mm", "shows as '27:30'"),
    ],
)
def test_a_date_that_is_shown_in_another_way_is_a_warning_in_a_text(
    tmp_path: Path, cell: Any, code: str, said: str
) -> None:
    made = dated(cell, code)
    checkup = check(tmp_path, made)
    assert (codes(checkup), checkup.invalid) == ([(2, "name", "number_format", Level.WARNING)], 0)
    assert said in next(iter(checkup.found)).message
    assert codes(check(tmp_path, made, strictness="strict")) == [(2, "name", "number_format", Level.ERROR)]
    assert codes(check(tmp_path, dated(cell, code, "words"))) == [(2, "words", "number_format", Level.WARNING)]


@pytest.mark.parametrize("code", ["D-MMM", "DD.MM.YYYY", "mm-dd-yy", "yyyy-mm-dd"])
def test_a_date_is_meant_in_a_field_of_dates(tmp_path: Path, code: str) -> None:
    assert codes(check(tmp_path, dated(DATE, code, "day"))) == []
    assert codes(check(tmp_path, dated(MOMENT, f"{code} h:mm", "at"))) == []


def test_a_date_that_is_shown_in_another_way_is_no_id_as_any_other(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active.append(["id", "name"])
    made.active.append([DATE, "x"])
    made.active["A2"].number_format = "D-MMM"
    out = io.BytesIO()
    made.save(out)
    assert codes(check(tmp_path, out.getvalue())) == [(2, "id", "id_as_number", Level.ERROR)]


@pytest.mark.parametrize(
    ("kind", "value", "text", "warns"),
    [
        ("date", "2026-03-01", "01.03.26", True),
        ("date", "2026-03-01", "2026-03-01", False),
        ("date", "2026-03-01T12:30:00", "01.03.26 12:30", True),
        ("time", "PT12H30M00S", "12:30 PM", True),
        ("time", "PT12H30M00S", "12:30:00", False),
    ],
)
def test_an_ods_shows_its_dates_itself(tmp_path: Path, kind: str, value: str, text: str, *, warns: bool) -> None:
    cell = f'<table:table-cell office:value-type="{kind}" office:{kind}-value="{value}"><text:p>{text}</text:p>'
    key = '<table:table-cell office:value-type="string"><text:p>k1</text:p></table:table-cell>'
    row = f"<table:table-row>{key}{cell}</table:table-cell></table:table-row>"
    checkup = check(tmp_path, ods([["id", "name"]], row), "a.ods")
    assert codes(checkup) == ([(2, "name", "number_format", Level.WARNING)] if warns else [])
    assert not warns or f"shows as {text!r}" in next(iter(checkup.found)).message


def test_an_xlsb_says_how_its_dates_are_shown(tmp_path: Path) -> None:
    day = (46082.0, 1)
    rows = [["id", "name", "day"], ["k1", day, day], ["k2", "x", day]]
    for code, found in (("dd.mm.yyyy", [(2, "name", "number_format", Level.WARNING)]), ("yyyy-mm-dd", [])):
        made = xlsb(rows, formats=[code])
        assert codes(check(tmp_path, made, "a.xlsb")) == found


def test_an_xls_says_how_its_dates_are_shown(tmp_path: Path) -> None:
    header = (xls_cell(0, 0, "id"), xls_cell(0, 1, "name"), xls_cell(1, 0, "k1"))
    font = biff(0x0031, struct.pack("<HHHHHBBBBBB", 200, 0, 8, 400, 0, 0, 0, 0, 0, 1, 0) + b"A")
    styles = b"".join(biff(0x00E0, struct.pack("<HHHBBBBIIH", 0, key, 0, 0, 0, 0, 0, 0, 0, 0)) for key in (0, 164))
    for code, found in ((b"dd.mm.yyyy", [(2, "name", "number_format", Level.WARNING)]), (b"yyyy-mm-dd", [])):
        before = font * 5 + biff(0x041E, struct.pack("<HHB", 164, len(code), 0) + code) + styles
        styled = biff(0x0203, struct.pack("<HHHd", 1, 1, 1, 46082.0))
        assert codes(check(tmp_path, ole2(Workbook=xls(*header, styled, before=before)), "a.xls")) == found


def test_a_computed_id_is_not_made_of_a_date(tmp_path: Path) -> None:
    made = book(("s", [["id", "seats", "region"], ["k1", True, "x"]]))
    assert codes(check(tmp_path, made, computed={"name": "{region} {seats}"})) == []
    made = book(("s", [["id", "seats", "region"], ["k1", 12345678901234568, "x"]]))
    found = codes(check(tmp_path, made, computed={"name": "{region} {seats}"}))
    assert [code for _, _, code, _ in found] == ["number_rounded"]


@pytest.mark.parametrize("value", [True, 12345678901234568.0, 1e300])
def test_the_same_goes_for_xls(tmp_path: Path, value: Any) -> None:
    header = (xls_cell(0, 0, "id"), xls_cell(0, 1, "name"))
    made = ole2(Workbook=xls(*header, xls_cell(1, 0, value), xls_cell(1, 1, "x")))
    assert codes(check(tmp_path, made, "a.xls")) == [(2, "id", "id_as_number", Level.ERROR)]


@pytest.mark.parametrize(
    "value",
    [
        'office:value-type="float" office:value="1.23456789012346E+018"',
        'office:value-type="date" office:date-value="2026-03-01"',
        'office:value-type="time" office:time-value="PT12H30M00S"',
        'office:value-type="boolean" office:boolean-value="true"',
    ],
)
def test_the_same_goes_for_ods(tmp_path: Path, value: str) -> None:
    text = '<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>'
    row = f"<table:table-row><table:table-cell {value}/>{text}</table:table-row>"
    assert codes(check(tmp_path, ods([["id", "name"]], row), "a.ods")) == [(2, "id", "id_as_number", Level.ERROR)]


def texts(*cells: str) -> str:
    return "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
