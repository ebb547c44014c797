"""All reports of a run."""

from __future__ import annotations

import csv
import json
import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from fakes import claim
from hypothesis import strategies as st
from reports import NO_DETAILS

from batchupdate.api.error_group import ErrorGroup
from batchupdate.errors import InternalError
from batchupdate.journal import Journal
from batchupdate.model import Line, Outcome, Result, Sessions, Traffic
from batchupdate.reporter import Summary, write_reports

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 21, 18, 45, 0, 123456, tzinfo=UTC).timestamp()


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


def cells_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["=1+1", "'", "''=x", "'plain", "007", "NA", "a,b", 'q"q', "x\ny", "x\r\ny", "<null>", "#N/A", "\ufeff"]
)


def test_the_reports_of_a_run_come_from_its_journal(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.add_rows([(2, ["a"], "id-2", "/2", {}), (3, ["b", "extra"], "id-3", "/3", {})], [])
        journal.seal({})
        claim(journal, 0, 1, [(Result(2, Outcome.UPDATED, 200, 1), True)])
        write_reports(summary_of(tmp_path, 2, counts=journal.counts()), ["Id"], 2, journal.lines(), NO_DETAILS)
    paths = [tmp_path / name for name in ("results.csv", "failed.csv", "summary.json", "report.html")]
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
        write_reports(summary_of(tmp_path, rows, counts=counts), ["Id"], 1, lines, NO_DETAILS)
    assert caught.value.exit_code == 70
    assert str(tmp_path) in caught.value.hint
