"""Batches over real sockets: the reports say what the sandbox did, also where it breaks and where we are killed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import QuickClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.run import execute, prepare, run_file
from batchupdate.sandbox import Sandbox, run_in_thread
from batchupdate.util import event_loop

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchupdate.reporter import Summary

TARGET = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
KEYS = {"CONTACTS_API_KEY": "ct_sandbox"}
FAULTS = "reset-before=0.1,reset-after=0.1,500=0.05,500-after=0.05,503-retry-after=0.05@1,garbage-body=0.05,502=0.05"
pytestmark = pytest.mark.slow


def write(path: Path, count: int, missing: Collection[int] = ()) -> Path:
    """Rows for contacts of which some are not there."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = ([f"c{n + 10_000 if n in missing else n}", f"New {n}"] for n in range(1, count + 1))
        csv.writer(file).writerows([["id", "name"], *rows])
    return path


def settings_for(sandbox: Sandbox, folder: Path, **more: object) -> Settings:
    options = {"target": str(TARGET), "base_url": sandbox.url, "runs_dir": folder / "runs", "rate": "unlimited"}
    return Settings.model_validate({**options, **more})


def lines(summary: Summary) -> list[dict[str, str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


async def test_requests_and_rows_are_counted_apart(tmp_path: Path) -> None:
    async with Sandbox(contacts=250) as sandbox:
        summary = await run_file(write(tmp_path / "c.csv", 250, {7}), settings_for(sandbox, tmp_path), environ=KEYS)
        assert sandbox.counts.requests == 3
    told = json.loads((summary.folder / "summary.json").read_text("utf-8"))
    assert told["requests"] == {"sent": 3, "retried": 0, "throttled": 0}
    assert (told["input"]["rows"], told["counts"]["updated"], told["counts"]["failed"]) == (250, 249, 1)
    (failed,) = [line for line in lines(summary) if line["_outcome"] == "failed"]
    assert (failed["id"], failed["_http_status"], failed["_attempts"]) == ("c10007", "404", "1")
    assert failed["_error"] == "404 there is no such record: contact not found"


@pytest.mark.parametrize(("size", "requests"), [(1, 30), (7, 5), (None, 1)])
async def test_the_size_of_a_batch_can_be_made_smaller_and_1_sends_each_row_by_itself(
    size: int | None, requests: int, tmp_path: Path
) -> None:
    async with Sandbox(contacts=30) as sandbox:
        settings = settings_for(sandbox, tmp_path, batch_size=size)
        await run_file(write(tmp_path / "c.csv", 30), settings, environ=KEYS)
        assert [request.method for request in sandbox.requests] == ["PATCH" if size == 1 else "POST"] * requests


@pytest.mark.parametrize(
    ("target", "size", "words"),
    [
        (str(TARGET), 101, "The target sandbox-contacts changes at most 100 records with one request, not 101."),
        ("nairi-llm-integration", 2, "The target nairi-llm-integration changes one record with a request, not 2."),
    ],
)
async def test_a_size_that_can_not_be_is_said_before_anything_is_sent(
    target: str, size: int, words: str, tmp_path: Path
) -> None:
    async with Sandbox(contacts=3) as sandbox:
        settings = settings_for(sandbox, tmp_path, target=target, batch_size=size)
        path = tmp_path / "c.csv"
        path.write_text("id,name\n01KFRX8K1CKQGCV2W5J9C9Z37H,New\n" if "nairi" in target else "id,name\nc1,New\n")
        with pytest.raises(ConfigError) as caught:
            await run_file(path, settings, environ={**KEYS, "NAIRI_API_KEY": "nr_sandbox"})
        assert caught.value.message == words
        assert not sandbox.requests
    assert not [*(tmp_path / "runs").glob("2*")]


@given(
    seed=st.integers(0, 1000), count=st.integers(1, 120), size=st.integers(2, 40), missing=st.sets(st.integers(1, 120))
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_outcomes_equal_the_ledger_of_a_server_that_breaks_and_refuses_members(
    seed: int, count: int, size: int, missing: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("batches")

    async def check() -> None:
        async with Sandbox(contacts=count, faults=FAULTS, seed=seed) as sandbox:
            chosen = settings_for(sandbox, folder, batch_size=size, max_attempts=8, concurrency=3, retry_budget=1.0)
            path = write(folder / "c.csv", count, missing)
            with prepare(path, chosen, environ=KEYS, clock=QuickClock()) as job:
                summary = await execute(job)
            applied = {change.id for change in sandbox.applied}
            ends = {line["id"]: line["_outcome"] for line in lines(summary)}
            assert len(ends) == count
            assert "unknown" not in ends.values() or summary.sessions.traffic.retried
            assert {name for name, outcome in ends.items() if outcome == "updated"} <= applied
            assert not applied & {name for name, outcome in ends.items() if outcome == "not_attempted"}
            assert all(ends[f"c{n + 10_000}"] != "updated" for n in missing if n <= count)
            assert sum(outcome == "updated" for outcome in ends.values()) >= 0.9 * (count - len(missing)) - 1

    event_loop.run(check())


def test_a_run_of_batches_that_is_killed_twice_sends_no_more_rows_twice_than_were_out(tmp_path: Path) -> None:
    rows, size, at_once = 600, 20, 2
    write(tmp_path / "c.csv", rows)
    with run_in_thread(contacts=rows, limit="60/s", limit_kind="token-bucket") as sandbox:
        command = [
            *(sys.executable, "-m", "batchupdate", "run", "c.csv", "--yes", "--quiet", "--runs-dir", "runs"),
            *("--target", str(TARGET), "--base-url", sandbox.url, "--rate", "30/s"),
            *("--batch-size", str(size), "--concurrency", str(at_once)),
        ]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        for after in (5, 12):
            with subprocess.Popen(command, cwd=tmp_path, env={**environ, **KEYS}) as process:
                deadline = time.monotonic() + 60
                while sandbox.counts.requests < after and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.001)
                process.kill()
        subprocess.run(command, cwd=tmp_path, env={**environ, **KEYS}, check=True, timeout=120)
        times = Counter(change.id for change in sandbox.applied)
    assert len(times) == rows
    assert sum(count - 1 for count in times.values()) <= 2 * size * at_once
    (results,) = (tmp_path / "runs").glob("2*/results.csv")
    with results.open(newline="", encoding="utf-8-sig") as file:
        assert Counter(line["_outcome"] for line in csv.DictReader(file)) == {"updated": rows}
