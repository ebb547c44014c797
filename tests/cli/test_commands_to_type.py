"""Every command that a message shows works when it is typed as it stands, in the same folder."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from workbooks import book

from batchupdate.sandbox import make_records

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
TOO_LONG = (make_records().langdock[5].id, "x" * 50)
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


# Rows to correct.


def correct(path: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Edits every row of a CSV file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def shorten(row: dict[str, str]) -> None:
    row["Label"] = row["Label"][:9]


@pytest.mark.parametrize("by_config", [False, True])
@pytest.mark.parametrize("planned", [False, True])
def test_a_corrected_failed_csv_is_run_by_the_command_for_it(
    cli: Cli, batchupdate_sandbox: Sandboxes, *, by_config: bool, planned: bool
) -> None:
    url = batchupdate_sandbox().url
    Path("in.csv").write_text(f"id,Label\n{TOO_LONG[0]},{TOO_LONG[1]}\n{make_records().langdock[0].id},A\n", "utf-8")
    options = ["--target", "langdock-integration", "--base-url", url, "--map", "Label=name"]
    if by_config:
        Path("our own.yaml").write_text(
            f"target: langdock-integration\nbase_url: {url}\ninput: {{columns: {{Label: name}}}}\nruns_dir: runs\n"
        )
        options = ["--config", "our own.yaml"]
    if planned:
        [command] = commands_in(cli("plan", "in.csv", *options))
        result = typed(cli, command, "--yes", *(options if by_config else []))
    else:
        result = cli("run", "in.csv", *options, "--yes")
    [command] = commands_in(result)
    assert "To send 1 invalid row, correct it in failed.csv and run that:" in result.stdout
    assert command.startswith("batchupdate run ")
    correct(Path(shlex.split(command)[2]), shorten)
    again = typed(cli, command, "--yes")
    assert again.exit_code == 0, again.output
    assert "updated      1" in again.stdout


@pytest.fixture
def pulled(cli: Cli, batchupdate_sandbox: Sandboxes) -> Callable[..., Result]:
    """Runs a pulled sheet with three edits, after somebody else has changed two of the records."""
    sandbox = batchupdate_sandbox()
    where = ("-t", "langdock-integration", "--base-url", sandbox.url)
    records = [record.id for record in make_records().langdock[:3]]

    def rename(row: dict[str, str]) -> None:
        if row["integrationId"] in records:
            row["name"] = f"Mine {records.index(row['integrationId'])}"

    def call(*more: tuple[str, str], options: tuple[str, ...] = ()) -> Result:
        assert cli("pull", "langdock-integration", "-o", "sheet.csv", "--base-url", sandbox.url).exit_code == 0
        correct(Path("sheet.csv"), rename)
        with Path("sheet.csv").open("a", encoding="utf-8") as file:
            file.writelines(f"{record},{name},,,,,,,\n" for record, name in more)
        Path("other.csv").write_text(f"id,name\n{records[0]},Theirs 0\n{records[1]},Theirs 1\n", "utf-8")
        assert cli("run", "other.csv", *where, "--yes").exit_code == 0
        return cli("run", "sheet.csv", *where, "--yes", "--rate", "unlimited", *options)

    return call


@pytest.mark.parametrize("diff", ["auto", "never"])
def test_for_conflicts_of_a_pulled_sheet_no_retry_is_suggested_but_what_helps(
    cli: Cli, pulled: Callable[..., Result], diff: str
) -> None:
    result = pulled(options=("--diff", diff))
    assert "conflict       2" in result.stdout
    [command] = commands_in(result)
    said = "To send 2 conflicts, which no retry would change, pull the records again, or correct the old values in "
    assert f"{said}failed.csv and run that:" in " ".join(result.stdout.split())
    failed = Path(shlex.split(command)[2])
    assert said in (failed.parent / "report.html").read_text("utf-8")
    assert " retry " not in (failed.parent / "report.html").read_text("utf-8").replace("no retry would", "")

    def look_again(row: dict[str, str]) -> None:
        row["_old.name"] = row["name"].replace("Mine", "Theirs")

    assert typed(cli, command, "--yes").exit_code == 1, "as it is, it ends in the same"
    correct(failed, look_again)
    assert typed(cli, command, "--yes").exit_code == 0


def test_beside_such_conflicts_the_retry_leaves_them_out(cli: Cli, pulled: Callable[..., Result]) -> None:
    result = pulled(NOBODY)
    retry, run = commands_in(result)
    assert retry.endswith(" --outcome failed")
    assert "To send 1 row again as it is" in result.stdout
    assert "failed.csv and run that, with its 1 other row:" in " ".join(result.stdout.split())
    assert run.startswith("batchupdate run ")
    assert "1 of its rows is to be sent again." in typed(cli, retry, "--dry-run").stderr


def test_while_rows_are_left_nothing_else_is_to_be_run(run: Callable[..., Result]) -> None:
    stopped = run("--max-failures", "1", "--concurrency", "1", rows=(TOO_LONG, *GONE))
    [command] = commands_in(stopped)
    assert command.startswith("batchupdate resume ")
    assert "1 row invalid: correct it once the others are sent." in stopped.stdout
    assert "1 row invalid: correct it" in next(Path().glob("batchupdate-runs/2*/report.html")).read_text("utf-8")


# Problems to look at.


@pytest.mark.parametrize("options", [(), ("--sheet", "Our data", "--map", "What it is=name"), ("--config", "a b.yaml")])
def test_all_problems_are_shown_by_the_command_for_it(cli: Cli, options: tuple[str, ...]) -> None:
    Path("a b.yaml").write_text("target: nairi-llm-integration\n")
    name = "What it is" if "--sheet" in options else "name"
    Path("in put.xlsx").write_bytes(book(("Our data", [["id", name], *([f"bad {n}", "x"] for n in range(15))])))
    target = () if "--config" in options else ("-t", "langdock-integration")
    result = cli("run", "in put.xlsx", *target, *options, "--dry-run")
    [command] = commands_in(result)
    shown = typed(cli, command)
    assert "15 rows: 0 valid, 15 invalid." in shown.output
    in_csv, annotate = commands_in(shown)
    assert len(typed(cli, in_csv).stdout.splitlines()) == 16
    assert typed(cli, annotate).exit_code == 1
    assert Path("checked.xlsx").exists()
    assert typed(cli, commands_in(typed(cli, command))[1]).exit_code == 1
    assert Path("checked-2.xlsx").exists()


def test_what_came_from_standard_input_is_not_to_be_checked_again(cli: Cli) -> None:
    text = "id,name\n" + "bad,x\n" * 15
    result = cli("run", "-", "-t", "langdock-integration", "--dry-run", text=text)
    assert "… and 5 problems more." in result.stderr
    assert not commands_in(result)


def test_what_init_suggests_can_be_typed(cli: Cli) -> None:
    Path("in put.xlsx").write_bytes(book(("Data", [["id", "name"], *([f"bad {n}", "x"] for n in range(15))])))
    result = cli("init", "in put.xlsx", "-t", "langdock-integration")
    commands = commands_in(result)
    assert len(commands) == 3
    for command in commands:
        assert typed(cli, command).exit_code == 1, command
    assert Path("checked.xlsx").exists()


@pytest.mark.parametrize("target", [(), ("-t", "quickbooks")])
def test_targets_are_listed_by_the_command_for_it(cli: Cli, target: tuple[str, ...]) -> None:
    Path("in.csv").write_text("id,name\n1,A\n", "utf-8")
    [command] = re.findall("(?i)list (?:them|the others) with: (.*)", cli("run", "in.csv", *target).stderr)
    assert "langdock-integration" in typed(cli, command).stdout
