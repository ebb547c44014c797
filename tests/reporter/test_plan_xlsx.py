"""plan.xlsx, read back by another program."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from plans import ABSENT, HIDDEN, changed, ended, plan_of, written
from reporter.test_plan_files import HOSTILE, LINES

from batchupdate.model import RowLabels, RowRef
from batchupdate.reporter import plan_xlsx
from batchupdate.reporter.plan_xlsx import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.reporter import Plan


def workbook_of(plan: Plan, folder: Path) -> Any:
    return openpyxl.load_workbook(written(plan, folder) / "plan.xlsx")


def lines_of(book: Any) -> list[list[Any]]:
    return [["" if cell is None else cell for cell in row] for row in book["plan"].iter_rows(values_only=True)][1:]


def test_conflicts_stand_first_then_other_problems_then_changes_and_what_is_unchanged_is_left_out(
    tmp_path: Path,
) -> None:
    book = workbook_of(plan_of(LINES), tmp_path)
    assert [row[:4] for row in lines_of(book)] == [
        [5, "d", "conflict", "name"],
        [6, "e", "not there", "name"],
        [7, "f", "can't be read", "name"],
        [8, "g", "invalid", ""],
        [2, "a", "change", "name"],
        [2, "a", "change", "note"],
        [3, "b", "send", "color"],
        [9, "h", "change", "name"],
    ]


def test_old_and_new_stand_side_by_side_and_what_is_no_text_has_a_word(tmp_path: Path) -> None:
    plan = plan_of([changed(2, a=("x", "y"), b=(ABSENT, ""), c=(HIDDEN, None), d=(7, [1, "z"]), e=("null", "empty"))])
    book = workbook_of(plan, tmp_path)
    assert [row[4:6] for row in lines_of(book)] == [
        ["x", "y"],
        ["blank", "empty"],
        ["?", "null"],
        ["7", '[1,"z"]'],
        ["null", "empty"],
    ]
    sheet = book["plan"]
    assert [sheet.cell(row, 5).font.i or False for row in (2, 3, 4, 5, 6)] == [False, True, True, True, False]


def test_what_changes_is_coloured_and_problems_in_another_colour(tmp_path: Path) -> None:
    sheet = workbook_of(plan_of(LINES), tmp_path)["plan"]
    colours = {sheet.cell(row, column).fill.fgColor.rgb for row, column in [(2, 3), (2, 5), (2, 6)]}
    assert colours == {"FFFFC7CE"}
    assert [sheet.cell(6, column).fill.fgColor.rgb for column in (5, 6)] == ["FFFFEB9C", "FFC6EFCE"]


def test_the_headings_stay_in_view_and_every_column_can_be_filtered(tmp_path: Path) -> None:
    sheet = workbook_of(plan_of(LINES), tmp_path)["plan"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:G9"
    assert [cell.value for cell in sheet[1]] == list(COLUMNS)


@pytest.mark.parametrize("text", [*HOSTILE, "007", "1/2", "https://example.com", "TRUE"], ids=lambda text: text[:12])
def test_a_text_stays_a_text_whatever_it_looks_like(text: str, tmp_path: Path) -> None:
    plan = plan_of([changed(2, text[:50], name=(text, f"{text}."))])
    book = workbook_of(plan, tmp_path)
    old = book["plan"].cell(2, 5)
    assert old.data_type == "s"
    assert not old.hyperlink
    whole = text.replace("\r\n", "\n")
    shown = old.value.replace("_x000D_", "").replace("\r\n", "\n")
    assert shown == whole or (shown.endswith("…") and whole.startswith(shown[:-1]) and len(shown) == 32_767)


def test_a_text_of_emoji_is_cut_where_excel_cuts_it_and_not_inside_one(tmp_path: Path) -> None:
    plan = plan_of([changed(2, name=("old", "\N{ROCKET}" * 20_000))])
    new = workbook_of(plan, tmp_path)["plan"].cell(2, 6).value
    assert new.endswith("\N{ROCKET}…")
    assert len(new.encode("utf-16-le")) // 2 <= 32_767


def test_a_change_of_white_space_alone_is_said(tmp_path: Path) -> None:
    plan = plan_of([changed(2, name=("Ann", "Ann ")), changed(3, name=("Ann", "Bob"))])
    assert [row[6] for row in lines_of(workbook_of(plan, tmp_path))] == ["only white space differs", ""]


def test_the_summary_has_the_counts_the_equal_changes_and_how_to_run_the_plan(tmp_path: Path) -> None:
    plan = plan_of([*LINES, *(changed(row, note=(ABSENT, "Archived")) for row in range(10, 15))])
    plan.notices.append("Something about the whole.")
    book = workbook_of(plan, tmp_path)
    said = [tuple(row) for row in book["summary"].iter_rows(values_only=True)]
    assert ("sends to", "https://api.example") in said
    assert ("to send exactly this", f"batchupdate run --plan {plan.folder}") in said
    assert (7, "change: rows whose records change") in said
    assert (5, "note: blank → 'Archived'") in said
    assert any("Something about the whole." in row for row in said)


def test_with_several_files_each_line_says_of_which_it_is(tmp_path: Path) -> None:
    lines = [changed(RowRef(file, 2).key, name=("x", "y")) for file in (0, 1)]
    book = workbook_of(plan_of(lines, RowLabels(("a.csv", "b.csv"))), tmp_path)
    assert [row[:2] for row in lines_of(book)] == [["a.csv", 2], ["b.csv", 2]]
    assert book["plan"].cell(1, 1).value == "file"


def test_beyond_what_a_sheet_can_hold_it_says_so_in_the_sheet_and_in_the_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_xlsx, "MOST_ROWS", 5)
    plan = plan_of([changed(row, name=("x", "y")) for row in range(2, 12)])
    book = workbook_of(plan, tmp_path)
    assert book["plan"].max_row == 5
    assert plan.notices == [book["plan"].cell(5, 1).value]
    assert "after 3 lines" in plan.notices[0]
    assert "plan.csv has all" in plan.notices[0]


def test_exactly_as_many_lines_as_fit_are_all_written_without_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_xlsx, "MOST_ROWS", 5)
    plan = plan_of([changed(row, name=("x", "y")) for row in range(2, 5)])
    assert len(lines_of(workbook_of(plan, tmp_path))) == 3
    assert plan.notices == []


def test_the_file_is_for_its_owner_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    path.write_text("before", "utf-8")
    workbook_of(plan_of(LINES), tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plan.csv", "plan.json", "plan.xlsx"]


def test_a_plan_of_nothing_is_a_workbook_too(tmp_path: Path) -> None:
    book = workbook_of(plan_of([ended(2, "unchanged", "so")]), tmp_path)
    assert lines_of(book) == []
    assert "nothing is to be sent" in [row[1] for row in book["summary"].iter_rows(values_only=True)]
