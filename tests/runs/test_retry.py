"""What failed is sent again: whole runs through the library, over real sockets."""

from __future__ import annotations

import csv
import shutil
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
    lines,
    outcomes,
    settings_for,
    with_kept,
    write,
)

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.model import Outcome
from batchupdate.run import retry_job
from batchupdate.runs.folder import RunFolder, all_runs
from batchupdate.runs.resume import resumed_job
from batchupdate.runs.selection import Selection, parse_selection
from batchupdate.sandbox import Faults, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


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


async def test_where_repeating_is_not_safe_an_unknown_row_is_sent_again_only_if_that_is_said(tmp_path: Path) -> None:
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


async def test_unknown_rows_keep_the_keys_by_which_the_api_knows_them(tmp_path: Path) -> None:
    (tmp_path / "keyed.yaml").write_text(
        ONCE.replace("repeatable: false", "repeatable: true") + "idempotency: {header: Idempotency-Key}\n", "utf-8"
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


async def test_a_retry_that_was_killed_at_its_question_is_not_resumed_beside_the_run_that_still_has_its_rows(
    tmp_path: Path,
) -> None:
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path))
    with retry_job(RunFolder(stopped.folder), Selection(), with_kept(tmp_path), environ=KEYS) as prepared:
        abandoned = prepared.folder
        shutil.copytree(abandoned.path, tmp_path / "killed")
    (tmp_path / "killed").rename(abandoned.path)
    with (
        pytest.raises(ConfigError, match=f"its rows are still those of the run {stopped.run_id}") as error,
        resumed_job(abandoned, with_kept(tmp_path), environ=KEYS),
    ):
        pass
    assert error.value.hint == f"Retry them with: batchupdate retry {RunFolder(stopped.folder).command_name}"
    with Journal.open(stopped.folder / "journal.sqlite3") as journal:  # as if it had been killed just after that
        journal.give_away(journal.numbers_of([Outcome.NOT_ATTEMPTED], [], []), abandoned.run_id)
    with resumed_job(abandoned, with_kept(tmp_path), environ=KEYS) as job:
        assert job.to_send == 3
