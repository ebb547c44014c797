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
from batchupdate.journal import Journal
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
    options = {
        "target": str(TARGET),
        "base_url": sandbox.url,
        "runs_dir": folder / "runs",
        "rate": "unlimited",
        "diff": "never",
    }
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


async def test_rows_whose_old_values_are_compared_go_by_themselves_and_the_others_together(tmp_path: Path) -> None:
    async with Sandbox(contacts=6) as sandbox:
        rows = [[f"c{n}", f"New {n}", f"c{n}", f"Contact {n}" if n < 4 else ""] for n in range(1, 7)]
        rows[1][3] = "Somebody else's"
        with (tmp_path / "c.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "name", "_old.id", "_old.name"], *rows])
        summary = await run_file(tmp_path / "c.csv", settings_for(sandbox, tmp_path), environ=KEYS)
        assert [line["_outcome"] for line in lines(summary)] == ["updated", "conflict", *["updated"] * 4]
        changes = [json.loads(request.body) for request in sandbox.requests if request.method == "POST"]
        assert sorted(len(body["contacts"]) for body in changes) == [1, 1, 3]
        assert sum(request.method == "GET" for request in sandbox.requests) == 3


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
        for after in (5, 12):
            with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **KEYS}) as process:
                deadline = time.monotonic() + 120
                while sandbox.counts.requests < after and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.001)
                process.kill()
        subprocess.run(command, cwd=tmp_path, env={**os.environ, **KEYS}, check=True, timeout=300)
        times = Counter(change.id for change in sandbox.applied)
    assert len(times) == rows
    assert sum(count - 1 for count in times.values()) <= 2 * size * at_once
    (results,) = (tmp_path / "runs").glob("2*/results.csv")
    with results.open(newline="", encoding="utf-8-sig") as file:
        assert Counter(line["_outcome"] for line in csv.DictReader(file)) == {"updated": rows}


async def test_each_row_of_a_batch_that_a_kill_left_unanswered_is_looked_up_and_only_the_others_are_sent(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "c.csv", 30)
    async with Sandbox(contacts=30) as sandbox:
        chosen = settings_for(sandbox, tmp_path)
        first = await run_file(path, chosen, environ=KEYS)
        with Journal.open(first.folder / "journal.sqlite3") as journal:
            journal._connection.execute("DELETE FROM result WHERE key > 11")
            journal._connection.execute("UPDATE session SET exit_code = NULL")
            journal.set_meta({"finished": False})
        second = await run_file(path, chosen, environ=KEYS)
        again = [(request.method, request.path) for request in sandbox.requests][1:]
        assert sorted(again) == sorted(("GET", f"/contacts/c{number}") for number in range(11, 31))
    assert second.run_id == first.run_id
    assert sum("found applied" in line["_error"] for line in lines(second)) == 20


async def test_a_wrong_path_for_batches_stops_the_run_with_few_requests_and_says_what_to_check(tmp_path: Path) -> None:
    text = TARGET.read_text("utf-8").replace("path: /contacts/batch", "path: /contacts/batches")
    (tmp_path / "wrong.yaml").write_text(text, "utf-8")
    async with Sandbox(contacts=2000) as sandbox:
        chosen = settings_for(sandbox, tmp_path, target=str(tmp_path / "wrong.yaml"), concurrency=2)
        summary = await run_file(write(tmp_path / "c.csv", 2000), chosen, environ=KEYS)
        assert sandbox.counts.requests < 120
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert "check batch.path and batch.template" in summary.stopped.message
    counts = Counter(line["_outcome"] for line in lines(summary))
    assert counts == {"failed": 200, "not_attempted": 1800}
