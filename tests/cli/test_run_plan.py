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


def test_what_says_which_rows_are_sent_is_refused_beside_a_plan(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    at = ("-t", "langdock-integration", "--rate", "unlimited", "--base-url", sandbox.url)
    made = json.loads(cli("plan", str(renames(3)), *at, "--json").stdout)["folder"]
    for option, value in [
        *[("--limit", "1"), ("--rows", "2"), ("--sample", "1"), ("--sample-seed", "1"), ("--strict", None)],
        *[("--when", "name=x"), ("--match", "name"), ("--map", "name=name"), ("--on-duplicate", "last")],
        *[("--sheet", "x"), ("--hidden-rows", "skip"), ("--archive", "done"), ("--failed", "failed")],
    ]:
        refused = cli("run", "--plan", made, "--yes", option, *([value] if value else []))
        assert refused.exit_code == 2, option
        said = " ".join(refused.stderr.split())
        assert f"{option} can't be used with --plan" in said
    assert not sandbox.applied
    assert cli("run", "--plan", made, "--yes", "--rate", "50/s", "--max-rows", "10").exit_code == 0
    assert len(sandbox.applied) == 3
