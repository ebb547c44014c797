from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import RunLocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

CONFIG = """\
target: langdock-integration
notify:
  to: [{env: HOOK}]
  health: {env: HEALTH_URL}
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """The paths and bodies of all that is told, to a server of this machine; `nightly.yaml` says so."""
    got: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "nightly.yaml").write_text(CONFIG, encoding="utf-8")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HOOK", f"json://127.0.0.1:{server.server_port}/hook")
        monkeypatch.setenv("HEALTH_URL", f"http://127.0.0.1:{server.server_port}/ping")
        yield got
        server.shutdown()


def titles(told: list[tuple[str, str]]) -> list[str]:
    return [json.loads(body)["title"] for path, body in told if path.startswith("/hook")]


@pytest.mark.slow
def test_a_nightly_file_that_is_missing_is_told(cli: Cli, told: list[tuple[str, str]]) -> None:
    result = cli("run", "nightly.csv", "--config", "nightly.yaml", "--yes", "--quiet")
    assert result.exit_code == 2
    assert titles(told) == ["batchupdate: nightly.csv: failed (exit code 2)"]
    assert [path for path, _ in told if path.startswith("/ping")] == ["/ping/fail"]
    assert "nightly.csv" in told[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("more", [("--dry-run",), ()], ids=["dry run", "no --yes"])
def test_what_only_looks_or_needs_an_answer_is_told_only_if_nobody_can_give_one(
    cli: Cli, renames: Renames, told: list[tuple[str, str]], more: tuple[str, ...]
) -> None:
    result = cli("run", str(renames(1)), "--config", "nightly.yaml", "--diff", "never", *more)
    assert (result.exit_code, titles(told)) == ((0, []) if more else (2, titles(told)))
    assert bool(titles(told)) is not bool(more)


@pytest.mark.slow
def test_a_run_that_did_not_begin_twice_is_told_each_time_and_one_that_did_by_itself(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, told: list[tuple[str, str]]
) -> None:
    sandbox = batchupdate_sandbox()
    run = ("run", str(renames(2)), "--config", "nightly.yaml", "--yes", "--base-url", sandbox.url)
    assert cli(*run, "--max-rows", "1").exit_code == 2
    assert cli(*run).exit_code == 0
    assert titles(told) == [f"batchupdate: {run[1]}: failed (exit code 2)"]
    assert [path for path, _ in told if path.startswith("/ping")] == ["/ping/fail", "/ping/start", "/ping"]


@pytest.mark.slow
def test_a_run_that_another_one_keeps_from_beginning_raises_no_alarm(
    cli: Cli, renames: Renames, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise RunLocked("Another process is working on it.")

    monkeypatch.setattr("batchupdate.run.prepare", locked)
    assert cli("run", str(renames(1)), "--config", "nightly.yaml", "--yes").exit_code == 4
    assert len(titles(told)) == 1
    assert [path for path, _ in told if path.startswith("/ping")] == []


@pytest.mark.slow
def test_a_bug_is_told_as_one(
    cli: Cli, renames: Renames, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("batchupdate.run.prepare", broken)
    assert cli("run", str(renames(1)), "--config", "nightly.yaml", "--yes").exit_code == 70
    (title,) = titles(told)
    assert title.endswith("failed (exit code 70)")


@pytest.mark.slow
def test_a_refusal_that_can_not_be_told_keeps_its_exit_code(
    cli: Cli, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_URL", "http://127.0.0.1:1/nobody")
    result = cli("run", "nightly.csv", "--config", "nightly.yaml", "--yes", "--quiet")
    assert result.exit_code == 2
    assert "The health check could not be pinged" in result.stderr
    assert len(titles(told)) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("told")
def test_a_message_that_can_not_be_delivered_is_said_even_where_all_rows_succeeded_quietly(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_URL", "http://127.0.0.1:1/nobody")
    where = ("--config", "nightly.yaml", "--base-url", batchupdate_sandbox().url)
    result = cli("run", str(renames(1)), *where, "--yes", "--quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "The health check could not be pinged" in result.stderr


def test_without_the_extra_a_channel_is_a_sentence(
    cli: Cli, renames: Renames, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    result = cli("run", str(renames(1)), "--config", "nightly.yaml", "--yes")
    assert result.exit_code == 2
    assert "pip install 'batchupdate[notify]'" in result.stderr
    assert told == []
