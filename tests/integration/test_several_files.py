"""Runs of several files, whole, through the library and over real sockets."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_runs import key_refused_after

import batchupdate
from batchupdate.api.client import Client
from batchupdate.config import Settings, load_settings
from batchupdate.errors import BatchUpdateError, ConfigError, UsageError
from batchupdate.journal import Journal
from batchupdate.model import RowRef
from batchupdate.run import check_file, execute, prepare, resumed_job, retry_job
from batchupdate.runs.folder import RunFolder, all_runs
from batchupdate.runs.history import rebuild_reports
from batchupdate.runs.rescued_reports import recover_reports
from batchupdate.runs.selection import Selection, parse_selection
from batchupdate.sandbox import LANGDOCK_KEY, Faults, Sandbox, make_records
from batchupdate.targets.idempotency import idempotency_key
from batchupdate.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.model import Problem
    from batchupdate.reporter import Summary
    from batchupdate.util.clock import Clock

pytestmark = pytest.mark.slow

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "KEYED_KEY": LANGDOCK_KEY}
IDS = [record.id for record in make_records().langdock]
KEYED = """\
name: keyed
title: "An API that wants an idempotency key"
path: /integrations/v1/{id}
auth: {scheme: bearer, env: KEYED_KEY}
id: {id: {format: uuid}}
fields: {name: {}}
idempotency: {header: Idempotency-Key}
"""


def write(path: Path, *rows: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def three_files(folder: Path) -> list[Path]:
    """Six rows in files of three, none and three rows; the last has its columns in another order."""
    return [
        write(folder / "a.csv", ["id", "name"], *([record, "A"] for record in IDS[:3])),
        write(folder / "none.csv", ["id", "name"]),
        write(folder / "b.csv", ["Name", "ID"], *(["B", record] for record in IDS[3:6])),
    ]


def settings_for(sandbox: Sandbox | None, folder: Path, **more: Any) -> Settings:
    options = {
        "target": "langdock-integration",
        "base_url": sandbox.url if sandbox else "http://127.0.0.1:9",
        "runs_dir": folder / "runs",
        "rate": "unlimited",
        "concurrency": 1,
        "max_attempts": 1,
    }
    return Settings.model_validate({**options, **more})


async def apply(sources: Sequence[Path], chosen: Settings, *, new: bool = False, clock: Clock | None = None) -> Summary:
    with prepare(sources, chosen, new=new, environ=KEYS, clock=clock or QuickClock()) as prepared:
        return await execute(prepared)


def with_kept(folder: Path) -> Any:
    return lambda kept: load_settings({"runs_dir": folder / "runs"}, environ={}, kept=kept)


async def again(summary: Summary, folder: Path, selection: Selection) -> Summary:
    of = RunFolder(summary.folder)
    with retry_job(of, selection, with_kept(folder), environ=KEYS, clock=QuickClock()) as prepared:
        return await execute(prepared)


def lines(summary: Summary, name: str = "results.csv") -> list[dict[str, str]]:
    with (summary.folder / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def spots(summary: Summary, name: str = "results.csv") -> list[tuple[str, str, str]]:
    return [(line["_file"], line["_row"], line["_outcome"]) for line in lines(summary, name)]


def written(summary: Summary) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((summary.folder / "summary.json").read_text("utf-8"))
    return found


# ---- what a run leaves ----


async def test_every_row_is_told_with_its_file_and_its_row_there(tmp_path: Path) -> None:
    sources = three_files(tmp_path)
    async with Sandbox(faults=Faults.in_order("ok", "500", "ok", "ok", "500")) as sandbox:
        summary = await apply(sources, settings_for(sandbox, tmp_path))
        assert [change.id for change in sandbox.applied] == [IDS[0], IDS[2], IDS[3], IDS[5]]
    fine, bad = "updated", "failed"
    assert spots(summary) == [
        ("a.csv", "2", fine), ("a.csv", "3", bad), ("a.csv", "4", fine),
        ("b.csv", "2", fine), ("b.csv", "3", bad), ("b.csv", "4", fine),
    ]  # fmt: skip
    assert spots(summary, "failed.csv") == [("a.csv", "3", bad), ("b.csv", "3", bad)]
    header = (summary.folder / "results.csv").read_text("utf-8-sig").split("\r\n")[0]
    assert header.startswith("id,name,_file,_row,_id,_outcome,")
    assert [(line["id"], line["name"]) for line in lines(summary)] == [
        *((record, "A") for record in IDS[:3]),
        *((record, "B") for record in IDS[3:6]),
    ]


async def test_the_summary_lists_the_files_with_their_digests_and_rows(tmp_path: Path) -> None:
    sources = three_files(tmp_path)
    async with Sandbox(faults=Faults.in_order("ok", "ok", "ok", "500")) as sandbox:
        summary = await apply(sources, settings_for(sandbox, tmp_path))
        alone = await apply(sources[:1], settings_for(sandbox, tmp_path))
    told, single = written(summary), written(alone)
    assert told["input"]["path"] == ", ".join(map(str, sources))
    assert told["input"]["rows"] == 6
    files = told["input"]["files"]
    assert [(one["name"], one["path"], one["rows"]) for one in files] == [
        ("a.csv", str(sources[0]), 3), ("none.csv", str(sources[1]), 0), ("b.csv", str(sources[2]), 3),
    ]  # fmt: skip
    assert files[0]["sha256"] == single["input"]["sha256"]
    assert len({told["input"]["sha256"], *(one["sha256"] for one in files)}) == 4
    (error,) = told["errors"]
    assert (error["example_file"], error["example_row"], error["count"]) == ("b.csv", 2, 1)
    assert summary.run_id.split("-", 2)[2].startswith("a-and-2-more-")


async def test_a_run_of_one_file_is_told_as_ever(tmp_path: Path) -> None:
    source = three_files(tmp_path)[0]
    async with Sandbox(faults=Faults.in_order("500")) as sandbox:
        summary = await apply([source], settings_for(sandbox, tmp_path))
    told = written(summary)
    assert list(told["input"]) == ["path", "sha256", "rows"]
    assert "example_file" not in told["errors"][0]
    assert list(told["errors"][0]["examples"][0]) == ["row", "id"]
    assert list(lines(summary)[0])[:4] == ["id", "name", "_row", "_id"]
    with Journal.open(summary.folder / "journal.sqlite3") as journal:
        assert [line.number for line in journal.lines()] == [2, 3, 4]


async def test_the_log_and_a_stop_name_file_and_row(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order("ok", "500", "ok")) as sandbox:
        with key_refused_after(sandbox, 2):
            summary = await apply(three_files(tmp_path), settings_for(sandbox, tmp_path))
    assert summary.exit_code == 3
    assert summary.stopped.message.startswith("Stopped at b.csv row 2: ")
    events = [json.loads(line) for line in (summary.folder / "run.log").read_text("utf-8").splitlines()]
    failed = next(event for event in events if event["event"] == "failed")
    assert (failed["file"], failed["row"]) == ("a.csv", 3)


async def test_the_first_examples_are_told_with_their_files(tmp_path: Path) -> None:
    sources = [
        write(tmp_path / "a.csv", ["id", "name"], [IDS[0], "A"]),
        write(tmp_path / "b.csv", ["id", "name"], [IDS[1], "B"]),
    ]
    with prepare(sources, settings_for(None, tmp_path), keyless=True) as prepared:
        assert [place for place, *_ in prepared.examples()] == ["a.csv row 2", "b.csv row 2"]
        assert prepared.checkup.files == {"a.csv": 1, "b.csv": 1}


async def test_files_of_one_name_are_told_with_their_folders(tmp_path: Path) -> None:
    sources = [
        write(tmp_path / "jan" / "a.csv", ["id", "name"], [IDS[0], "A"]),
        write(tmp_path / "feb" / "a.csv", ["id", "name"], [IDS[1], "B"]),
    ]
    async with Sandbox() as sandbox:
        summary = await apply(sources, settings_for(sandbox, tmp_path))
    assert [file for file, *_ in spots(summary)] == ["jan/a.csv", "feb/a.csv"]


async def test_a_name_that_a_spreadsheet_program_would_run_is_guarded(tmp_path: Path) -> None:
    sources = [
        write(tmp_path / "=a,b.csv", ["id", "name"], [IDS[0], "A"]),
        write(tmp_path / "b.csv", ["id", "name"], [IDS[1], "B"]),
    ]
    async with Sandbox() as sandbox:
        summary = await apply(sources, settings_for(sandbox, tmp_path))
    assert [file for file, *_ in spots(summary)] == ["'=a,b.csv", "b.csv"]


async def test_a_failed_csv_of_several_files_can_be_run_beside_a_plain_file(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order("ok", "500")) as sandbox:
        first = await apply(three_files(tmp_path), settings_for(sandbox, tmp_path))
        more = write(tmp_path / "more.csv", ["name", "id"], ["C", IDS[7]])
        second = await apply([first.folder / "failed.csv", more], settings_for(sandbox, tmp_path))
        assert sandbox.record("langdock", IDS[1]).name == "A"
    assert spots(second) == [("failed.csv", "2", "updated"), ("more.csv", "2", "updated")]
    assert list(lines(second)[0])[:4] == ["id", "name", "_file", "_row"]


async def test_every_row_has_an_idempotency_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    send = Client.send

    def kept(client: Client, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        sent.append(headers["Idempotency-Key"])
        return send(client, path, body, headers)

    monkeypatch.setattr(Client, "send", kept)
    (tmp_path / "keyed.yaml").write_text(KEYED, "utf-8")
    async with Sandbox() as sandbox:
        chosen = settings_for(sandbox, tmp_path, target=str(tmp_path / "keyed.yaml"))
        summary = await apply(three_files(tmp_path), chosen)
    with Journal.open(summary.folder / "journal.sqlite3") as journal:
        nonce = journal.meta()["nonce"]
    numbers = [2, 3, 4, *(RowRef(2, row).key for row in (2, 3, 4))]
    assert sent == [idempotency_key(nonce, number) for number in numbers]
    assert len(set(sent)) == 6


# ---- the same record in two files ----


def doubled(folder: Path) -> list[Path]:
    return [
        write(folder / "a.csv", ["id", "name", "description"], [IDS[0], "First", "Kept"], [IDS[1], "Alone", ""]),
        write(folder / "b.csv", ["id", "name", "description"], [IDS[0], "Second", ""]),
    ]


async def test_by_default_each_row_of_a_doubled_record_names_the_others_file(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await apply(doubled(tmp_path), settings_for(sandbox, tmp_path))
        assert [change.id for change in sandbox.applied] == [IDS[1]]
    assert "the same record is in b.csv row 2, too" in lines(summary)[0]["_error"]
    assert "the same record is in a.csv row 2, too" in lines(summary)[2]["_error"]


async def test_with_last_the_later_file_wins(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        chosen = settings_for(sandbox, tmp_path, input={"on_duplicate": "last"})
        summary = await apply(doubled(tmp_path), chosen)
        assert sandbox.record("langdock", IDS[0]).name == "Second"
    assert lines(summary)[0]["_error"].startswith("not sent: b.csv row 2 for the same record takes its place")


async def test_with_last_an_invalid_row_of_a_later_file_keeps_the_earlier_from_being_sent(tmp_path: Path) -> None:
    sources = doubled(tmp_path)
    write(sources[1], ["id", "name", "description"], [IDS[0], "x" * 41, ""])
    async with Sandbox() as sandbox:
        chosen = settings_for(sandbox, tmp_path, input={"on_duplicate": "last"})
        summary = await apply(sources, chosen)
    assert lines(summary)[0]["_error"].startswith("b.csv row 2 for the same record is invalid")


async def test_merged_rows_go_out_as_one_and_say_with_which(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        chosen = settings_for(sandbox, tmp_path, input={"on_duplicate": "merge"})
        summary = await apply(doubled(tmp_path), chosen)
        assert [dict(change.fields) for change in sandbox.applied if change.id == IDS[0]] == [
            {"name": "Second", "description": "Kept"}
        ]
    assert [line["_outcome"] for line in lines(summary)] == ["updated"] * 3
    assert lines(summary)[0]["_error"] == "sent together with b.csv row 2"


# ---- going on, again, and after damage ----


async def stopped_run(sandbox: Sandbox, folder: Path) -> tuple[list[Path], Summary]:
    """Two rows sent, then the key was refused."""
    sources = three_files(folder)
    with key_refused_after(sandbox, 2):
        return sources, await apply(sources, settings_for(sandbox, folder))


async def test_the_same_files_in_the_same_order_go_on_with_the_unfinished_run(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sources, stopped = await stopped_run(sandbox, tmp_path)
        summary = await apply(sources, settings_for(sandbox, tmp_path))
        assert [change.id for change in sandbox.applied] == IDS[:6]
    assert summary.run_id == stopped.run_id
    assert [outcome for *_, outcome in spots(summary)] == ["updated"] * 6


async def test_another_order_or_fewer_files_are_another_run(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sources, stopped = await stopped_run(sandbox, tmp_path)
        for others in (sources[::-1], sources[:2], sources[:1]):
            with prepare(others, settings_for(sandbox, tmp_path), environ=KEYS) as prepared:
                assert not prepared.resumed
        with prepare(sources, settings_for(sandbox, tmp_path), environ=KEYS) as prepared:
            assert (prepared.resumed, prepared.folder.run_id) == (True, stopped.run_id)
            assert prepared.checkup.source == "a.csv, none.csv and b.csv"


async def test_files_that_have_changed_are_told(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sources, stopped = await stopped_run(sandbox, tmp_path)
        write(sources[2], ["id", "name"], [IDS[8], "Other"])
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path), environ=KEYS) as prepared:
            (notice,) = prepared.checkup.notices
            assert notice.startswith("b.csv has changed since this run began.")
            assert prepared.to_send == 4
        with prepare(sources, settings_for(sandbox, tmp_path), environ=KEYS) as prepared:
            assert not prepared.resumed
            assert any(
                notice.startswith(
                    f"The run {stopped.run_id} of these files has 4 rows left, but b.csv has changed since. "
                    "3 of its rows were sent before, or may have been. This is a new run"
                )
                for notice in prepared.checkup.notices
            )
        write(sources[0], ["id", "name"], [IDS[8], "Other"])
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path), environ=KEYS) as prepared:
            assert prepared.checkup.notices[0].startswith("a.csv and b.csv have changed since this run began.")


async def test_an_unfinished_run_of_these_files_with_other_settings_is_told(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sources, stopped = await stopped_run(sandbox, tmp_path)
        with prepare(sources, settings_for(sandbox, tmp_path, limit=5), environ=KEYS) as prepared:
            assert any(f"The run {stopped.run_id} of these files has" in notice for notice in prepared.checkup.notices)
            assert prepared.checkup.files == {"a.csv": 3, "none.csv": 0, "b.csv": 2}


async def test_a_run_goes_on_without_its_files(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sources, stopped = await stopped_run(sandbox, tmp_path)
        for source in sources:
            source.unlink()
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path), environ=KEYS, clock=QuickClock()) as prepared:
            assert prepared.checkup.files == {"a.csv": 3, "none.csv": 0, "b.csv": 3}
            summary = await execute(prepared)
    assert [outcome for *_, outcome in spots(summary)] == ["updated"] * 6


async def test_rows_in_flight_at_a_kill_are_looked_up_and_the_others_sent(tmp_path: Path) -> None:
    in_flight = [4, RowRef(2, 2).key]
    async with Sandbox() as sandbox:
        sources = three_files(tmp_path)
        first = await apply(sources, settings_for(sandbox, tmp_path))
        with Journal.open(first.folder / "journal.sqlite3") as journal:
            chosen = json.dumps(in_flight)
            journal._connection.execute("DELETE FROM result WHERE key IN (SELECT value FROM json_each(?))", (chosen,))
            journal._connection.execute("UPDATE session SET exit_code = NULL")
            journal.set_meta({"finished": False})
        # On a quick clock, a look-up that takes some tenths of a second counts as one without an answer.
        summary = await apply(sources, settings_for(sandbox, tmp_path), clock=SystemClock())
        assert len(sandbox.applied) == 6
    assert summary.run_id == first.run_id
    found = [(line["_file"], line["_row"]) for line in lines(summary) if "found applied" in line["_error"]]
    assert found == [("a.csv", "4"), ("b.csv", "2")]


async def test_what_failed_is_sent_again_and_stays_with_its_file(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order("ok", "500", "ok", "ok", "500")) as sandbox:
        first = await apply(three_files(tmp_path), settings_for(sandbox, tmp_path))
        second = await again(first, tmp_path, Selection())
        assert [change.id for change in sandbox.applied][-2:] == [IDS[1], IDS[4]]
    assert spots(second) == [("a.csv", "3", "updated"), ("b.csv", "3", "updated")]
    assert [(one["name"], one["rows"]) for one in written(second)["input"]["files"]] == [
        ("a.csv", 1), ("none.csv", 0), ("b.csv", 1),
    ]  # fmt: skip
    assert "-a-and-2-more-retry-" in second.run_id


async def test_rows_to_be_sent_again_are_named_with_their_file(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order(*["500"] * 6)) as sandbox:
        first = await apply(three_files(tmp_path), settings_for(sandbox, tmp_path))
        second = await again(first, tmp_path, parse_selection(None, None, "b.csv:3,a.csv:4-99999999999"))
    assert spots(second) == [("a.csv", "4", "updated"), ("b.csv", "3", "updated")]


async def test_rows_of_a_file_with_commas_in_its_name_can_be_sent_again(tmp_path: Path) -> None:
    sources = [
        write(tmp_path / name, ["id", "name"], [record, "A"])
        for name, record in zip(("May, 1.csv", "2,b.csv"), IDS, strict=False)
    ]
    async with Sandbox(faults=Faults.in_order("500", "500")) as sandbox:
        first = await apply(sources, settings_for(sandbox, tmp_path))
        second = await again(first, tmp_path, parse_selection(None, None, "May, 1.csv:2-3, May, 1.csv:9"))
    assert spots(second) == [("May, 1.csv", "2", "updated")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("3", "--rows '3' names no file, but this run has several. Say for example: --rows "),
        ("bb.csv:2-3", "names 'bb.csv', which this run does not have. Say for example: --rows b.csv:2-3"),
        ("b.csv:99", "No row of the run"),
        ("b.csv:99999999999", "No row of the run"),
    ],
)
async def test_rows_that_cannot_be_found_are_told(tmp_path: Path, rows: str, said: str) -> None:
    async with Sandbox(faults=Faults.in_order("500")) as sandbox:
        first = await apply(three_files(tmp_path), settings_for(sandbox, tmp_path))
        with pytest.raises(ConfigError) as caught:
            await again(first, tmp_path, parse_selection(None, None, rows))
    assert said in str(caught.value)


async def test_a_file_named_for_the_rows_of_a_run_of_one_is_refused(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order("500")) as sandbox:
        first = await apply(three_files(tmp_path)[:1], settings_for(sandbox, tmp_path))
        with pytest.raises(ConfigError, match=r"--rows 'a\.csv:2' names a file, but this run has only one"):
            await again(first, tmp_path, parse_selection(None, None, "a.csv:2"))


async def test_reports_rebuilt_from_the_journal_are_the_same(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order("ok", "500")) as sandbox:
        summary = await apply(three_files(tmp_path), settings_for(sandbox, tmp_path))
    before = {name: (summary.folder / name).read_bytes() for name in ("results.csv", "failed.csv", "summary.json")}
    for name in before:
        (summary.folder / name).unlink()
    rebuild_reports(RunFolder(summary.folder))
    assert {name: (summary.folder / name).read_bytes() for name in before} == before


async def test_what_is_saved_of_a_journal_is_told_by_file_too(tmp_path: Path) -> None:
    async with Sandbox(faults=Faults.in_order("ok", "500")) as sandbox:
        chosen = settings_for(sandbox, tmp_path, input={"on_duplicate": "merge"})
        sources = [*doubled(tmp_path), write(tmp_path / "c.csv", ["id", "name", "description"], [IDS[5], "C", ""])]
        summary = await apply(sources, chosen)
    recovered = recover_reports(RunFolder(summary.folder))
    timing = {"_duration_ms": ""}  # a whole number of milliseconds loses its ".0" there
    told_again = [line | timing for line in lines(recovered, "recovered-results.csv")]
    assert told_again == [line | timing for line in lines(summary)]
    assert recovered.errors == summary.errors
    told = json.loads((summary.folder / "recovered-summary.json").read_text("utf-8"))
    assert told["input"] == written(summary)["input"]


# ---- checking ----


def checked(sources: Sequence[Path] | Path, **more: Any) -> tuple[batchupdate.Checkup, list[Problem]]:
    problems: list[Problem] = []
    chosen = Settings.model_validate({"target": "langdock-integration", **more})
    return check_file(sources, chosen, on_problem=problems.append, environ={}), problems


def test_a_problem_names_its_file_and_its_row_there(tmp_path: Path) -> None:
    sources = three_files(tmp_path)
    write(sources[2], ["name", "id"], ["x" * 41, IDS[4]])
    checkup, (problem,) = checked(sources)
    assert (problem.file, problem.row, problem.address, problem.column) == ("b.csv", 2, "A2", "name")
    assert checkup.files == {"a.csv": 3, "none.csv": 0, "b.csv": 1}
    assert checkup.source == "a.csv, none.csv and b.csv"


def test_a_problem_of_a_single_file_names_none(tmp_path: Path) -> None:
    for sources in (tmp_path / "a.csv", [tmp_path / "a.csv"]):
        checkup, (problem,) = checked(write(tmp_path / "a.csv", ["id", "name"], ["x", "y"]) and sources)
        assert (problem.file, problem.row, checkup.files) == ("", 2, {})


def test_shifted_rows_are_told_from_their_file_on(tmp_path: Path) -> None:
    sources = [
        write(tmp_path / "a.csv", ["id", "name"], [IDS[0], "A"]),
        write(tmp_path / "b.csv", ["id", "name"], *(["x", record] for record in IDS[1:4])),
    ]
    checkup, _ = checked(sources)
    assert any("3 rows, from b.csv row 2 on, have their id" in notice for notice in checkup.notices)


def test_a_copy_with_notes_is_made_of_one_file_only(tmp_path: Path) -> None:
    chosen = Settings.model_validate({"target": "langdock-integration"})
    with pytest.raises(UsageError, match="--annotate writes a copy of one file, and 3 are named"):
        check_file(three_files(tmp_path), chosen, annotate=tmp_path / "out.xlsx")


def test_other_headings_leave_no_run_behind(tmp_path: Path) -> None:
    sources = three_files(tmp_path)
    write(sources[2], ["id", "description"], [IDS[4], "x"])
    with (
        pytest.raises(BatchUpdateError, match="has no column 'name'"),
        prepare(sources, settings_for(None, tmp_path), environ=KEYS),
    ):
        pass
    assert list(all_runs(tmp_path / "runs")) == []


# ---- any split of a table gives the same outcomes ----

cells = st.sampled_from(["", "A", "B", "x" * 41, "<null>", "=1", "a,b", "é"])
rows = st.lists(
    st.tuples(st.sampled_from([*IDS[:4], "no-id", ""]), cells, cells).map(list).flatmap(
        lambda row: st.sampled_from([row, row, row, row[:2], [*row, "far"]])
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


@pytest.mark.counted("nothing")
@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    rows=rows,
    cuts=st.lists(st.integers(0, 12), max_size=3),
    orders=st.lists(st.permutations([0, 1, 2]), min_size=4, max_size=4),
    policy=st.sampled_from(["error", "last", "merge"]),
    limit=st.one_of(st.none(), st.integers(1, 12)),
)
def test_any_split_of_a_table_into_files_gives_the_same_outcomes(
    rows: list[list[str]], cuts: list[int], orders: list[list[int]], policy: str, limit: int | None
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        header = ["id", "name", "description"]
        whole = write(folder / "whole.csv", header, *rows)
        ends = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
        parts = [
            write(folder / f"{number}.csv", arranged(header, order), *(arranged(row, order) for row in rows[begin:end]))
            for number, (begin, end, order) in enumerate(zip(ends, ends[1:], [[0, 1, 2], *orders], strict=False))
        ]
        chosen = settings_for(None, folder, input={"on_duplicate": policy}, limit=limit)
        assert planned(parts, chosen) == planned([whole], chosen)


def arranged(row: list[str], order: list[int]) -> list[str]:
    """A row with its columns in another order; one of another width keeps its cells where they can stand."""
    if len(row) == 2:  # what is missing must be the last cell in either order
        return row if order[2] == 2 else [row[0], row[1]]
    return [row[place] for place in order] + row[3:]


def planned(sources: list[Path], chosen: Settings) -> list[tuple[Any, ...]]:
    """What would be sent for every row, and the codes of its problems; nothing is."""
    problems: dict[tuple[str, int], list[str]] = {}

    def tell(problem: Problem) -> None:
        problems.setdefault((problem.file, problem.row), []).append(problem.code)

    with prepare(sources, chosen, new=True, keyless=True, on_problem=tell) as prepared:
        found = prepared.journal._connection.execute(
            "SELECT row.key, path, fields, carrier IS NOT NULL, outcome FROM row LEFT JOIN result USING (key) "
            "ORDER BY key"
        ).fetchall()
        checkup = prepared.checkup
    names = list(checkup.files)
    places = [(names[number >> 32], number & 0xFFFFFFFF) if names else ("", number) for number, *_ in found]
    return [
        (checkup.rows, checkup.invalid, checkup.superseded, checkup.warnings),
        *((*row[1:], sorted(problems.get(place, []))) for place, row in zip(places, found, strict=True)),
    ]


def test_several_files_pass_through_the_public_functions(tmp_path: Path) -> None:
    async def story() -> batchupdate.Summary:
        async with Sandbox() as sandbox:
            return await batchupdate.run_file(
                [str(one) for one in three_files(tmp_path)], settings_for(sandbox, tmp_path), environ=KEYS
            )

    assert asyncio.run(story()).rows == 6
