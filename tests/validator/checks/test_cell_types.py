"""What becomes of a workbook's cells that are no text: made by other libraries, and checked as `check` does it."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from workbooks import book, ods, ole2, with_sheet, xls, xls_cell

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


ODD = [dt.date(2026, 3, 1), dt.datetime.fromisoformat("2026-03-01T12:30:00"), dt.time(12, 30), True, False]


@pytest.mark.parametrize("cell", ODD)
def test_a_date_a_time_and_a_truth_value_are_no_ids_and_fine_as_texts(tmp_path: Path, cell: Any) -> None:
    made = openpyxl.Workbook()
    made.active.append(["id", "name"])
    made.active.append([cell, "x"])
    made.active.append(["k2", cell])
    out = io.BytesIO()
    made.save(out)
    assert codes(check(tmp_path, out.getvalue())) == [(2, "id", "id_as_number", Level.ERROR)]
    lenient = check(tmp_path, out.getvalue(), strictness="lenient")
    assert (codes(lenient), lenient.invalid) == ([(2, "id", "id_as_number", Level.WARNING)], 0)


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
