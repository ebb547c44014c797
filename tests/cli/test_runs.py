from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from batchupdate.journal import Journal
from batchupdate.runs.folder import RunFolder, create
from batchupdate.runs.plan_folder import create_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]


def test_runs_lists_what_there_is(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    assert "There are no runs" in cli("runs").stderr
    url = batchupdate_sandbox().url
    cli("run", str(renames(2)), "-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url", url)
    result = cli("runs")
    assert "langdock-integration" in result.stdout
    assert "all succeeded" in result.stdout
    assert "just now" in result.stdout
    data = json.loads(cli("runs", "--json").stdout)
    assert [(run["rows"], run["succeeded"]) for run in data["runs"]] == [(2, 2)]


def test_a_runs_folder_that_is_a_file_is_a_sentence(cli: Cli, renames: Renames) -> None:
    result = cli("runs", "--runs-dir", str(renames(1)))
    assert result.exit_code == 2
    assert "is not a folder" in result.stderr


def old_run(days: int = 40) -> RunFolder:
    folder = create(Path("batchupdate-runs"), "renames.csv", datetime.now(UTC) - timedelta(days=days))
    with Journal.create(folder.journal) as journal:
        journal.seal({"rows": 0})
    return folder


def test_runs_are_still_listed_by_the_bare_command(cli: Cli) -> None:
    assert "There are no runs" in cli("runs").stderr


def test_a_dry_run_lists_and_removes_nothing(cli: Cli) -> None:
    folder = old_run()
    result = cli("runs", "prune", "--older-than", "30d", "--dry-run")
    assert result.exit_code == 0
    assert folder.run_id in result.stdout
    assert "40 days" in result.stdout
    assert folder.path.exists()


def test_without_yes_and_without_a_terminal_nothing_is_removed(cli: Cli) -> None:
    folder = old_run()
    result = cli("runs", "prune", "--older-than", "30d")
    assert result.exit_code == 2
    assert folder.path.exists()


def test_old_runs_go_and_young_ones_stay(cli: Cli) -> None:
    old, young = old_run(), old_run(2)
    result = cli("runs", "prune", "--older-than", "4w", "--yes", "--json")
    assert json.loads(result.stdout)["removed"] == [old.run_id]
    assert not old.path.exists()
    assert young.path.exists()


def test_plans_are_pruned_with_the_runs_and_named_as_what_they_are(cli: Cli) -> None:
    run = old_run()
    plan = create_plan(run.path.parent, "in.csv", datetime.now(UTC) - timedelta(days=40))
    Journal.create(plan.journal).close()
    result = cli("runs", "prune", "--older-than", "4w", "--yes")
    assert "Removed 1 run and 1 plan." in result.stdout
    assert not run.path.exists()
    assert not plan.path.exists()


def test_a_bad_age_is_a_sentence(cli: Cli) -> None:
    result = cli("runs", "prune", "--older-than", "soon")
    assert result.exit_code == 2
    assert "such as 12h, 30d or 4w" in result.stderr
