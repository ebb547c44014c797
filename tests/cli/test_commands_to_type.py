"""Every command that a message shows works when it is typed as it stands, in the same folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

NOBODY = ("00000000-0000-4000-8000-000000000000", "Nobody")
GONE = [(NOBODY[0][:-2] + str(number), "Nobody") for number in range(10, 20)]
RUNS_DIRS = ("batchupdate-runs", "runs", "the runs of ours")


def commands_in(result: Result) -> list[str]:
    """The commands that a result shows, each as the rest of its line."""
    found = re.findall(r"(?:^ *|: )(batchupdate \S.*?)(?:; or .*|\.)?$", result.stdout + result.stderr, re.MULTILINE)
    return list(dict.fromkeys(found))


def typed(cli: Cli, command: str, *more: str) -> Result:
    """Types a command."""
    return cli(*shlex.split(command)[1:], *more)


@pytest.fixture
def run(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> Callable[..., Result]:
    """Runs some renames, of which one record is not there."""
    sandbox = batchupdate_sandbox()
    where = ("-t", "langdock-integration", "--base-url", sandbox.url, "--rate", "unlimited", "--yes")

    def call(*more: str, rows: tuple[tuple[str, str], ...] = (NOBODY,)) -> Result:
        return cli("run", str(renames(2, *rows).name), *where, *more)

    return call


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
@pytest.mark.parametrize("inbox", [False, True])
def test_retry_is_suggested_with_a_name_by_which_it_finds_its_run(
    cli: Cli, run: Callable[..., Result], *, runs_dir: str, inbox: bool
) -> None:
    Path("ours.yaml").write_text(f"runs_dir: {runs_dir}\n")
    result = run("--config", "ours.yaml", *(("--archive", "done", "--failed", "failed") if inbox else ()))
    [command] = [one for one in commands_in(result) if one.startswith("batchupdate retry")]
    again = typed(cli, command, "--dry-run")
    assert again.exit_code == 0, again.stderr
    assert "1 of its rows is to be sent again." in again.stderr


@pytest.fixture
def finished(run: Callable[..., Result]) -> Callable[[str], Path]:
    """Makes a run in a runs folder, and returns its own."""

    def call(runs_dir: str) -> Path:
        run("--runs-dir", runs_dir)
        [folder] = Path(runs_dir).glob("2*")
        return folder

    return call


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_what_became_of_rows_sent_again_is_shown_by_the_command_for_it(
    cli: Cli, finished: Callable[[str], Path], runs_dir: str
) -> None:
    folder = finished(runs_dir)
    [retry] = [one for one in commands_in(cli("show", str(folder))) if " retry " in one]
    assert typed(cli, retry, "--yes").exit_code == 1
    [command] = commands_in(cli("show", str(folder)))
    shown = typed(cli, command)
    assert shown.exit_code == 0, shown.stderr
    assert "404 integration not found" in shown.stdout


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_a_refusal_names_a_run_by_which_it_is_found(cli: Cli, finished: Callable[[str], Path], runs_dir: str) -> None:
    [command] = commands_in(cli("retry", str(finished(runs_dir)), "--status", "500", "--yes"))
    assert typed(cli, command).exit_code == 0


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_a_damaged_journal_is_saved_by_the_command_for_it(
    cli: Cli, finished: Callable[[str], Path], runs_dir: str
) -> None:
    folder = finished(runs_dir)
    with (folder / "journal.sqlite3").open("r+b") as file:
        file.seek(4096)
        file.write(b"x" * 20_000)
    [command] = commands_in(cli("resume", str(folder)))
    assert command.startswith("batchupdate report --recover ")
    assert "There is no run" not in typed(cli, command).stderr


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_an_unfinished_run_is_resumed_by_the_commands_for_it(
    cli: Cli, run: Callable[..., Result], runs_dir: str
) -> None:
    stopped = run("--runs-dir", runs_dir, "--max-failures", "1", "--concurrency", "1", rows=(*GONE,))
    [first] = [one for one in commands_in(stopped) if one.startswith("batchupdate resume ")]
    later = run("--runs-dir", runs_dir, rows=(NOBODY, *GONE))
    assert later.exit_code == 1
    assert first in commands_in(later)
    assert typed(cli, first, "--max-failures", "90%").exit_code == 1


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_a_run_named_by_id_or_path_is_called_the_same_in_commands_as_by_the_run_itself(
    cli: Cli, finished: Callable[[str], Path], runs_dir: str
) -> None:
    folder = finished(runs_dir)
    for name in (folder.name, folder.name[:15], str(folder), str(folder.resolve()), "latest"):
        [command] = [one for one in commands_in(cli("show", name, "--runs-dir", runs_dir)) if " retry " in one]
        assert command == f"batchupdate retry {folder.name if runs_dir == RUNS_DIRS[0] else shlex.quote(str(folder))}"


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_a_run_that_is_not_there_is_looked_for_by_the_command_for_it(
    cli: Cli, finished: Callable[[str], Path], runs_dir: str
) -> None:
    folder = finished(runs_dir)
    [command] = commands_in(cli("show", "another", "--runs-dir", runs_dir))
    assert folder.name in typed(cli, command).stdout


@pytest.mark.parametrize("runs_dir", RUNS_DIRS)
def test_a_run_that_is_taken_for_a_plan_is_shown_by_the_command_for_it(
    cli: Cli, finished: Callable[[str], Path], runs_dir: str
) -> None:
    folder = finished(runs_dir)
    [command] = commands_in(cli("run", "--plan", folder.name, "--runs-dir", runs_dir))
    assert folder.name in typed(cli, command).stdout
