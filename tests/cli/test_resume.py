from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

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

RUN = ("-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url")


def outcomes(folder: Path) -> list[str]:
    with (folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return [line["_outcome"] for line in csv.DictReader(file)]


def newest(folder: Path) -> Path:
    return (folder / "batchupdate-runs" / "latest").resolve()


def summary_in(result: Result) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def test_resume_goes_on_with_the_latest_run_without_its_file(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    sandbox.revoke()
    path = renames(3)
    assert cli("run", str(path), *RUN, sandbox.url).exit_code == 3
    path.unlink()
    sandbox.restore()
    result = cli("resume")
    assert result.exit_code == 0, result.stderr
    assert "3 of 3 rows are left" in result.stderr
    assert outcomes(newest(tmp_path)) == ["updated"] * 3
    done = cli("resume", "--json")
    assert (done.exit_code, summary_in(done)["counts"]["updated"]) == (0, 3)


def test_resume_with_no_run_is_a_sentence(cli: Cli) -> None:
    result = cli("resume")
    assert result.exit_code == 2
    assert "There are no runs" in result.stderr
