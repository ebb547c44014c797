"""Runs against an API that replaces whole records and guards them with ETags, on real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening

from batchupdate import Outcome, Settings, run_file
from batchupdate.run import execute, prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchupdate import Summary

pytestmark = pytest.mark.slow

TARGET = """\
name: things
title: Things
method: PUT
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {}, address.city: {}}
read: {}
body: {base: read, omit: [updated]}
precondition: {header: If-Match, from: etag}
rate: unlimited
%s
"""


class Things:
    """An API: a PUT replaces a record, if `If-Match` names its version."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {
            f"k{n}": {"name": "old", "address": {"city": "Ulm", "zip": "89073"}, "updated": n} for n in range(12)
        }
        self.versions = dict.fromkeys(self.records, 1)
        self.reads: list[str] = []
        self.puts: list[str] = []
        self.meanwhile: set[str] = set()
        """Records that somebody else changes after they were read."""
        self.between_tries: set[str] = set()
        """Records that somebody else changes after an error was answered to a change of them."""
        self.answers: dict[tuple[str, str], list[int]] = {}
        """By method and id: statuses to answer first."""
        self.pause_s, self.slow, self.refused = 0, "", asyncio.Event()
        self.url = ""

    async def get(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.reads.append(key)
        if key == self.slow and self.reads.count(key) == 1:
            await self.refused.wait()
            await asyncio.sleep(0.05)  # the refusal is on its way
        if status := next(iter(self.answers.get(("GET", key), [])), None):
            self.answers["GET", key].pop(0)
            return web.json_response({"error": "sorry"}, status=status)
        if key not in self.records:
            return web.json_response({}, status=404)
        version = self.versions[key]
        if key in self.meanwhile:
            self.versions[key] += 1
        return web.json_response(self.records[key], headers={"ETag": f'"{version}"'})

    async def put(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.puts.append(key)
        if status := next(iter(self.answers.get(("PUT", key), [])), None):
            self.answers["PUT", key].pop(0)
            if key in self.between_tries:
                self.records[key], self.versions[key] = {"name": "somebody else's"}, self.versions[key] + 1
            self.refused.set()
            wait = {"Retry-After": str(self.pause_s)} if self.pause_s else {}
            return web.json_response({"error": "sorry"}, status=status, headers=wait)
        if request.headers.get("If-Match") != f'"{self.versions[key]}"':
            return web.json_response({"error": "it has changed"}, status=412)
        body = await request.json()
        assert "updated" not in body
        self.records[key], self.versions[key] = body, self.versions[key] + 1
        return web.json_response(body)


@pytest.fixture
async def things() -> AsyncIterator[Things]:
    made, app = Things(), web.Application()
    app.add_routes([web.get("/things/{id}", made.get), web.put("/things/{id}", made.put)])
    async with listening(app) as made.url:
        yield made


async def apply(
    things: Things,
    tmp_path: Path,
    more: str = "repeatable: true",
    rows: int = 12,
    *,
    verbose: bool = False,
    clock: Any = None,
) -> Summary:
    (tmp_path / "t.yaml").write_text(TARGET % more, "utf-8")
    (tmp_path / "in.csv").write_text("id,name\n" + "".join(f"k{n},new {n}\n" for n in range(rows)), "utf-8")
    settings = Settings(
        target=str(tmp_path / "t.yaml"), base_url=things.url, runs_dir=tmp_path / "runs", concurrency=3, max_attempts=3
    )
    with prepare(tmp_path / "in.csv", settings, new=True, environ={}, clock=clock) as job:
        return await execute(job, verbose=verbose)


async def test_a_change_keeps_what_the_row_does_not_set(things: Things, tmp_path: Path) -> None:
    summary = await apply(things, tmp_path)
    assert summary.counts[Outcome.UPDATED] == 12
    assert things.records["k3"] == {"name": "new 3", "address": {"city": "Ulm", "zip": "89073"}}
    assert (len(things.reads), len(things.puts)) == (12, 12)
    assert summary.sessions.traffic.sent == 24
    assert summary.sessions.traffic.retried == 0


async def test_the_log_calls_a_read_a_read(things: Things, tmp_path: Path) -> None:
    summary = await apply(things, tmp_path, rows=2, verbose=True)
    lines = [json.loads(line) for line in (summary.folder / "run.log").read_text("utf-8").splitlines()]
    logged = [(line["method"], line["id"]) for line in lines if line["event"] == "request"]
    assert sorted(logged) == [("GET", "k0"), ("GET", "k1"), ("PUT", "k0"), ("PUT", "k1")]


async def test_a_record_that_somebody_else_has_changed_is_a_conflict_and_stays(things: Things, tmp_path: Path) -> None:
    things.meanwhile = {"k2", "k5"}
    summary = await apply(things, tmp_path)
    assert summary.counts[Outcome.CONFLICT] == 2
    assert summary.counts[Outcome.UPDATED] == 10
    assert things.records["k2"]["name"] == "old"


async def test_a_record_that_is_not_there_fails_before_anything_is_sent(things: Things, tmp_path: Path) -> None:
    summary = await apply(things, tmp_path, rows=13)
    assert summary.counts[Outcome.FAILED] == 1
    assert "k12" not in things.puts
    assert "404 there is no such record" in (summary.folder / "failed.csv").read_text("utf-8")


@pytest.mark.parametrize("more", ["repeatable: true", "repeatable: false"])
async def test_a_read_is_repeated_whether_or_not_the_change_may_be(things: Things, tmp_path: Path, more: str) -> None:
    things.answers = {("GET", "k1"): [500, 429, 500], ("GET", "k2"): [500] * 9}
    summary = await apply(things, tmp_path, more)
    assert summary.counts[Outcome.UPDATED] == 11
    assert summary.counts[Outcome.FAILED] == 1
    assert things.puts.count("k1") == 1
    assert things.puts.count("k2") == 0


PUT_ALONE = """\
name: things
title: Things
method: PUT
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {}}
must_exist: %s
"""


@pytest.mark.parametrize("must_exist", ["true", "false"])
async def test_a_put_that_made_a_new_record_is_no_silent_success(tmp_path: Path, must_exist: str) -> None:
    async def put(request: web.Request) -> web.Response:
        return web.json_response({}, status=201 if request.match_info["id"] == "k1" else 200)

    app = web.Application()
    app.add_routes([web.put("/things/{id}", put)])
    (tmp_path / "t.yaml").write_text(PUT_ALONE % must_exist, "utf-8")
    (tmp_path / "in.csv").write_text("id,name\nk1,a\nk2,b\n", "utf-8")
    async with listening(app) as url:
        settings = Settings(target=str(tmp_path / "t.yaml"), base_url=url, runs_dir=tmp_path / "runs")
        summary = await run_file(tmp_path / "in.csv", settings, environ={})
    failed = int(must_exist == "true")
    assert (summary.counts[Outcome.FAILED], summary.counts[Outcome.UPDATED]) == (failed, 2 - failed)
    told = [notice for notice in summary.notices if notice.startswith("1 row was answered with 201")]
    assert len(told) == 1 - failed
    if failed:
        assert "201 the API made a new record" in (summary.folder / "failed.csv").read_text("utf-8")


async def test_a_change_that_is_sent_again_starts_from_the_record_as_it_is_then(things: Things, tmp_path: Path) -> None:
    things.answers = {("PUT", "k1"): [500], ("PUT", "k2"): [429]}
    summary = await apply(things, tmp_path)
    assert summary.counts[Outcome.UPDATED] == 12
    assert things.reads.count("k1") == 2
    assert things.reads.count("k2") == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_change_that_is_sent_again_overwrites_nothing_that_somebody_has_changed_since_its_first_read(
    things: Things, tmp_path: Path, status: int
) -> None:
    things.answers = {("PUT", "k1"): [status]}
    things.between_tries = {"k1"}
    summary = await apply(things, tmp_path)
    assert summary.counts[Outcome.UPDATED] == 11
    assert things.records["k1"]["name"] == "somebody else's"
    failed = (summary.folder / "failed.csv").read_text("utf-8")
    assert "name was 'old' just before, and is \"somebody else's\" now; run it again" in failed.replace('""', '"')


async def test_a_record_is_read_again_if_everybody_was_held_between_its_reading_and_its_change(
    things: Things, tmp_path: Path
) -> None:
    things.answers = {("PUT", "k0"): [429]}
    things.pause_s, things.slow = 5, "k1"  # the reply to its read comes during the pause
    summary = await apply(things, tmp_path, rows=2, clock=QuickClock(10))
    assert summary.counts[Outcome.UPDATED] == 2
    assert things.reads.count("k1") == 2
    assert things.puts.count("k1") == 1


async def test_a_change_that_may_have_been_applied_is_unknown_where_it_must_not_be_repeated(
    things: Things, tmp_path: Path
) -> None:
    things.answers = {("PUT", "k1"): [500]}
    summary = await apply(things, tmp_path, "repeatable: false")
    assert summary.counts[Outcome.UNKNOWN] == 1
    assert things.puts.count("k1") == 1
    lines = json.loads((summary.folder / "summary.json").read_text("utf-8"))
    assert lines["counts"]["updated"] == 11
