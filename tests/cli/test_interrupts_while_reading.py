"""Commands that get a signal while they read records: nothing further is read, and nothing is sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.sandbox import CONTACTS_KEY
from batchupdate.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Sandboxes = Callable[..., Sandbox]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

CONTACTS = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
LIST = ("GET", "/contacts")
HELD_S = 20.0
"""So long the API takes for a page of its list: whoever waits for it, or reads on, is found out."""

PAGED = """\
list:
  path: /contacts?limit=3
  records: contacts
  id: {id: id}
  pagination: {style: cursor, parameter: after, next: next}
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACTS_API_KEY", CONTACTS_KEY)


@contextmanager
def held(sandbox: Sandbox, after: int = 0) -> Iterator[None]:
    """Lets the API take its time for its list, but for the first so many requests for it."""
    meet, lists = sandbox.meet, count()

    def holding(call: Any, *args: Any, **more: Any) -> Any:
        fate = meet(call, *args, **more)
        slow = (call.method, call.path) == LIST and next(lists) >= after
        return replace(fate, fault=Fault(Kind.SLOW, HELD_S)) if slow else fate

    sandbox.meet = holding  # type: ignore[method-assign]
    yield
    sandbox.meet = meet  # type: ignore[method-assign]


def sheet(folder: Path, rows: int = 3) -> str:
    (folder / "in.csv").write_text("id,name\n" + "".join(f"c{n},New {n}\n" for n in range(1, rows + 1)), "utf-8")
    return "in.csv"


def stopped(
    folder: Path, sandbox: Sandbox, number: int, *words: str, pages: int = 0
) -> tuple[int, str, list[tuple[str, str]]]:
    """Sends a signal to a command while it waits for the list; its exit code, what it says, and what it asks for then.

    `pages` is how many pages of the list it gets before.
    """
    before = len(sandbox.requests)

    def asked() -> list[tuple[str, str]]:
        return [(one.method, one.path) for one in sandbox.requests[before:]]

    environ = {**os.environ, "CONTACTS_API_KEY": CONTACTS_KEY}
    command = [sys.executable, "-m", "batchupdate", *words]
    with (
        held(sandbox, pages),
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environ
        ) as process,
    ):
        deadline = time.monotonic() + 120
        while asked().count(LIST) <= pages and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        until_then, began = asked(), time.monotonic()
        process.send_signal(number)
        said, _ = process.communicate(timeout=120)
    assert until_then.count(LIST) == pages + 1, said
    assert time.monotonic() - began < HELD_S, "what changes nothing need not be waited for"
    return process.returncode, said, asked()[len(until_then) :]


@contextmanager
def killed_at(sandbox: Sandbox, folder: Path, *words: str) -> Iterator[None]:
    """Kills a command at its first request."""
    environ = {**os.environ, "CONTACTS_API_KEY": CONTACTS_KEY}
    with subprocess.Popen([sys.executable, "-m", "batchupdate", *words], cwd=folder, env=environ) as process:
        deadline = time.monotonic() + 120
        while not sandbox.requests and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    yield


def base(sandbox: Sandbox, target: Path = CONTACTS) -> tuple[str, ...]:
    return ("-t", str(target), "--base-url", sandbox.url, "--rate", "unlimited")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_while_rows_are_compared_by_the_list_ends_the_run_and_nothing_is_sent(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, number: int, code: int
) -> None:
    sandbox = batchupdate_sandbox()
    run = ("run", sheet(tmp_path), *base(sandbox), "--yes")
    got, said, after = stopped(tmp_path, sandbox, number, *run)
    assert (got, after) == (code, []), said
    assert "Stopped on request." in said
    assert "could not be compared" not in said
    assert not list((tmp_path / "batchupdate-runs").glob("2*")), "a run that has sent nothing leaves nothing behind"


def test_a_signal_while_a_later_page_is_read_ends_the_run_and_reads_no_further_page(
    batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    target, text = tmp_path / "paged.yaml", CONTACTS.read_text("utf-8")
    target.write_text(text[: text.index("list:")] + PAGED + text[text.index("\nrepeatable:") :], "utf-8")
    run = ("run", sheet(tmp_path, 12), *base(sandbox, target), "--yes", "--diff", "always")
    got, said, after = stopped(tmp_path, sandbox, signal.SIGTERM, *run, pages=1)
    assert (got, after) == (143, []), said
    assert [one.method for one in sandbox.requests] == ["GET", "GET"]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_while_a_plan_reads_the_list_ends_it(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, number: int, code: int
) -> None:
    sandbox = batchupdate_sandbox()
    plan = ("plan", sheet(tmp_path), *base(sandbox))
    got, said, after = stopped(tmp_path, sandbox, number, *plan)
    assert (got, after) == (code, []), said
    assert "Stopped on request." in said


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_while_verify_reads_the_list_ends_it(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path, number: int, code: int
) -> None:
    sandbox = batchupdate_sandbox()
    ran = cli("run", sheet(tmp_path), *base(sandbox), "--yes")
    assert ran.exit_code == 0, ran.output
    got, said, after = stopped(tmp_path, sandbox, number, "verify")
    assert (got, after) == (code, []), said
    assert not list((tmp_path / "batchupdate-runs").glob("*/verify.json"))


def test_a_signal_while_a_run_is_read_back_ends_it_and_resume_reads_back_what_is_left(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    run = ("run", sheet(tmp_path), *base(sandbox), "--yes", "--verify", "--diff", "never")
    got, said, after = stopped(tmp_path, sandbox, signal.SIGTERM, *run)
    assert (got, after) == (143, []), said
    assert "could not be read back: Stopped on request." in " ".join(said.split())
    resumed = cli("resume")
    assert resumed.exit_code == 0, resumed.output
    assert "not be read back" not in resumed.output
    assert [one.method for one in sandbox.requests] == ["POST", "GET", "GET"], "nothing is sent twice"


def test_a_signal_while_a_resumed_run_is_compared_sends_nothing_and_it_can_be_resumed_again(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    run = ("run", sheet(tmp_path), *base(sandbox), "--yes")
    with held(sandbox), killed_at(sandbox, tmp_path, *run):
        pass
    got, said, after = stopped(tmp_path, sandbox, signal.SIGTERM, "resume")
    assert (got, after) == (143, []), said
    resumed = cli("resume")
    assert (resumed.exit_code, len(sandbox.applied)) == (0, 3), resumed.output
