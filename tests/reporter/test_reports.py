from __future__ import annotations

import csv
import json
import os
import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from fakes import claim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.errors import InternalError, SafetyStop
from batchupdate.journal import Journal
from batchupdate.model import ErrorGroup, InputFile, Line, Outcome, Result, RowLabels, RowRef, Sessions, Traffic
from batchupdate.reader import open_table
from batchupdate.reporter import Stopped, Summary, iso, placed, write_reports, write_summary
from batchupdate.reporter.atomic_write import replacing
from batchupdate.reporter.results_csv import write_results

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


T = Traffic  # for tables


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


def summary_of(folder: Path, rows: int = 1, **facts: Any) -> Summary:
    return Summary(
        **{
            "run_id": "20261121-184500-x-abcd",
            "folder": folder,
            "target": "langdock-integration",
            "input_path": "/data/renames.csv",
            "input_sha256": "ab" * 32,
            "rows": rows,
            "counts": {**dict.fromkeys(Outcome, 0), Outcome.UPDATED: rows},
            "sessions": Sessions(Traffic(10, 2, 1, 3.0), AT, AT + 4, 4.0, 0),
            "errors": [ErrorGroup("404 there is no <id>", 2, 7)],
            "rate_per_s": 5.0,
            "auto": False,
            "exit_code": 0,
            **facts,
        }
    )


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig")


def cells_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


# results.csv and failed.csv.


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
        assert heading[0] == "'" + text
        assert [record[place] for place in (0, 2, 6, 7)] == ["'" + text] * 4


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


# summary.json.


def test_the_summary_holds_what_the_contract_names_and_nothing_else(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", summary_of(tmp_path, stopped=Stopped("safety_stop", "why")))
    assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == {
        "run_id": "20261121-184500-x-abcd",
        "target": "langdock-integration",
        "input": {"path": "/data/renames.csv", "sha256": "ab" * 32, "rows": 1},
        "counts": {
            "updated": 1,
            "accepted": 0,
            "unchanged": 0,
            "invalid": 0,
            "conflict": 0,
            "failed": 0,
            "unknown": 0,
            "not_attempted": 0,
        },
        "requests": {"sent": 10, "retried": 2, "throttled": 1},
        "rate": {
            "configured_per_s": 5.0,
            "auto": False,
            "achieved_per_s": 2.5,
            "allowed_per_s": None,
            "waited_s": 3.0,
            "advice": "",
        },
        "errors": [{"message": "404 there is no <id>", "count": 2, "example_row": 7}],
        "started_at": "2026-11-21T18:45:00.123Z",
        "finished_at": "2026-11-21T18:45:04.123Z",
        "duration_s": 4.0,
        "exit_code": 0,
        "stopped": {"code": "safety_stop", "message": "why"},
        "folder": str(tmp_path),
        "schema": 1,
    }


@pytest.mark.parametrize(
    ("rate_per_s", "auto", "traffic", "advice"),
    [
        (None, True, T(900, 0, 9, 1.0, 19.9), "allowed about 19.9 requests/s; to begin there next time: --rate 19/s"),
        (10.0, True, T(900, 0, 0, 0.0, 240.0), "allows about 240 requests/s; next time you could say: --rate 230/s"),
        (2.5, False, T(10, 0, 0, 0.0), ""),
        (10.0, True, T(900, 0, 0, 0.0, 0.0), ""),
        (2.5, False, T(1000, 0, 0, 0.0), "took all of 2.5 requests/s without a word; --rate could be higher."),
        (10.0, True, T(4000, 0, 0, 0.0), "took all of 10 requests/s without a word; --max-rate could be higher."),
        (100.0, False, T(4000, 0, 0, 0.0), ""),
        (99.0, False, T(4000, 0, 70, 9.0), "asked 70 times to slow down; next time let it be found out: --rate auto"),
        (None, False, T(4000, 0, 0, 0.0), ""),
    ],
)  # fmt: skip
def test_the_summary_advises_what_rate_to_set_next_time(
    tmp_path: Path, rate_per_s: float | None, auto: bool, traffic: Traffic, advice: str
) -> None:
    told = summary_of(tmp_path, rate_per_s=rate_per_s, auto=auto, sessions=Sessions(traffic, AT, AT + 400, 400.0, 0))
    assert told.to_json()["rate"]["advice"] == (advice and f"The API {advice}")


def test_the_summary_of_a_run_that_never_began_has_no_times(tmp_path: Path) -> None:
    nothing = Sessions(Traffic(), None, None, 0.0, None)
    told = summary_of(tmp_path, sessions=nothing, rate_per_s=None).to_json()
    assert (told["started_at"], told["finished_at"], told["rate"]["achieved_per_s"]) == ("", "", 0.0)
    assert told["rate"]["configured_per_s"] is None


def test_the_name_of_an_input_that_is_no_text_is_no_trouble(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", summary_of(tmp_path, input_path="/data/caf\udce9 ü.csv"))
    text = (tmp_path / "summary.json").read_text("utf-8")
    assert json.loads(text)["input"]["path"] == "/data/caf\udce9 ü.csv"
    assert "ü" in text


def test_times_are_utc_to_the_millisecond() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_795_286_700.9999) == "2026-11-21T18:45:00.999Z"
    assert iso(None) == ""


# All of them.


def test_the_reports_of_a_run_come_from_its_journal(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.add_rows([(2, ["a"], "id-2", "/2", {}), (3, ["b", "extra"], "id-3", "/3", {})], [])
        journal.seal({})
        claim(journal, 0, 1, [(Result(2, Outcome.UPDATED, 200, 1), True)])
        paths = write_reports(summary_of(tmp_path, 2, counts=journal.counts()), ["Id"], 2, journal.lines())
    assert [path.name for path in paths] == ["results.csv", "failed.csv", "summary.json"]
    assert [record[4] for record in cells_of(paths[0])[1:]] == ["updated", "not_attempted"]
    if sys.platform != "win32":
        assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


@pytest.mark.parametrize(("rows", "counted", "written"), [(2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 1), (1, 1, 0)])
def test_counts_that_do_not_add_up_are_told_loudly(tmp_path: Path, rows: int, counted: int, written: int) -> None:
    counts = {**dict.fromkeys(Outcome, 0), Outcome.UPDATED: counted}
    lines = [line(number, ["a"]) for number in range(2, written + 2)]
    with pytest.raises(
        InternalError, match=f"{rows} rows were read, {counted} have an outcome, {written} are"
    ) as caught:
        write_reports(summary_of(tmp_path, rows, counts=counts), ["Id"], 1, lines)
    assert caught.value.exit_code == 70
    assert str(tmp_path) in caught.value.hint


# Files appear whole or not at all.


def failing(error: Exception) -> Iterator[Line]:
    yield line(2, ["new"])
    raise error


@pytest.mark.parametrize(
    "error", [SafetyStop("The journal is damaged."), KeyError("bug"), OSError(28, "No space left")]
)
def test_a_report_that_can_not_be_finished_leaves_the_old_ones(tmp_path: Path, error: Exception) -> None:
    for name in ("results.csv", "failed.csv"):
        (tmp_path / name).write_text("old")
    expected = SafetyStop if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, failing(error))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"results.csv": "old", "failed.csv": "old"}


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    with replacing(tmp_path / "x.csv") as file:
        file.write("new")
        file.flush()
        assert (tmp_path / "x.csv").read_text() == "old"
    assert (tmp_path / "x.csv").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_a_report_is_for_its_owner_alone_even_if_the_old_one_was_not(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    (tmp_path / "x.csv").chmod(0o644)
    with replacing(tmp_path / "x.csv") as file:
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.name != "x.csv"} == {0o600}
        file.write("new")
    assert stat.S_IMODE((tmp_path / "x.csv").stat().st_mode) == 0o600


def test_a_folder_that_is_gone_gives_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(SafetyStop, match=r"x.csv can't be written: No such file.* batchupdate report"),
        replacing(tmp_path / "gone" / "x.csv"),
    ):
        pass


def test_a_folder_that_is_a_file_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SafetyStop, match="can't be written: Not a directory"), replacing(tmp_path / "file" / "x.csv"):
        pass


def test_a_file_that_another_program_holds_gives_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(SafetyStop, match="close the file"), replacing(tmp_path / "x.csv") as file:
        file.write("new")
    assert list(tmp_path.iterdir()) == []


# Several files.


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


def test_the_summary_lists_several_files_and_an_examples_file(tmp_path: Path) -> None:
    labels = RowLabels(("a.csv", "b.csv"))
    files = [InputFile(name, f"/data/{name}", "0", 1) for name in labels.names]
    errors = placed([ErrorGroup("404 no", 2, RowRef(1, 7).key)], labels)
    summary = summary_of(tmp_path, files=files, labels=labels, errors=errors)
    assert summary.source == "a.csv and b.csv"
    told = summary.to_json()
    assert list(told["input"]) == ["path", "sha256", "rows", "files"]
    assert told["input"]["files"][1] == {"name": "b.csv", "path": "/data/b.csv", "sha256": "0", "rows": 1}
    assert told["errors"] == [{"message": "404 no", "count": 2, "example_file": "b.csv", "example_row": 7}]
