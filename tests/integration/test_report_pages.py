"""report.html of real runs: it is there after each kind of run, and says the same as the other reports."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from whole_runs import again, apply, go_on, settings_for, write

from batchupdate.model import Outcome
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import rebuild_reports
from batchupdate.sandbox import Faults, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow


def page_of(summary: Summary) -> tuple[str, list[list[object]]]:
    """The page, and the rows in it."""
    text = (summary.folder / "report.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return text, json.loads(found[1])


async def test_runs_and_retries_leave_a_page_that_agrees_with_their_counts(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 5)
    async with Sandbox(faults=Faults.in_order("ok", "500", "ok", "502", "ok")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1))
        text, rows = page_of(first)
        assert "3 of 5 rows succeeded, 2 did not" in text
        assert f"batchupdate retry {first.command_name}" in text
        assert [row[3] for row in rows] == ["failed", "failed", "updated", "updated", "updated"]
        second = await again(first, tmp_path)
    text, rows = page_of(second)
    assert "All 2 rows succeeded" in text
    assert f"retry of {first.run_id}" in text
    assert len(rows) == 2


async def test_the_page_of_an_interrupted_run_says_how_to_resume_and_is_replaced_by_the_whole_one(
    tmp_path: Path,
) -> None:
    source = write(tmp_path / "in.csv", 4)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path))
        text, _ = page_of(stopped)
        assert "The run ended early." in text
        assert f"batchupdate resume {stopped.command_name}" in text
        sandbox.restore()
        whole = await go_on(stopped, tmp_path)
    text, rows = page_of(whole)
    assert whole.folder == stopped.folder
    assert "All 4 rows succeeded" in text
    assert len(rows) == 4


async def test_a_limit_shows_on_the_page(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 30)
    async with Sandbox(limit="10/s") as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, rate="unlimited", concurrency=8))
    assert summary.counts[Outcome.UPDATED] == 30
    text, _ = page_of(summary)
    assert "Asked to slow down" in text
    assert rebuild_reports(RunFolder(summary.folder)).counts == summary.counts
    assert page_of(summary)[0] == text
