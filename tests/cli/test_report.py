from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

PAGE = 4096


def finished(cli: Cli, renames: Renames, sandboxes: Sandboxes, tmp_path: Path) -> Path:
    url = sandboxes().url
    cli("run", str(renames(3)), "-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url", url)
    return (tmp_path / "batchupdate-runs" / "latest").resolve()


def test_a_damaged_journal_names_the_way_out_and_that_way_works(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    folder = finished(cli, renames, batchupdate_sandbox, tmp_path)
    journal = folder / "journal.sqlite3"
    data = journal.read_bytes()
    journal.write_bytes(data[: 4 * PAGE] + b"\xff" * PAGE + data[5 * PAGE :])
    damaged = cli("report")
    assert damaged.exit_code in {2, 3}
    assert f"batchupdate report --recover {folder.name}" in damaged.stderr
    result = cli("report", "--recover", folder.name)
    assert result.exit_code == 1
    assert "Parts of the journal are damaged." in result.stderr
    assert "recovered-results.csv" in result.stdout
    assert json.loads((folder / "recovered-summary.json").read_text("utf-8"))["counts"]["unknown"] == 3


def test_a_report_that_is_held_is_told_after_a_run(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    folder = finished(cli, renames, batchupdate_sandbox, tmp_path)
    (folder / "failed.csv").unlink()
    (folder / "failed.csv").mkdir()
    result = cli("report")
    assert result.exit_code == 0
    assert "failed.csv is a folder; the new file is failed (2).csv." in result.stderr
