from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from whole_runs import IDS, changed_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow


def test_verify_names_what_drifted_and_fits_into_eighty_columns(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = batchupdate_sandbox()
    usual = ("-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url", sandbox.url)
    assert cli("run", str(renames(3)), *usual, "--verify").exit_code == 0
    assert cli("verify").exit_code == 0
    changed_elsewhere(sandbox, IDS[1])
    monkeypatch.setenv("COLUMNS", "80")
    found = cli("verify")
    assert found.exit_code == 1
    said = " ".join(found.stdout.split())
    assert f"row 3: {IDS[1]}: drifted: name was sent as 'Renamed 1'" in said
    assert 'and is "Somebody else\'s" now' in said
    assert "still ours 2" in said
    assert all(len(line) <= 80 for line in found.stdout.splitlines() if "/" not in line)


def test_verify_as_json_is_one_document_and_its_exit_code_is_that_of_the_command(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    cli("run", str(renames(2)), "-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url", sandbox.url)
    changed_elsewhere(sandbox, IDS[0])
    found = cli("verify", "latest", "--json")
    document = json.loads(found.stdout)
    assert (found.exit_code, document["exit_code"]) == (1, 1)
    assert document["counts"] == {"ours": 1, "drifted": 1, "gone": 0, "unknown": 0, "unreadable": 0}
    assert document["fields"] == {"name": 1}
    assert cli("verify", "nonsense").exit_code == 2
