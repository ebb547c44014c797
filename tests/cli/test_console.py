from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import typer

from batchupdate import Settings
from batchupdate.cli import console
from batchupdate.config import Secrets, key_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.sandbox import Sandbox


def in_a_terminal(command: list[str], folder: Path, answer: str, until: bytes) -> tuple[int, str]:
    """Runs a command on a terminal of its own, answers its question, and returns its exit code and what it showed."""
    import pty  # noqa: PLC0415 - Windows has none

    main, child = pty.openpty()
    with subprocess.Popen(command, cwd=folder, stdin=child, stdout=child, stderr=child, close_fds=True) as process:
        os.close(child)
        shown, deadline, answered = b"", time.monotonic() + 120, False
        while time.monotonic() < deadline:
            ready, _, _ = select.select([main], [], [], 0.1)
            try:
                chunk = os.read(main, 65536) if ready else b""
            except OSError:  # the other end is closed: the command has ended
                break
            shown += chunk
            if not answered and until in shown:
                os.write(main, answer.encode())
                answered = True
            if ready and not chunk:
                break
        code = process.wait(timeout=120)
    os.close(main)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode("utf-8", "replace"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.parametrize(("answer", "code", "applied"), [("y\r", 0, 3), ("n\r", 0, 0)])
def test_on_a_terminal_run_asks_before_it_sends(
    renames: Callable[..., Path],
    batchupdate_sandbox: Callable[..., Sandbox],
    tmp_path: Path,
    answer: str,
    code: int,
    applied: int,
) -> None:
    sandbox = batchupdate_sandbox()
    command = [
        sys.executable, "-m", "batchupdate", "run", str(renames(3)), "-t", "langdock-integration", "--base-url",
        sandbox.url, "--rate", "20/s",
    ]  # fmt: skip
    got, shown = in_a_terminal(command, tmp_path, answer, b"Go ahead?")
    assert got == code, shown
    assert "3 rows: 3 to send." in shown
    assert "At 20/s this takes about 0.1 s." in shown
    assert len(sandbox.applied) == applied
    assert ("updated" in shown) == bool(applied)
    if not applied:
        assert "Nothing was sent." in shown
        assert not list((tmp_path / "batchupdate-runs").glob("2*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_an_input_that_was_just_sent_is_named_in_the_question_and_refused_where_nobody_is_asked(
    renames: Callable[..., Path], batchupdate_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    built_in = resources.files("batchupdate.targets").joinpath("langdock-integration.yaml").read_text("utf-8")
    (tmp_path / "once.yaml").write_text(built_in.replace("repeatable: true", "repeatable: false"), "utf-8")
    sandbox = batchupdate_sandbox()
    command = [
        sys.executable, "-m", "batchupdate", "run", str(renames(3)), "-t", "once.yaml", "--base-url", sandbox.url,
        "--rate", "20/s", "--diff", "never",
    ]  # fmt: skip
    assert subprocess.run([*command, "--yes", "-q"], cwd=tmp_path, check=False).returncode == 0
    refused = subprocess.run([*command, "--yes"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "has sent this file, and ended less than a minute ago" in " ".join(refused.stderr.split())
    _, shown = in_a_terminal(command, tmp_path, "n\r", b"Go ahead?")
    assert "This is a new run, and sends all rows again." in " ".join(shown.split())
    assert len(sandbox.applied) == 3
    assert subprocess.run([*command, "--yes", "-q", "--new"], cwd=tmp_path, check=False).returncode == 0
    assert len(sandbox.applied) == 6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes of this kind")
def test_a_reader_that_goes_away_is_no_error(renames: Callable[..., Path], tmp_path: Path) -> None:
    bad = [("bad", "x" * 30)] * 5000
    command = [sys.executable, "-m", "batchupdate", "check", str(renames(0, *bad)), "-t", "langdock-integration"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr is not None
        assert b"Traceback" not in child.stderr.read()


def test_ctrl_c_while_reading_ends_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    @console.reports_errors
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130
    assert "Nothing was sent." in capsys.readouterr().err


def test_details_of_a_bug_are_shown_if_no_file_can_keep_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder is wanted", "utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        assert "ZeroDivisionError" in console._keep_details()


def test_details_of_a_bug_hold_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    Secrets([key_source("A_KEY", Settings(), {"A_KEY": "sk-a/very+secret-one"}).read()])
    try:
        raise ValueError(f"bad header: Bearer {quote('sk-a/very+secret-one', safe='')}")  # noqa: TRY301 - to be caught
    except ValueError:
        place = Path(console._keep_details())
    details = place.read_text("utf-8")
    assert "ValueError: bad header: Bearer [redacted]" in details
    assert "very" not in details


@pytest.mark.parametrize("width", [40, 80])
def test_on_a_terminal_messages_wrap_at_words_with_a_hanging_indent(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    path = "/a/very/long/path/that/can/not/be/folded/without/becoming/useless/to/whom/it/may/concern.csv"
    console.Screen().say(f"  A sentence about {path} and what to do with it, in quite a number of words that go on.")
    lines = capsys.readouterr().err.splitlines()
    assert path in {line.strip() for line in lines}
    assert all(len(line) <= width or line.strip() == path for line in lines)
    assert lines[0].startswith("  A")
    assert all(line.startswith("    ") for line in lines[1:])


def test_a_command_at_the_end_of_a_message_stays_in_one_piece_so_that_it_can_be_copied(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    command = "batchupdate retry 20261121-184500-renames-7f3a"
    console.Screen().say(f"Again: {command}")
    console.Screen().say(f"To send 2 rows again: {command}")
    assert capsys.readouterr().err.splitlines() == [f"Again: {command}", "To send 2 rows again:", f"  {command}"]
    console.Screen().say(f"To send 2 rows again: {command} --status 404,5xx")  # wider than the terminal
    assert capsys.readouterr().err.splitlines() == ["To send 2 rows again:", f"  {command} --status 404,5xx"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Resume it, with its rows as they were, with: ", "; or send all rows, those 2 once more, with --new."),
        ("To go on with it: ", "; to take back what it has restored: batchupdate undo '/srv/our runs; old/1' --force"),
        ("While it was at work, this run was changed with: ", ". Add that here to keep it."),
        ("  A_KEY=sk-1 B_KEY=sk-2 ", ""),
        ("    ", ""),
    ],
)
@pytest.mark.parametrize("width", [20, 40, 60, 80, 100])
def test_a_command_is_not_broken_wherever_in_a_message_it_stands(
    before: str, after: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    command = "batchupdate resume '/srv/runs; of all/20261121-184500-a-rather-long-name-7f3a' --rate 2/s"
    console.Screen().say(f"{before}{command}{after}")
    shown = capsys.readouterr().err
    assert " ".join(shown.split()) == f"{before}{command}{after}".strip()
    [line] = [one for one in shown.splitlines() if command in one]
    assert len(line) <= width or line.strip().removesuffix("; or").startswith(("batchupdate resume", "A_KEY"))
    assert "undo" not in after or any(
        line.endswith("undo '/srv/our runs; old/1' --force") for line in shown.splitlines()
    )


def test_at_80_columns_the_ids_of_runs_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    run = "20261121-184500-a-rather-long-name-and-3-more-7f3a"
    row = (
        run,
        "nairi-llm-integration",
        "2,000,000",
        "1,999,999",
        "finished, 1 row did not succeed",
        "3 days",
        "1.2 GB",
    )
    console.Screen().table(("run", "target", "rows", "succeeded", "state", "age", "size"), [row])
    assert run in capsys.readouterr().out
