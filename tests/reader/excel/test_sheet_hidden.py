"""Rows, columns and sheets that a spreadsheet program does not show, as other libraries write them."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
import xlsxwriter
from typer.testing import CliRunner
from workbooks import biff, book, ods, ole2, with_sheet, xls, xls_cell

from batchupdate.cli import app
from batchupdate.config import Settings
from batchupdate.run import check_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.validator.checkup import Checkup

ROWS = [["id", "name"], ["k1", "A"], ["k2", "B"], ["k3", "C"], ["k4", "D"]]
SHOWN = 'hidden="false" ht="15"'
TARGET = """
name: things
title: Things
base_url: http://127.0.0.1:9
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
"""


@pytest.fixture
def check(tmp_path: Path, make: Callable[..., Path]) -> Callable[..., Checkup]:
    (tmp_path / "things.yaml").write_text(TARGET)

    def check(content: bytes, name: str = "a.xlsx", **options: Any) -> Checkup:
        given = {"target": str(tmp_path / "things.yaml"), "allow_http": True, "input": options}
        return check_file(make(content, name), Settings.model_validate(given))

    return check


def hidden_rows(checkup: Checkup) -> list[int]:
    return [one.row for one in checkup.found if one.code == "hidden_row"]


def filtered() -> bytes:
    """A table whose automatic filter hides rows 3 and 5."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as made:
        sheet = made.add_worksheet("s")
        for number, cells in enumerate(ROWS):
            sheet.write_row(number, 0, cells)
        sheet.autofilter(0, 0, 4, 1)
        sheet.filter_column(0, "x == k1 or x == k3")
        sheet.set_row(2, options={"hidden": True})
        sheet.set_row(4, options={"hidden": True})
    return out.getvalue()


def test_filtered_rows_are_counted_in_a_notice_and_named_one_by_one(check: Callable[..., Checkup]) -> None:
    checkup = check(filtered())
    assert "2 rows are hidden or filtered out in the spreadsheet, and sent like the others" in checkup.notices[-1]
    assert hidden_rows(checkup) == [3, 5]
    assert (checkup.rows, checkup.invalid, checkup.skipped, checkup.warnings) == (4, 0, 0, 2)


def test_hidden_rows_can_be_left_out(check: Callable[..., Checkup]) -> None:
    checkup = check(filtered(), hidden_rows="skip")
    assert checkup.notices[-1] == "2 rows are hidden or filtered out in the spreadsheet, and left out."
    assert (checkup.rows, checkup.invalid, checkup.skipped, checkup.hidden) == (4, 0, 2, 2)
    assert not checkup.codes


def test_hidden_rows_can_be_errors(check: Callable[..., Checkup]) -> None:
    checkup = check(filtered(), hidden_rows="error")
    assert (hidden_rows(checkup), checkup.invalid) == ([3, 5], 2)
    assert "unhide it" in next(iter(checkup.found)).message


def test_a_blank_row_that_is_hidden_does_not_count(check: Callable[..., Checkup]) -> None:
    made = openpyxl.load_workbook(io.BytesIO(book(("s", ROWS))))
    for number in (6, 7, 1000):
        made["s"].row_dimensions[number].hidden = True
    out = io.BytesIO()
    made.save(out)
    checkup = check(out.getvalue())
    assert not checkup.codes
    assert not any("hidden" in notice for notice in checkup.notices)


@pytest.mark.parametrize(
    "said", ['hidden="1"', "hidden='1'", 'hidden="true"', 'ht="0" customHeight="1"', 'ht="0.0" customHeight="true"']
)
def test_a_hidden_row_is_seen_however_its_writer_says_it(check: Callable[..., Checkup], said: str) -> None:
    cell = '<c r="{}{}" t="inlineStr"><is><t>{}</t></is></c>'
    xml = "".join(
        f'<row r="{number}" {said if number == 3 else SHOWN}>'
        f"{cell.format('A', number, one)}{cell.format('B', number, other)}</row>"
        for number, (one, other) in enumerate(ROWS, 1)
    )
    assert hidden_rows(check(with_sheet(xml))) == [3]


def test_hidden_columns_that_set_something_are_named(check: Callable[..., Checkup]) -> None:
    made = openpyxl.load_workbook(io.BytesIO(book(("s", [["id", "other", "name"], ["k1", "x", "A"]]))))
    for letter in "BC":
        made["s"].column_dimensions[letter].hidden = True
    out = io.BytesIO()
    made.save(out)
    notices = check(out.getvalue()).notices
    assert "These columns are hidden in the spreadsheet, and are used all the same: name." in notices
    assert not any("hidden" in one for one in check(book(("s", ROWS))).notices)


def test_a_hidden_sheet_is_said_to_be_one(check: Callable[..., Checkup]) -> None:
    made = book(("s", ROWS), ("old", ROWS), hidden="old")
    assert "The sheet 'old' is hidden in the spreadsheet." in check(made, sheet="old").notices
    assert not any("hidden" in one for one in check(made, sheet="s").notices)


def test_hidden_rows_and_columns_of_xls_are_seen(check: Callable[..., Checkup]) -> None:
    cells = [xls_cell(n, place, text) for n, row in enumerate(ROWS) for place, text in enumerate(row)]
    row = biff(0x0208, struct.pack("<HHHHHHI", 2, 0, 2, 255, 0, 0, 0x0020 | 0x0100))
    column = biff(0x007D, struct.pack("<HHHHHH", 1, 1, 2048, 0, 1, 0))
    checkup = check(ole2(Workbook=xls(column, row, *cells)), "a.xls")
    assert hidden_rows(checkup) == [3]
    assert any("used all the same: name" in one for one in checkup.notices)


ODS_ROW = (
    '<table:table-row {}><table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    "</table:table-row>"
)


@pytest.mark.parametrize("how", ["collapse", "filter"])
def test_hidden_rows_of_ods_are_seen(check: Callable[..., Checkup], how: str) -> None:
    rows = ODS_ROW.format(f'table:visibility="{how}"', "k9") + ODS_ROW.format("", "k10")
    assert hidden_rows(check(ods(ROWS, rows), "a.ods")) == [6]


def test_rows_of_a_folded_group_of_ods_are_hidden(check: Callable[..., Checkup]) -> None:
    group = f'<table:table-row-group table:display="false">{ODS_ROW.format("", "k9")}</table:table-row-group>'
    shown = f"<table:table-row-group>{ODS_ROW.format('', 'k10')}</table:table-row-group>"
    assert hidden_rows(check(ods(ROWS, group + shown), "a.ods")) == [6]


def test_the_command_line_counts_hidden_rows_and_leaves_them_out(tmp_path: Path, make: Callable[..., Path]) -> None:
    (tmp_path / "things.yaml").write_text(TARGET)
    asked = ["check", str(make(filtered(), "a.xlsx")), "-t", str(tmp_path / "things.yaml")]
    said = CliRunner().invoke(app, asked, env={"COLUMNS": "300"})
    assert (said.exit_code, "2 rows are hidden" in said.output) == (0, True)
    left = CliRunner().invoke(app, [*asked, "--hidden-rows", "skip"], env={"COLUMNS": "300"})
    assert (left.exit_code, "2 hidden and left out" in left.output) == (0, True)
