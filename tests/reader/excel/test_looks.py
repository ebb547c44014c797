from __future__ import annotations

import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter

from batchupdate.reader import ReadOptions, open_table
from batchupdate.reader.excel import looks
from batchupdate.reader.excel.looks import sheet_looks
from batchupdate.reader.sources import local_copies, looks_of

if TYPE_CHECKING:
    from pathlib import Path

DAY = datetime(2026, 1, 5)  # noqa: DTZ001 - cells have no time zone


def look(path: Path, columns: list[list[tuple[Any, str | int]]], hidden: int | None = None) -> dict[str, Any]:
    """The look of a sheet with these columns of values, each with its number format; row 1 has the headings."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("data")
        for place, cells in enumerate(columns):
            sheet.write_string(0, place, f"column {place}")
            for row, (value, code) in enumerate(cells, 1):
                sheet.write(row, place, value, book.add_format({"num_format": code}) if code else None)
        sheet.set_column(0, 0, 20)
        if hidden is not None:
            sheet.set_column(hidden, hidden, 30, None, {"hidden": True})
    return sheet_looks(path, "data", range(len(columns)), 1)


def formats(path: Path, *columns: list[tuple[Any, str | int]]) -> list[Any]:
    return [found and (found["code"], found["date"]) for found in look(path, list(columns))["formats"]]


def test_a_column_has_a_format_if_all_its_cells_are_numbers_with_it(tmp_path: Path) -> None:
    found = formats(
        tmp_path / "a.xlsx",
        [(1, 4), (2.5, 4)],
        [(1, "0.000"), (2, "0.0")],
        [(1, ""), ("n/a", "")],
        [("text", "")],
        [(1, ""), (2, "")],
        [(1, "@"), (2, "@")],
        [],
    )
    assert found == [(4, False), None, None, None, (0, False), None, None]


def test_dates_are_told_from_numbers(tmp_path: Path) -> None:
    found = formats(tmp_path / "a.xlsx", [(DAY, "d mmm yyyy")], [(DAY, 14)], [(5, '0 "days"')])
    assert found == [("d mmm yyyy", True), (14, True), ('0 "days"', False)]


def test_only_the_first_rows_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "ROWS_LOOKED_AT", 2)
    assert formats(tmp_path / "a.xlsx", [(1, "0.000"), (2, "0.000"), ("text", "")]) == [("0.000", False)]


def test_a_column_without_a_width_of_its_own_and_a_hidden_one_have_none(tmp_path: Path) -> None:
    assert look(tmp_path / "a.xlsx", [[], [], []], hidden=2)["widths"] == [pytest.approx(20, abs=0.01), None, None]


def test_the_columns_are_those_of_the_table_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("other")
        sheet = book.add_worksheet("data")
        sheet.set_column(28, 28, 44)
        for place, heading in ((28, "id"), (29, "cost")):
            sheet.write_string(4, place, heading)
        sheet.write_string(5, 28, "a")
        sheet.write_number(5, 29, 1.5, book.add_format({"num_format": "0.000"}))
    with local_copies(path) as sources, open_table(path, ReadOptions(sheet="data")) as table:
        found = looks_of(table, sources)["sheet"]
    assert (found["name"], found["others"]) == ("data", ["other"])
    assert found["widths"] == [pytest.approx(44, abs=0.01), None]
    assert found["formats"] == [None, {"code": "0.000", "date": False}]


def test_what_is_no_workbook_or_a_broken_one_has_no_look(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    look(path, [[(1, "")]])
    broken = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"<broken" if "sheet1" in name else old.read(name))
    text = tmp_path / "c.csv"
    text.write_text("id\n1\n")
    assert [sheet_looks(one, "data", range(1), 1) for one in (broken, text, tmp_path / "none")] == [{}, {}, {}]
    with local_copies(text) as sources, open_table(text, ReadOptions()) as table:
        assert looks_of(table, sources) == {}
