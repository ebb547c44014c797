from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import xlsb

from batchupdate.reader import open_table
from batchupdate.reader.excel import xlsb as reader
from batchupdate.spreadsheet.typed_text import FormattedText, ShownText

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem


def problems(path: Path) -> list[Problem]:
    with open_table(path) as table:
        return [problem for batch in table.batches() for problem in batch.problems]


def test_an_xlsb_is_read_and_an_error_in_it_is_a_problem_of_its_row(
    read: Callable[..., Any], make: Callable[..., Path]
) -> None:
    content = xlsb([["id", "name", "done"], ["007", 1.5, True], ["008", None]])
    got = read(content, "a.xlsb")
    assert (got.table.format, got.sheet) == ("xlsb", "changes")
    assert got.cells == [("007", "1.5", "TRUE"), ("008", "#N/A", "")]
    (problem,) = problems(make(content, "a.xlsb"))
    assert (problem.code, problem.row, problem.column, problem.cell) == ("error_cell", 3, "name", "#N/A")


def test_hidden_rows_and_columns_of_an_xlsb_are_named(make: Callable[..., Path]) -> None:
    rows = [["id", "name", "note"], ["1", "A", "x"], ["2", "B", "y"], ["3", "C", "z"]]
    path = make(xlsb(rows, hidden_rows=[2], hidden_columns=[1]), "a.xlsb")
    assert [(one.code, one.row) for one in problems(path)] == [("hidden_row", 3)]
    with open_table(path) as table:
        assert table.hidden_columns == {"name"}


def test_a_value_under_a_merged_cell_of_an_xlsb_is_blank(read: Callable[..., Any], make: Callable[..., Path]) -> None:
    content = xlsb([["id", "name", "note"], ["1", "A", "old"], ["2", "B", "y"]], merged=[(1, 1, 1, 2)])
    assert read(content, "a.xlsb").cells == [("1", "A", ""), ("2", "B", "y")]
    assert [(one.code, one.row, one.column) for one in problems(make(content, "a.xlsb"))] == [
        ("merged_cell", 2, "note")
    ]


def test_a_number_of_an_xlsb_is_the_text_that_its_format_shows(read: Callable[..., Any]) -> None:
    rows = [["id", "name"], [(501.0, 1), (7.0, 0)], [(1234.0, 2), (501.0, 1)]]
    ((first, plain), (second, third)) = read(xlsb(rows, formats=["00000", "#,##0.00"]), "a.xlsb").cells
    assert (type(first), first, type(plain), plain) == (ShownText, "00501", str, "7")
    assert (type(second), second, third) == (FormattedText, "1234", "00501")


def with_record(record: bytes) -> bytes:
    """A workbook in whose sheet a record stands before the rows."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsb([["id", "name"], ["1", None]]))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"\x91\x01\0", record + b"\x91\x01\0") if "sheet1" in name else content)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 127, 128, 5000])
def test_a_record_of_any_length_is_passed_over(read: Callable[..., Any], size: int) -> None:
    head = bytes([0xFF, 0x7E]) + (bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7]))
    assert read(with_record(head + b"\x03" * size), "a.xlsb").cells == [("1", "#N/A")]


@pytest.mark.parametrize("end", [b"\x80", b"\x05", b"\x05\x80"])
def test_a_sheet_that_breaks_off_is_damage(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    whole = reader._walk
    monkeypatch.setattr(reader, "_walk", lambda sheet, formats: whole(io.BytesIO(sheet.read() + end), formats))
    assert "damaged workbook" in refused(xlsb([["id"], ["1"]]), "a.xlsb")
