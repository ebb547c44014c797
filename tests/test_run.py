"""Whole runs through the library, over real sockets."""

from __future__ import annotations

import asyncio
import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock

import batchupdate
from batchupdate.config import Settings
from batchupdate.errors import ConfigError, InputError, RunLocked
from batchupdate.journal import Journal
from batchupdate.model import Outcome
from batchupdate.run import check_file, execute, prepare, retry_job
from batchupdate.runs.folder import RunFolder, all_runs
from batchupdate.runs.history import overview, rebuild_reports, summary_of
from batchupdate.runs.selection import Selection
from batchupdate.sandbox import LANGDOCK_KEY, Faults, Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "ONCE_KEY": LANGDOCK_KEY}
IDS = [record.id for record in make_records().langdock]


def write(path: Path, *rows: Sequence[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


PATIENT = {"timeout": 1000.0, "connect_timeout": 1000.0}  # ten seconds, by the quick clock


def settings_for(sandbox: Sandbox | None, folder: Path, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "target": "langdock-integration",
            "base_url": sandbox.url if sandbox else "http://127.0.0.1:9",
            "runs_dir": folder / "runs",
            "rate": "unlimited",
            **more,
        }
    )


async def apply(source: Path, settings: Settings, *, new: bool = True) -> Summary:
    with prepare(source, settings, new=new, environ=KEYS, clock=QuickClock()) as prepared:
        return await execute(prepared)


def lines(summary: Summary, name: str = "results.csv") -> list[dict[str, str]]:
    with (summary.folder / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


async def test_merged_rows_go_out_as_one_request_and_share_its_outcome(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.csv",
        ["id", "name", "description"],
        [IDS[0], "First", ""],
        [IDS[1], "Alone", ""],
        [IDS[0].upper(), "", "Second"],
    )
    async with Sandbox() as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, input={"on_duplicate": "merge"}))
        assert [dict(change.fields) for change in sandbox.applied if change.id == IDS[0]] == [
            {"name": "First", "description": "Second"}
        ]
    found = lines(summary)
    assert [line["_outcome"] for line in found] == ["updated"] * 3
    assert found[0]["_error"] == "sent together with row 4"
    assert summary.exit_code == 0


async def test_with_last_only_the_last_row_for_a_record_is_sent(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "OldColumn"], [IDS[0], "New"])
    async with Sandbox() as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, input={"on_duplicate": "last"}))
        assert [dict(change.fields) for change in sandbox.applied] == [{"name": "New"}]
    found = lines(summary)
    assert [line["_outcome"] for line in found] == ["unchanged", "updated"]
    assert "row 3 for the same record takes its place" in found[0]["_error"]
    assert (summary.exit_code, lines(summary, "failed.csv")) == (0, [])


@pytest.mark.parametrize("policy", ["last", "merge"])
async def test_an_invalid_last_row_keeps_the_earlier_one_from_being_sent(tmp_path: Path, policy: str) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "OldColumn"], [IDS[0], "x" * 41])
    async with Sandbox() as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, input={"on_duplicate": policy}))
        assert sandbox.requests == []
    found = lines(summary)
    assert [line["_outcome"] for line in found] == ["invalid", "invalid"]
    assert "row 3 for the same record is invalid" in found[0]["_error"]


async def test_by_default_no_row_of_a_doubled_record_is_sent_and_each_names_the_other(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "A"], [IDS[1], "B"], [IDS[0], "C"])
    async with Sandbox() as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path))
        assert [change.id for change in sandbox.applied] == [IDS[1]]
    found = lines(summary)
    assert "row 4" in found[0]["_error"]
    assert "row 2" in found[2]["_error"]


async def test_a_key_in_a_cell_is_refused_and_written_nowhere(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], f"oops {LANGDOCK_KEY}"], [IDS[1], "Fine"])
    async with Sandbox() as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path))
        assert len(sandbox.applied) == 1
    assert [line["_outcome"] for line in lines(summary)] == ["invalid", "updated"]
    for path in summary.folder.iterdir():
        assert LANGDOCK_KEY.encode() not in path.read_bytes(), path.name


async def test_cells_beyond_the_header_survive_and_are_refused_again_in_failed_csv(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "Smith", " John"], [IDS[1], "Fine"])
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path)
        summary = await apply(source, settings)
        (failed,) = lines(summary, "failed.csv")
        assert (failed["name"], failed["_extra_1"], failed["_outcome"]) == ("Smith", " John", "invalid")
        again = await apply(summary.folder / "failed.csv", settings)
        assert [change.id for change in sandbox.applied] == [IDS[1]]
    assert [line["_outcome"] for line in lines(again)] == ["invalid"]


ONCE = """
name: once
title: Langdock, but never send twice
path: /integrations/v1/{id}
auth: {scheme: header, name: Authorization, value: "Bearer {key}", env: ONCE_KEY}
id: {id: {}}
fields: {name: {}}
repeatable: false
"""


async def test_where_repeating_is_not_safe_a_lost_answer_is_unknown_and_never_sent_again(tmp_path: Path) -> None:
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    source = write(tmp_path / "in.csv", ["id", "name"], *([record, "New"] for record in IDS[:6]))
    async with Sandbox(faults=Faults.in_order("reset-after", "ok", "reset-before", "500-after", "ok", "ok")) as sandbox:
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml"), concurrency=1)
        summary = await apply(source, settings)
        assert [request.id for request in sandbox.requests if request.id] == IDS[:6]
    assert [line["_outcome"] for line in lines(summary)] == [
        "unknown", "updated", "unknown", "unknown", "updated", "updated",
    ]  # fmt: skip


async def test_an_unfinished_run_is_only_gone_on_with_if_file_target_and_settings_are_the_same(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "A"], [IDS[1], "B"])
    async with Sandbox() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path)
        await apply(source, settings)
        other = settings.model_copy(update={"limit": 1})
        faster = settings.model_copy(update={"max_attempts": 9})
        for candidate, resumed in ((settings, True), (faster, True), (other, False)):
            with prepare(source, candidate, environ=KEYS) as prepared:
                assert prepared.resumed is resumed
        write(source, ["id", "name"], [IDS[0], "A"], [IDS[1], "C"])
        with prepare(source, settings, environ=KEYS) as prepared:
            assert not prepared.resumed


async def test_a_run_that_somebody_holds_is_left_alone(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "A"])
    async with Sandbox() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path)
        summary = await apply(source, settings)
        with RunFolder(summary.folder).lock():
            with pytest.raises(RunLocked, match="Another process"), prepare(source, settings, environ=KEYS):
                pass
            with pytest.raises(RunLocked):
                rebuild_reports(RunFolder(summary.folder))


def test_a_run_that_was_not_executed_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "A"])
    settings = settings_for(None, tmp_path)
    with prepare(source, settings, environ=KEYS) as prepared:
        assert prepared.folder.path.exists()
    assert all(path.name.endswith(".lock") for path in (tmp_path / "runs").iterdir())


def test_a_failure_while_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f'id,name\n{IDS[0]},A\n{IDS[1]},"never closed\n', "utf-8")
    with pytest.raises(InputError), prepare(source, settings_for(None, tmp_path), environ=KEYS):
        pass
    assert not any(tmp_path.glob("runs/2*"))


def test_a_run_that_ended_while_its_file_was_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "20261121-184500-renames-7f3a"
    folder.mkdir()
    Journal.create(folder / "journal.sqlite3").close()
    with pytest.raises(ConfigError, match="while its file was being read"):
        summary_of(RunFolder(folder))
    assert overview(next(all_runs(tmp_path))).state == "unreadable"


async def test_a_hook_sees_reading_sending_and_reporting(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], *([record, "New"] for record in IDS[:5]))
    seen: list[batchupdate.Progress] = []
    async with Sandbox() as sandbox:
        await batchupdate.run_file(source, settings_for(sandbox, tmp_path), on_progress=seen.append, environ=KEYS)
    assert list(dict.fromkeys(progress.stage for progress in seen)) == [
        "reading",
        "planning",
        "sending",
        "reporting",
    ]
    assert (seen[-1].done, seen[-1].total) == (5, 5)


async def test_two_runs_at_once_do_not_disturb_each_other_where_the_user_allows_them(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, allow_overlap=True, **PATIENT)
        sources = [
            write(tmp_path / f"{n}.csv", ["id", "name"], *([record, f"N{n}"] for record in IDS[n * 10 : n * 10 + 10]))
            for n in range(3)
        ]
        summaries = await asyncio.gather(*(apply(source, settings) for source in sources))
        assert len(sandbox.applied) == 30
    assert [summary.counts[batchupdate.Outcome.UPDATED] for summary in summaries] == [10, 10, 10]


def test_check_counts_what_run_would_do(tmp_path: Path) -> None:
    rows = [[IDS[0], "A", ""], [IDS[0], "B", ""], [IDS[1], "", ""], [IDS[2], "C", ""]]
    source = write(tmp_path / "in.csv", ["id", "name", "note"], *rows)
    checkup = check_file(source, settings_for(None, tmp_path, input={"on_duplicate": "last"}), environ={})
    assert (checkup.rows, checkup.invalid, checkup.superseded) == (4, 1, 1)
    assert any("note" in notice for notice in checkup.notices)


@pytest.mark.parametrize("columns", [{}, {"x": "name"}])
def test_where_no_column_fits_what_was_guessed_about_the_file_is_told(tmp_path: Path, columns: dict[str, str]) -> None:
    source = write(tmp_path / "in.csv", ["Renames", "", ""], ["id", "name", ""], [IDS[0], "A", "mine"], ["", "B"])
    settings = settings_for(None, tmp_path, input={"columns": columns})
    with pytest.raises(InputError, match=r"The file has: .*Row 1 is taken as the header"):
        check_file(source, settings, environ={})


def test_an_invalid_row_gives_way_to_none(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "x" * 41], [IDS[0], "B"], [IDS[1], "C"])
    checkup = check_file(source, settings_for(None, tmp_path, input={"on_duplicate": "last"}), environ={})
    assert (checkup.rows, checkup.invalid, checkup.superseded) == (3, 1, 0)


async def test_results_are_in_input_order_whatever_the_order_of_answers(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], *([record, "New"] for record in IDS[:40]))
    async with Sandbox(faults=Faults.parse("slow=0.3", 5)) as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, concurrency=16, **PATIENT))
    assert [line["_id"] for line in lines(summary)] == IDS[:40]
    log = [json.loads(line) for line in (summary.folder / "run.log").read_text("utf-8").splitlines()]
    assert [entry["event"] for entry in log] == ["start", "end"]


def test_a_second_process_that_comes_while_the_file_is_read_does_not_send_it_too(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "A"])
    settings = settings_for(None, tmp_path)
    refused = []

    def meanwhile(_: object) -> None:
        with pytest.raises(RunLocked), prepare(source, settings, environ=KEYS):
            pass
        refused.append(True)

    with prepare(source, settings, environ=KEYS, on_progress=meanwhile):
        assert refused


async def damaged(tmp_path: Path, sandbox: Sandbox, **more: Any) -> tuple[Path, Settings]:
    """An unfinished run whose journal was overwritten."""
    source = write(tmp_path / "in.csv", ["id", "name"], *([record, "New"] for record in IDS[:3]))
    settings = settings_for(sandbox, tmp_path, **more)
    sandbox.revoke()
    summary = await apply(source, settings)
    (summary.folder / "journal.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    return source, settings


async def test_an_earlier_run_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        source, settings = await damaged(tmp_path, sandbox)
        with prepare(source, settings, environ=KEYS) as prepared:
            assert any("can't be read" in notice for notice in prepared.checkup.notices)


async def test_where_repeating_is_not_safe_an_earlier_run_that_can_not_be_read_stops_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    async with Sandbox() as sandbox:
        source, settings = await damaged(tmp_path, sandbox, target=str(tmp_path / "once.yaml"))
        with pytest.raises(ConfigError, match="may have sent this file"), prepare(source, settings, environ=KEYS):
            pass
        with prepare(source, settings, new=True, environ=KEYS) as prepared:
            assert prepared.to_send == 3


async def test_the_library_resumes_and_retries_as_the_commands_do(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.csv",
        ["id", "name"],
        *([one, f"N {one[:4]}"] for one in IDS[:4]),
        ["00000000-0000-4000-8000-000000000000", "x"],
    )
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, concurrency=1)
        with prepare(source, settings, environ=KEYS, clock=QuickClock()) as job:
            job.journal.begin_session(1.0, repeatable=True)  # and the process dies before anything left
        resumed = await batchupdate.resume("latest", settings_for(sandbox, tmp_path), environ=KEYS)
        assert len(sandbox.applied) == 4
        again = await batchupdate.retry(resumed.run_id, settings=settings_for(sandbox, tmp_path), environ=KEYS)
        assert len(sandbox.applied) == 4
        with pytest.raises(ConfigError, match="No row of the run"):
            await batchupdate.retry(
                "latest",
                batchupdate.Selection(statuses=[(500, 599)]),
                settings_for(sandbox, tmp_path),
                environ=KEYS,
            )
    assert [line["_outcome"] for line in lines(resumed)] == ["updated"] * 4 + ["failed"]
    assert (again.retry_of, again.rows, again.exit_code) == (resumed.run_id, 1, 1)


def test_an_encoding_that_is_an_implausible_guess_stops_a_run_that_nobody_is_asked_about(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(f"integrationId,name\n{IDS[0]},Отдел продаж\n".encode("cp1251"))
    with (
        pytest.raises(InputError, match=r"read as cp1251, which is a guess.*Nothing was sent"),
        prepare(source, settings_for(None, tmp_path), environ=KEYS),
    ):
        pass
    assert list(all_runs(tmp_path / "runs")) == []
    with prepare(source, settings_for(None, tmp_path), asks=True, environ=KEYS) as job:
        assert "which is a guess" in " ".join(job.checkup.notices)
    said = settings_for(None, tmp_path, input={"encoding": "cp1251"})
    with prepare(source, said, environ=KEYS) as job:
        assert job.to_send == 1


def test_one_of_several_files_with_an_implausible_guess_stops_the_run_too(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", ("integrationId", "name"), (IDS[0], "A"))
    other = tmp_path / "b.csv"
    other.write_bytes(f"integrationId,name\n{IDS[1]},Отдел продаж\n".encode("cp1251"))
    with (
        pytest.raises(InputError, match=r"b.csv: The file is not UTF-8.*Nothing was sent"),
        prepare([one, other], settings_for(None, tmp_path), environ=KEYS),
    ):
        pass


async def test_a_program_that_is_interrupted_is_told_what_is_left_and_how_to_resume(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], *([record, "New"] for record in IDS[:20]))
    async with Sandbox(faults=Faults.in_order("ok", "ok", "hang")) as sandbox:
        with prepare(source, settings_for(sandbox, tmp_path, concurrency=1), environ=KEYS, clock=QuickClock()) as job:
            running = asyncio.create_task(execute(job))
            while sandbox.counts.requests < 3:  # noqa: ASYNC110 - the third one hangs
                await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await running
    (note,) = cancelled.value.__notes__
    assert note == f"18 rows are left; to resume: batchupdate resume {job.folder.path}"


@pytest.mark.parametrize("verbose", [True, False])
async def test_every_request_is_in_the_log_if_that_was_asked_for_and_no_value_or_key(
    tmp_path: Path, *, verbose: bool
) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "Secret plan"], [IDS[1], "Other plan"])
    async with Sandbox(faults=Faults.in_order("500", "ok", "reset-after")) as sandbox:
        settings = settings_for(sandbox, tmp_path, concurrency=1)
        with prepare(source, settings, environ=KEYS, clock=QuickClock()) as job:
            summary = await execute(job, verbose=verbose)
        seen = [(request.method, sandbox.url + request.path, request.status) for request in sandbox.requests]
    text = (summary.folder / "run.log").read_text("utf-8")
    logged = [entry for entry in map(json.loads, text.splitlines()) if entry["event"] == "request"]
    assert [(entry["method"], entry["url"], entry["status"]) for entry in logged] == (seen if verbose else [])
    assert [(entry["row"], entry["attempt"]) for entry in logged] == (
        [(2, 1), (3, 1), (2, 2), (2, 3)] if verbose else []
    )
    assert all(entry["level"] == "debug" and entry["duration_ms"] >= 0 for entry in logged)
    assert "plan" not in text
    assert LANGDOCK_KEY not in text


async def test_look_ups_are_in_the_log_too(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["id", "name"], [IDS[0], "New"])
    async with Sandbox(faults=Faults.in_order("reset-after")) as sandbox:
        summary = await apply(source, settings_for(sandbox, tmp_path, max_attempts=1))
        assert summary.counts[Outcome.UNKNOWN] == 1
        with_settings = settings_for(sandbox, tmp_path)
        with retry_job(RunFolder(summary.folder), Selection(), lambda _: with_settings, environ=KEYS) as job:
            summary = await execute(job, verbose=True)
    logged = [json.loads(line) for line in (summary.folder / "run.log").read_text("utf-8").splitlines()]
    methods = [entry["method"] for entry in logged if entry["event"] == "request"]
    assert methods == ["GET"]  # it was found applied, and is not sent again


async def test_two_columns_of_one_heading_that_nobody_uses_stand_in_the_results_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", ["id", "Comment", "name", "Comment"], [IDS[0], "a", "New", "b"])
    async with Sandbox() as sandbox:
        summary = await apply(path, settings_for(sandbox, tmp_path))
        assert [dict(change.fields) for change in sandbox.applied] == [{"name": "New"}]
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        header, row = list(csv.reader(file))
    assert (header[:4], row[:4]) == (["id", "Comment", "name", "Comment"], [IDS[0], "a", "New", "b"])
    frame = summary.results()
    assert list(frame.columns[:4]) == ["id", "Comment", "name", "Comment"]


@pytest.mark.parametrize(
    "settings",
    [
        {"columns": {"Comment": "name"}},
        {"when": {"Comment": ["a"]}},
        {"computed": {"name": "{Comment}"}},
    ],
)
def test_one_of_two_columns_of_one_heading_can_not_be_used(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = write(tmp_path / "in.csv", ["id", "Comment", "description", "comment"], [IDS[0], "a", "New", "b"])
    with pytest.raises(InputError, match="the columns B and D have the same heading"):
        check_file(path, settings_for(None, tmp_path, input=settings))
    twice = write(tmp_path / "twice.csv", ["id", "name", "Name"], [IDS[0], "a", "b"])
    with pytest.raises(InputError, match="the columns B and C have the same heading"):
        check_file(twice, settings_for(None, tmp_path))
