"""`check`: every problem with its place, for people and for programs, and a copy of the file with notes."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
import xlsxwriter

from batchupdate.cli.problem_output import as_github
from batchupdate.model import Level, Problem
from batchupdate.reporter import annotated_xlsx
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

IDS = [record.id for record in make_records().langdock]


TARGET = ("--target", "langdock-integration")


def test_check_names_row_column_and_way_out_of_every_problem(cli: Cli, renames: Renames) -> None:
    result = cli("check", str(renames(2, (IDS[5], "x" * 41), ("nonsense", "Fine name"))), *TARGET)
    assert result.exit_code == 1
    assert (
        "row 4: column 'name': name has 41 characters, but at most 40 are allowed; shorten it by 1 [too_long]"
        in result.stdout
    )
    assert "row 5: column 'id': 'nonsense' is not a UUID" in result.stdout
    assert "4 rows: 2 valid, 2 invalid." in result.stdout


def test_check_of_a_clean_file_exits_0(cli: Cli, renames: Renames) -> None:
    result = cli("check", str(renames(3)), *TARGET)
    assert result.exit_code == 0
    assert "3 rows: 3 valid, 0 invalid." in result.stdout


def test_check_needs_no_key_and_no_network(cli: Cli, renames: Renames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANGDOCK_API_KEY")
    assert cli("check", str(renames(1)), *TARGET).exit_code == 0


def test_check_json_is_alone_on_standard_output(cli: Cli, renames: Renames) -> None:
    result = cli("check", str(renames(1, (IDS[0].upper(), "Twice"))), *TARGET, "--json")
    data = json.loads(result.stdout)
    assert data["rows"] == 2
    assert data["invalid"] == 2
    assert data["codes"] == {"duplicate_id": 2}
    assert [problem["row"] for problem in data["problems"]] == [2, 3]
    assert data["exit_code"] == result.exit_code == 1


def test_check_of_a_header_alone_has_nothing_to_do(cli: Cli, renames: Renames) -> None:
    result = cli("check", str(renames(0)), *TARGET)
    assert result.exit_code == 0
    assert "nothing to do" in result.stdout


def test_check_tells_many_shifted_rows_once_more_and_what_will_be_cleared(cli: Cli, tmp_path: Path) -> None:
    shifted = "".join(f",{record},Name\n" for record in IDS[1:5])
    (tmp_path / "in.csv").write_text(f"id,name,description\n{IDS[0]},A,<null>\n{shifted}", "utf-8")
    result = cli("check", "in.csv", *TARGET)
    assert result.exit_code == 1
    assert "4 rows, from row 3 on, have their id in the column beside it" in result.stderr
    assert "5 rows: 1 valid, 4 invalid. 1 cell will clear a field: description 1." in result.stdout


ROWS = [("id", "name"), (IDS[0], "x" * 41), (IDS[1], "y" * 50), ("bad", "=A1"), (IDS[2], "Fine"), (IDS[3], "a\u00a0")]


@pytest.fixture
def mistakes(tmp_path: Path) -> Path:
    """A workbook with a sheet's name, and some mistakes."""
    path = tmp_path / "in.xlsx"
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("changes")
        for number, row in enumerate(ROWS):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell)
    return path


def test_problems_are_grouped_by_kind_with_counts_and_the_first_cells(cli: Cli, mistakes: Path) -> None:
    out = cli("check", str(mistakes), *TARGET).stdout
    lines = [line.split() for line in out.splitlines()]
    assert ["error", "too_long", "name", "2", "changes!B2,", "changes!B3"] in lines
    assert ["error", "bad_id", "id", "1", "changes!A4"] in lines
    assert ["error", "formula", "name", "1", "changes!B4"] in lines
    assert ["warning", "trimmed", "name", "1", "changes!B6"] in lines
    assert out.rstrip().endswith("5 rows: 2 valid, 3 invalid, 1 warning.")


def test_json_has_the_address_of_every_cell(cli: Cli, mistakes: Path) -> None:
    data = json.loads(cli("check", str(mistakes), *TARGET, "--format", "json").stdout)
    assert [problem["address"] for problem in data["problems"]] == [
        f"changes!{cell}" for cell in ("B2", "B3", "B4", "A4", "B6")
    ]
    assert data == json.loads(cli("check", str(mistakes), *TARGET, "--json").stdout)


def test_csv_is_a_table_of_problems_and_runs_no_formula(cli: Cli, mistakes: Path) -> None:
    found = list(csv.DictReader(io.StringIO(cli("check", str(mistakes), *TARGET, "--format", "csv").stdout)))
    assert [(one["code"], one["level"], one["row"], one["column"]) for one in found] == [
        ("too_long", "error", "2", "name"),
        ("too_long", "error", "3", "name"),
        ("formula", "error", "4", "name"),
        ("bad_id", "error", "4", "id"),
        ("trimmed", "warning", "6", "name"),
    ]
    assert found[2]["cell"] == "'=A1"
    assert found[4]["cell"] == "a\u00a0"


def test_a_workflow_command_keeps_to_its_line() -> None:
    problem = Problem("formula", 3, "a,b", "x", "100%\nof\r it: bad", Level.WARNING, "C3")
    assert as_github(problem, "a,b:c.csv") == (
        "::warning file=a%2Cb%3Ac.csv,line=3,title=formula::C3: column 'a,b': 100%25%0Aof%0D it: bad"
    )


def test_github_marks_every_row(cli: Cli, mistakes: Path) -> None:
    lines = cli("check", str(mistakes), *TARGET, "--format", "github").stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(f"::error file={mistakes},line=2,title=too_long::changes!B2: column 'name': name has 41")


def test_the_copy_has_every_cell_and_the_bad_ones_are_coloured_and_noted(cli: Cli, mistakes: Path) -> None:
    result = cli("check", str(mistakes), *TARGET, "--annotate", "out.xlsx")
    assert result.exit_code == 1
    sheet = openpyxl.load_workbook("out.xlsx").worksheets[0]
    assert sheet is not None
    assert [tuple(cell.value for cell in row) for row in sheet.iter_rows()] == ROWS
    assert sheet["B4"].data_type == "s"  # a text, and no formula
    notes = {cell.coordinate: cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment}
    assert sorted(notes) == ["A4", "B2", "B3", "B4", "B6"]
    assert "shorten it by 1 [too_long]" in notes["B2"]
    assert sheet["B2"].fill.start_color.rgb == "FFFFC7CE"
    assert sheet["B6"].fill.start_color.rgb == "FFFFEB9C"
    assert sheet["B5"].fill.fill_type is None
    assert [path.name for path in Path().glob("*.part")] == []


def test_the_copy_can_be_read_at_a_glance_and_its_second_sheet_lists_the_problems(cli: Cli, mistakes: Path) -> None:
    assert cli("check", str(mistakes), *TARGET, "--annotate", "out.xlsx").exit_code == 1
    book = openpyxl.load_workbook("out.xlsx")
    copy, problems = book["check"], book["problems"]
    assert (copy.freeze_panes, problems.freeze_panes) == ("A2", "A2")
    assert copy.column_dimensions["A"].width > 36  # as wide as an id
    assert copy.column_dimensions["B"].width > 41
    rows = list(problems.iter_rows(values_only=True))
    assert rows[0] == ("row", "column", "cell", "what to do", "level", "code")
    assert [row[2] for row in rows[1:]] == ["B2", "B3", "B4", "A4", "B6"]
    assert problems.row_dimensions[4].height == 30  # a sentence of two lines is seen as a whole
    assert problems["C2"].hyperlink.location == "'check'!B2"
    assert rows[1][4:] == ("error", "too_long")
    assert "shorten it by 1" in rows[1][3]


def test_beyond_the_most_links_that_excel_has_the_cell_is_only_named(
    cli: Cli, mistakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotated_xlsx, "MOST_LINKS", 1)
    assert cli("check", str(mistakes), *TARGET, "--annotate", "out.xlsx").exit_code == 1
    problems = openpyxl.load_workbook("out.xlsx")["problems"]
    assert (problems["C2"].value, problems["C3"].value) == ("B2", "B3")
    assert (problems["C2"].hyperlink is None, problems["C3"].hyperlink is None) == (False, True)


def test_a_copy_without_problems_has_no_second_sheet(cli: Cli) -> None:
    Path("in.csv").write_text(f"id,name\n{IDS[0]},{'x' * 35}\n", "utf-8")
    assert cli("check", "in.csv", *TARGET, "--annotate", "out.xlsx").exit_code == 0
    assert openpyxl.load_workbook("out.xlsx").sheetnames == ["check"]


def test_the_copy_of_json_lines_has_each_record_in_the_row_of_its_line(cli: Cli) -> None:
    Path("in.jsonl").write_text(f'{{"id": "{IDS[0]}", "name": "A"}}\n', "utf-8")
    assert cli("check", "in.jsonl", *TARGET, "--annotate", "out.xlsx").exit_code == 0
    sheet = openpyxl.load_workbook("out.xlsx").worksheets[0]
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == [IDS[0], "A"]


def test_the_copy_never_holds_the_key(cli: Cli) -> None:
    Path("in.csv").write_text(f"id,name,other\n{IDS[0]},{LANGDOCK_KEY},{LANGDOCK_KEY}\n", "utf-8")
    assert cli("check", "in.csv", *TARGET, "--annotate", "out.xlsx").exit_code == 1
    sheet = openpyxl.load_workbook("out.xlsx").worksheets[0]
    assert sheet is not None
    assert sheet["B2"].value == sheet["C2"].value == "[redacted]"


def test_a_duplicate_a_missing_cell_and_a_short_row_have_notes_too(cli: Cli) -> None:
    Path("in.csv").write_text(f"name,id\nA,{IDS[0]}\nB,{IDS[0]}\nC\nD,\n", "utf-8")
    assert cli("check", "in.csv", *TARGET, "--annotate", "out.xlsx").exit_code == 1
    sheet = openpyxl.load_workbook("out.xlsx").worksheets[0]
    assert sheet is not None
    notes = {cell.coordinate: cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment}
    assert sorted(notes) == ["A4", "B2", "B3", "B5"]
    assert "duplicate_id" in notes["B2"]
    assert "ragged_row" in notes["A4"]
    assert "missing_id" in notes["B5"]


def test_a_copy_of_standard_input_can_be_written(cli: Cli) -> None:
    assert cli("check", "-", *TARGET, "--annotate", "out.xlsx", text=f"id,name\n{IDS[0]},A\n").exit_code == 0
    assert Path("out.xlsx").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--annotate", "out.csv"], "does not end in .xlsx"),
        (["--annotate", "in.xlsx"], "would overwrite the file that is checked"),
        (["--annotate", "no/such/folder/out.xlsx"], "can't be written"),
        (["--json", "--format", "csv"], "--json and --format both say how to write"),
    ],
)
def test_what_cannot_be_written_is_told(cli: Cli, mistakes: Path, arguments: list[str], said: str) -> None:
    before = mistakes.read_bytes()
    result = cli("check", "in.xlsx", *TARGET, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert mistakes.read_bytes() == before


def test_a_plan_shows_every_digit_and_what_will_be_cleared(cli: Cli) -> None:
    Path("t.yaml").write_text(
        "name: t\ntitle: T\nbase_url: https://api.example.com\npath: /{id}\nauth: {scheme: none}\nid: {id: {}}\n"
        "fields: {price: {type: number, nullable: true}, live: {type: boolean}}\n",
        "utf-8",
    )
    Path("in.csv").write_text("id,price,live\n1,1.10,yes\n2,<null>,no\n", "utf-8")
    result = cli("run", "in.csv", "--target", "t.yaml", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "row 2: 1: price = 1.10, live = true" in result.stderr
    assert "1 cell will clear a field: price 1." in result.stderr


def test_many_equal_problems_are_counted_and_only_the_first_few_shown(cli: Cli, renames: Callable[..., Path]) -> None:
    path = str(renames(0, *[("bad", "x" * 50)] * 300))
    result = cli("check", path, *TARGET)
    assert result.exit_code == 1
    assert result.stdout.count("[too_long]") == 5
    assert len(result.output.splitlines()) < 40
    assert re.search(r"too_long +name +300", result.stdout)
    assert "--format csv" in result.stderr
    assert len(cli("check", path, *TARGET, "--format", "csv").stdout.splitlines()) > 300


def test_an_annotated_copy_replaces_a_file_only_if_that_is_asked_for(
    cli: Cli, renames: Callable[..., Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.xlsx"
    copy.write_bytes(b"mine")
    command = ("check", str(renames(0, ("bad", "x"))), *TARGET, "--annotate", str(copy))
    assert cli(*command).exit_code == 2
    assert copy.read_bytes() == b"mine"
    assert cli(*command, "--force").exit_code == 1
    assert copy.read_bytes()[:2] == b"PK"


def test_the_same_problem_in_every_row_prints_a_page_and_no_more(cli: Cli, tmp_path: Path) -> None:
    rows = 1000
    (tmp_path / "in.csv").write_text("id,name\n" + f"12ae6d88-3ea1-49d3-acdb-7958821ce492,{'x' * 41}\n" * rows, "utf-8")
    result = cli("check", "in.csv", "--target", "langdock-integration")
    assert result.exit_code == 1
    assert len(result.output) < 6000
    assert "1,000" in result.stdout
    assert "To see them all: batchupdate check in.csv --target langdock-integration --format csv" in result.stderr
    assert len(cli("check", "in.csv", "--target", "langdock-integration", "--format", "csv").stdout.splitlines()) > rows
