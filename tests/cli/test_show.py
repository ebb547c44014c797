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


def test_show_and_report_work_from_the_journal_alone(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    cli("run", str(renames(2)), "-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url", sandbox.url)
    folder = (tmp_path / "batchupdate-runs" / "latest").resolve()
    before = {name: (folder / name).read_bytes() for name in ("results.csv", "failed.csv", "summary.json")}
    for name in before:
        (folder / name).unlink()
    (tmp_path / "renames.csv").unlink()
    assert "updated" in cli("show").stdout
    assert cli("report", str(folder)).exit_code == 0
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert json.loads(cli("show", folder.name, "--json").stdout) == json.loads(before["summary.json"])
