from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from other_processes import running, until

from batchupdate.runs.folder import find
from batchupdate.runs.progress_file import read_progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]


@pytest.mark.slow
def test_a_run_of_another_process_is_followed_to_its_end_with_its_exit_code(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    file = renames(20, ("00000000-0000-4000-8000-000000000000", "Nobody"))
    with running(file, sandbox, tmp_path, "--rate", "20/s") as process:
        watched = cli("watch", "--json")
        assert process.wait(timeout=60) == 1
    assert watched.exit_code == 1
    counts = json.loads(watched.stdout)["counts"]
    assert (counts["updated"], counts["failed"]) == (20, 1)
    assert "Watching" in watched.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for other processes")
def test_ctrl_c_ends_the_watching_and_not_the_run(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    with running(renames(30), sandbox, tmp_path, "--rate", "10/s") as process:
        command = [sys.executable, "-m", "batchupdate", "watch"]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stderr is not None
            assert "Watching" in watching.stderr.readline()
            watching.send_signal(signal.SIGINT)
            assert "The run goes on." in watching.stderr.read()
            assert watching.wait(timeout=60) == 130
        assert process.wait(timeout=60) == 0
    assert len(sandbox.applied) == 30


@pytest.mark.slow
def test_while_it_sends_a_run_says_how_far_it_is(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    with running(renames(30), sandbox, tmp_path, "--rate", "10/s") as process:
        folder = find(tmp_path / "batchupdate-runs", "latest").path
        until(lambda: (seen := read_progress(folder)) is not None and seen.progress.done >= 5)
        seen = read_progress(folder)
        assert seen is not None
        assert (seen.progress.stage, seen.progress.total) == ("sending", 30)
        assert process.wait(timeout=60) == 0
    assert read_progress(folder) is None


def test_a_run_that_has_ended_is_shown_at_once(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    run = ("run", str(renames(2)), "-t", "langdock-integration", "--yes", "--base-url", batchupdate_sandbox().url)
    assert cli(*run).exit_code == 0
    watched = cli("watch")
    assert watched.exit_code == 0
    assert "No process is working on this run." in watched.stderr
    assert "updated" in watched.stdout


def test_ctrl_c_before_the_run_is_found_does_not_say_that_nothing_was_sent(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("batchupdate.runs.folder.find", interrupted)
    result = cli("watch")
    assert (result.exit_code, result.stderr) == (130, "The watching has ended. The run goes on.\n")
