from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from batchupdate.cli import app
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

COMMANDS = ["demo", "check", "run", "runs", "show", "report", "targets", "sandbox"]


def test_help_lists_every_command(cli: Cli) -> None:
    result = cli("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert re.search(rf"^\s+{command} ", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text_with_an_example(cli: Cli, command: str) -> None:
    result = cli(command, "--help") if command != "targets" else cli("targets", "list", "--help")
    assert result.exit_code == 0
    assert f"batchupdate {command}" in result.stdout


def test_help_imports_nothing_slow() -> None:
    slow = {"asyncio", "pydantic_core", "aiohttp", "jinja2", "pandas", "structlog", "python_calamine", "yaml"}
    program = f"import sys\nimport batchupdate.cli\nprint({slow} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_check_imports_nothing_that_only_sending_needs(renames: Renames) -> None:
    slow = {"aiohttp", "uvloop", "winloop", "structlog", "jinja2", "pandas", "python_calamine", "xlsxwriter"}
    program = (
        "import sys, typer\nfrom batchupdate.cli import app\n"
        f"sys.argv = ['batchupdate', 'check', {str(renames(3))!r}, '--target', 'langdock-integration']\n"
        f"try:\n    app()\nfinally:\n    print({slow} & set(sys.modules), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stderr.strip().endswith("set()")


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"batchupdate {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        (["run", "in.csv", "--force"], []),
        (["check", "in.csv", "--trget", "x"], ["--target"]),
        (["pull", "x", "--sheet", "a"], []),
        (["runs", "prune", "--older", "3d"], ["--older-than"]),
    ],
)
def test_only_an_option_that_was_slipped_on_is_proposed(cli: Cli, typed: list[str], proposed: list[str]) -> None:
    result = cli(*typed)
    assert result.exit_code == 2
    (said,) = [line for line in result.stderr.splitlines() if "No such option" in line]
    assert re.findall(r"--[a-z-]+", said)[1:] == proposed


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("run in.csv --target lang", "langdock-integration"),
        ("targets show nairi-l", "nairi-llm-integration"),
        ("pull lang", "langdock-integration"),
        ("show lat", "latest"),
        ("retry --runs-dir elsewhere 2026", "20261121-184500-renames-7f3a"),
        ("retry latest --outcome f", "failed"),
        ("run in.csv --hidden-rows sk", "skip"),
        ("pull lang --format j", "jsonl"),
        ("sandbox --headers re", "retry-after"),
    ],
)
def test_the_shell_completes_targets_runs_and_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, completed: str
) -> None:
    run = tmp_path / "elsewhere" / "20261121-184500-renames-7f3a"
    run.mkdir(parents=True)
    (run / "journal.sqlite3").touch()
    monkeypatch.setenv("_BATCHUPDATE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"batchupdate {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    assert CliRunner().invoke(app, [], prog_name="batchupdate").stdout.split() == [completed]


def test_shell_completion_can_be_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))  # a test may have no shell above it
    shown = cli("--show-completion")
    assert shown.exit_code == 0
    assert "complete -o default -F" in shown.stdout
    assert "--install-completion" in cli("--help").stdout
