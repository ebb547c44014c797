from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import biff, ole2, xls, xls_cell

from batchupdate.model import Level
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.model import Problem

HEADER = (xls_cell(0, 0, "id"), xls_cell(0, 1, "name"), xls_cell(0, 2, "price"))
NOT_AVAILABLE = b"\x2a"


def problems(path: Path) -> list[Problem]:
    with open_table(path) as table:
        return [problem for batch in table.batches() for problem in batch.problems]


def test_the_old_xls_format_is_read(read: Callable[..., Any], data: Path) -> None:
    got = read(data / "changes.xls")
    assert got.table.format == "xls"
    assert got.columns == ("id", "name", "note")
    assert [(row.number, row.cells) for row in got.rows] == [
        (4, ("007", "Zürich “Büro”", "123")),
        (6, ("NA", "TRUE", "2026-11-21")),
    ]


def test_cells_have_the_texts_that_the_guide_says(read: Callable[..., Any]) -> None:
    row = (xls_cell(1, 0, "007"), xls_cell(1, 1, True), xls_cell(1, 2, 0.1))
    assert read(ole2(Workbook=xls(*HEADER, *row)), "a.xls").cells == [("007", "TRUE", "0.1")]


@pytest.mark.parametrize("record", [0x0006, 0x0206, 0x0406])
def test_the_value_of_a_formula_is_read_whatever_its_writer_calls_the_record(
    read: Callable[..., Any], record: int
) -> None:
    row = (xls_cell(1, 0, "k1"), xls_cell(1, 1, "A"), xls_cell(1, 2, 30.0, formula=record))
    assert read(ole2(Workbook=xls(*HEADER, *row)), "a.xls").cells == [("k1", "A", "30")]


@pytest.mark.parametrize("code_page", [1252, 1251, 932, 1200])
def test_texts_are_unicode_whatever_code_page_the_workbook_names(read: Callable[..., Any], code_page: int) -> None:
    named = biff(0x0042, struct.pack("<H", code_page))
    row = (xls_cell(1, 0, "k1"), xls_cell(1, 1, "Zürich Москва"))
    assert read(ole2(Workbook=xls(*HEADER, *row, before=named)), "a.xls").cells == [("k1", "Zürich Москва", "")]


@pytest.mark.parametrize("formula", [0, 0x0006])
def test_an_error_is_a_problem_of_its_row_and_never_a_blank_cell(
    make: Callable[..., Path], read: Callable[..., Any], formula: int
) -> None:
    rows = (xls_cell(1, 0, "k1"), xls_cell(1, 2, NOT_AVAILABLE, formula=formula), xls_cell(2, 0, "k2"))
    path = make(ole2(Workbook=xls(*HEADER, *rows)), "a.xls")
    assert read(path).cells == [("k1", "", "#N/A"), ("k2", "", "")]
    [problem] = problems(path)
    assert (problem.code, problem.row, problem.column, problem.level) == ("error_cell", 2, "price", Level.ERROR)
    assert problem.message == "s!C2 holds the error '#N/A'; correct the cell"


def test_what_a_merged_cell_covers_is_blank_whatever_the_file_still_holds(
    make: Callable[..., Path], read: Callable[..., Any]
) -> None:
    row = (xls_cell(1, 0, "k1"), xls_cell(1, 1, "A"), xls_cell(1, 2, "old"))
    merged = biff(0x00E5, struct.pack("<HHHHH", 1, 1, 1, 1, 2))
    path = make(ole2(Workbook=xls(*HEADER, *row, merged)), "a.xls")
    assert read(path).cells == [("k1", "A", "")]
    assert [(problem.code, problem.row, problem.column) for problem in problems(path)] == [("merged_cell", 2, "price")]


@pytest.mark.parametrize("word", ["WordDocument", "EncryptedPackage"])
def test_a_cell_may_hold_the_name_of_another_programs_stream(read: Callable[..., Any], word: str) -> None:
    content = ole2(Workbook=xls(*HEADER, xls_cell(1, 0, "k1"), xls_cell(1, 1, word)))
    assert read(content, "a.xls").cells == [("k1", word, "")]


def test_what_stands_at_the_root_of_a_compound_file_says_what_it_is(refused: Callable[..., str]) -> None:
    assert "is a Word document, not a table" in refused(ole2(WordDocument=b"x"), "a.doc")
    assert "protected with a password" in refused(ole2(EncryptedPackage=b"x", EncryptionInfo=b"x"), "a.xlsx")
    assert "damaged workbook" in refused(ole2(PowerPoint=b"x"), "a.ppt")


def test_a_password_is_named_as_the_reason(refused: Callable[..., str]) -> None:
    locked = biff(0x002F, struct.pack("<HHH", 1, 1, 1) + bytes(48))
    assert "protected with a password" in refused(ole2(Workbook=xls(*HEADER, before=locked)), "a.xls")


@pytest.mark.parametrize("kept", [600, 3000, 4700])
def test_an_xls_that_is_cut_off_is_refused(refused: Callable[..., str], data: Path, kept: int) -> None:
    assert "damaged workbook" in refused((data / "changes.xls").read_bytes()[:kept], "a.xls")


def test_rows_that_are_only_announced_take_no_memory(read: Callable[..., Any]) -> None:
    # [MS-XLS], section 2.4.90: Dimensions says how many rows and columns there are.
    announced = biff(0x0200, struct.pack("<IIHHH", 0, 0x7FFFFFFF, 0, 0x7FFF, 0))
    assert read(ole2(Workbook=xls(announced, *HEADER, xls_cell(1, 0, "k1"))), "a.xls").numbers == [2]
