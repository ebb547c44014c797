from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from batchupdate.sandbox import CONTACTS_KEY, LANGDOCK_KEY, Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Cli = Callable[..., Result]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

RECORDS = make_records().langdock


TARGET = "langdock-integration"


FAST = ("--rate", "unlimited", "--yes")


def edit(path: str, cells: dict[tuple[int, str], str | None]) -> None:
    """Edits some cells, by row and heading, as a spreadsheet program would."""
    book = openpyxl.load_workbook(path)
    sheet = book["changes"]
    places = {cell.value: cell.column for cell in sheet[1]}
    for (row, heading), text in cells.items():
        sheet.cell(row, places[heading]).value = text
    book.save(path)


def results(folder: Path, name: str = "results.csv") -> list[dict[str, str]]:
    with (folder / "batchupdate-runs" / "latest" / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def pull(cli: Cli, sandbox: Sandbox, *arguments: str) -> Result:
    return cli("pull", TARGET, "--base-url", sandbox.url, "--rate", "unlimited", *arguments)


@pytest.mark.parametrize("name", ["now.xlsx", "now.csv", "now.jsonl"])
def test_what_was_pulled_and_not_edited_sends_nothing(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path, name: str
) -> None:
    sandbox = batchupdate_sandbox()
    made = pull(cli, sandbox, "-o", name)
    grey = "grey" if name == "now.xlsx" else "see _locked"
    assert (made.exit_code, made.stdout) == (0, f"63 records → {name}, 3 of them not yours to change ({grey})\n")
    checked = cli("check", name, "--target", TARGET)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert checked.stdout == "63 rows: 0 valid, 0 invalid, 63 are unchanged since the pull.\n"
    assert cli("run", name, "--target", TARGET, *FAST, "--base-url", sandbox.url).exit_code == 0
    assert sandbox.applied == []
    assert {row["_outcome"] for row in results(tmp_path)} == {"unchanged"}
    assert {row["_error"] for row in results(tmp_path)} == {"not edited since it was pulled"}


def test_three_edits_make_three_changes_with_just_these_fields(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    assert pull(cli, sandbox, "-o", "now.xlsx").exit_code == 0
    edit("now.xlsx", {(3, "name"): "One", (7, "description"): "<null>", (9, "color"): "#1A73E8", (11, "name"): None})
    made = cli("run", "now.xlsx", "--target", TARGET, *FAST, "--base-url", sandbox.url)
    assert made.exit_code == 0, made.output
    assert "63 rows: 3 to send, 60 are unchanged since the pull." in made.stderr
    assert "row 11: warning: column 'name': the cell was cleared since it was pulled" in made.stderr
    assert {change.id: change.fields for change in sandbox.applied} == {
        RECORDS[1].id: {"name": "One"},
        RECORDS[5].id: {"description": None},
        RECORDS[7].id: {"color": "#1A73E8"},
    }
    assert len(sandbox.applied) == 3
    assert "2 of these records are read just before the change: 2 requests a row." in made.stderr
    assert sandbox.counts.requests == 2 + 2 + 3  # the list twice, the reads (no read shows a colour), the changes
    row = results(tmp_path)[1]
    assert (row["name"], row["_old.name"], row["_outcome"]) == ("One", RECORDS[1].name, "updated")


def test_an_edit_of_a_locked_record_is_refused_and_may_be_put_back(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    assert pull(cli, sandbox, "-o", "now.xlsx").exit_code == 0
    edit("now.xlsx", {(62, "name"): "Mine now", (2, "name"): "Renamed"})
    made = cli("run", "now.xlsx", "--target", TARGET, *FAST, "--base-url", sandbox.url)
    assert made.exit_code == 1
    assert (
        "this record must not be edited: built by Langdock; it is not yours to change; restore the old v" in made.stdout
    )
    assert [change.fields for change in sandbox.applied] == [{"name": "Renamed"}]
    (failed,) = results(tmp_path, "failed.csv")
    assert (failed["_row"], failed["name"], failed["_locked"]) == (
        "62",
        "Mine now",
        "built by Langdock; it is not yours to change",
    )
    again = cli("check", "batchupdate-runs/latest/failed.csv", "--target", TARGET)
    assert "[locked_record]" in again.stdout
    mended = tmp_path / "mended.csv"
    text = (tmp_path / "batchupdate-runs/latest/failed.csv").read_text("utf-8-sig")
    mended.write_text(text.replace("Mine now", failed["_old.name"]), "utf-8")
    assert (
        "1 row: 0 valid, 0 invalid, 1 is unchanged since the pull."
        in cli("check", str(mended), "--target", TARGET).stdout
    )


def test_a_pulled_row_that_failed_is_sent_again_with_its_edits_alone(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox(faults="500=1.0")
    sandbox_fine = batchupdate_sandbox()
    assert pull(cli, sandbox_fine, "-o", "now.csv").exit_code == 0
    text = (tmp_path / "now.csv").read_text("utf-8-sig")
    first, rest = text.split("\n", 2)[1], text.replace(f",{RECORDS[0].name},", ",'=Mine,", 1)
    assert RECORDS[0].id in first
    (tmp_path / "now.csv").write_text(rest.replace("'=Mine", "Mine"), "utf-8")
    made = cli("run", "now.csv", "--target", TARGET, *FAST, "--base-url", sandbox.url, "--max-attempts", "1")
    assert made.exit_code == 1
    failed = str(tmp_path / "batchupdate-runs/latest/failed.csv")
    assert cli("run", failed, "--target", TARGET, *FAST, "--base-url", sandbox_fine.url).exit_code == 0
    assert [change.fields for change in sandbox_fine.applied] == [{"name": "Mine"}]


def test_the_json_of_a_check_and_of_a_pull_is_alone_on_standard_output(
    cli: Cli, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox(langdock=5)
    told = json.loads(pull(cli, sandbox, "--json").stdout)
    assert told == {
        "target": TARGET, "file": f"{TARGET}.xlsx", "format": "xlsx", "records": 8, "locked": 3, "pages": 1,
        "requests": 1, "notices": [],
    }  # fmt: skip
    checked = json.loads(cli("check", f"{TARGET}.xlsx", "--target", TARGET, "--json").stdout)
    assert (checked["rows"], checked["untouched"], checked["skipped"]) == (8, 8, 0)
    assert json.loads(cli("template", TARGET, "-o", "t.xlsx", "--json").stdout) == {"target": TARGET, "file": "t.xlsx"}


@pytest.mark.slow
def test_a_pull_survives_faults_and_throttling(cli: Cli, batchupdate_sandbox: Sandboxes) -> None:
    for faults in ("garbage-body", "503-retry-after", "reset-before"):
        from batchupdate.sandbox import Faults  # noqa: PLC0415 - only here

        sandbox = batchupdate_sandbox(langdock=3, faults=Faults.in_order(faults))
        made = pull(cli, sandbox, "--force", "--format", "csv")
        assert (made.exit_code, made.stdout.partition(" →")[0]) == (0, "6 records"), faults
        assert len(sandbox.requests) == 2


def test_what_a_list_lacks_is_told_on_standard_error(cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path) -> None:
    declared = (resources.files("batchupdate.targets") / f"{TARGET}.yaml").read_text("utf-8")
    (tmp_path / "mine.yaml").write_text(declared.replace("absent: [iconUrl, color]", "absent: [color]"), "utf-8")
    url = batchupdate_sandbox(langdock=2).url
    made = cli("pull", "mine.yaml", "--base-url", url, "--format", "csv")
    assert made.stdout == f"5 records → {TARGET}.csv, 3 of them not yours to change (see _locked)\n"
    assert "No record contains iconUrl. Declare where it is under list.fields, or add it to list.absent." in made.stderr
    assert "No record" not in cli("pull", "mine.yaml", "--base-url", url, "--quiet", "--force").stderr


def test_a_refused_key_stops_with_exit_3(
    cli: Cli, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGDOCK_API_KEY", "sk-ld-another-one")
    made = pull(cli, batchupdate_sandbox())
    assert made.exit_code == 3
    assert "Page 1 of the list can't be read: 401 invalid or missing API key." in made.stderr
    assert "The key comes from the environment variable LANGDOCK_API_KEY." in made.stderr
    assert os.listdir(".") == []  # noqa: PTH208 - as a person would look


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pull", "nairi-llm-integration"], "run: batchupdate template nairi-llm-integration"),
        (["pull", "langdok-integration"], "Did you mean langdock-integration?"),
        (["pull", TARGET, "-o", "there.xlsx"], "there.xlsx already exists."),
        (["pull", TARGET, "-o", "x.txt"], "The name of x.txt is none of: xlsx, csv, jsonl."),
        (["pull", TARGET, "--format", "ods"], "--format ods is none of: xlsx, csv, jsonl."),
        (["pull", TARGET, "-o", "x.csv", "--format", "xlsx"], "x.csv does not have the extension of --format xlsx."),
        (
            ["pull", TARGET, "-o", "no/such/x.csv"],
            "There is no folder no/such.\nCreate it, or give another name with -o.",
        ),
        (["pull", TARGET, "-o", "-", "--format", "csv"], "A sheet can't be written to standard output"),
        (["template", TARGET, "-o", "-"], "A sheet can't be written to standard output"),
        (["pull", TARGET, "--base-url", "http://api.example.com"], "unencrypted"),
        (["pull", TARGET, "--rate", "fast"], "is not a rate"),
        (["pull", TARGET, "--config", "no.yaml"], "no.yaml"),
        (["pull", "mine.yaml"], "has no base URL"),
        (["template", "nobody"], "There is no target 'nobody'"),
        (["template", TARGET, "-o", "there.xlsx"], "there.xlsx already exists."),
        (["template", TARGET, "-o", "x.csv"], "A template is a workbook, and x.csv does not end in .xlsx."),
        (
            ["template", TARGET, "-o", "no/such/x.xlsx"],
            "There is no folder no/such.\nCreate it, or give another name with -o.",
        ),
    ],
)
def test_what_can_not_be_done_ends_in_a_sentence_and_exit_2(
    cli: Cli, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "there.xlsx").write_text("precious")
    declared = (
        "name: mine\ntitle: M\npath: /a/{id}\nauth: {scheme: none}\nid: {id: {}}\nfields: {x: {}}\nlist: {path: /a}\n"
    )
    (tmp_path / "mine.yaml").write_text(declared)
    made = cli(*arguments)
    assert made.exit_code == 2, made.output
    assert sentence in made.stderr
    assert "Traceback" not in made.output
    assert sorted(os.listdir(tmp_path)) == ["mine.yaml", "there.xlsx"]  # noqa: PTH208 - as above
    assert (tmp_path / "there.xlsx").read_text() == "precious"


def test_without_a_key_nothing_is_asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANGDOCK_API_KEY")
    made = cli("pull", TARGET)
    assert (made.exit_code, "LANGDOCK_API_KEY" in made.stderr) == (2, True)
    assert cli("template", TARGET).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_pull_and_leaves_nothing_behind(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, number: int, code: int
) -> None:
    sandbox = batchupdate_sandbox(faults="hang=1.0")
    command: list[Any] = [sys.executable, "-m", "batchupdate", "pull", TARGET, "--base-url", sandbox.url]
    environ = {**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environ) as process:
        deadline = time.monotonic() + 120
        while not sandbox.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [path.suffix for path in tmp_path.iterdir()] != []
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Stopped on request." in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


CONTACTS = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"


@pytest.mark.parametrize("name", ["now.xlsx", "now.csv", "now.jsonl"])
def test_the_siblings_of_an_edited_cell_are_still_there_at_an_api_that_replaces_objects(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_API_KEY", CONTACTS_KEY)
    sandbox = batchupdate_sandbox()
    before = {record.id: record.fields for record in sandbox.records("contacts")}
    at = ("--base-url", sandbox.url, "--rate", "unlimited")
    made = cli("pull", str(CONTACTS), *at, "-o", name)
    assert made.exit_code == 0, made.output
    if name.endswith(".xlsx"):
        edit(name, {(2, "address.city"): "Bonn", (3, "address.city"): "Kiel"})
    else:  # the first place that has a city is the cell, the second one its old value
        lines = (tmp_path / name).read_text("utf-8").splitlines(keepends=True)
        where = 1 if name.endswith(".csv") else 0
        lines[where] = lines[where].replace("Berlin", "Bonn", 1)
        lines[where + 1] = lines[where + 1].replace("Hamburg", "Kiel", 1)
        (tmp_path / name).write_text("".join(lines), "utf-8")
    ran = cli("run", name, "-t", str(CONTACTS), *at, "--yes")
    assert ran.exit_code == 0, ran.output
    after = {record.id: record.fields for record in sandbox.records("contacts")}
    assert after.pop("c1") == before.pop("c1") | {"address": {"street": None, "city": "Bonn"}}
    assert after.pop("c2") == before["c2"] | {"address": before.pop("c2")["address"] | {"city": "Kiel"}}
    assert after == before


def test_members_that_only_the_records_have_are_reported_where_an_edit_would_remove_them(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_API_KEY", CONTACTS_KEY)
    sandbox = batchupdate_sandbox()
    declared = CONTACTS.read_text("utf-8").replace("  address.street: {max_length: 80, nullable: true}\n", "")
    (tmp_path / "less.yaml").write_text(declared, "utf-8")
    made = cli("pull", "less.yaml", "--base-url", sandbox.url, "-o", "now.csv")
    assert "The records have address.street, which" in made.output
    (tmp_path / "less.yaml").write_text(declared.replace("nested: replace", "nested: merge"), "utf-8")
    made = cli("pull", "less.yaml", "--base-url", sandbox.url, "-o", "now.csv", "--force")
    assert "address.street" not in made.output


@pytest.mark.parametrize(
    ("check", "said", "seconds"),
    [("auto", "Each record is read just before the change: 2 requests a row.", "4.0 s"), ("never", "", "2.0 s")],
)
def test_the_question_counts_the_reads_before_the_changes(
    cli: Cli, batchupdate_sandbox: Sandboxes, check: str, said: str, seconds: str
) -> None:
    sandbox = batchupdate_sandbox()
    assert pull(cli, sandbox, "-o", "now.xlsx").exit_code == 0
    edit("now.xlsx", {(3, "name"): "One", (7, "name"): "Two"})
    rate = ("--rate", "1/s", "--dry-run", "--check-old", check)
    made = cli("run", "now.xlsx", "--target", TARGET, *rate, "--base-url", sandbox.url)
    assert made.exit_code == 0, made.output
    assert said in made.stderr
    assert ("read just before" in made.stderr) == bool(said)
    assert f"At 1/s this takes about {seconds}." in made.stderr


def test_an_old_value_that_is_not_there_any_more_is_a_conflict_with_both_values(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    assert pull(cli, sandbox, "-o", "now.xlsx").exit_code == 0
    edit("now.xlsx", {(3, "name"): "One", (7, "name"): "Two"})
    sandbox.put("langdock", replace(RECORDS[1], name="Somebody else's"))
    made = cli("run", "now.xlsx", "--target", TARGET, *FAST, "--base-url", sandbox.url)
    assert made.exit_code == 1
    assert f"name was {RECORDS[1].name!r} when it was pulled" in made.stdout
    assert [change.id for change in sandbox.applied] == [RECORDS[5].id]
    row = results(tmp_path)[1]
    assert (row["_outcome"], row["_http_status"], row["_attempts"]) == ("conflict", "", "0")


@pytest.mark.parametrize("check", ["always", "sometimes"])
def test_a_comparison_that_can_not_be_made_is_refused(cli: Cli, tmp_path: Path, check: str) -> None:
    (tmp_path / "in.csv").write_text("id,name\nai_01KFRX8K1CKQGCV2W5J9C9Z37H,New\n", "utf-8")
    made = cli("run", "in.csv", "--target", "nairi-llm-integration", "--yes", "--check-old", check)
    assert made.exit_code == 2
    wanted = "does not declare how a record is read" if check == "always" else "must be 'auto', 'always' or 'never'"
    assert wanted in " ".join(made.stderr.split())
