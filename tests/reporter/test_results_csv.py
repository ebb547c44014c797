"""results.csv and failed.csv."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.model import Line, Outcome, RowLabels, RowRef
from batchupdate.reader import open_table
from batchupdate.reporter.results_csv import write_results
from batchupdate.spreadsheet.csv_injection import guard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = datetime(2026, 11, 21, 18, 45, 0, 123456, tzinfo=UTC).timestamp()


RESULT_HEADINGS = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"


def line(number: int, cells: list[str], outcome: Outcome = Outcome.UPDATED, **facts: Any) -> Line:
    blank: dict[str, Any] = {
        "record_id": f"id-{number}",
        "http_status": 200,
        "attempts": 1,
        "error": "",
        "request_id": "r-1",
        "location": "",
        "finished_at": AT,
        "duration_ms": 12.5,
    }
    return Line(number=number, cells=json.dumps(cells), outcome=outcome.value, **{**blank, **facts})


def untouched(number: int, cells: list[str], outcome: Outcome = Outcome.NOT_ATTEMPTED, error: str = "") -> Line:
    return line(
        number,
        cells,
        outcome,
        http_status=None,
        attempts=0,
        request_id="",
        finished_at=None,
        duration_ms=None,
        error=error,
    )


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig")


def cells_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_results_hold_the_input_as_typed_and_what_became_of_each_row(tmp_path: Path) -> None:
    lines = [
        line(2, ["007", "Grüße, “x”"]),
        line(3, ["a", 'say "hi"\nthere'], Outcome.FAILED, http_status=404, error="404 no such record"),
        untouched(4, ["b", ""]),
    ]
    write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id", "New name"], 2, lines)
    assert text_of(tmp_path / "results.csv") == (
        f"Id,New name,{RESULT_HEADINGS}\r\n"
        '007,"Grüße, “x”",2,id-2,updated,200,1,,r-1,2026-11-21T18:45:00.123Z,12.5\r\n'
        'a,"say ""hi""\nthere",3,id-3,failed,404,1,404 no such record,r-1,2026-11-21T18:45:00.123Z,12.5\r\n'
        "b,,4,id-4,not_attempted,,0,,,,\r\n"
    )


def test_failed_holds_just_the_rows_worth_another_try_in_the_same_columns(tmp_path: Path) -> None:
    lines = [line(number, [outcome.value], outcome) for number, outcome in enumerate(Outcome, 2)]
    count = write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, lines)
    assert count == len(Outcome)
    results, failed = cells_of(tmp_path / "results.csv"), cells_of(tmp_path / "failed.csv")
    assert [record[3] for record in failed[1:]] == ["invalid", "conflict", "failed", "unknown", "not_attempted"]
    assert failed[0] == results[0]
    assert all(record in results for record in failed)


def test_both_begin_with_the_mark_that_excel_knows_utf_8_by(tmp_path: Path) -> None:
    write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, [])
    for name in ("results.csv", "failed.csv"):
        assert (tmp_path / name).read_bytes() == b"\xef\xbb\xbfId," + RESULT_HEADINGS.encode() + b"\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =cmd|'/C calc'!A0", "\uff1d1", "'=1", "\r=1"])
def test_whatever_a_spreadsheet_would_run_is_guarded_in_every_column(tmp_path: Path, text: str) -> None:
    lines = [line(2, [text], Outcome.FAILED, record_id=text, error=text, request_id=text)]
    write_results(tmp_path / "results.csv", tmp_path / "failed.csv", [text], 1, lines)
    for name in ("results.csv", "failed.csv"):
        heading, record = cells_of(tmp_path / name)
        assert heading[0] == guard(text)
        assert heading[0].startswith("'")
        assert [record[place] for place in (0, 2, 6, 7)] == [guard(text)] * 4


@pytest.mark.parametrize("typed", ["007", "12345678901234567890", "1E5", "1/2"])
def test_an_id_that_a_spreadsheet_would_change_has_a_guarded_copy_and_stays_as_typed(
    tmp_path: Path, typed: str
) -> None:
    write_results(tmp_path / "r.csv", tmp_path / "f.csv", ["id"], 1, [line(2, [typed], record_id=typed)])
    assert cells_of(tmp_path / "r.csv")[1][:3] == [typed, "2", f"'{typed}"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(typed=st.text("0123456789.,/-+eE'=aJ", min_size=1, max_size=8))
def test_no_id_of_a_report_is_taken_for_a_spoilt_one(tmp_path: Path, typed: str) -> None:
    write_results(tmp_path / "r.csv", tmp_path / "f.csv", ["id"], 1, [line(2, [typed], record_id=typed)])
    with open_table(tmp_path / "r.csv") as table:
        [batch] = table.batches()
    assert (batch[0].cells, batch.problems) == ((typed,), ())


def test_no_cell_becomes_a_formula_where_semicolons_or_tabs_separate_cells(tmp_path: Path) -> None:
    hostile = ["x;=1+1;", "y\t@SUM(1)", "z\n+1", "w, v"]
    texts = {"record_id": "a;=2", "error": "b;=3", "request_id": "c;\t=4"}
    write_results(tmp_path / "r.csv", tmp_path / "f.csv", ["h;=5"], 4, [line(2, hostile, Outcome.FAILED, **texts)])
    for name in ("r.csv", "f.csv"):
        pieces = re.split(r"[;\t\r\n]", text_of(tmp_path / name))
        assert [piece for piece in pieces if piece.strip(' "')[:1] in set("=+-@")] == []
    with open_table(tmp_path / "r.csv") as table:
        [batch] = table.batches()
        assert table.columns[0] == "h;=5"
    assert batch[0].cells == tuple(hostile)


def test_cells_beyond_the_headings_get_columns_of_their_own(tmp_path: Path) -> None:
    lines = [line(2, ["a"]), line(3, ["a", "b", "c", "d"]), line(4, [])]
    write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id", "name"], 4, lines)
    heading, *records = cells_of(tmp_path / "results.csv")
    assert heading[:5] == ["Id", "name", "_extra_1", "_extra_2", "_row"]
    assert [record[:5] for record in records] == [
        ["a", "", "", "", "2"],
        ["a", "b", "c", "d", "3"],
        ["", "", "", "", "4"],
    ]
    assert {len(record) for record in records} == {len(heading)}


def test_lines_are_streamed(tmp_path: Path) -> None:
    on_the_disk: list[int] = []

    def lines() -> Iterator[Line]:
        for number in range(2, 5000):
            on_the_disk.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
            yield line(number, ["x" * 50])

    assert write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, lines()) == 4998
    assert on_the_disk[-1] > 400_000


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["=1+1", "'", "''=x", "'plain", "007", "NA", "a,b", 'q"q', "x\ny", "x\r\ny", "<null>", "#N/A", "\ufeff"]
)


records = st.tuples(cells, cells).filter(lambda record: "".join(record).strip())  # a blank line is no row


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(records, min_size=1, max_size=6))
def test_results_read_back_as_input_hold_the_same_cells(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    lines = [line(number, list(record)) for number, record in enumerate(table, 2)]
    write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id", "=name"], 2, lines)
    with open_table(tmp_path / "results.csv") as read:
        found = [row.cells for rows in read.batches() for row in rows]
        assert list(read.columns) == ["Id", "=name"]
    assert found == table


def test_of_several_files_each_row_tells_its_own_directly_before_its_number(tmp_path: Path) -> None:
    lines = [line(2, ["a"]), line(RowRef(1, 2).key, ["b"]), line(RowRef(2, 3).key, ["c"], Outcome.FAILED)]
    count = write_results(
        tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, lines, labels=RowLabels(("=a.csv", "x,y.csv"))
    )
    assert count == 3
    assert [cells[:3] for cells in cells_of(tmp_path / "results.csv")] == [
        ["Id", "_file", "_row"], ["a", "'=a.csv", "2"], ["b", "x,y.csv", "2"], ["c", "file 3", "3"],
    ]  # fmt: skip
    assert [cells[1] for cells in cells_of(tmp_path / "failed.csv")] == ["_file", "file 3"]
