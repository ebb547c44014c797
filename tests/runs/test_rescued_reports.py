from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes import EPOCH, claim

from batchupdate.errors import ConfigError, RunLocked
from batchupdate.journal import Journal, Session
from batchupdate.model import Outcome, Result
from batchupdate.runs.folder import RunFolder, create
from batchupdate.runs.rescued_reports import recover_reports

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096
FILES = ["recovered-failed.csv", "recovered-results.csv", "recovered-summary.json"]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run of 200 rows, of which one failed."""
    folder = create(tmp_path, "renames.csv", EPOCH)
    numbers = range(2, 202)
    with Journal.create(folder.journal) as journal:
        journal.add_rows([(n, [f"id-{n}", "=new"], f"id-{n}", f"/{n}", {"name": "n"}) for n in numbers], [])
        journal.seal(
            {
                "rows": len(numbers),
                "columns": ["Id", "Name"],
                "width": 2,
                "target": {"name": "langdock-integration"},
                "input": {"path": "/data/renames.csv", "sha256": "ab"},
                "rate_per_s": 5.0,
            }
        )
        session = journal.begin_session(1.0, repeatable=True)
        claim(journal, 0, 999)
        journal.commit([], [(Result(n, Outcome.UPDATED if n != 9 else Outcome.FAILED, 200, 1), True) for n in numbers])
        journal.end_session(Session(session, 2.0, 200), 1)
    return folder


def lose(folder: RunFolder, page: int) -> None:
    data = folder.journal.read_bytes()
    folder.journal.write_bytes(data[: (page - 1) * PAGE] + bytes(PAGE) + data[page * PAGE :])


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def summary_file(folder: RunFolder) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder.path / "recovered-summary.json").read_text("utf-8"))
    return told


def test_what_is_left_of_a_damaged_journal_goes_into_reports_of_its_own(run: RunFolder) -> None:
    (run.path / "results.csv").write_text("from before the damage")
    lose(run, 5)
    summary = recover_reports(run)
    assert (run.path / "results.csv").read_text() == "from before the damage"
    assert sorted(path.name for path in run.path.glob("recovered*")) == FILES
    rows = records(run.path / "recovered-results.csv")
    assert [int(row["_row"]) for row in rows] == list(range(2, 202))
    assert (rows[0]["Id"], rows[0]["Name"]) == ("id-2", "'=new")
    assert [row for row in rows if row["_outcome"] != "updated"] == records(run.path / "recovered-failed.csv")
    assert summary_file(run)["counts"] == {outcome.value: count for outcome, count in summary.counts.items()}
    assert summary_file(run)["exit_code"] == 1
    assert "Parts of the journal are damaged." in summary.notices


def test_lost_headings_are_replaced_by_numbers_and_lost_facts_named(run: RunFolder) -> None:
    lose(run, 2)
    summary = recover_reports(run)
    assert list(records(run.path / "recovered-results.csv")[0])[:3] == ["Column 1", "Column 2", "_row"]
    assert (summary.target, summary.input_path) == ("(not readable)", "(not readable)")
    assert summary_file(run)["input"]["rows"] == 200


@pytest.mark.parametrize(
    "fact", [{"columns": 5}, {"columns": [1]}, {"target": []}, {"input": {"path": 1}}, {"rows": "x"}]
)
def test_facts_that_are_not_what_they_should_be_are_as_good_as_lost(run: RunFolder, fact: dict[str, Any]) -> None:
    with Journal.open(run.journal) as journal:
        journal.set_meta(fact)
    recover_reports(run)
    assert len(records(run.path / "recovered-results.csv")) == 200


def test_a_log_that_knows_of_more_work_than_the_journal_is_believed(run: RunFolder) -> None:
    line = '{"run": "x", "event": "start", "level": "info"}\n'
    run.log.write_text(line)
    assert recover_reports(run).notices == []
    run.log.write_text(line * 2)
    assert "has no end in the journal" in recover_reports(run).notices[0]


def test_a_report_that_is_held_gets_a_second_name_here_too(run: RunFolder) -> None:
    (run.path / "recovered-results.csv").mkdir()
    (notice,) = recover_reports(run).notices
    assert "recovered-results (2).csv" in notice
    assert len(records(run.path / "recovered-results (2).csv")) == 200


def test_a_run_that_is_being_worked_on_is_not_recovered(run: RunFolder) -> None:
    with run.lock(), pytest.raises(RunLocked):
        recover_reports(run)


def test_where_nothing_can_be_read_no_report_is_written(run: RunFolder) -> None:
    run.journal.write_bytes(b"")
    with pytest.raises(ConfigError, match="Nothing can be read"):
        recover_reports(run)
    assert list(run.path.glob("recovered*")) == []


def test_what_was_kept_of_replies_is_saved_too(run: RunFolder) -> None:
    with Journal.open(run.journal) as journal:
        journal.set_meta({"reports": {"captured": ["etag"]}})
        kept = [(Result(n, Outcome.UPDATED, 200, 1, captured=f'{{"etag":"v{n}"}}'), True) for n in range(50, 60)]
        journal.commit([], kept)
    lose(run, 5)
    recover_reports(run)
    found = {row["_row"]: row["_reply.etag"] for row in records(run.path / "recovered-results.csv")}
    assert (found["2"], found["50"], found["59"]) == ("", "v50", "v59")
