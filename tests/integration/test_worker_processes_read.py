"""`--workers` where records are read before their changes: all is as with a single process, values of old included."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from aiohttp import web
from other_processes import worker_pids
from real_servers import listening

import batchupdate
from batchupdate import Outcome
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from batchupdate import Summary

TARGET = """\
name: things
title: "Things"
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {nullable: true}, city: {nullable: true}}
read: {}
list: {path: /things}
repeatable: true
rate: unlimited
concurrency: 8
"""
GUARD = "precondition: {from: etag}\n"
BEFORE = "before: old\n"
BASE = "method: PUT\nbody: {base: read}\n"
COUNT = 40

pytestmark = pytest.mark.slow


class Things:
    """An API with versions, whose replies to changes hold the record as it was; it is somebody else, too."""

    def __init__(self, count: int = COUNT, latency_s: float = 0.0) -> None:
        self.records = {f"t{n}": {"name": f"Old {n}", "city": "Ulm"} for n in range(count)}
        self.versions = dict.fromkeys(self.records, 1)
        self.latency_s = latency_s
        self.answers: dict[tuple[str, str], list[int]] = {}
        """By method and id, what is answered first; a status below 0 after the change was made."""
        self.after_read: dict[str, str] = {}
        """The names that somebody else gives to records just after they were read for the first time."""
        self.after_change: Callable[[str], None] = lambda _: None
        self.applied: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        """Changes, with the record before each."""
        self.read = 0
        self.url = ""

    def rename(self, thing: str, name: str) -> None:
        self.records[thing]["name"] = name
        self.versions[thing] += 1

    async def all(self, _request: web.Request) -> web.Response:
        return web.json_response([{"id": thing, **record} for thing, record in self.records.items()])

    async def one(self, request: web.Request) -> web.Response:
        thing, method, sent = request.match_info["id"], request.method, await request.read()
        self.read += method == "GET"
        await asyncio.sleep(self.latency_s)
        status = queue.pop(0) if (queue := self.answers.get((method, thing))) else 200
        if status >= 400:
            return web.json_response({"error": "sorry"}, status=status, headers={"Retry-After": "0.1"})
        if thing not in self.records:
            return web.json_response({"error": "no such thing"}, status=404)
        old, version = self.records[thing], f'"{self.versions[thing]}"'
        if method == "GET":
            answer = web.json_response({"id": thing, **old}, headers={"ETag": version})
            if thing in self.after_read:
                self.rename(thing, self.after_read.pop(thing))
            return answer
        if request.headers.get("If-Match", version) != version:
            return web.json_response({"error": "another version"}, status=412)
        body = json.loads(sent)
        self.records[thing] = body if method == "PUT" else {**old, **body}
        self.versions[thing] += 1
        self.applied.append((thing, dict(old), body))
        self.after_change(thing)
        await asyncio.sleep(self.latency_s)
        return web.json_response({"old": old}, status=abs(status))


@asynccontextmanager
async def serving(things: Things) -> AsyncIterator[Things]:
    app = web.Application()
    one = "/things/{id}"
    app.add_routes([web.get("/things", things.all), web.get(one, things.one)])
    app.add_routes([web.patch(one, things.one), web.put(one, things.one)])
    async with listening(app) as things.url:
        yield things


def file_of(folder: Path, rows: Iterable[tuple[str, ...]], header: tuple[str, ...] = ("id", "name")) -> Path:
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return folder / "in.csv"


def new_names(count: int = COUNT) -> list[tuple[str, str]]:
    return [(f"t{n}", f"New {n}") for n in range(count)]


def settings(things: Things, folder: Path, target: str, workers: int | None, **more: Any) -> batchupdate.Settings:
    (folder / "things.yaml").write_text(target, "utf-8")
    options = {"target": str(folder / "things.yaml"), "base_url": things.url, "runs_dir": folder / "runs"}
    options |= {"workers": workers} if workers else {}
    return batchupdate.Settings.model_validate({**options, "diff": "never", **more})


def table(summary: Summary, name: str) -> list[dict[str, str]]:
    if not (summary.folder / name).exists():
        return []
    with (summary.folder / name).open(newline="", encoding="utf-8-sig") as file:
        return [
            {
                name: cell
                for name, cell in line.items()
                if name not in {"_finished_at", "_duration_ms", "_request_id", "_undo_of"}
            }
            for line in csv.DictReader(file)
        ]


def content(summary: Summary) -> dict[str, Any]:
    """All that a run says, but for times and names of requests and runs."""
    with closing(sqlite3.connect(summary.folder / "journal.sqlite3")) as journal:
        kept = {
            name: journal.execute(f"SELECT {columns} FROM {name} ORDER BY key").fetchall()  # noqa: S608 - our own
            for name, columns in (
                ("row", "key, cells, record_id, path, fields, carrier, pulled"),
                ("result", "key, final, outcome, http_status, attempts, error, location"),
                ("before", "key, state, checksum"),
                ("started", "key, claimed, unanswered"),
                ("earlier", "key, sent"),
                ("captured", "key, found"),
            )
        }
    files = {name: table(summary, name) for name in ("results.csv", "failed.csv", "undo.csv")}
    if "undo_of" in summary.folder.joinpath("summary.json").read_text("utf-8"):  # the last cell names the run
        kept["row"] = [(key, json.loads(cells)[:-1], *rest) for key, cells, *rest in kept["row"]]
    return {**kept, **files, "exit_code": summary.exit_code, "counts": summary.counts}


def trouble(things: Things) -> None:
    """What can come between: somebody else, and an API that fails."""
    things.rename("t5", "Theirs")
    things.rename("t6", "New 6")
    del things.records["t7"]
    things.answers = {
        ("PATCH", "t9"): [500],
        ("PATCH", "t11"): [-500],
        ("PATCH", "t13"): [429],
        ("GET", "t15"): [500],
        ("PATCH", "t19"): [422],
    }
    things.after_read = {"t17": "Theirs, meanwhile"}


async def planned(things: Things, folder: Path, target: str, workers: int | None) -> list[Summary]:
    """A plan, and its run, once somebody else was there."""
    options = settings(things, folder, target, workers)
    made = await batchupdate.plan_file(file_of(folder, new_names()), options)
    trouble(things)
    return [await batchupdate.run_plan(made.folder, options)]


async def pulled(things: Things, folder: Path, target: str, workers: int | None) -> list[Summary]:
    """A pulled sheet that was edited, run, once somebody else was there."""
    options, sheet = settings(things, folder, target, workers), folder / "pulled.csv"
    await pull_records(str(folder / "things.yaml"), options, sheet, Form.CSV, force=True, environ={})
    with sheet.open(newline="", encoding="utf-8-sig") as file:
        header, *lines = csv.reader(file)
    for line in lines:
        line[header.index("name")] = f"New {line[header.index('id')][1:]}"
    trouble(things)
    return [await batchupdate.run_file(file_of(folder, map(tuple, lines), tuple(header)), options)]


async def undone(things: Things, folder: Path, target: str, workers: int | None) -> list[Summary]:
    """A run with a canary, whose records are read back, and its undo, once somebody else was there."""
    options = settings(things, folder, target, workers, canary=3, verify=True)
    trouble(things)
    things.after_change = lambda thing: things.rename(thing, "Theirs at once") if thing == "t30" else None
    first = await batchupdate.run_file(file_of(folder, new_names()), options)
    assert [one["_outcome"] for one in table(first, "results.csv") if one["_id"] == "t30"] == ["failed"]
    things.answers = {("PATCH", "t23"): [500], ("PATCH", "t24"): [-500]}
    things.rename("t25", "Theirs again")
    things.rename("t26", "Old 26")
    return [first, await batchupdate.undo(first.folder, options)]


@pytest.mark.counted("children")
@pytest.mark.parametrize(
    ("story", "target"),
    [(planned, TARGET + GUARD), (pulled, TARGET), (undone, TARGET + BEFORE)],
    ids=["plan", "pulled", "undo"],
)
async def test_two_processes_leave_the_same_journal_and_reports_as_one(
    tmp_path: Path, story: Callable[..., Any], target: str
) -> None:
    said = []
    for workers in (None, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        async with serving(Things()) as things:
            summaries = await story(things, folder, target, workers)
            said.append(([content(summary) for summary in summaries], things.records, things.versions))
            assert all(("worker_lost" not in (one.folder / "run.log").read_text("utf-8")) for one in summaries)
    for one, two in zip(said[0][0], said[1][0], strict=True):
        for name in one:
            assert one[name] == two[name], name
    assert said[0][1:] == said[1][1:]
    last = said[1][0][-1]
    assert last["counts"][Outcome.CONFLICT]
    assert last["counts"][Outcome.UPDATED] > COUNT / 2
    assert len(last["before"]) > COUNT / 2


async def killing(things: Things, *after: int) -> None:
    """Kills a worker process each time that so many changes were applied."""
    for count in after:
        while len(things.applied) < count:  # noqa: ASYNC110 - a server is watched
            await asyncio.sleep(0.005)
        os.kill(worker_pids()[0], signal.SIGKILL)


async def test_after_a_kill_no_foreign_change_is_overwritten_and_what_records_were_is_known(tmp_path: Path) -> None:
    """Somebody else changes each third record just after its change, which the killed process has not heard of."""
    async with serving(Things(240, 0.03)) as things:
        theirs = {f"t{n}" for n in range(0, 240, 3)}
        things.after_change = lambda thing: things.rename(thing, "Theirs") if thing in theirs else None
        options = settings(things, tmp_path, TARGET + GUARD, 2)
        run = asyncio.ensure_future(batchupdate.run_file(file_of(tmp_path, new_names(240)), options))
        await killing(things, 40, 140)
        summary = await run
    assert "worker_lost" in (summary.folder / "run.log").read_text("utf-8")
    assert len(things.applied) == len({thing for thing, *_ in things.applied}) == 240
    assert {thing for thing, record in things.records.items() if record["name"] == "Theirs"} == theirs
    outcomes = {line["_id"]: line["_outcome"] for line in table(summary, "results.csv")}
    lost = {thing for thing, outcome in outcomes.items() if outcome == "unknown"}  # somebody has changed it: we, too?
    assert set(outcomes.values()) == {"updated", "unknown"}
    assert lost <= theirs
    assert 0 < len(lost) <= 2 * 4
    with closing(sqlite3.connect(summary.folder / "journal.sqlite3")) as journal:
        states = dict(journal.execute("SELECT record_id, state FROM before JOIN row ON row.key = before.key"))
    old = {thing: json.loads(state)["values"]["name"] for thing, state in states.items()}
    assert old == {f"t{n}": f"Old {n}" for n in range(240)}


async def test_after_a_kill_of_the_run_itself_only_rows_that_were_out_are_looked_up(tmp_path: Path) -> None:
    """Although each process had many more; nothing is applied twice. The ids are found by the records' names."""
    async with serving(Things(200, 0.05)) as things:
        options = settings(things, tmp_path, TARGET, 2)
        rows = [(f"Old {n}", f"City {n}") for n in range(200)]
        command = ["run", file_of(tmp_path, rows, ("name", "city")), "--yes", "--workers", "2", "--diff", "never"]
        command += [
            "--check-old",
            "never",
            "--match",
            "name",
            "-t",
            options.target,
            "--base-url",
            things.url,
            "--runs-dir",
            options.runs_dir,
        ]
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batchupdate"), *map(str, command), stdout=asyncio.subprocess.DEVNULL
        )
        while len(things.applied) < 40:  # noqa: ASYNC110 - a server is watched
            await asyncio.sleep(0.005)
        workers = worker_pids(run.pid)
        run.kill()
        await run.wait()
        while any(map(psutil.pid_exists, workers)):  # noqa: ASYNC110 - they end by themselves
            await asyncio.sleep(0.05)
        summary = await batchupdate.resume(settings=settings(things, tmp_path, TARGET, None))
    assert summary.counts[Outcome.UPDATED] == 200
    applied = Counter(thing for thing, *_ in things.applied)
    assert len(applied) == applied.total() == 200
    assert 0 < things.read <= 8  # requests in flight
