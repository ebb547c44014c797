"""Records of a run that are read again, later or at once, on real sockets."""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening
from whole_runs import IDS, KEYS, apply, changed_elsewhere, lines, settings_for, with_kept, write

from batchupdate import Settings, diff, verify
from batchupdate.errors import ConfigError, RunLocked
from batchupdate.model import Outcome, Progress
from batchupdate.reporter.verification import RecordState
from batchupdate.run import Stop, execute, prepare, resumed_job
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import rebuild_reports, summary_of
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from batchupdate.reporter import Summary, Verification

pytestmark = pytest.mark.slow


async def verified(summary: Summary, folder: Path) -> Verification:
    return await verify(summary.folder, Settings(runs_dir=folder / "runs"), environ=KEYS)


async def test_what_nobody_has_changed_is_still_ours_and_takes_one_request_by_the_list(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await apply(write(tmp_path / "in.csv", 30), settings_for(sandbox, tmp_path))
        journal = (summary.folder / "journal.sqlite3").read_bytes()
        before = len(sandbox.requests)
        found = await verified(summary, tmp_path)
        asked = sandbox.requests[before:]
    assert [(one.method, one.path) for one in asked] == [("GET", "/integrations/v1/get")]
    assert (found.counts[RecordState.OURS], found.exit_code, found.requests) == (30, 0, 1)
    assert (summary.folder / "journal.sqlite3").read_bytes() == journal


async def test_a_foreign_change_is_named_with_both_values_and_a_deleted_record_is_gone(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await apply(write(tmp_path / "in.csv", 4), settings_for(sandbox, tmp_path))
        changed_elsewhere(sandbox, IDS[1])
        del sandbox._langdock.records[IDS[2]]
        found = await verified(summary, tmp_path)
    states = [row.state.value for row in found.rows()]
    assert states == ["ours", "drifted", "gone", "ours"]
    (drift,) = [drift for row in found.rows() for drift in row.drifts]
    assert (drift.name, drift.sent, drift.now) == ("name", "New 1", "Somebody else's")
    assert found.exit_code == 1
    kept = json.loads((summary.folder / "verify.json").read_text("utf-8"))
    assert kept["counts"] == {"ours": 2, "drifted": 1, "gone": 1, "unknown": 0, "unreadable": 0}
    assert kept["verified"][1]["drifted"] == {"name": {"sent": "New 1", "now": "Somebody else's"}}
    with (summary.folder / "verify.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(line["row"], line["state"], line["now"]) for line in csv.DictReader(file)] == [
            ("2", "ours", ""),
            ("3", "drifted", "Somebody else's"),
            ("4", "gone", ""),
            ("5", "ours", ""),
        ]
    frame = found.to_frame()
    assert list(frame["sent"].dropna()) == ["New 1"]
    assert [len(part) for part in found.to_frame(chunksize=3)] == [3, 1]


DECLARED = """\
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {}, seats: {type: integer}, secret: {}}
read: {absent: [secret]}
rate: unlimited
repeatable: true
"""


class Things:
    """An API that answers every PATCH with 200, and applies none for the records in `deaf`."""

    def __init__(self, count: int) -> None:
        self.records: dict[str, dict[str, Any]] = {f"k{n}": {"name": f"Old {n}", "seats": n} for n in range(count)}
        self.deaf: set[str] = set()
        self.status = 200
        self.unreadable: set[str] = set()
        self.read: list[str] = []
        self.patched: list[str] = []

    async def get(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.read.append(key)
        if key in self.unreadable:
            return web.json_response({"error": "not yours"}, status=403)
        return web.json_response(self.records.get(key, {}))

    async def patch(self, request: web.Request) -> web.Response:
        key, body = request.match_info["id"], await request.json()
        self.patched.append(key)
        body.pop("secret", None)
        if key not in self.deaf and self.status != 202:
            self.records[key] |= body
        return web.json_response({}, status=self.status)


@pytest.fixture
async def things() -> AsyncIterator[tuple[Things, str]]:
    made = Things(6)
    app = web.Application()
    app.router.add_get("/things/{id}", made.get)
    app.router.add_patch("/things/{id}", made.patch)
    async with listening(app) as url:
        yield made, url


def things_settings(folder: Path, url: str, **more: Any) -> Settings:
    path = folder / "things.yaml"
    path.write_text(DECLARED if "declared" not in more else more.pop("declared"), "utf-8")
    return Settings.model_validate({"target": str(path), "base_url": url, "runs_dir": folder / "runs", **more})


def sheet(folder: Path, *rows: tuple[str, ...], heading: tuple[str, ...] = ("id", "name")) -> Path:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])
    return path


async def test_a_200_that_did_nothing_is_failed_with_the_value_that_is_there(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    api, url = things
    api.deaf = {"k1"}
    source = sheet(tmp_path, *((f"k{n}", f"New {n}") for n in range(3)))
    summary = await apply(source, things_settings(tmp_path, url, verify=True))
    assert [(line["_outcome"], line["_http_status"], line["_error"]) for line in lines(summary)] == [
        ("updated", "200", ""),
        ("failed", "200", "the API answered 200, but the record has name 'Old 1' instead of 'New 1' (read back)"),
        ("updated", "200", ""),
    ]
    assert summary.exit_code == 1
    assert summary.to_json()["requests"]["sent"] == 6
    again = await verified(summary, tmp_path)
    assert again.counts[RecordState.OURS] == 2, "what failed is not verified"
    assert rebuild_reports(RunFolder(summary.folder)).counts == summary.counts, "with checksums that are right"


async def test_where_the_old_value_is_known_the_sentence_says_that_it_is_still_there(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    api, url = things
    api.deaf = {"k0"}
    settings = things_settings(tmp_path, url, verify=True, check_old="always")
    source = sheet(tmp_path, ("k0", "New", "Old 0"), heading=("id", "name", "_old.name"))
    summary = await apply(source, settings)
    assert [line["_error"] for line in lines(summary)] == [
        "the API answered 200, but the record still has name 'Old 0' (read back)"
    ]


async def test_fields_that_the_api_does_not_return_do_not_count_when_it_is_read_back(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    _, url = things
    source = sheet(tmp_path, ("k0", "New", "x"), ("k1", "", "y"), heading=("id", "name", "secret"))
    summary = await apply(source, things_settings(tmp_path, url, verify=True))
    assert [line["_outcome"] for line in lines(summary)] == ["updated", "updated"]
    found = await verified(summary, tmp_path)
    assert [(row.state.value, row.message) for row in found.rows()] == [
        ("ours", "the record does not show secret"),
        ("unknown", "the record does not show secret"),
    ]


async def test_what_cannot_be_read_back_stays_updated_and_is_counted(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    api, url = things
    api.unreadable = {"k1", "k2"}
    source = sheet(tmp_path, *((f"k{n}", f"New {n}") for n in range(3)))
    summary = await apply(source, things_settings(tmp_path, url, verify=True))
    assert [line["_outcome"] for line in lines(summary)] == ["updated"] * 3
    assert "2 rows were updated, and could not be read back." in summary.notices
    found = await verified(summary, tmp_path)
    assert [row.state.value for row in found.rows()] == ["ours", "unreadable", "unreadable"]
    assert "no permission to read" in list(found.rows())[1].message


async def test_what_is_accepted_for_later_is_not_marked_but_counted(things: tuple[Things, str], tmp_path: Path) -> None:
    api, url = things
    api.status = 202
    summary = await apply(sheet(tmp_path, ("k0", "New")), things_settings(tmp_path, url, verify=True))
    assert [line["_outcome"] for line in lines(summary)] == ["accepted"]
    assert any(notice.startswith("1 row was accepted for later") for notice in summary.notices)
    (row,) = (await verified(summary, tmp_path)).rows()
    assert (row.state.value, row.message) == (
        "drifted",
        "the API has accepted it for later: it is not applied yet, or was changed since",
    )


async def test_a_run_that_is_stopped_while_it_reads_back_does_so_when_it_is_resumed(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    api, url = things
    api.deaf = {"k1", "k5"}
    source = sheet(tmp_path, *((f"k{n}", f"New {n}") for n in range(6)))
    stop, stages = Stop(), set()

    def look(progress: Progress) -> None:
        stages.add(progress.stage)
        if progress.stage == "verifying":
            stop.request(2)

    settings = things_settings(tmp_path, url, verify=True, concurrency=1)
    with prepare(source, settings, environ={}, clock=QuickClock()) as job:
        first = await execute(job, on_progress=look, stop=stop)
    assert "verifying" in stages
    assert first.exit_code == 130
    with resumed_job(RunFolder(first.folder), with_kept(tmp_path), environ={}, clock=QuickClock()) as job:
        second = await execute(job)
    expected = ["failed" if f"k{n}" in api.deaf else "updated" for n in range(6)]
    assert [line["_outcome"] for line in lines(second)] == expected
    assert sorted(api.patched) == [f"k{n}" for n in range(6)], "nothing is sent twice"


async def test_a_run_that_ended_before_its_rows_were_read_back_says_so_until_they_are(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    _, url = things
    source = sheet(tmp_path, ("k1", "New"))

    def dies(progress: Progress) -> None:
        if progress.stage == "verifying":
            raise SystemError

    with prepare(source, things_settings(tmp_path, url, verify=True), environ={}, clock=QuickClock()) as job:
        with pytest.raises(SystemError):
            await execute(job, on_progress=dies)
        folder = RunFolder(job.folder.path)
    assert summary_of(folder).counts[Outcome.UPDATED] == 1
    assert any("were not read back" in notice for notice in summary_of(folder).notices)
    assert any("were not read back" in notice for notice in rebuild_reports(folder).notices)
    with resumed_job(folder, with_kept(tmp_path), environ={}, clock=QuickClock()) as job:
        assert (await execute(job)).notices == []
    assert summary_of(folder).notices == []


async def test_a_target_without_reads_refuses_to_promise_it_and_says_so_of_a_run(
    things: tuple[Things, str], tmp_path: Path
) -> None:
    _, url = things
    blind = DECLARED.replace("read: {absent: [secret]}\n", "")
    source = sheet(tmp_path, ("k0", "New"))
    with pytest.raises(ConfigError, match="does not declare how records are read"):
        await apply(source, things_settings(tmp_path, url, verify=True, declared=blind))
    summary = await apply(source, things_settings(tmp_path, url, declared=blind))
    with pytest.raises(ConfigError, match="can't be verified"):
        await verified(summary, tmp_path)


@contextmanager
def nothing_can_be_written_to(folder: Path) -> Iterator[None]:
    """Closes a folder; for root too, who is somebody else meanwhile."""
    files = [path for path in folder.iterdir() if path.is_file()]
    for path in files:
        path.chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    for above in folder.parents:
        if root and above.stat().st_mode & 0o777 == 0o700:  # pytest's own folders
            above.chmod(0o755)
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no folder modes")
async def test_a_run_whose_folder_can_not_be_written_to_is_verified_and_the_findings_are_not_kept(
    tmp_path: Path,
) -> None:
    async with Sandbox() as sandbox:
        summary = await apply(write(tmp_path / "in.csv", 3), settings_for(sandbox, tmp_path))
        changed_elsewhere(sandbox, IDS[1])
        before = {path.name: path.read_bytes() for path in summary.folder.iterdir() if path.is_file()}
        with nothing_can_be_written_to(summary.folder):
            found = await verified(summary, tmp_path)
            states = [row.state for row in found.rows()]
            assert diff(summary.folder, summary.folder).exit_code == 0
            assert summary_of(RunFolder(summary.folder)).counts == summary.counts
    assert states == [RecordState.OURS, RecordState.DRIFTED, RecordState.OURS]
    assert (found.files, found.exit_code) == ([], 1)
    assert {path.name: path.read_bytes() for path in summary.folder.iterdir() if path.is_file()} == before


async def test_a_run_that_another_process_works_on_is_not_verified(things: tuple[Things, str], tmp_path: Path) -> None:
    _, url = things
    summary = await apply(sheet(tmp_path, ("k0", "New")), things_settings(tmp_path, url))
    with RunFolder(summary.folder).lock(), pytest.raises(RunLocked):
        await verified(summary, tmp_path)


async def test_a_row_of_unknown_outcome_turns_out_applied_or_not(things: tuple[Things, str], tmp_path: Path) -> None:
    from whole_runs import in_flight_when_killed  # noqa: PLC0415

    api, url = things
    once = DECLARED.replace("repeatable: true", "repeatable: false")
    source = sheet(tmp_path, ("k0", "New 0"), ("k1", "New 1"))
    summary = await apply(source, things_settings(tmp_path, url, declared=once))
    in_flight_when_killed(summary, [2, 3])
    api.records["k1"]["name"] = "Old 1"
    found = await verified(summary, tmp_path)
    assert [(row.state.value, row.message) for row in found.rows()] == [
        ("ours", "its outcome was unknown: it was applied"),
        ("drifted", "its outcome was unknown: it was not applied, or was changed since"),
    ]
    assert Outcome.UNKNOWN in summary.counts
