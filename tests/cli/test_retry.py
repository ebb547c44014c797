from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.sandbox import Faults, Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

RUN = ("-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url")


def outcomes(folder: Path) -> list[str]:
    with (folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return [line["_outcome"] for line in csv.DictReader(file)]


def newest(folder: Path) -> Path:
    return (folder / "batchupdate-runs" / "latest").resolve()


def summary_in(result: Result) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def test_retry_shows_what_it_would_send_and_sends_it_only_when_told(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox(faults="500=1")
    cli("run", str(renames(2)), *RUN, sandbox.url, "--max-attempts", "1")
    first = newest(tmp_path)
    assert outcomes(first) == ["failed"] * 2
    seen = len(sandbox.requests)
    looked = cli("retry", "latest", "--dry-run")
    assert looked.exit_code == 0
    assert "2 of its rows are to be sent again" in looked.stderr
    unasked = cli("retry", "latest")
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    assert len(sandbox.requests) == seen
    result = cli("retry", "latest", "--yes", "--rows", "3", "--json")
    assert result.exit_code == 1
    summary = summary_in(result)
    assert (summary["retry_of"], summary["counts"]["failed"]) == (first.name, 1)
    changes = [one.id for one in sandbox.requests if one.method == "PATCH"]
    assert changes[2:] == [make_records().langdock[1].id]


def test_a_wish_that_selects_nothing_is_a_sentence(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    cli("run", str(renames(2)), *RUN, batchupdate_sandbox().url)
    result = cli("retry", "latest", "--yes", "--status", "404")
    assert result.exit_code == 2
    assert "none has outcome failed or unknown or conflict or not_attempted and status 404" in result.stderr


def test_how_retried_rows_ended_is_seen_from_the_first_run_and_its_report_stays_true(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    # Four rows fail; of those, the second time one fails once more, besides the one of which there is no record. The
    # three that got a 500 may have been applied, so they are looked up before they are sent again.
    first_run, look_ups = ["500", "500", "500", "ok", "ok"], ["ok"] * 3
    sandbox = batchupdate_sandbox(faults=Faults.in_order(*first_run, *look_ups, "500"))
    path = renames(4, ("00000000-0000-4000-8000-000000000000", "x"))
    once = ("--max-attempts", "1", "--concurrency", "1")
    cli("run", str(path), *RUN, sandbox.url, *once, "--diff", "never")
    first = newest(tmp_path)
    before = (first / "results.csv").read_bytes()
    assert "retries" not in summary_in(cli("show", first.name, "--json"))
    cli("retry", first.name, "--yes", *once)
    second = newest(tmp_path)
    shown = cli("show", first.name).stdout
    assert f"4 failed rows were sent again by the retry {second.name}: 2 updated, 2 failed." in shown
    assert f"batchupdate show {second.name}" in shown
    assert f"batchupdate retry {first.name}" not in shown
    cli("retry", second.name, "--yes", *once)
    (retried,) = summary_in(cli("show", first.name, "--json"))["retries"]
    assert (retried["run_id"], retried["rows"]) == (second.name, 4)
    assert (retried["given"], retried["ended"]) == ({"failed": 4}, {"updated": 3, "failed": 1})
    assert "4 rows did not succeed, 3 of them did in a retry" in cli("runs").stdout
    listed = {run["run_id"]: run for run in summary_in(cli("runs", "--json"))["runs"]}
    assert (listed[first.name]["succeeded"], listed[first.name]["succeeded_by_retry"]) == (1, 3)
    report = cli("report", first.name, "--json")
    assert summary_in(report)["counts"]["failed"] == 4
    assert (first / "results.csv").read_bytes() == before


def test_a_retry_that_is_gone_is_named_and_nothing_is_claimed_of_it(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox(faults=Faults.in_order("500"))
    cli("run", str(renames(1)), *RUN, sandbox.url, "--max-attempts", "1", "--diff", "never")
    first = newest(tmp_path)
    cli("retry", first.name, "--yes")
    second = newest(tmp_path)
    assert "all succeeded after a retry" in cli("runs").stdout
    shutil.rmtree(second)
    assert (
        f"1 failed row was sent again by the retry {second.name}, which can't be read" in cli("show", first.name).stdout
    )
    assert "1 row did not succeed" in cli("runs").stdout
