"""How much a run may do at once: rows and samples, a canary, and many more rows than usual."""

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
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from whole_runs import IDS, KEYS, apply, go_on, lines, outcomes, settings_for, with_kept, write

from batchupdate.config import Settings
from batchupdate.errors import ConfigError, InputError
from batchupdate.journal import Journal
from batchupdate.model import Outcome
from batchupdate.run import Stop, execute, plan_file, plan_run_job, prepare, resumed_job, run_file, run_plan
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.plan_folder import find_plan
from batchupdate.sandbox import Sandbox, make_records, run_in_thread

if TYPE_CHECKING:
    from batchupdate.model import Progress
    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow

CONTACTS = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
STRANGER = "00000000-0000-4000-8000-000000000000"


def ids(summary: Summary) -> list[str]:
    return [line["id"] for line in lines(summary)]


def with_strangers(path: Path, count: int, *strangers: int) -> Path:
    """A file of which some rows, counted from 0, name a record that is not there."""
    rows = [(STRANGER[:-2] + f"{n:02}" if n in strangers else IDS[n], f"New {n}") for n in range(count)]
    path.write_text("id,name\n" + "".join(f"{record},{name}\n" for record, name in rows), "utf-8")
    return path


# ---- which rows ----


@given(
    rows=st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["ok", "bad", "empty"])), min_size=1, max_size=25),
    sample=st.none() | st.integers(1, 12),
    seed=st.integers(0, 5),
    first=st.none() | st.integers(2, 9),
    on_duplicate=st.sampled_from(["error", "last", "merge"]),
)
@hypothesis(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_add_up_and_every_row_stands_once_whatever_is_chosen(
    rows: list[tuple[int, str]],
    sample: int | None,
    seed: int,
    first: int | None,
    on_duplicate: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("chosen")
    values = {"ok": "New", "bad": "y" * 50, "empty": ""}
    path = folder / "c.csv"
    path.write_text("id,name\n" + "".join(f"{IDS[n]},{values[kind]}\n" for n, kind in rows), "utf-8")
    last = len(rows) + 1
    first = first if first and first <= last else None
    rows_wanted = f"{first}-{last}" if first else None
    options: dict[str, object] = {
        "sample": sample,
        "sample_seed": None if sample is None else seed,
        "rows": rows_wanted,
    }
    options |= {"target": "langdock-integration", "base_url": "http://127.0.0.1:9", "runs_dir": folder / "runs"}
    settings = Settings.model_validate({**options, "input": {"on_duplicate": on_duplicate}})
    seen = []
    for _ in range(2):
        with prepare(path, settings, keyless=True) as job:
            found = list(job.journal.lines())
            numbers = [line.number for line in found]
            assert numbers == sorted(set(numbers))
            assert set(numbers) <= set(range(first or 2, last + 1))
            counts = job.journal.counts()
            assert sum(counts.values()) == len(found) == job.journal.rows() == job.journal.meta()["rows"]
            if sample is not None and job.to_send:
                assert job.to_send == min(sample, job.journal.meta()["sample"]["drawn_from"])
                assert not counts[Outcome.INVALID]
            if sample is None and rows_wanted is None:
                assert len(found) == len(rows)
            seen.append(numbers)
    assert seen[0] == seen[1]


async def test_a_sample_sends_its_rows_alone_says_its_seed_and_can_be_drawn_again(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        path = with_strangers(tmp_path / "c.csv", 30)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{IDS[40]},{'y' * 50}\n")
        first = await apply(path, settings_for(sandbox, tmp_path, sample=7))
        assert outcomes(first) == ["updated"] * 7
        assert {change.id for change in sandbox.applied} == set(ids(first))
        drawn = json.loads((first.folder / "summary.json").read_text("utf-8"))["sample"]
        assert (drawn["rows"], drawn["drawn_from"]) == (7, 30)
        again = await apply(path, settings_for(sandbox, tmp_path, sample=7, sample_seed=drawn["seed"]))
        assert ids(again) == ids(first)
        more = await apply(path, settings_for(sandbox, tmp_path, sample=40, sample_seed=drawn["seed"]))
        assert outcomes(more) == ["updated"] * 30


async def test_a_sample_of_rows_none_of_which_can_be_sent_is_the_whole_file(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        path = tmp_path / "c.csv"
        path.write_text("id,name\nbad,x\nworse,y\n", "utf-8")
        summary = await apply(path, settings_for(sandbox, tmp_path, sample=7))
        assert (outcomes(summary), summary.exit_code) == (["invalid"] * 2, 1)


async def test_the_same_command_resumes_a_sample_with_the_seed_that_was_drawn(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        path = with_strangers(tmp_path / "c.csv", 30)
        settings = settings_for(sandbox, tmp_path, sample=9)
        sandbox.revoke()
        stopped = await apply(path, settings)
        assert stopped.exit_code == 3
        sandbox.restore()
        with prepare(path, settings, environ=KEYS, clock=QuickClock()) as job:
            assert job.resumed
            assert "--sample 9 --sample-seed" in job.checkup.notices[0]
            resumed = await execute(job)
        assert (resumed.run_id, ids(resumed)) == (stopped.run_id, ids(stopped))
        assert outcomes(resumed) == ["updated"] * 9


async def test_rows_and_samples_of_several_files_are_counted_by_file(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        paths = [write(tmp_path / "a.csv", 10), with_strangers(tmp_path / "b.csv", 10)]
        settings = settings_for(sandbox, tmp_path, rows="a.csv:2-4,b.csv:9-11", sample=5, sample_seed=1)
        with prepare(paths, settings, environ=KEYS, clock=QuickClock()) as job:
            summary = await execute(job)
        assert sum(file.rows for file in summary.files) == summary.rows == len(lines(summary)) == 5
        by_file = Counter(line["_file"] for line in lines(summary))
        assert by_file == {file.name: file.rows for file in summary.files}


async def test_a_seed_without_a_sample_is_refused(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(ConfigError, match="--sample-seed means nothing without --sample"):
            await apply(write(tmp_path / "c.csv", 3), settings_for(sandbox, tmp_path, sample_seed=7))


# ---- a canary ----


async def test_a_canary_that_succeeds_is_followed_by_the_others(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await apply(write(tmp_path / "c.csv", 20), settings_for(sandbox, tmp_path, canary=5))
        assert outcomes(summary) == ["updated"] * 20
        assert (summary.exit_code, summary.stopped, summary.sessions.traffic.sent) == (0, None, 20)
        assert [change.id for change in sandbox.applied[:5]] == IDS[:5]


async def test_a_stop_while_the_results_of_a_canary_are_written_sends_none_of_the_others(tmp_path: Path) -> None:
    stop = Stop()

    def look(progress: Progress) -> None:
        if progress.stage == "reporting":
            stop.request(15)

    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, canary=2, concurrency=4)
        with prepare(write(tmp_path / "in.csv", 10), settings, environ=KEYS, clock=QuickClock()) as job:
            summary = await execute(job, on_progress=look, stop=stop)
        assert (summary.exit_code, len(sandbox.applied)) == (143, 2)
        assert (await go_on(summary, tmp_path)).exit_code == 0
        assert len(sandbox.applied) == 10


@pytest.mark.parametrize(("strangers", "allowed", "stops"), [((1,), 0, True), ((1,), 1, False), ((1, 2), 1, True)])
async def test_a_canary_that_fails_stops_the_run_and_the_others_are_not_attempted(
    tmp_path: Path, strangers: tuple[int, ...], allowed: int, stops: bool
) -> None:
    async with Sandbox() as sandbox:
        path = with_strangers(tmp_path / "c.csv", 20, *strangers)
        settings = settings_for(sandbox, tmp_path, canary=5, canary_max_failures=allowed, concurrency=8)
        summary = await apply(path, settings)
        assert summary.counts[Outcome.FAILED] == len(strangers)
        assert summary.counts[Outcome.NOT_ATTEMPTED] == (15 if stops else 0)
        assert summary.exit_code == (3 if stops else 1)
        if stops:
            assert len(sandbox.requests) == 5
            again = await apply(path, settings)
            assert (again.run_id, again.exit_code, len(sandbox.requests)) == (summary.run_id, 3, 5)
            resumed = await go_on(summary, tmp_path, canary_max_failures=len(strangers))
            assert (resumed.exit_code, resumed.counts[Outcome.NOT_ATTEMPTED]) == (1, 0)
            assert len(sandbox.requests) == 20


@pytest.mark.parametrize("strangers", [(), (0,)])
async def test_with_a_person_to_ask_the_run_waits_after_its_canary_and_goes_on_once_it_has_passed(
    tmp_path: Path, strangers: tuple[int, ...]
) -> None:
    failed = len(strangers)
    async with Sandbox() as sandbox:
        path = with_strangers(tmp_path / "c.csv", 12, *strangers)
        with prepare(path, settings_for(sandbox, tmp_path, canary=4), environ=KEYS, clock=QuickClock()) as job:
            waiting = await execute(job, asks=True)
            assert waiting.waits_after_canary
            assert waiting.stopped is not None
            assert ("of which 1 did not succeed" in waiting.stopped.message) == bool(failed)
            assert waiting.counts[Outcome.FAILED] == failed
            assert waiting.counts[Outcome.NOT_ATTEMPTED] == 8
            job.let_canary_pass()
            summary = await execute(job, asks=True)
        assert Counter(outcomes(summary)) == Counter({"updated": 12 - failed, "failed": failed})
        assert (summary.exit_code, summary.stopped, len(sandbox.requests)) == (failed, None, 12)


async def test_a_run_that_dies_once_its_canary_has_passed_is_not_held_up_again(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        path = with_strangers(tmp_path / "c.csv", 12, 0)
        with prepare(path, settings_for(sandbox, tmp_path, canary=4), environ=KEYS, clock=QuickClock()) as job:
            summary = await execute(job, asks=True)
            job.let_canary_pass()
        resumed = await go_on(summary, tmp_path)
        assert (resumed.exit_code, len(sandbox.requests)) == (1, 12)


@pytest.mark.parametrize("asks", [False, True])
async def test_the_failures_of_a_canary_that_has_passed_still_count_for_max_failures(
    tmp_path: Path, asks: bool
) -> None:
    async with Sandbox() as sandbox:
        path = with_strangers(tmp_path / "c.csv", 30, 1, 2, 10)
        settings = settings_for(sandbox, tmp_path, canary=5, canary_max_failures=2, max_failures="2")
        with prepare(path, settings, environ=KEYS, clock=QuickClock()) as job:
            summary = await execute(job, asks=asks)
            if asks:
                job.let_canary_pass()
                summary = await execute(job, asks=True)
        assert summary.stopped is not None
        assert "3 of 11 rows failed, and --max-failures allows 2" in summary.stopped.message
        resumed = await go_on(summary, tmp_path)
        assert resumed.exit_code == 1, "to resume is to allow as many failures again"


async def test_a_canary_is_in_rows_also_where_they_go_out_together(tmp_path: Path) -> None:
    async with Sandbox(contacts=40) as sandbox:
        path = tmp_path / "c.csv"
        path.write_text("id,name\n" + "".join(f"c{n},N\n" for n in (1, 10_001, 2, *range(4, 30))), "utf-8")
        settings = settings_for(sandbox, tmp_path, target=str(CONTACTS), batch_size=10, canary=5)
        keys = {"CONTACTS_API_KEY": "ct_sandbox"}
        with prepare(path, settings, environ=keys, clock=QuickClock()) as job:
            summary = await execute(job)
        assert summary.counts[Outcome.NOT_ATTEMPTED] == 24
        assert summary.counts[Outcome.UPDATED] == len(sandbox.applied) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_run_that_is_killed_within_its_canary_and_after_it_sends_every_row_and_asks_once(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", 50)
    with run_in_thread(langdock=60) as sandbox:
        command = [
            *(sys.executable, "-m", "batchupdate", "run", path.name, "--yes", "--quiet", "--runs-dir", "runs"),
            *("-t", "langdock-integration", "--base-url", sandbox.url, "--rate", "20/s", "--canary", "20"),
            *("--concurrency", "1"),
        ]
        for after in (8, 30):
            with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **KEYS}) as process:
                deadline = time.monotonic() + 120
                while sandbox.counts.requests < after and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.001)
                process.kill()
            (journal,) = (tmp_path / "runs").glob("2*/journal.sqlite3")
            with Journal.open(journal) as left:
                assert left.meta()["canary"]["passed"] is (after > 20)
                assert left.meta()["canary"]["rows"] == 20
        subprocess.run(command, cwd=tmp_path, env={**os.environ, **KEYS}, check=True, timeout=300)
        times = Counter(change.id for change in sandbox.applied)
    assert len(times) == 50
    assert sum(times.values()) <= 50 + 2
    with journal.with_name("results.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [line["_outcome"] for line in csv.DictReader(file)] == ["updated"] * 50


async def test_the_kept_settings_of_a_run_hold_its_canary_for_resume(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sandbox.revoke()
        stopped = await apply(write(tmp_path / "c.csv", 20), settings_for(sandbox, tmp_path, canary=5))
        assert stopped.exit_code == 3
        assert not stopped.waits_after_canary
        sandbox.restore()
        folder = RunFolder(stopped.folder)
        with resumed_job(folder, with_kept(tmp_path), environ=KEYS, clock=QuickClock()) as job:
            summary = await execute(job, asks=True)
        assert summary.waits_after_canary
        assert summary.counts[Outcome.NOT_ATTEMPTED] == 15


# ---- more than usual ----


async def test_a_run_of_many_more_rows_than_usual_is_refused_leaves_nothing_and_can_be_allowed(tmp_path: Path) -> None:
    async with Sandbox(langdock=200) as sandbox:
        settings = settings_for(sandbox, tmp_path)
        source = tmp_path / "nightly.csv"
        for night in range(3):
            await run_file(write(source, 3, f"Night {night}"), settings, environ=KEYS)
        source.write_text(
            "id,name\n" + "".join(f"{r.id},Big\n" for r in make_records(langdock=200).langdock[:200]), "utf-8"
        )
        sent, runs = len(sandbox.requests), len(list((tmp_path / "runs").glob("2*")))
        with pytest.raises(InputError, match="Usually about 3 rows are sent; today 200"):
            await run_file(source, settings, environ=KEYS)
        with pytest.raises(InputError, match="--max-rows allows 150"):
            await run_file(source, settings.model_copy(update={"max_rows": 150}), environ=KEYS)
        assert len(sandbox.requests) == sent
        assert len(list((tmp_path / "runs").glob("2*"))) == runs
        summary = await run_file(source, settings, yes_really=True, environ=KEYS)
        assert summary.counts[Outcome.UPDATED] == 200


async def test_a_plan_of_many_more_rows_than_usual_is_refused_where_nobody_is_asked(tmp_path: Path) -> None:
    async with Sandbox(langdock=200) as sandbox:
        settings = settings_for(sandbox, tmp_path)
        source = tmp_path / "nightly.csv"
        for night in range(3):
            await run_file(write(source, 3, f"Night {night}"), settings, environ=KEYS)
        records = make_records(langdock=200).langdock[:200]
        source.write_text("id,name\n" + "".join(f"{one.id},Big\n" for one in records), "utf-8")
        made = await plan_file(source, settings, environ=KEYS)
        sent, runs = len(sandbox.applied), len(list((tmp_path / "runs").glob("2*")))
        with pytest.raises(InputError, match="Usually about 3 rows are sent; today 200"):
            await run_plan(made.folder, settings, environ=KEYS)
        with pytest.raises(InputError, match="--max-rows allows 150"):
            await run_plan(made.folder, settings.model_copy(update={"max_rows": 150}), environ=KEYS)
        assert len(list((tmp_path / "runs").glob("2*"))) == runs
        assert len(sandbox.applied) == sent
        with plan_run_job(
            find_plan(tmp_path / "runs", str(made.folder)), with_kept(tmp_path), asks=True, environ=KEYS
        ) as job:
            assert job.unusual == ["Usually about 3 rows are sent; today 200."]
        summary = await run_plan(made.folder, settings, yes_really=True, environ=KEYS)
        assert summary.counts[Outcome.UPDATED] == 200


async def test_of_a_plan_only_the_rows_that_it_sends_count_and_of_the_past_the_runs_of_plans_too(
    tmp_path: Path,
) -> None:
    async with Sandbox(langdock=200) as sandbox:
        settings = settings_for(sandbox, tmp_path)
        source = tmp_path / "nightly.csv"
        for night in range(3):
            made = await plan_file(write(source, 3, f"Night {night}"), settings, environ=KEYS)
            await run_plan(made.folder, settings, environ=KEYS)
        records = make_records(langdock=200).langdock[:200]
        text = "id,name\n" + "".join(f"{one.id},{one.name}\n" for one in records[5:])
        source.write_text(text + f"{IDS[0]},New\n", "utf-8")
        made = await plan_file(source, settings, environ=KEYS)
        assert (await run_plan(made.folder, settings, environ=KEYS)).exit_code == 0, "one row changes"
        with pytest.raises(InputError, match="Usually about 3 rows are sent; today 196"):
            await run_file(source, settings, environ=KEYS)
