"""The workbooks of `template` and `pull`, as another reader of workbooks sees them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import openpyxl
import pytest

from batchupdate.config.yaml_file import parse
from batchupdate.errors import InputError, UsageError
from batchupdate.reader import open_table
from batchupdate.roundtrip.sheet import Columns, Form, PulledRow, open_sheet, write_template
from batchupdate.targets import Target, find_target

if TYPE_CHECKING:
    from pathlib import Path

    from openpyxl.worksheet.worksheet import Worksheet

TARGET = parse(
    b"""
name: mine
title: "Mine: change it"
path: /a/{key}
auth: {env: MY_KEY}
id: {key: {pattern: '^[0-9]{6}$', description: Its number}}
fields:
  name: {required: true, max_length: 20}
  kind: {type: enum, enum: ["a, b", c], nullable: true}
  size: {type: integer}
  since: {type: date}
rules:
  - {any_of: [name, kind], level: warning, message: it may be refused}
  - {any_of: [size, since], message: say size or since}
  - {when: [kind], any_of: [since], message: the API requires since}
list: {path: /a, absent: [since], fixed: [{when: system, because: ours}]}
""",
    Target,
    "target",
    "t.yaml",
)


def template(folder: Path, target: Target = TARGET) -> openpyxl.Workbook:
    write_template(folder / "out.xlsx", target, "./mine.yaml", force=True)
    return openpyxl.load_workbook(folder / "out.xlsx")


def pulled(folder: Path, *rows: PulledRow) -> openpyxl.Workbook:
    with open_sheet(folder / "out.xlsx", Form.XLSX, Columns.pulled(TARGET, "mine")) as sheet:
        for row in rows:
            sheet.add(row)
    return openpyxl.load_workbook(folder / "out.xlsx")


def how_to(book: openpyxl.Workbook) -> str:
    return "\n".join(" | ".join(str(cell) for cell in row if cell) for row in book["how to"].values)


def fill(sheet: Worksheet, cell: str) -> str:
    return str(sheet[cell].fill.fgColor.rgb)


def test_a_template_has_headings_notes_and_a_second_sheet_that_explains(tmp_path: Path) -> None:
    book = template(tmp_path)
    assert [(sheet.title, sheet.sheet_state) for sheet in book] == [
        ("changes", "visible"), ("how to", "visible"), ("lists", "hidden")
    ]  # fmt: skip
    sheet = book["changes"]
    assert [cell.value for cell in sheet[1]] == ["key", "name", "kind", "size", "since"]
    assert all(cell.font.b and cell.comment for cell in sheet[1])
    assert sheet["B1"].comment.text.endswith(
        "Holds at most 20 characters, or <empty>.\nNeeded in every row.\n<empty> sends an empty text."
    )
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", "A1:E1048576")
    assert fill(sheet, "A1") == fill(sheet, "B1") != fill(sheet, "C1") == fill(sheet, "D1")
    text = how_to(book)
    assert "Mine: change it" in text
    assert "key | needed | text that matches ^[0-9]{6}$ | Its number" in text
    assert "A row needs at least one of: size, since." in text
    assert "A row that sets kind: the API requires since." in text
    assert "A row without any of name, kind is sent with a warning: it may be refused." in text
    assert "batchupdate check FILE.xlsx --target ./mine.yaml" in text
    assert "MY_KEY" in text
    assert "_old" not in text


def test_empty_rows_keep_zeros_and_have_drop_downs(tmp_path: Path) -> None:
    sheet = template(tmp_path)["changes"]
    assert sheet.max_row == 1
    formats = {letters: sheet.column_dimensions[letters].number_format for letters in "ABCDE"}
    assert formats == {"A": "@", "B": "@", "C": "@", "D": "General", "E": "yyyy-mm-dd"}
    made = {str(one.sqref): (one.type, one.formula1) for one in sheet.data_validations.dataValidation}
    assert made["C2:C1048576"] == ("list", "lists!$C$1:$C$3")
    assert made["B2:B1048576"] == ("textLength", "0")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert [cell.value for cell in book["lists"]["C"]] == ["a, b", "c", "<null>"]


@pytest.mark.parametrize("name", ["langdock-integration", "nairi-llm-integration"])
def test_a_template_is_read_without_a_word(tmp_path: Path, name: str) -> None:
    write_template(tmp_path / "out.xlsx", find_target(name), name, force=False)
    with open_table(tmp_path / "out.xlsx") as table:
        assert (table.sheet, table.notices, list(table.batches())) == ("changes", (), [])
        assert table.columns == (*find_target(name).id, *find_target(name).fields)


def test_a_template_that_was_filled_in_and_saved_by_another_program_is_read_without_a_word(tmp_path: Path) -> None:
    book = template(tmp_path)
    book["changes"].append(["000123", "New", None, 5])
    book.save(tmp_path / "out.xlsx")
    with open_table(tmp_path / "out.xlsx") as table:
        (batch,) = table.batches()
        assert table.notices == ()
        assert [row.cells[:4] for row in batch] == [("000123", "New", "", "5")]


def test_a_workbook_with_a_third_sheet_says_which_one_is_read(tmp_path: Path) -> None:
    book = template(tmp_path)
    book.move_sheet("how to", -1)
    book.save(tmp_path / "out.xlsx")
    with open_table(tmp_path / "out.xlsx") as table:
        assert (table.sheet, table.notices) == ("changes", ())
    book.create_sheet("more", 0)["A1"] = "x"
    book.save(tmp_path / "out.xlsx")
    with open_table(tmp_path / "out.xlsx") as table:
        assert "Sheet 'changes' is read" in table.notices[0]


def test_a_pulled_sheet_hides_old_values_and_greys_locked_rows(tmp_path: Path) -> None:
    free = PulledRow(("000001",), ("A", "", "5", ""), ("A", "<null>", "5"))
    locked = PulledRow(("000002",), ("=B", "", "", ""), ("=B", "", ""), "ours")
    book = pulled(tmp_path, free, locked)
    sheet = book["changes"]
    headings = ["key", "name", "kind", "size", "since", "_locked", "_old.key", "_old.name", "_old.kind", "_old.size"]
    assert [cell.value for cell in sheet[1]] == headings
    assert [sheet.column_dimensions[letters].hidden for letters in "ABCDEFGHIJ"] == [False] * 6 + [True] * 4
    assert sheet.auto_filter.ref == "A1:J1048576"  # a sort takes the hidden columns along
    assert [cell.value for cell in sheet[2]] == ["000001", "A", None, "5", None, None, "'000001", "A", "<null>", "5"]
    assert {cell.data_type for cell in sheet[3] if cell.value} == {"s"}
    assert {fill(sheet, f"{letters}3") for letters in "ABCDEFGHIJ"} == {"FFEDEDED"}
    assert sheet["A3"].comment.text == "Don't edit this row: ours."
    assert (sheet["A2"].comment, sheet["B2"].number_format) == (None, "@")
    assert "must not be edited" in sheet["F1"].comment.text
    text = how_to(book)
    assert "Only what you edit is sent" in text
    assert "Grey rows must not be edited" in text
    assert "The API's list does not show since: what you fill in there is always sent." in text


def test_a_file_that_is_there_stands_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"already exists\. Replace it with --force"):
        write_template(path, TARGET, "mine", force=False)
    assert path.read_text() == "precious"
    write_template(path, TARGET, "mine", force=True)
    assert [each.name for each in tmp_path.iterdir()] == ["out.xlsx"]


def test_a_workbook_that_is_given_up_leaves_no_file_open(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def given_up() -> None:
        with open_sheet(tmp_path / "x.xlsx", Form.XLSX, Columns.pulled(TARGET, "mine")) as sheet:
            sheet.add(PulledRow(("1",), ("",) * 4, ("",) * 3))
            raise InputError("enough")

    with pytest.raises(InputError, match="enough"):
        given_up()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
    assert [path.name for path in tmp_path.iterdir()] == ["x.xlsx"]  # atomic_file takes it away


def test_a_disk_that_is_full_at_the_end_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="No such file"),
        open_sheet(tmp_path / "gone" / "x.xlsx", Form.XLSX, Columns.pulled(TARGET, "mine")),
    ):
        pass
