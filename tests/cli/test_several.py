"""Several files, or a pattern, on the command line."""

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
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

IDS = [record.id for record in make_records().langdock]
TARGET = ("--target", "langdock-integration")
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
    assert f"a.csv row 2: {IDS[0]}: name = " in result.stderr
    assert "b.csv row 3: column 'id': 'no-id' is not" in result.stdout
    assert ": b.csv and a.csv → langdock-integration" in cli("show").stdout
    with Path("batchupdate-runs/latest/results.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [(line["_file"], line["_row"]) for line in csv.DictReader(file)] == [
            ("b.csv", "2"), ("b.csv", "3"), ("a.csv", "2"),
        ]  # fmt: skip
