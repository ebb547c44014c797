from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from batchupdate.sandbox import make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.sandbox import Sandbox

IDS = [record.id for record in make_records().langdock]


def test_diff_names_the_rows_whose_outcome_or_values_differ(
    cli: Callable[..., Any], batchupdate_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    to = ("--target", "langdock-integration", "--base-url", sandbox.url, "--yes", "--rate", "unlimited")

    def run(name: str, *rows: tuple[str, str]) -> Path:
        source = tmp_path / f"{name}.csv"
        source.write_text("id,name\n" + "".join(f"{record},{value}\n" for record, value in rows), "utf-8")
        cli("run", str(source), *to, "--diff", "never")
        (folder,) = (tmp_path / "batchupdate-runs").glob(f"2*-{name}-*")
        return folder

    first = run("first", (IDS[0], "A"), (IDS[1], "B"), (IDS[2], "C"))
    second = run("second", (IDS[1], "B"), (IDS[0], "Z"), (IDS[3], "D"))
    shown = cli("diff", first.name, second.name)
    assert shown.exit_code == 1
    assert f'row 2: {IDS[0]}: name: "A" → "Z"' in shown.stdout
    assert f"row 4: {IDS[2]}: updated → not there" in shown.stdout
    assert f"row 4: {IDS[3]}: not there → updated" in shown.stdout
    assert IDS[1] not in shown.stdout
    told = json.loads(cli("diff", first.name, second.name, "--json").stdout)
    assert told["counts"] == {"outcome": 0, "fields": 1, "only_in_first": 1, "only_in_second": 1}
    assert told["rows"][0]["fields"] == {"name": {"old": "A", "new": "Z"}}
    assert told["rows_left_out"] == 0
    assert cli("diff", first.name, first.name).exit_code == 0
    assert cli("diff", first.name, "nonsense").exit_code == 2


def test_the_rows_that_differ_are_written_as_a_csv_that_no_spreadsheet_program_runs(
    cli: Callable[..., Any], batchupdate_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    to = ("--target", "langdock-integration", "--base-url", sandbox.url, "--yes", "--rate", "unlimited", "--json")
    folders = []
    for name in ("@home", "B"):
        source = tmp_path / "in.csv"
        source.write_text(f"id,name\n{IDS[0]},{name}\n{IDS[1]},Same\n", "utf-8")
        folders.append(json.loads(cli("run", str(source), *to, "--diff", "never").stdout)["folder"])
    done = cli("diff", *folders, "-o", "d.csv", "--json")
    assert (done.exit_code, json.loads(done.stdout)["file"]) == (1, "d.csv")
    with (tmp_path / "d.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["id"].removeprefix("'") == IDS[0]
    assert (row["kind"], row["old_row"], row["new_row"]) == ("fields", "2", "2")
    assert (row["field"], row["old"], row["new"]) == ("name", "'@home", "B")
    again = cli("diff", *folders, "-o", "d.csv")
    assert again.exit_code == 2
    assert "already exists" in again.stderr
    forced = cli("diff", *folders, "-o", "d.csv", "--force")
    assert forced.exit_code == 1
    assert "All rows: d.csv" in forced.stdout
    assert cli("diff", *folders, "-o", "d.xlsx").exit_code == 2
    assert cli("diff", *folders, "-o", "-").exit_code == 2
