# ruff: noqa: RUF001 - the full-width signs are meant
from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.errors import InputError
from batchupdate.model import Level
from batchupdate.reader import open_table
from batchupdate.reader.previous_results import OWN_COLUMNS
from batchupdate.spreadsheet.csv_injection import guard, unguard
from batchupdate.spreadsheet.headers import find_short_row, ragged_message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OWN = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"
AFTER = "2,1,failed,500,3,no,r,2026-11-21T18:45:00Z,12"


def test_our_columns_are_those_of_the_contract() -> None:
    assert set(OWN.split(",")) == OWN_COLUMNS


def test_our_own_columns_are_left_out_and_told(read: Callable[..., Any]) -> None:
    got = read(f"id,name,{OWN}\n1,A,{AFTER}\n\n2,B,{AFTER}\n")
    assert got.columns == ("id", "name")
    assert [(row.number, row.cells) for row in got.rows] == [(2, ("1", "A")), (4, ("2", "B"))]
    assert got.table.own
    assert "results of an earlier run" in got.notices


def test_our_columns_may_stand_anywhere_and_collide_with_nothing(read: Callable[..., Any]) -> None:
    got = read(f"row,{OWN},ID\n9,{AFTER},1\n")
    assert got.columns == ("row", "ID")
    assert got.cells == [("9", "1")]


def test_the_column_that_names_files_is_ours_in_a_report_of_several_files_alone(read: Callable[..., Any]) -> None:
    assert read(f"id,name,_file,{OWN}\n1,A,a.csv,{AFTER}\n").cells == [("1", "A")]
    assert read(f"_file,id,name,{OWN}\na.csv,1,A,{AFTER}\n").cells == [("1", "A")]  # moved by somebody
    both = read(f"_file,id,_file,{OWN}\nmine,1,a.csv,{AFTER}\n")
    assert (both.columns, both.cells) == (("_file", "id"), [("mine", "1")])
    assert read("id,_file\n1,a.csv\n").columns == ("id", "_file")


def test_twin_headings_in_a_report_are_named_by_the_letters_of_the_report(make: Callable[..., Path]) -> None:
    twins = make(f"id,{OWN},ID\n9,{AFTER},1\n")
    with open_table(twins) as table, pytest.raises(InputError, match="columns A and K have"):
        table.refuse_twins_of({0})


def test_guards_are_taken_off_in_a_report_and_nowhere_else(read: Callable[..., Any]) -> None:
    assert read(f"'=id,name,{OWN}\n'+1,'A,{AFTER}\n").columns == ("=id", "name")
    assert read(f"'=id,name,{OWN}\n'+1,'A,{AFTER}\n").cells == [("+1", "'A")]
    assert read("id,name\n1,'=A\n").cells == [("1", "'=A")]


def test_a_file_with_some_of_our_columns_is_no_report(read: Callable[..., Any]) -> None:
    got = read("id,_outcome,_row\n1,failed,2\n")
    assert got.columns == ("id", "_outcome", "_row")
    assert not got.table.own


def test_cells_beyond_the_original_header_stay_columns_and_ragged_rows_ragged(read: Callable[..., Any]) -> None:
    got = read(f"id,_extra_1,{OWN},\n1,'=x,{AFTER},,y\n2\n,,{AFTER}\n")
    assert got.columns == ("id", "_extra_1", "")
    assert [(row.number, row.cells) for row in got.rows] == [(2, ("1", "=x", "", "y")), (3, ("2",))]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "  =x", "'=x", "' '=x", "＝1", "＋", "－", "＠"],
)
def test_what_a_spreadsheet_program_might_run_is_guarded(text: str) -> None:
    assert guard(text) == "'" + text
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["", "x", "1-2", "'", "''", "'x", "a=b", " x", "O'Neil", "007"])
def test_what_is_harmless_stays(text: str) -> None:
    assert guard(text) == unguard(text) == text


@given(st.text() | st.text("'=+-@ \t\r\n＝x", max_size=8))
def test_the_guard_comes_off_without_a_trace(text: str) -> None:
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in set("=+-@\t\r\n＝＋－＠")


def test_a_report_written_with_guards_reads_as_the_original(read: Callable[..., Any]) -> None:
    cells = ["'=a", "-5", "'x", '"q"', "=\n1", " +"]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([[*"abcdef", *OWN.split(",")], [*map(guard, cells), *AFTER.split(",")]])
    assert read(out.getvalue()).cells == [tuple(cells)]


def spoilt(make: Callable[..., Path], text: str) -> list[tuple[int, str, str]]:
    with open_table(make(text)) as table:
        found = [problem for batch in table.batches(2) for problem in batch.problems]
    assert all(problem.code == "id_as_number" and problem.level is Level.ERROR for problem in found)
    return [(problem.row, problem.column, problem.cell) for problem in found]


def after(copy: str) -> str:
    return AFTER.replace("2,1,", f"2,{copy},", 1)


def test_an_id_that_a_spreadsheet_program_changed_is_told_with_what_it_was(make: Callable[..., Path]) -> None:
    path = make(f"name,id,{OWN}\nA,8,{after('8')}\n\nB,7,{after(chr(39) + '007')}\n")
    with open_table(path) as table:
        [problem] = [problem for batch in table.batches() for problem in batch.problems]
    assert (problem.row, problem.column, problem.cell) == (4, "id", "7")
    assert problem.message == (
        "B4 was '007' in the run that these results are of: a spreadsheet program took the id for a number or a date; "
        "type it again, in a column that is formatted as text"
    )


def test_our_columns_may_be_moved_and_rows_be_ragged(make: Callable[..., Path]) -> None:
    assert spoilt(make, f"{OWN},id,name\n{after(chr(39) + '007')},7,B\n1\n{after(chr(39) + '00')},0,B\n") == [
        (2, "id", "7"),
        (4, "id", "0"),
    ]


@pytest.mark.parametrize(
    ("cells", "copy"),
    [
        ("007,7", "'007"),  # it is as it was, and something else is 7
        ("008,B", "'007"),  # corrected
        ("7,B", "007"),  # a copy that came back changed, or was never guarded, tells nothing
        ("'007,B", "''007"),
        ("x/007,B", "x/007"),
    ],
)
def test_an_id_that_is_as_it_was_or_was_corrected_is_fine(make: Callable[..., Path], cells: str, copy: str) -> None:
    assert spoilt(make, f"id,name,{OWN}\n{cells},{after(copy)}\n") == []


def test_a_part_of_an_id_is_told_too(make: Callable[..., Path]) -> None:
    assert spoilt(make, f"agent,key,name,{OWN}\n7,A,B,{after('007/A')}\n") == [(2, "agent", "7")]
    assert spoilt(make, f"agent,key,name,{OWN}\n3,1.50,B,{after(chr(39) + '3/1.50')}\n") == []
    assert spoilt(make, f"agent,key,name,{OWN}\n3,1.5,B,{after(chr(39) + '3/1.50')}\n") == [(2, "key", "1.5")]


BROKEN = "2,,invalid,,0,{},,,"
TOO_SHORT = f'"{ragged_message(2, 3, many=False)}"'


@pytest.mark.parametrize(
    ("cells", "error", "problems"),
    [
        ("7,Na,", TOO_SHORT, [("ragged_row", 2, "note")]),
        ("7,Na,  ", TOO_SHORT, [("ragged_row", 2, "note")]),
        ("7,Name,mended", TOO_SHORT, []),
        ("7,Name,", "", []),  # whoever empties _error says that the row is right
        ("7,Name,", "something else", []),
        ("7,Name,", '"{}"'.format(ragged_message("more", 3, many=True)), []),
        ("7,Name,x", f'"{ragged_message(5, 3, many=True)}"', []),
    ],
)
def test_a_row_that_broke_off_is_no_whole_one_because_a_report_filled_it_up(
    make: Callable[..., Path], cells: str, error: str, problems: list[tuple[str, int, str]]
) -> None:
    with open_table(make(f"id,name,note,{OWN}\n{cells},{BROKEN.format(error)}\n")) as table:
        found = [problem for batch in table.batches() for problem in batch.problems]
    assert [(one.code, one.row, one.column) for one in found] == problems
    assert all(
        one.message.startswith("C2 is blank: in the file of an earlier run, the row has 2 cells") for one in found
    )
    assert all(
        find_short_row(one.sentence()) == find_short_row(error) for one in found
    )  # and so in the results of this one


def test_a_file_that_is_no_report_has_no_copies_of_ids(make: Callable[..., Path]) -> None:
    assert spoilt(make, "key,_id\n7,'007\n") == []


@pytest.mark.parametrize("name", ["_id", "_error", "_row"])
def test_a_column_of_the_inputs_that_is_called_as_one_of_ours_stays(read: Callable[..., Any], name: str) -> None:
    got = read(f"{name},name,{OWN}\nmine,A,{AFTER}\n")
    assert (got.columns, got.cells) == ((name, "name"), [("mine", "A")])
    moved = read(f"{OWN},{name}\n{AFTER},mine\n")
    assert (moved.columns, moved.cells) == ((name,), [("mine",)])
    parted = read(f"{name},{OWN.replace(',', ',more,', 1)}\nmine,{AFTER.replace(',', ',A,', 1)}\n")
    assert (parted.columns, parted.cells) == ((name, "more"), [("mine", "A")])


def test_an_id_is_compared_with_our_copy_where_the_input_had_such_a_column_too(make: Callable[..., Path]) -> None:
    assert spoilt(make, f"_id,name,{OWN}\n7,A,{after(chr(39) + '007')}\n") == [(2, "_id", "7")]
