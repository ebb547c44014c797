"""What became of a run, as its journal has it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from whole_runs import KEYS, settings_for, with_kept, write

from batchupdate.journal import in_flight
from batchupdate.model import Outcome, Result
from batchupdate.run import prepare, resumed_job
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import overview, rebuild_reports, summary_of
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LOOKS = ("show", "runs", "report", "resume")


async def test_what_a_kill_left_is_the_same_to_show_runs_report_and_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "boot_id", lambda: "one start")  # also where the system does not tell them apart
    source = write(tmp_path / "in.csv", 30)
    async with Sandbox() as sandbox:
        with prepare(source, settings_for(sandbox, tmp_path), environ=KEYS) as job:
            journal = job.journal
            journal.begin_session(1.0, repeatable=True)
            claimed = journal.upcoming(0, 20)
            journal.commit([request.row for request in claimed], [])
            for request in claimed[:3]:
                journal.in_flight.leaves(request.row, 0)
            journal.in_flight.keep(Result(claimed[0].row, Outcome.UPDATED, 200, 1), final=True)
            during = summary_of(job.folder)
            for look in LOOKS:
                shutil.copytree(tmp_path / "runs", tmp_path / f"to-{look}" / "runs")
    assert during.counts[Outcome.UNKNOWN] == 20, "what a process is working on is only read"
    shutil.rmtree(tmp_path / "runs")
    show, runs, report, resume = (RunFolder(tmp_path / f"to-{look}" / "runs" / job.folder.run_id) for look in LOOKS)
    counts = summary_of(show).counts
    assert {outcome: count for outcome, count in counts.items() if count} == {
        Outcome.UPDATED: 1,
        Outcome.UNKNOWN: 2,
        Outcome.NOT_ATTEMPTED: 27,
    }
    look = overview(runs)
    assert (look.succeeded, look.left, look.state) == (1, 29, "unfinished")
    assert rebuild_reports(report).counts == counts
    with resumed_job(resume, with_kept(tmp_path), environ=KEYS) as resumed:
        assert resumed.journal.counts() == counts
        assert resumed.to_send == 29
    for folder in (show, runs, report):  # looking once more says the same
        assert summary_of(folder).counts == counts
