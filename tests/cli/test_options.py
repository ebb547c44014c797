"""Options that several commands have: conditions, strictness, several files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchupdate.sandbox import Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Cli = Callable[..., Result]
    Sandboxes = Callable[..., Sandbox]
    Renames = Callable[..., Path]

pytestmark = pytest.mark.slow

IDS = [record.id for record in make_records().langdock]


TARGET = ("--target", "langdock-integration")


ROWS = [("update", "EMEA"), ("keep", "EMEA"), ("UPDATE", "apac"), ("update", "AMER")]


@pytest.fixture
def conditional(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    lines = [f"{record},New {n},{a},{r}" for n, (record, (a, r)) in enumerate(zip(IDS[: len(ROWS)], ROWS, strict=True))]
    path.write_text("id,name,The action,region\n" + "\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("conditions", "left_out"),
    [
        (["the_action=update"], 1),
        (["The action=update", "region=EMEA|APAC"], 2),
        (["The action=update", "region = EMEA | APAC "], 2),
        (["region=x=y"], 4),
    ],
)
def test_only_the_rows_asked_for_are_checked(cli: Cli, conditional: Path, conditions: list[str], left_out: int) -> None:
    said = [word for condition in conditions for word in ("--when", condition)]
    result = cli("check", str(conditional), *TARGET, *said)
    assert f"4 rows: {4 - left_out} valid, 0 invalid, {left_out} left out by the conditions (when)." in result.stdout


def test_only_the_rows_asked_for_are_sent(cli: Cli, conditional: Path, batchupdate_sandbox: Sandboxes) -> None:
    sandbox = batchupdate_sandbox()
    result = cli(
        "run",
        str(conditional),
        *TARGET,
        "--when",
        "region=apac",
        "--yes",
        "--base-url",
        sandbox.url,
        "--rate",
        "unlimited",
    )
    assert result.exit_code == 0, result.output
    assert [change.id for change in sandbox.applied] == [IDS[2]]


def test_a_condition_goes_before_the_configs_for_the_same_column(cli: Cli, conditional: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("input: {when: {the action: keep, region: EMEA}}\n", "utf-8")
    result = cli("check", str(conditional), *TARGET, "--config", "c.yaml", "--when", "The_Action=update")
    assert "4 rows: 1 valid, 0 invalid, 3 left out by the conditions (when)." in result.stdout


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["region"], "--when 'region' is not of the form COLUMN=value."),
        (["=EMEA"], "--when '=EMEA' is not of the form COLUMN=value."),
        (["region="], "--when 'region=' leaves a value out."),
        (["region=EMEA|"], "For blank cells, and for values with a | in them, use 'when' in the config; see docs/map"),
        (["region=a", "Region=b"], 'For one of several values, write --when "Region=a|b".'),
        (["country=DE"], "'when' names a column 'country' that the file does not have."),
    ],
)
def test_a_condition_that_says_nothing_is_refused(
    cli: Cli, conditional: Path, conditions: list[str], said: str
) -> None:
    result = cli("check", str(conditional), *TARGET, *(word for one in conditions for word in ("--when", one)))
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(("strictness", "code"), [("strict", 1), ("normal", 0), ("lenient", 0)])
def test_strictness_decides_what_an_odd_cell_weighs(cli: Cli, tmp_path: Path, strictness: str, code: int) -> None:
    (tmp_path / "in.csv").write_text(f"id,name\n{IDS[0]},A\u00a0\n", "utf-8")
    assert cli("check", "in.csv", *TARGET, "--strictness", strictness).exit_code == code
    assert cli("run", "in.csv", *TARGET, "--dry-run", "--strictness", strictness).exit_code == code


def test_another_strictness_is_refused(cli: Cli, conditional: Path) -> None:
    result = cli("check", str(conditional), *TARGET, "--strictness", "harsh")
    assert result.exit_code == 2
    assert "'strict', 'normal' or 'lenient'" in result.stderr


FAST = ("--rate", "unlimited", "--yes")


@pytest.fixture
def exports() -> None:
    """Two files with a mistake each, and a record that stands in both."""
    Path("exports").mkdir()
    Path("exports/part 9.csv").write_text(f"id,name\n{IDS[0]},A\nno-id,B\n", "utf-8")
    Path("exports/part 10.csv").write_text(f"name,id\n{'x' * 41},{IDS[1]}\nC,{IDS[0]}\n", "utf-8")


@pytest.mark.usefixtures("exports")
def test_a_quoted_pattern_is_expanded_and_every_problem_names_its_file(cli: Cli) -> None:
    result = cli("check", "exports/*.csv", *TARGET)
    assert result.exit_code == 1
    told = [line.split(": ")[0] for line in result.stdout.splitlines() if " row " in line.split(": ")[0]]
    assert told == ["part 9.csv row 3", "part 10.csv row 2", "part 9.csv row 2", "part 10.csv row 3"]
    assert "part 9.csv A2, part 10.csv B3" in result.stdout
    assert result.stdout.rstrip().endswith("4 rows of 2 files: 0 valid, 4 invalid.")


@pytest.mark.usefixtures("exports")
def test_problems_for_programs_have_the_file_beside_the_row(cli: Cli) -> None:
    data = json.loads(cli("check", "exports/*.csv", *TARGET, "--json").stdout)
    assert data["files"] == {"part 9.csv": 2, "part 10.csv": 2}
    assert [(one["file"], one["row"]) for one in data["problems"]][:2] == [("part 9.csv", 3), ("part 10.csv", 2)]
    table = list(csv.DictReader(io.StringIO(cli("check", "exports/*.csv", *TARGET, "--format", "csv").stdout)))
    assert list(table[0]) == ["code", "level", "file", "row", "column", "address", "cell", "message"]
    assert (table[1]["file"], table[1]["row"], table[1]["code"]) == ("part 10.csv", "2", "too_long")
    marks = cli("check", "exports/*.csv", *TARGET, "--format", "github").stdout.splitlines()
    assert marks[1].startswith("::error file=exports/part 10.csv,line=2,title=too_long::A2: ")


def test_problems_of_one_file_are_told_without_a_file(cli: Cli, renames: Renames) -> None:
    path = str(renames(0, ("no-id", "A")))
    data = json.loads(cli("check", path, *TARGET, "--json").stdout)
    assert "files" not in data
    assert "file" not in data["problems"][0]
    assert cli("check", path, *TARGET, "--format", "csv").stdout.startswith("code,level,row,column,")
    assert cli("check", path, *TARGET, "--format", "github").stdout.startswith(f"::error file={path},line=2,")
    assert cli("check", "-", *TARGET, "--format", "github", text="id,name\nx,y\n").stdout.startswith("::error file=-,")


def test_files_without_rows_are_nothing_to_do(cli: Cli, renames: Renames) -> None:
    result = cli("check", str(renames(0, name="a.csv")), str(renames(0, name="b.csv")), *TARGET)
    assert (result.exit_code, result.stdout) == (0, "There is nothing to do: the files have no data rows.\n")


@pytest.mark.usefixtures("exports")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "exports/*.tsv"], "No file matches 'exports/*.tsv'."),
        (["run", "exports/*.tsv", "--yes"], "No file matches 'exports/*.tsv'."),
        (["check", "exports/part 9.csv", "exports/*.csv"], "exports/part 9.csv is named twice."),
        (["run", "exports/part 9.csv", "-"], "Standard input (-) can't be one of several files."),
        (["check", "exports/*.csv", "--annotate", "a.xlsx"], "--annotate writes a copy of one file, and 2 are named."),
        (["check", "exports/*.csv", "--annotate", "exports/part 9.xlsx"], "--annotate"),
        (["check", "exports/*.csv", "--sheet", "x"], "--sheet means nothing for any of these files."),
    ],
)
def test_what_cannot_be_done_with_several_files_is_told(cli: Cli, arguments: list[str], sentence: str) -> None:
    result = cli(*arguments, *TARGET)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not Path("batchupdate-runs").exists()


def test_a_copy_may_overwrite_none_of_the_files(cli: Cli) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        Path(name).touch()
    result = cli("check", "a.xlsx", "b.xlsx", *TARGET, "--annotate", "b.xlsx")
    assert "would overwrite the file that is checked" in result.stderr


def test_a_run_of_several_files_is_shown_with_its_files(cli: Cli, batchupdate_sandbox: Sandboxes) -> None:
    sandbox = batchupdate_sandbox()
    Path("a.csv").write_text(f"id,name\n{IDS[0]},A\n", "utf-8")
    Path("b.csv").write_text(f"name,id\nB,{IDS[1]}\nC,no-id\n", "utf-8")
    result = cli("run", "b.csv", "a.csv", *TARGET, "--base-url", sandbox.url, *FAST)
    assert result.exit_code == 1
    assert "b.csv and a.csv → langdock-integration" in result.stderr
    assert "3 rows of 2 files: 2 to send, 1 invalid." in result.stderr
    assert f"a.csv row 2: {IDS[0]}: name: " in result.stderr
    assert "1 × column 'id': 'no-id' is not" in result.stdout  # noqa: RUF001 - read as "times"
    assert ", b.csv row 3" in " ".join(result.stdout.split())
    assert ": b.csv and a.csv → langdock-integration" in cli("show").stdout
    with Path("batchupdate-runs/latest/results.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [(line["_file"], line["_row"]) for line in csv.DictReader(file)] == [
            ("b.csv", "2"), ("b.csv", "3"), ("a.csv", "2"),
        ]  # fmt: skip
