"""results.xlsx and the parts of results.csv from whole runs: made of the user's own sheet, run again, and rebuilt."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import TYPE_CHECKING, Any

import openpyxl
import xlsxwriter
from typer.testing import CliRunner
from whole_runs import IDS, KEYS, again, apply, go_on, key_refused_after, outcomes, settings_for, write

from batchupdate.cli import app
from batchupdate.model import Outcome
from batchupdate.run import check_file, run_file, undo
from batchupdate.runs import results_xlsx
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import rebuild_reports
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from batchupdate.reporter import Summary

GONE = "00000000-0000-4000-8000-000000000000"
PARTS = ("success.csv", "failed.csv", "not_attempted.csv")


def workbook(path: Path) -> Path:
    """A user's workbook: blank rows and a column before the table, widths, formats, and two other sheets."""
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("prices").hide()
        sheet = book.add_worksheet("renames")
        sheet.activate()
        book.add_worksheet("notes").write(0, 0, "x")
        money, date = book.add_format({"num_format": "#,##0.00"}), book.add_format({"num_format": "d mmm yyyy"})
        sheet.set_column(1, 1, 39)
        sheet.set_column(3, 3, 17)
        for place, heading in enumerate(["id", "name", "cost", "since", "code"], 1):
            sheet.write(2, place, heading)
        for row, (record, name) in enumerate([(IDS[0], "New A"), (GONE, "New B"), (IDS[2], "x" * 41)], 3):
            sheet.write_string(row, 1, record)
            sheet.write_string(row, 2, name)
            sheet.write_number(row, 3, 1234.5, money)
            sheet.write_datetime(row, 4, datetime(2026, 1, row), date)  # noqa: DTZ001 - cells have no time zone
            sheet.write_string(row, 5, "007")
    return path


def rows_of(path: Path, sheet: str = "results") -> list[list[Any]]:
    return [list(row) for row in openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True)]


def part(summary: Summary, name: str) -> list[list[str]]:
    with (summary.folder / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


async def test_the_users_sheet_comes_back_as_it_was_with_outcomes_and_old_values(tmp_path: Path) -> None:
    source = workbook(tmp_path / "renames.xlsx")
    async with Sandbox() as sandbox:
        old = sandbox.record("langdock", IDS[0]).name
        settings = settings_for(sandbox, tmp_path, input={"sheet": "renames"}, diff="always")
        summary = await run_file(source, settings, environ=KEYS)
    made = openpyxl.load_workbook(summary.folder / "results.xlsx")
    sheet = made["results"]
    assert [cell.value for cell in sheet[1]][:9] == [
        *("_outcome", "_error", "_row", "_change"),
        *("id", "name", "cost", "since", "code"),
    ]
    assert [[cell.value for cell in row[:3:2]] for row in sheet.iter_rows(min_row=2)] == [
        ["updated", 4],
        ["failed", 5],
        ["invalid", 6],
    ]
    assert sheet["D2"].value == f"name: {old} → New A"
    assert [round(sheet.column_dimensions[one].width - 5 / 7) for one in "EG"] == [39, 17]
    assert [sheet.cell(2, place).number_format for place in (7, 8, 9)] == ["#,##0.00", "d mmm yyyy", "@"]
    assert [str(sheet.cell(2, place).value) for place in (7, 8, 9)] == ["1234.5", "2026-01-03 00:00:00", "007"]
    facts = {row[0]: row[1] for row in rows_of(summary.folder / "results.xlsx", "summary")}
    assert facts["sheet"] == "'renames'; not read: 'prices' and 'notes'"


async def test_the_failures_are_corrected_in_the_workbook_and_run_from_there(tmp_path: Path) -> None:
    source = workbook(tmp_path / "renames.xlsx")
    async with Sandbox() as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, input={"sheet": "renames"}))
        path = summary.folder / "results.xlsx"
        book = openpyxl.load_workbook(path)
        failures = book["failures"]
        headings = [cell.value for cell in failures[1]]
        failures.cell(2, headings.index("id") + 1).value = IDS[1]
        failures.cell(3, headings.index("name") + 1).value = "Short"
        book.save(path)
        again = await apply(path, settings_for(sandbox, tmp_path, input={"sheet": "failures"}))
        names = [sandbox.record("langdock", one).name for one in IDS[1:3]]
    assert outcomes(again) == ["updated", "updated"]
    assert names == ["New B", "Short"]
    assert part(again, "results.csv")[1][:5] == [IDS[1], "New B", "1234.5", "2026-01-04", "007"]


async def test_report_rebuilds_the_workbook_and_it_is_the_same(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await apply(write(tmp_path / "in.csv", 3), settings_for(sandbox, tmp_path))
    path = summary.folder / "results.xlsx"
    before = path.read_bytes()
    path.unlink()
    assert rebuild_reports(RunFolder(summary.folder)).notices == []
    assert path.read_bytes() == before


async def test_a_run_of_many_rows_has_a_workbook_only_if_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_xlsx, "AUTO_ROWS", 2)
    async with Sandbox() as sandbox:
        many = await apply(write(tmp_path / "in.csv", 3), settings_for(sandbox, tmp_path))
        always = await apply(write(tmp_path / "b.csv", 3), settings_for(sandbox, tmp_path, results_xlsx="always"))
        never = await apply(write(tmp_path / "c.csv", 1), settings_for(sandbox, tmp_path, results_xlsx="never"))
    assert [(one.folder / "results.xlsx").exists() for one in (many, always, never)] == [False, True, False]
    name = RunFolder(many.folder).command_name
    hint = f"For a workbook of these 3 rows (results.xlsx): batchupdate report {name} --xlsx"
    assert [one.notices for one in (many, always, never)] == [[hint], [], []]
    command = ["report", many.run_id, "--xlsx", "--runs-dir", str(tmp_path / "runs")]
    told = CliRunner().invoke(app, command)
    assert (told.exit_code, (many.folder / "results.xlsx").exists()) == (0, True)
    assert "Rebuilt results.csv, failed.csv, results.xlsx, report.html and summary.json in" in " ".join(
        told.output.split()
    )


async def test_a_workbook_that_can_not_be_written_is_told_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("batchupdate.reporter.results_xlsx.write_summary_sheet", full)
    async with Sandbox() as sandbox:
        summary = await apply(write(tmp_path / "in.csv", 3), settings_for(sandbox, tmp_path))
    assert (summary.exit_code, outcomes(summary)) == (0, ["updated"] * 3)
    (notice,) = summary.notices
    assert notice.startswith("results.xlsx is missing: The disk is full")
    assert notice.endswith(f"To have it: batchupdate report {RunFolder(summary.folder).command_name} --xlsx")
    told = CliRunner().invoke(app, ["report", summary.run_id, "--xlsx", "--runs-dir", str(tmp_path / "runs")])
    assert told.exit_code == 3


async def test_split_results_add_up_and_each_part_is_valid_input(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 6)
    rows = source.read_text("utf-8").splitlines()
    source.write_text("\n".join([*rows[:2], f"{GONE},New", "no-uuid,New", *rows[2:]]), "utf-8")
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, results="split")
        with key_refused_after(sandbox, 2):
            summary = await apply(source, settings)
        parts = {name: part(summary, name) for name in PARTS}
        results = part(summary, "results.csv")
        assert {tuple(lines[0]) for lines in parts.values()} == {tuple(results[0])}
        assert sorted(line for lines in parts.values() for line in lines[1:]) == sorted(results[1:])
        place = results[0].index("_outcome")
        found = {name: {line[place] for line in lines[1:]} for name, lines in parts.items()}
        assert found == {
            "success.csv": {"updated"},
            "failed.csv": {"failed", "invalid"},
            "not_attempted.csv": {"not_attempted"},
        }
        for name in PARTS:
            checkup = check_file(summary.folder / name, settings)
            assert checkup.rows == len(parts[name]) - 1
        rest = await run_file(summary.folder / "not_attempted.csv", settings, environ=KEYS)
    assert rest.counts[Outcome.UPDATED] == rest.rows == 3


async def test_a_run_that_was_split_once_stays_so_until_its_end(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        with key_refused_after(sandbox, 2):
            summary = await apply(write(tmp_path / "in.csv", 5), settings_for(sandbox, tmp_path, results="split"))
        assert [len(part(summary, name)) - 1 for name in PARTS] == [2, 1, 2]
        resumed = await go_on(summary, tmp_path, results="one")
    assert [len(part(resumed, name)) - 1 for name in PARTS] == [5, 0, 0]


async def test_without_split_failed_csv_has_what_was_not_attempted_and_there_are_no_other_parts(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        with key_refused_after(sandbox, 2):
            summary = await apply(write(tmp_path / "in.csv", 5), settings_for(sandbox, tmp_path))
    assert len(part(summary, "failed.csv")) - 1 == 3
    assert not [name for name in PARTS if name != "failed.csv" and (summary.folder / name).exists()]
    told = CliRunner().invoke(app, ["report", summary.run_id, "--split", "--runs-dir", str(tmp_path / "runs")])
    assert told.exit_code == 0
    assert [len(part(summary, name)) - 1 for name in PARTS] == [2, 1, 2]


async def test_a_retry_of_a_workbooks_rows_looks_like_it_too(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        first = await apply(
            workbook(tmp_path / "renames.xlsx"), settings_for(sandbox, tmp_path, input={"sheet": "renames"})
        )
        summary = await again(first, tmp_path)
    sheet = openpyxl.load_workbook(summary.folder / "results.xlsx")["results"]
    place = [cell.value for cell in sheet[1]].index("cost") + 1
    assert sheet.cell(2, place).number_format == "#,##0.00"


async def test_old_values_of_a_pulled_sheet_are_shown_and_an_undo_has_a_workbook_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "pulled.csv"
    async with Sandbox() as sandbox:
        old = sandbox.record("langdock", IDS[0]).name
        source.write_text(f"id,name,_old.name\n{IDS[0]},New,{old}\n{IDS[1]},New,\n", "utf-8")
        summary = await apply(source, settings_for(sandbox, tmp_path))
        undone = await undo(summary.folder, settings_for(sandbox, tmp_path), environ=KEYS)
    found = rows_of(summary.folder / "results.xlsx")
    assert found[0][3] == "_change"
    assert [row[3] for row in found[1:]] == [f"name: {old} → New", None]
    restored = rows_of(undone.folder / "results.xlsx")
    assert (restored[1][0], restored[1][restored[0].index("name")]) == ("updated", old)
