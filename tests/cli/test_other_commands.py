from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from batchupdate.cli.units import size, span
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
    slow = {"pydantic", "aiohttp", "pandas", "structlog", "python_calamine", "yaml"}
    program = f"import sys\nimport batchupdate.cli\nprint({slow} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"batchupdate {__version__}\n"


def test_shell_completion_can_be_shown(cli: Cli) -> None:
    result = cli("--show-completion", "bash")
    assert result.exit_code in {0, 2}
    assert "--install-completion" in cli("--help").stdout


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


def test_show_and_report_work_from_the_journal_alone(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    cli("run", str(renames(2)), "-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url", sandbox.url)
    folder = (tmp_path / "batchupdate-runs" / "latest").resolve()
    before = {name: (folder / name).read_bytes() for name in ("results.csv", "failed.csv", "summary.json")}
    for name in before:
        (folder / name).unlink()
    (tmp_path / "renames.csv").unlink()
    assert "updated" in cli("show").stdout
    assert cli("report", str(folder)).exit_code == 0
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert json.loads(cli("show", folder.name, "--json").stdout) == json.loads(before["summary.json"])


def test_targets_lists_and_shows(cli: Cli) -> None:
    assert "langdock-integration" in cli("targets").stdout
    assert json.loads(cli("targets", "list", "--json").stdout)["targets"][1]["name"] == "nairi-llm-integration"
    shown = cli("targets", "show", "langdock-integration").stdout
    assert "at most 40 characters" in shown
    assert "LANGDOCK_API_KEY" in shown
    assert json.loads(cli("targets", "show", "nairi-llm-integration", "--json").stdout)["method"] == "PATCH"


def test_targets_shows_a_target_of_the_users_own(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\npath: /things/{id}\nauth: {scheme: none}\nid: {id: {pattern: '^t_'}}\n"
        "fields: {size: {enum: [S, M], description: The size}, note: {pattern: '^x'}}\n",
        "utf-8",
    )
    shown = cli("targets", "show", "mine.yaml").stdout
    assert "one of: S, M" in shown
    assert "give --base-url" in shown
    assert "is never sent again" in shown


def test_targets_shows_with_which_headings_nested_fields_and_lists_are_set(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\npath: /things/{id}\nauth: {scheme: none}\nid: {id: {}}\n"
        "fields: {p.labels: {type: list, items: {max_length: 9}, min_items: 1, max_items: 5}, 'a\\.b.c': {}, "
        "n: {type: list, items: {type: integer, maximum: 9}}, x: {type: json, json_type: object}, y: {type: list}}\n",
        "utf-8",
    )
    shown = cli("targets", "show", "mine.yaml").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert (
        "p.labels a list of strings separated by ',', each at most 9 characters, at least 1 item, at most 5 items"
        in lines
    )
    assert "n a list of integers separated by ',', each at most 9, or <empty>" in lines
    assert "y a list of strings separated by ',', or <empty>" in lines
    assert r"a\.b.c text, or <empty>" in lines
    assert "x a JSON object" in lines
    assert 'A dot leads into an object: the column p.labels sets {"p": {"labels": …}}.' in lines
    assert r"A backslash before a dot means the dot itself: a\.b.c." in lines
    assert "A list has one column, p.labels, or one for each item: p.labels[0], p.labels[1] and so on." in lines
    assert "dot leads" not in cli("targets", "show", "langdock-integration").stdout


def test_demo_applies_the_samples_to_both_targets(cli: Cli, tmp_path: Path) -> None:
    result = cli("demo")
    assert result.exit_code == 0, result.output
    assert "langdock-renames.csv → langdock-integration" in result.stdout
    assert "nairi-renames.xlsx → nairi-llm-integration" in result.stdout
    assert len(list((tmp_path / "batchupdate-runs").glob("2*"))) == 2


def test_sandbox_serves_until_it_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "batchupdate", "sandbox", "--port", "0", "--limit", "5/s"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/_sandbox/counts") as reply:  # noqa: S310 - loopback
            assert json.load(reply)["requests"] == 0
        child.terminate()
        child.communicate(timeout=10)


def test_a_port_that_is_taken_is_a_sentence(cli: Cli, batchupdate_sandbox: Sandboxes) -> None:
    port = batchupdate_sandbox().url.rpartition(":")[2]
    result = cli("sandbox", "--port", port)
    assert result.exit_code == 2
    assert "Choose another --port." in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7325, "2 h 02 min")],
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_size_reads_as_people_say_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 999)
    assert size(tmp_path) == "999 B"
    (tmp_path / "b").write_bytes(b"x" * 1_500_000)
    assert size(tmp_path) == "2 MB"
