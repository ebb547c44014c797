from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
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


@pytest.mark.slow
def test_sandbox_serves_until_it_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "batchupdate", "sandbox", "--port", "0", "--limit", "5/s"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/_sandbox/counts") as reply:  # noqa: S310 - loopback
            assert json.load(reply)["requests"] == 0
        child.terminate()
        child.communicate(timeout=120)


@pytest.mark.slow
def test_each_command_that_sandbox_suggests_is_one_line_however_narrow_the_terminal_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    command = [sys.executable, "-u", "-m", "batchupdate", "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        url = child.stdout.readline().split()[-1]
        lines = [child.stderr.readline() for _ in range(3)]
        child.terminate()
        child.communicate(timeout=120)
    assert all(" batchupdate " in line and line.endswith(f" --base-url {url}\n") for line in lines)


def test_a_port_that_is_taken_is_a_sentence(cli: Cli, batchupdate_sandbox: Sandboxes) -> None:
    port = batchupdate_sandbox().url.rpartition(":")[2]
    result = cli("sandbox", "--port", port)
    assert result.exit_code == 2
    assert "Choose another --port." in result.stderr
