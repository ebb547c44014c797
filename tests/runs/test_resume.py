"""An unfinished run is resumed: whole runs through the library, over real sockets."""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING

import pytest
from whole_runs import (
    IDS,
    KEYS,
    ONCE,
    again,
    apply,
    changed_elsewhere,
    go_on,
    in_flight_when_killed,
    key_refused_after,
    lines,
    outcomes,
    settings_for,
    with_kept,
    write,
)

from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.journal import Journal
from batchupdate.run import prepare, resumed_job
from batchupdate.runs.folder import RunFolder
from batchupdate.sandbox import Faults, Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow


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


async def test_one_cell_edited_after_a_stop_sends_no_row_twice_where_repeating_is_not_safe(tmp_path: Path) -> None:
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    source = write(tmp_path / "in.csv", 6)
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml"))
        with key_refused_after(sandbox, 2):
            stopped = await apply(source, settings)
        source.write_text(source.read_text("utf-8").replace("New 4", "Newer 4"), "utf-8")
        with pytest.raises(
            ConfigError, match=r"has 4 rows left, but in.csv has changed since. 3 of its rows were sent"
        ):
            await apply(source, settings)
        assert [change.id for change in sandbox.applied] == IDS[:2]
        await go_on(stopped, tmp_path)
        assert [change.id for change in sandbox.applied] == IDS[:6]


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
    assert [line["_error"] for line in lines(summary)] == ["", "it was found applied when the run was resumed", "", ""]


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


async def test_an_api_that_refuses_to_be_read_leaves_unanswered_rows_to_be_sent_again(tmp_path: Path) -> None:
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
async def test_an_older_copy_of_a_journal_sends_nothing_a_second_time(tmp_path: Path, how: str) -> None:
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    source = write(tmp_path / "in.csv", 6)
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml"))
        with key_refused_after(sandbox, 2):
            stopped = await apply(source, settings)
        older = (stopped.folder / "journal.sqlite3").read_bytes()
        assert outcomes(await go_on(stopped, tmp_path)) == ["updated"] * 6
        (stopped.folder / "journal.sqlite3").write_bytes(older)
        going_on: dict[str, Callable[[], Awaitable[Summary]]] = {
            "resume": lambda: go_on(stopped, tmp_path),
            "retry": lambda: again(stopped, tmp_path),
            "run": lambda: apply(source, settings),
        }
        with pytest.raises(ConfigError, match=r"knows of 1 processes that worked on the run, and its log of 2"):
            await going_on[how]()
        assert [change.id for change in sandbox.applied] == IDS[:6]


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
