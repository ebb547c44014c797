"""Going on with runs, and sending again what failed: whole runs through the library, over real sockets."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock

from batchupdate.config import Settings, load_settings
from batchupdate.errors import ConfigError, RunLocked, SafetyStop
from batchupdate.journal import Journal
from batchupdate.model import Outcome
from batchupdate.run import execute, prepare, resumed_job, retry_job
from batchupdate.runs.folder import RunFolder, all_runs
from batchupdate.runs.selection import Selection, parse_selection
from batchupdate.sandbox import LANGDOCK_KEY, Faults, Sandbox, make_records
from batchupdate.sandbox.records import LangdockRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "ONCE_KEY": LANGDOCK_KEY}
IDS = [record.id for record in make_records().langdock]
ONCE = """\
name: once
title: "An API where repeating is not safe"
path: /integrations/v1/{id}
auth: {scheme: bearer, env: ONCE_KEY}
id: {id: {format: uuid}}
fields: {name: {}}
repeatable: false
"""


def write(path: Path, count: int, name: str = "New") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "name"], *([record, f"{name} {n}"] for n, record in enumerate(IDS[:count]))])
    return path


def settings_for(sandbox: Sandbox, folder: Path, **more: Any) -> Settings:
    options = {"target": "langdock-integration", "base_url": sandbox.url, "runs_dir": folder / "runs"}
    return Settings.model_validate({**options, "rate": "unlimited", "concurrency": 1, **more})


def with_kept(folder: Path, **more: Any) -> Callable[[Mapping[str, Any]], Settings]:
    return lambda kept: load_settings({"runs_dir": folder / "runs", **more}, environ={}, kept=kept)


async def apply(source: Path, settings: Settings) -> Summary:
    with prepare(source, settings, environ=KEYS, clock=QuickClock()) as prepared:
        return await execute(prepared)


async def go_on(summary: Summary, folder: Path, **more: Any) -> Summary:
    slower = QuickClock(10)  # a look-up that takes long on a busy machine is not to be given up
    with resumed_job(RunFolder(summary.folder), with_kept(folder, **more), environ=KEYS, clock=slower) as job:
        return await execute(job)


async def again(summary: Summary, folder: Path, selection: Selection | None = None, **more: Any) -> Summary:
    of, settings = RunFolder(summary.folder), with_kept(folder, **more)
    with retry_job(of, selection or Selection(), settings, environ=KEYS, clock=QuickClock()) as prepared:
        return await execute(prepared)


def lines(summary: Summary) -> list[dict[str, str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def outcomes(summary: Summary) -> list[str]:
    return [line["_outcome"] for line in lines(summary)]


def changed_elsewhere(sandbox: Sandbox, record_id: str) -> None:
    record = sandbox.record("langdock", record_id)
    assert isinstance(record, LangdockRecord)
    sandbox.put("langdock", replace(record, name="Somebody else's"))


def in_flight_when_killed(summary: Summary, rows: Sequence[int]) -> None:
    """Leaves the journal as a kill would have: these rows claimed, and nothing known of them."""
    with Journal.open(summary.folder / "journal.sqlite3") as journal:
        chosen = json.dumps(rows)
        journal._connection.execute("DELETE FROM result WHERE number IN (SELECT value FROM json_each(?))", (chosen,))
        journal._connection.execute("UPDATE session SET exit_code = NULL")


# Going on.


async def test_a_run_goes_on_without_its_file_and_sends_only_what_is_left(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 6)
    async with Sandbox(faults=Faults.in_order("ok", "ok")) as sandbox:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path, max_attempts=3))
        assert stopped.exit_code == 3
        source.unlink()
        sandbox.restore()
        summary = await go_on(stopped, tmp_path)
        assert [change.id for change in sandbox.applied] == IDS[:6]
    assert summary.run_id == stopped.run_id
    assert outcomes(summary) == ["updated"] * 6


async def test_a_run_goes_on_with_the_settings_it_had_and_those_said_now(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path, max_attempts=3, rate="7/s"))
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path, rate="9/s"), environ=KEYS) as prepared:
            assert (str(prepared.settings.rate), prepared.settings.max_attempts) == ("9/s", 3)
            assert prepared.base_url == sandbox.url


async def test_a_file_that_has_changed_is_told_and_the_run_keeps_to_its_rows(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path))
        write(source, 3, "Other")
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path), environ=KEYS) as prepared:
            assert any("has changed since this run began" in notice for notice in prepared.checkup.notices)
            assert prepared.to_send == 2
        with prepare(source, settings_for(sandbox, tmp_path), environ=KEYS) as new:
            assert not new.resumed
            assert any(stopped.run_id in notice and "2 rows left" in notice for notice in new.checkup.notices)


async def test_rows_in_flight_are_looked_up_and_found_applied_or_sent_again(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 4)
    async with Sandbox() as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path))
        in_flight_when_killed(first, [3, 4])
        before = len(sandbox.applied)
        changed_elsewhere(sandbox, IDS[2])
        summary = await go_on(first, tmp_path)
        assert [change.id for change in sandbox.applied[before:]] == [IDS[2]]
    assert outcomes(summary) == ["updated"] * 4
    assert [line["_error"] for line in lines(summary)] == ["", "it was found applied when the run went on", "", ""]


async def test_where_repeating_is_not_safe_a_row_that_is_found_applied_is_updated_and_others_stay_unknown(
    tmp_path: Path,
) -> None:
    (tmp_path / "once.yaml").write_text(ONCE + "read: {record: integration}\n", "utf-8")
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox() as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml")))
        in_flight_when_killed(first, [2, 3])
        changed_elsewhere(sandbox, IDS[1])
        before = len(sandbox.applied)
        summary = await go_on(first, tmp_path)
        assert sandbox.applied[before:] == []
    assert outcomes(summary) == ["updated", "unknown", "updated"]


async def test_an_api_that_refuses_to_be_read_leaves_rows_in_doubt_to_be_sent_again(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox(faults=Faults.in_order(*["ok"] * 3, "500", "500", "500", "ok", "ok")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=3))
        in_flight_when_killed(first, [3])
        before = len(sandbox.applied)
        summary = await go_on(first, tmp_path)
        assert [change.id for change in sandbox.applied[before:]] == [IDS[1]]
    assert outcomes(summary) == ["updated"] * 3


async def test_going_on_with_a_finished_run_sends_nothing(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        done = await apply(write(tmp_path / "in.csv", 2), settings_for(sandbox, tmp_path))
        sent = len(sandbox.requests)
        summary = await go_on(done, tmp_path)
        assert len(sandbox.requests) == sent
    assert outcomes(summary) == ["updated"] * 2


@pytest.mark.parametrize("how", ["resume", "retry", "run"])
async def test_nothing_is_sent_on_the_word_of_a_damaged_journal(tmp_path: Path, how: str) -> None:
    source = write(tmp_path / "in.csv", 60)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path)
        stopped = await apply(source, settings)
        seen = len(sandbox.requests)
        path = stopped.folder / "journal.sqlite3"
        content = bytearray(path.read_bytes())
        with Journal.open(path) as journal:
            (root,) = journal._connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'result'").fetchone()
        content[(root - 1) * 4096 : root * 4096] = os.urandom(4096)  # a table that nothing is asked about before
        path.write_bytes(content)
        for beside in ("journal.sqlite3-wal", "journal.sqlite3-shm"):
            (stopped.folder / beside).unlink(missing_ok=True)
        going_on: dict[str, Callable[[], Awaitable[Summary]]] = {
            "resume": lambda: go_on(stopped, tmp_path),
            "retry": lambda: again(stopped, tmp_path),
            "run": lambda: apply(source, settings),
        }
        if how == "run":  # it can't be told to be the same run, and this target may be sent twice
            summary = await going_on[how]()
            assert summary.run_id != stopped.run_id
        else:
            with pytest.raises((ConfigError, SafetyStop), match="--recover"):
                await going_on[how]()
            assert len(sandbox.requests) == seen


# Sending again.


async def test_only_what_failed_is_sent_again_by_a_run_of_its_own(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 5)
    async with Sandbox(faults=Faults.in_order("ok", "500", "ok", "502", "ok")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1))
        assert outcomes(first) == ["updated", "failed", "updated", "failed", "updated"]
        before = len(sandbox.applied)
        second = await again(first, tmp_path)
        assert [change.id for change in sandbox.applied[before:]] == [IDS[1], IDS[3]]
    assert second.run_id != first.run_id
    assert [(line["_row"], line["_outcome"]) for line in lines(second)] == [("3", "updated"), ("5", "updated")]
    assert second.to_json()["retry_of"] == first.run_id
    with Journal.open(first.folder / "journal.sqlite3") as journal:
        assert journal.counts()[Outcome.FAILED] == 2


@pytest.mark.parametrize(
    ("outcome", "status", "rows", "sent"),
    [
        (None, "502", None, [3]),
        (None, "5xx", None, [1, 3]),
        (None, "500,502", "3-4", [1]),
        ("failed", None, "4-9", [3]),
        (None, None, "5", [3]),
    ],
)
async def test_a_wish_narrows_what_is_sent_again(
    tmp_path: Path, outcome: str | None, status: str | None, rows: str | None, sent: list[int]
) -> None:
    source = write(tmp_path / "in.csv", 5)
    async with Sandbox(faults=Faults.in_order("ok", "500", "ok", "502", "ok")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1))
        before = len(sandbox.applied)
        await again(first, tmp_path, parse_selection(outcome, status, rows))
        assert [change.id for change in sandbox.applied[before:]] == [IDS[n] for n in sent]


async def test_where_no_row_is_to_be_sent_again_that_is_said(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        done = await apply(write(tmp_path / "in.csv", 2), settings_for(sandbox, tmp_path))
        with pytest.raises(ConfigError, match=r"No row of the run .* is to be sent again"):
            await again(done, tmp_path)
    assert len(list(all_runs(tmp_path / "runs"))) == 1


async def test_rows_that_a_retry_took_over_are_not_sent_by_the_old_run_any_more(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path)
        stopped = await apply(source, settings)
        sandbox.restore()
        second = await again(stopped, tmp_path)
        assert outcomes(second) == ["updated"] * 3
        before = len(sandbox.applied)
        old = await go_on(stopped, tmp_path)
        assert sandbox.applied[before:] == []
    assert {line["_error"].rpartition("; ")[2] for line in lines(old)} == {f"sent again by the run {second.run_id}"}


async def test_a_retry_that_was_only_looked_at_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path))
        with retry_job(RunFolder(stopped.folder), Selection(), with_kept(tmp_path), environ=KEYS) as prepared:
            assert prepared.to_send == 3
        with Journal.open(stopped.folder / "journal.sqlite3") as journal:
            assert journal.to_send() == 3
    assert len(list(all_runs(tmp_path / "runs"))) == 1


async def test_where_repeating_is_not_safe_a_row_in_doubt_is_sent_again_only_if_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "once.yaml").write_text(ONCE + "statuses: {502: {outcome: failed}}\n", "utf-8")
    source = write(tmp_path / "in.csv", 4)
    async with Sandbox(faults=Faults.in_order("ok", "reset-after", "500-after", "502")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml")))
        assert outcomes(first) == ["updated", "unknown", "unknown", "failed"]
        before = len(sandbox.applied)
        await again(first, tmp_path)
        assert [change.id for change in sandbox.applied[before:]] == [IDS[3]]
        before = len(sandbox.applied)
        named = await again(first, tmp_path, parse_selection("unknown", None, None))
        assert [change.id for change in sandbox.applied[before:]] == [IDS[1], IDS[2]]
    assert outcomes(named) == ["updated"] * 2


async def test_no_row_is_sent_again_by_two_retries_of_one_run(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox(faults=Faults.in_order("ok", "500", "500")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1))
        second = await again(first, tmp_path, parse_selection(None, None, "3"))
        third = await again(first, tmp_path)
        assert [line["_row"] for line in lines(third)] == ["4"]
        with pytest.raises(ConfigError, match=rf"sent again by .*{second.run_id}.*: see and retry that one"):
            await again(first, tmp_path)


async def test_rows_in_doubt_keep_the_keys_by_which_the_api_knows_them(tmp_path: Path) -> None:
    (tmp_path / "keyed.yaml").write_text(
        ONCE.replace("repeatable: false", "repeatable: true") + "idempotency_header: Idempotency-Key\n", "utf-8"
    )
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox(faults=Faults.in_order("reset-after", "502")) as sandbox:
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "keyed.yaml"), max_attempts=1)
        first = await apply(source, settings)
        assert outcomes(first) == ["unknown", "failed"]
        nonces = []
        for selection in (Selection(), parse_selection("unknown", None, None)):
            with retry_job(RunFolder(first.folder), selection, with_kept(tmp_path), environ=KEYS) as prepared:
                nonces.append((prepared.to_send, prepared.journal.meta()["nonce"]))
        with Journal.open(first.folder / "journal.sqlite3") as journal:
            nonce = journal.meta()["nonce"]
    assert nonces == [(1, nonces[0][1]), (1, nonce)]
    assert nonces[0][1] != nonce


async def test_a_run_is_not_gone_on_with_at_another_address(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox() as sandbox, Sandbox() as elsewhere:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path))
        with pytest.raises(ConfigError, match=r"This run sends to http://127.0.0.1:\d+, and now"):
            await go_on(stopped, tmp_path, base_url=elsewhere.url)
        retried = await again(stopped, tmp_path, base_url=elsewhere.url)
        assert outcomes(retried) == ["updated"] * 2
        assert len(elsewhere.applied) == 2
        with resumed_job(RunFolder(retried.folder), with_kept(tmp_path), environ=KEYS) as prepared:
            assert prepared.base_url == elsewhere.url


async def test_a_run_does_not_go_around_the_proxy_it_went_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        proxy = sandbox.url.replace("http://", "http://user:hunter22@")
        stopped = await apply(source, settings_for(sandbox, tmp_path, proxy=proxy))
        with pytest.raises(ConfigError, match=r"went through the proxy 127\.0\.0\.1:\d+, and now none is named"):
            await go_on(stopped, tmp_path)
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path, proxy=proxy), environ=KEYS) as prepared:
            assert prepared.settings.proxy == proxy
    assert not any(b"hunter22" in path.read_bytes() for path in stopped.folder.iterdir())


async def test_a_file_that_was_left_unfinished_with_other_settings_is_told(tmp_path: Path) -> None:
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml"))
        stopped = await apply(source, settings)
        (tmp_path / "once.yaml").write_text(ONCE.replace("name: {}", "name: {max_length: 80}"), "utf-8")
        with pytest.raises(ConfigError, match=f"The run {stopped.run_id} of this file has 3 rows left"):
            await apply(source, settings)
        with prepare(source, settings, new=True, environ=KEYS) as prepared:
            assert not prepared.resumed
        (tmp_path / "once.yaml").write_text(ONCE.replace("repeatable: false", "repeatable: true\nrules: []"), "utf-8")
        with prepare(source, settings, environ=KEYS) as prepared:
            assert any(stopped.run_id in notice and "its target" in notice for notice in prepared.checkup.notices)


async def test_an_api_that_can_not_be_read_is_written_all_the_same(tmp_path: Path) -> None:
    built_in = resources.files("batchupdate.targets").joinpath("langdock-integration.yaml").read_text("utf-8")
    unreadable = built_in.replace("record: integration", "path: /integrations/v1/{integrationId}/nothing")
    (tmp_path / "t.yaml").write_text(unreadable, "utf-8")
    source = write(tmp_path / "in.csv", 12)
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "t.yaml"), max_failures=3)
        first = await apply(source, settings)
        in_flight_when_killed(first, list(range(2, 14)))
        before = len(sandbox.applied)
        summary = await go_on(first, tmp_path)
        assert len(sandbox.applied) - before == 12
    assert outcomes(summary) == ["updated"] * 12


async def test_an_unknown_row_that_fails_when_sent_again_stays_unknown(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 1)
    async with Sandbox(faults=Faults.in_order("reset-after", "ok", "500")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1))
        assert outcomes(first) == ["unknown"]
        changed_elsewhere(sandbox, IDS[0])
        second = await again(first, tmp_path)
    assert outcomes(second) == ["unknown"]


async def test_merged_rows_are_sent_again_together(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = [["id", "name", "description"], [IDS[0], "First", ""], [IDS[0].upper(), "", "Second"], [IDS[1], "B", ""]]
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    async with Sandbox(faults=Faults.in_order("500", "ok")) as sandbox:
        first = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1, input={"on_duplicate": "merge"}))
        assert outcomes(first) == ["failed", "failed", "updated"]
        before = len(sandbox.applied)
        second = await again(first, tmp_path, parse_selection(None, None, "2"))
        assert [dict(change.fields) for change in sandbox.applied[before:]] == [
            {"name": "First", "description": "Second"}
        ]
    assert outcomes(second) == ["updated"] * 2


@pytest.mark.parametrize(
    ("outcome", "status", "rows", "said"),
    [
        ("fine", None, None, "--outcome 'fine' can't be sent again"),
        ("invalid", None, None, "--outcome 'invalid' can't be sent again"),
        (None, "6", None, "--status '6' is not an HTTP status"),
        (None, "4x", None, "--status '4x' is not an HTTP status"),
        (None, None, "20-10", "--rows '20-10' names no rows"),
        (None, None, "a", "--rows 'a' names no rows"),
        (None, None, "4, a,5", "--rows 'a,5' names no rows"),
    ],
)
def test_a_wish_that_means_nothing_is_refused(
    outcome: str | None, status: str | None, rows: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_selection(outcome, status, rows)


# One owner.


async def test_two_runs_of_one_target_do_not_overlap_unless_that_is_allowed(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.csv", 1), write(tmp_path / "b.csv", 2)
    async with Sandbox() as sandbox, Sandbox() as elsewhere:
        settings = settings_for(sandbox, tmp_path)
        with prepare(one, settings, environ=KEYS):
            with (
                pytest.raises(RunLocked, match=rf"\({os.getpid()} on .*, since 2.*\) is working on the target"),
                prepare(other, settings, environ=KEYS),
            ):
                pass
            with prepare(other, settings.model_copy(update={"allow_overlap": True}), environ=KEYS):
                pass
            with prepare(other, settings_for(elsewhere, tmp_path), environ=KEYS):
                pass
            with prepare(other, settings, keyless=True, environ=KEYS):
                pass  # only looks
        with prepare(other, settings, environ=KEYS):
            pass
