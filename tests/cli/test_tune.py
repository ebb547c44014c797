from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from other_processes import WAIT_S, running, until

from batchupdate.runs.folder import find
from batchupdate.runs.progress_file import read_progress

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, err = process.communicate(timeout=WAIT_S)
    assert "Traceback" not in err
    return process.returncode, json.loads(out)


def says_it_is_paused_after(folder: Path, at: float) -> bool:
    seen = read_progress(folder)
    return seen is not None and seen.at > at and seen.progress.holding_s == math.inf


@pytest.mark.slow
def test_a_run_goes_faster_once_it_is_told_to_and_remembers_it(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    with running(renames(40), sandbox, tmp_path, "--rate", "1/min", "--json") as process:
        told = cli("tune", "--rate", "unlimited", "--max-failures", "10%")
        assert told.exit_code == 0, told.stderr
        assert "rate is unlimited now and max failures is 10% now" in told.stdout
        code, summary = ended(process)
    assert (code, summary["counts"]["updated"]) == (0, 40)
    assert summary["rate"]["configured_per_s"] is None
    folder = find(tmp_path / "batchupdate-runs", "latest").path
    assert not list(folder.glob(".tune*"))
    assert '"event": "tuned"' in (folder / "run.log").read_text("utf-8")


@pytest.mark.slow
def test_a_run_that_is_changed_to_auto_heeds_the_limits_that_replies_advertise(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox(limit="15/s", headers="ietf")
    with running(renames(60), sandbox, tmp_path, "--rate", "3/s", "--json") as process:
        assert cli("tune", "--rate", "auto", "--max-rate", "100/s").exit_code == 0
        code, summary = ended(process)
    assert (code, summary["counts"]["updated"]) == (0, 60)
    assert summary["rate"]["achieved_per_s"] > 4
    assert summary["requests"]["throttled"] == 0


@pytest.mark.slow
def test_a_request_that_is_none_is_refused_in_the_log_and_the_next_one_is_taken_up(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    with running(renames(60), sandbox, tmp_path, "--rate", "3/s", "--json") as process:
        folder = find(tmp_path / "batchupdate-runs", "latest").path
        for name in ("1", "2"):
            (folder / "beside").write_text('{"paused": []}', encoding="utf-8")
            (folder / "beside").replace(folder / f".tune-{name}.json")
        told = cli("tune", "--rate", "unlimited")
        assert told.exit_code == 0, told.stderr
        code, summary = ended(process)
    assert (code, summary["counts"]["updated"]) == (0, 60)
    refused = [json.loads(line) for line in (folder / "run.log").read_text("utf-8").splitlines() if "not_tuned" in line]
    assert [one["why"] for one in refused] == ["In a request, paused is true or false."] * 2


@pytest.mark.slow
def test_a_paused_run_sends_nothing_until_it_goes_on(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    with running(renames(60), sandbox, tmp_path, "--rate", "10/s", "--json") as process:
        paused = cli("tune", "--pause", "--json")
        assert paused.exit_code == 0, paused.stderr
        assert json.loads(paused.stdout)["paused"] is True
        until(lambda: len(sandbox.requests) == len(sandbox.applied))  # what was in flight has come back
        before = len(sandbox.requests)
        folder = find(tmp_path / "batchupdate-runs", "latest").path
        until(lambda: says_it_is_paused_after(folder, 0.0))
        seen = read_progress(folder)
        assert seen is not None
        until(lambda: says_it_is_paused_after(folder, seen.at + 0.7))  # seven turns of the run's own time later
        assert len(sandbox.requests) == before < 60
        assert cli("tune", "--go-on", "--rate", "unlimited").exit_code == 0
        assert ended(process)[0] == 0
    assert len(sandbox.applied) == 60


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_a_paused_run_can_be_stopped_and_is_resumed_at_the_rate_that_it_was_told_but_not_paused(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    with running(renames(20), sandbox, tmp_path, "--rate", "5/s", "--json") as process:
        assert cli("tune", "--pause", "--rate", "500/s").exit_code == 0
        process.terminate()
        code, summary = ended(process)
        assert (code, summary["counts"]["not_attempted"] > 0) == (143, True)
    resumed = cli("resume", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["rate"]["configured_per_s"] == 500


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_the_same_command_says_what_was_changed_before_it_resumes_with_its_own_settings(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox, file = batchupdate_sandbox(), renames(20)
    with running(file, sandbox, tmp_path, "--rate", "5/s", "--json") as process:
        assert cli("tune", "--rate", "1/s", "--max-failures", "10%").exit_code == 0
        assert cli("tune", "--rate", "3/s").exit_code == 0
        process.terminate()
        assert ended(process)[0] == 143
    run = ("run", str(file), "-t", "langdock-integration", "--diff", "never", "--base-url", sandbox.url)
    again = cli(*run, "--rate", "unlimited", "--yes")
    assert again.exit_code == 0, again.stderr
    assert "batchupdate tune --rate 3/s --max-failures 10%. Add that here to keep it." in again.stderr


@pytest.mark.slow
def test_a_lower_failure_limit_stops_a_run_that_is_above_it_already(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    file = renames(1, *[(f"00000000-0000-4000-8000-{number:012}", "Nobody") for number in range(200)])
    with running(file, sandbox, tmp_path, "--rate", "20/s", "--json") as process:
        until(lambda: len(sandbox.requests) > 4)
        assert cli("tune", "--max-failures", "1").exit_code == 0
        code, summary = ended(process)
    assert code == 3
    assert "--max-failures allows 1" in summary["stopped"]["message"]


def test_a_run_that_nobody_works_on_is_not_changed(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    run = ("run", str(renames(1)), "-t", "langdock-integration", "--yes", "--base-url", batchupdate_sandbox().url)
    assert cli(*run).exit_code == 0
    told = cli("tune", "--rate", "1/s")
    assert told.exit_code == 2
    assert "No process is working on the run" in told.stderr
    assert "batchupdate resume" in told.stderr


@pytest.mark.parametrize(
    ("options", "said"), [((), "Nothing is to be changed"), (("--rate", "fast"), "'fast' is not a rate")]
)
def test_what_can_not_be_meant_is_a_sentence(cli: Cli, options: tuple[str, ...], said: str) -> None:
    told = cli("tune", *options)
    assert told.exit_code == 2
    assert said in told.stderr


def test_ctrl_c_while_a_change_is_not_taken_up_yet_says_so_and_takes_it_back(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("run", str(renames(1)), "-t", "langdock-integration", "--yes", "--base-url", batchupdate_sandbox().url)
    assert cli(*run).exit_code == 0

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("batchupdate.cli.tune.time.sleep", interrupted)
    folder = find(Path("batchupdate-runs"), "latest")
    with folder.lock():
        told = cli("tune", "--rate", "1/s")
    assert told.exit_code == 130
    assert "whether it was changed is in" in told.stderr
    assert "Nothing was sent" not in told.stderr
    assert not list(folder.path.glob(".tune*"))
