"""Sheets that `pull` wrote, as the reader finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from workbooks import book

from batchupdate.errors import InputError
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from pathlib import Path


def cells(path: Path) -> list[tuple[str, ...]]:
    with open_table(path) as table:
        return [table.columns, *(row.cells for batch in table.batches() for row in batch)]


def test_guards_are_taken_off_a_pulled_csv(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,'=odd,_old.'=odd\n'-7,'=1+1,''=x\n", "utf-8")
    assert cells(path) == [("id", "=odd", "_old.'=odd"), ("-7", "=1+1", "'=x")]


def test_guards_stay_in_any_other_csv(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,name,_locked\n1,'=1+1,\n", "utf-8")
    assert cells(path)[1] == ("1", "'=1+1", "")


def test_a_workbook_needs_no_guards_so_none_are_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    path.write_bytes(book(("changes", [["id", "name", "_old.name"], ["1", "'=1+1", "'=1+1"]])))
    assert cells(path)[1] == ("1", "'=1+1", "'=1+1")


def test_results_of_a_pulled_sheet_lose_one_guard_alone(tmp_path: Path) -> None:
    own = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"
    path = tmp_path / "in.csv"
    path.write_text(f"id,name,_old.name,{own}\n1,''=x,''=x,2,1,failed,,,,,,\n", "utf-8")
    assert cells(path) == [("id", "name", "_old.name"), ("1", "'=x", "'=x")]


def test_what_stands_beside_a_field_is_no_twin_of_another(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,locked,old.locked,_locked,_old.locked\n1,a,b,c,d\n", "utf-8")
    assert cells(path)[1] == ("1", "a", "b", "c", "d")


def test_the_same_old_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,name,_old.name,_old.name\n1,a,b,c\n", "utf-8")
    with open_table(path) as table, pytest.raises(InputError, match="the columns C and D have the same heading"):
        table.refuse_twins_of({2})


@pytest.mark.parametrize(
    ("sheets", "told"),
    [(["changes", "how to"], False), (["how to", "changes"], False), (["changes", "notes"], True)],
)
def test_only_our_own_second_sheet_goes_without_saying(tmp_path: Path, sheets: list[str], *, told: bool) -> None:
    path = tmp_path / "in.xlsx"
    path.write_bytes(book(*[(name, [["id"], ["1"]]) for name in sheets]))
    with open_table(path) as table:
        assert (table.sheet, bool(table.notices)) == ("changes", told)
