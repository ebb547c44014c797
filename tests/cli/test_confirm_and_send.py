"""The question before a run, on a terminal of 80 columns."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from whole_runs import KEYS, settings_for

from batchupdate.cli.confirm_and_send import send
from batchupdate.cli.console import Screen
from batchupdate.errors import Interrupted
from batchupdate.run import Stop, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from batchupdate.model import Progress
    from batchupdate.sandbox import Sandbox
    from batchupdate.sandbox.ledger import Seen

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind"),
]

STRANGER = "00000000-0000-4000-8000-000000000000"
PRODUCTION = "production: [127.0.0.1]\nconfirm_above: 3\n"


def changes(sandbox: Sandbox) -> list[Seen]:
    """The requests that were no reads."""
    return [request for request in sandbox.requests if request.method != "GET"]


def asked(folder: Path, command: list[str], *answers: tuple[str, str]) -> tuple[int, str]:
    """Runs a command on a terminal, gives an answer wherever a text ends what it shows; its exit code and the texts."""
    import fcntl  # noqa: PLC0415 - Windows has none
    import pty  # noqa: PLC0415 - as above
    import struct  # noqa: PLC0415 - as above
    import termios  # noqa: PLC0415 - as above

    main, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    whole = [sys.executable, "-m", "batchupdate", *command]
    left = list(answers)
    shown, deadline = b"", time.monotonic() + 120
    with subprocess.Popen(whole, cwd=folder, stdin=child, stdout=child, stderr=child, env=environ) as process:
        os.close(child)
        while time.monotonic() < deadline:
            ready, _, _ = select.select([main], [], [], 0.1)
            try:
                chunk = os.read(main, 65536) if ready else b""
            except OSError:  # the other end is closed: the command has ended
                break
            shown += chunk
            if left and left[0][0].encode() in shown.replace(b"\r\n", b" "):
                os.write(main, left.pop(0)[1].encode() + b"\r")
            if ready and not chunk:
                break
        code = process.wait(timeout=120)
    os.close(main)
    assert not left, f"never asked: {left}\n{shown.decode()}"
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return code, "\n".join(line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n"))


def run(path: Path, sandbox: Sandbox, *more: str) -> list[str]:
    return ["run", path.name, "-t", "langdock-integration", "--base-url", sandbox.url, "--rate", "20/s", *more]


def test_the_question_names_host_rows_fields_clears_time_and_three_examples_in_80_columns(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames
) -> None:
    sandbox = batchupdate_sandbox()
    path = renames(6)
    lines = path.read_text("utf-8").splitlines()
    path.write_text(
        "id,name,description\n"
        + "".join(f"{line},{['', '<empty>', 'x' * 90][n % 3]}\n" for n, line in enumerate(lines[1:]))
    )
    code, shown = asked(tmp_path, run(path, sandbox), ("Go ahead?", "n"))
    assert code == 0
    assert "Sets name in 6 rows and description in 4." in shown
    assert "2 cells will clear a field: description 2." in shown
    assert "At 20/s this takes about 0.3 s." in shown
    assert "Send 6 rows to 127.0.0.1. Go ahead? [y/N]:" in shown
    assert "Nothing was sent." in shown
    assert len(re.findall(r"^  row \d+: ", shown, re.MULTILINE)) == 3
    assert f"{'x' * 58}…" in shown
    assert max(map(len, shown.split("\n"))) <= 80, shown
    assert changes(sandbox) == []


@pytest.mark.parametrize(
    ("rows", "answer", "sent"), [(4, "127.0.0.1", 4), (4, "y", 0), (4, "api.langdock.com", 0), (3, "y", 3)]
)
def test_many_rows_go_to_production_only_if_its_name_is_typed(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames, rows: int, answer: str, sent: int
) -> None:
    sandbox = batchupdate_sandbox()
    (tmp_path / "c.yaml").write_text(PRODUCTION, "utf-8")
    question = "type the host's name" if rows > 3 else "Go ahead?"
    code, shown = asked(tmp_path, run(renames(rows), sandbox, "-c", "c.yaml"), (question, answer))
    assert (code, len(changes(sandbox))) == (0, sent), shown
    if not sent:
        assert "That is not the host's name, which is 127.0.0.1." in shown
        assert "Nothing was sent." in shown
        assert not list((tmp_path / "batchupdate-runs").glob("2*"))


def test_yes_asks_nothing_on_a_terminal_and_for_production_neither(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames
) -> None:
    sandbox = batchupdate_sandbox()
    (tmp_path / "c.yaml").write_text(PRODUCTION, "utf-8")
    code, shown = asked(tmp_path, run(renames(5), sandbox, "-c", "c.yaml", "--yes", "--canary", "2"))
    assert (code, len(changes(sandbox))) == (0, 5), shown


@pytest.mark.parametrize(("answer", "code", "sent"), [("y", 1, 8), ("n", 3, 3)])
def test_after_a_canary_its_results_are_shown_and_a_person_decides(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames, answer: str, code: int, sent: int
) -> None:
    sandbox = batchupdate_sandbox()
    path = renames(1, (STRANGER, "Who?"), *((line.split(",")[0], "New") for line in lines_of(renames(7, name="b.csv"))))
    path.write_text("\n".join(dict.fromkeys(path.read_text("utf-8").splitlines())) + "\n", "utf-8")
    command = run(path, sandbox, "--canary", "3", "--on-duplicate", "last")
    got, shown = asked(tmp_path, command, ("Go ahead?", "y"), ("Go on with the other", answer))
    assert (got, len(changes(sandbox))) == (code, sent), shown
    assert "The first 3 rows go out alone, as a canary." in shown
    assert "The canary of 3 rows: 1 failed, 2 updated." in shown
    assert "  1 × 404 integration not found, row 3: check the ids" in shown  # noqa: RUF001
    if answer == "n":
        assert "--canary-max-failures 1" in shown
        resumed, _ = asked(tmp_path, ["resume"], ("Go on with the other", "y"))
        assert (resumed, len(changes(sandbox))) == (1, 8)


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()[2:]


def test_many_more_rows_than_usual_are_named_in_the_question_and_refused_without_one(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames, cli: Cli
) -> None:
    sandbox = batchupdate_sandbox()
    for night in range(3):
        assert cli(*run(renames(2 + night, name="nightly.csv"), sandbox), "--yes", "--diff", "never").exit_code == 0
    unknown = [(f"00000000-0000-4000-8000-{n:012}", "x") for n in range(120)]
    path = renames(3, *unknown, name="nightly.csv")
    refused = cli(*run(path, sandbox), "--diff", "never", "--yes")
    assert refused.exit_code == 2
    assert "Usually about 3 rows are sent; today 123." in refused.stderr
    assert "--yes-really" in refused.stderr
    _, shown = asked(tmp_path, [*run(path, sandbox), "--diff", "never"], ("Go ahead?", "n"))
    assert "  Usually about 3 rows are sent; today 123.\nSend 123 rows to 127.0.0.1. Go ahead?" in shown
    assert len(changes(sandbox)) == 2 + 3 + 4
    assert cli(*run(path, sandbox), "--diff", "never", "--yes-really", "--dry-run").exit_code == 0
    assert (
        cli(*[*run(path, sandbox), "--diff", "never"], "--yes-really", "--limit", "3", "--max-rows", "2").exit_code == 0
    )
    assert len(changes(sandbox)) == 2 + 3 + 4 + 3


def test_retry_asks_with_host_and_fields_as_run_does(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames, cli: Cli
) -> None:
    sandbox = batchupdate_sandbox()
    assert cli(*run(renames(1, (STRANGER, "Who?")), sandbox), "--yes").exit_code == 1
    code, shown = asked(tmp_path, ["retry", "latest"], ("Go ahead?", "n"))
    assert code == 0
    assert "  Sets name in 1 row.\n" in shown
    assert "Send 1 row to 127.0.0.1. Go ahead? [y/N]:" in shown


class _StopsAfterCanary(Screen):
    """A screen before which somebody presses Ctrl-C while the results of the canary are written."""

    stop = Stop()

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None]]:
        def show(progress: Progress) -> None:
            if progress.stage == "reporting":
                self.stop.request(signal.SIGINT)

        yield show


def test_after_a_ctrl_c_nobody_is_asked_whether_the_run_goes_on_after_its_canary(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, renames: Renames
) -> None:
    sandbox = batchupdate_sandbox()
    settings = settings_for(sandbox, tmp_path, canary=2)
    screen = _StopsAfterCanary(quiet=True)
    with (
        prepare(str(renames(5)), settings, environ=KEYS) as job,
        pytest.raises(Interrupted, match="after the canary; to resume: batchupdate resume") as ended,
    ):
        send(job, screen, screen.stop, asks=True)
    assert (ended.value.exit_code, len(changes(sandbox))) == (130, 2)
