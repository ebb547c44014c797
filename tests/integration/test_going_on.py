"""What the same command does when a run died at its very end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate import Outcome, Settings
from batchupdate.run import run_file
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY}
IDS = [record.id for record in make_records(langdock=3).langdock[:3]]


class DiesError(Exception):
    """Stands for a death: nothing of the run's own catches it."""


@pytest.mark.slow
async def test_a_run_that_died_before_its_reports_stood_is_finished_and_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "changes.csv"
    source.write_text("id,name\n" + "".join(f"{record},New\n" for record in IDS), "utf-8")

    def die(*_: object) -> None:
        raise DiesError

    async with Sandbox(langdock=3) as sandbox:
        chosen = Settings(target="langdock-integration", base_url=sandbox.url, runs_dir=tmp_path / "runs", diff="never")
        with monkeypatch.context() as patch:
            patch.setattr("batchupdate.runs.history.report", die)
            with pytest.raises(DiesError):
                await run_file(source, chosen, environ=KEYS)
        assert sandbox.counts.requests == 3
        summary = await run_file(source, chosen, environ=KEYS)
        assert sandbox.counts.requests == 3
        assert (summary.counts[Outcome.UPDATED], summary.exit_code) == (3, 0)
        assert (summary.folder / "results.csv").exists()
        again = await run_file(source, chosen, environ=KEYS)
        assert again.run_id != summary.run_id
        assert sandbox.counts.requests == 6
