"""Outputs that break, terminals that close, signals at bad moments, files that want to take over the screen."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from batchupdate.runs.folder import RunFolder
from batchupdate.sandbox import LANGDOCK_KEY, make_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

IDS = [record.id for record in make_records().langdock]
TARGET = ("--target", "langdock-integration")
needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals, pipes and terminals")


@contextmanager
def as_if_no_nohup() -> Iterator[None]:
    """Processes that are started here heed SIGHUP, also where the tests were started to outlive their terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "batchupdate", *arguments]


def outcomes(folder: Path) -> list[str]:
    with (folder / "batchupdate-runs" / "latest" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return [line["_outcome"] for line in csv.DictReader(file)]


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in 120 s"
        time.sleep(0.01)


def exit_code_after(process: subprocess.Popen[bytes], number: int) -> int:
    """Sends a signal until the process ends: one that comes just before Python waits for a line is seen after it."""
    for _ in range(20):
        process.send_signal(number)
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    raise AssertionError("it went on after 20 signals")


@needs_unix
def test_a_run_outlives_the_reader_of_its_messages(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    read, write = os.pipe()
    os.close(read)
    run = command("run", str(renames(5)), *TARGET, "--yes", "--base-url", sandbox.url, "--rate", "50/s")
    done = subprocess.run(run, cwd=tmp_path, stdout=subprocess.PIPE, stderr=write, timeout=120, check=False)
    os.close(write)
    assert done.returncode == 0
    assert b"updated" in done.stdout
    assert outcomes(tmp_path) == ["updated"] * 5


@needs_unix
@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_reader_of_results_that_went_away_does_not_change_the_exit_code(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path, extra: list[str]
) -> None:
    sandbox = batchupdate_sandbox()
    stranger = ("00000000-0000-4000-8000-000000000000", "x")
    read, write = os.pipe()
    os.close(read)
    run = command("run", str(renames(1, stranger)), *TARGET, "--yes", "--base-url", sandbox.url, *extra)
    done = subprocess.run(run, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(write)
    assert done.returncode == 1
    assert b"Exception" not in done.stderr
    assert b"internal error" not in done.stderr


@needs_unix
def test_a_terminal_that_closes_stops_the_run_cleanly(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    import pty  # noqa: PLC0415 - Windows has none

    sandbox = batchupdate_sandbox()
    run = command("run", str(renames(50)), *TARGET, "--yes", "--base-url", sandbox.url, "--rate", "20/s")
    main, child = pty.openpty()
    with (
        as_if_no_nohup(),
        subprocess.Popen(run, cwd=tmp_path, stdin=child, stdout=child, stderr=child, start_new_session=True) as process,
    ):
        os.close(child)
        wait_until(lambda: len(sandbox.applied) >= 3)
        os.close(main)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=120) == 128 + signal.SIGHUP
    found = outcomes(tmp_path)
    assert found.count("updated") == len(sandbox.applied) < 50
    assert set(found) == {"updated", "not_attempted"}


@needs_unix
def test_a_run_that_was_started_to_outlive_its_terminal_does(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    run = command("run", str(renames(20)), *TARGET, "--yes", "--base-url", sandbox.url, "--rate", "20/s")
    with subprocess.Popen(
        [shutil.which("nohup") or "nohup", *run], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: len(sandbox.applied) >= 3)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=120) == 0
    assert outcomes(tmp_path) == ["updated"] * 20


@needs_unix
def test_two_signals_at_once_are_one_wish(renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path) -> None:
    sandbox = batchupdate_sandbox()
    run = command("run", str(renames(50)), *TARGET, "--yes", "--base-url", sandbox.url, "--rate", "20/s")
    with subprocess.Popen(run, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: len(sandbox.applied) >= 3)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 143
    assert set(outcomes(tmp_path)) == {"updated", "not_attempted"}


@needs_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_the_question_sends_nothing_and_leaves_nothing(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path, number: int, code: int
) -> None:
    import pty  # noqa: PLC0415 - Windows has none

    sandbox = batchupdate_sandbox()
    run = command("run", str(renames(3)), *TARGET, "--base-url", sandbox.url)
    main, child = pty.openpty()
    with subprocess.Popen(run, cwd=tmp_path, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        shown = b""
        while b"Go ahead?" not in shown:
            shown += os.read(main, 65536)
        assert exit_code_after(process, number) == code
    os.close(main)
    assert [request.method for request in sandbox.requests] == ["GET"], "the list, to show what changes"
    assert not list((tmp_path / "batchupdate-runs").glob("2*"))


def test_names_that_the_output_can_not_show_do_not_end_a_run(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    path = str(renames(1, (IDS[1], "Größe 日本 " + "x" * 40)))
    run = command("run", path, *TARGET, "--yes", "--base-url", sandbox.url)
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=120, check=False, env=plain)
    assert done.returncode == 1, done.stderr
    show = subprocess.run(command("show"), cwd=tmp_path, capture_output=True, timeout=120, check=False, env=plain)
    assert show.returncode == 0, show.stderr


def test_a_file_can_not_take_over_the_terminal(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"id,name,\x1b[2Jgone\n{IDS[0]},a\x9b31mb\u202ec,x\n{IDS[1]},{'y' * 41}\x1b]0;t\x07,x\n", "utf-8")
    result = cli("run", str(path), *TARGET, "--dry-run")
    assert result.exit_code in {0, 1}
    assert not set("\x1b\x9b\u202e\x07") & set(result.output + result.stderr)


def test_a_key_in_a_heading_is_refused_without_being_shown(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"id,name,{LANGDOCK_KEY}\n{IDS[0]},a,b\n", "utf-8")
    for name in ("check", "run"):
        result = cli(name, str(path), *TARGET)
        assert result.exit_code == 2
        assert "The heading of column 3 holds your API key." in result.stderr
        assert LANGDOCK_KEY not in result.output
    assert not list((tmp_path / "batchupdate-runs").glob("2*"))


def test_a_dry_run_needs_no_key_and_says_in_json_what_it_would_send(
    cli: Cli, renames: Renames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANGDOCK_API_KEY")
    result = cli("run", str(renames(3, ("bad", "x"))), *TARGET, "--dry-run", "--json")
    data = json.loads(result.stdout)
    assert (data["rows"], data["to_send"], data["invalid"], data["exit_code"]) == (4, 3, 1, result.exit_code)


def test_a_live_run_is_shown_as_one(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path) -> None:
    url = batchupdate_sandbox().url
    cli("run", str(renames(2)), *TARGET, "--yes", "--rate", "unlimited", "--base-url", url)
    folder = RunFolder((tmp_path / "batchupdate-runs" / "latest").resolve())
    assert "worked on right now" not in cli("show").stderr
    with folder.lock():
        assert "worked on right now" in cli("show").stderr


@needs_unix
def test_ctrl_c_while_the_command_is_being_loaded_ends_in_a_sentence(tmp_path: Path) -> None:
    # Ctrl-C ends the child in the middle of its imports; it sleeps only if that failed.
    slow = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(10)\n"
    (tmp_path / "typer.py").write_text(slow, "utf-8")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command("check", "x.csv"),
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"Stopped on request. Nothing was sent.\n")
