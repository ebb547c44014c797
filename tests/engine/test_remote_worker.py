"""A worker process's side, in this process: its records are read first, and a test is its coordinator."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from real_servers import listening

from batchupdate.config import Settings
from batchupdate.engine.leased_turns import Granted
from batchupdate.engine.remote_worker import Orders, RemoteWorker
from batchupdate.errors import ConfigError
from batchupdate.limiter import Lease
from batchupdate.model import Outcome, Request
from batchupdate.targets import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from batchupdate.engine.coordinator import Report, State
    from batchupdate.engine.leased_turns import Heard

TARGET: dict[str, Any] = {
    "name": "things",
    "title": "Things",
    "path": "/things/{id}",
    "auth": {"scheme": "none"},
    "id": {"id": {}},
    "fields": {"name": {}},
    "read": {},
    "precondition": {"from": "etag"},
    "repeatable": True,
}
ROWS = 6


@dataclass
class Link:
    """The way to a coordinator that has some rows and any number of turns; `keeps` is what it says of old values."""

    keeps: bool = True
    seen: list[str] = field(default_factory=list)
    """What has come, in its order: reads, changes and old values, by method or as `keep`, with ids or rows."""
    kept: list[Sequence[State]] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    claimed: bool = False
    url: str = ""

    async def claim(self, count: int) -> list[Request]:
        del count
        first, self.claimed = not self.claimed, True
        return [Request(row, str(row), f"/things/{row}", '{"name":"New"}') for row in range(2, 2 + ROWS * first)]

    async def release(self, keys: Sequence[int]) -> None:
        del keys

    async def lease(self, most: int, heard: Sequence[Heard]) -> Granted:
        del heard
        return Granted(Lease(0.0, 0.0, 0.0, most), 0, 0.0, False, 1000.0, 60.0, auto=False)

    async def keep(self, states: Sequence[State]) -> bool:
        await asyncio.sleep(0.05)
        self.kept.append(states)
        self.seen += [f"keep {one.row}" for one in states]
        return self.keeps

    async def report(self, report: Report) -> None:
        self.outcomes |= {result.row: result.outcome for result, _ in report.results}


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    made, app = Link(), web.Application()

    async def answer(request: web.Request) -> web.Response:
        made.seen.append(f"{request.method} {request.match_info['id']}")
        if request.method == "PATCH":
            assert request.headers["If-Match"] == '"1"'
        return web.json_response({"name": "Old"}, headers={"ETag": '"1"'})

    app.router.add_route("*", "/things/{id}", answer)
    async with listening(app) as made.url:
        yield made


def orders(folder: Path, url: str, **more: Any) -> Orders:
    told = {"target": Target.model_validate_json(json.dumps(TARGET)).model_dump_json(exclude_unset=True)}
    told |= {"package": None, "settings": Settings().model_dump_json(exclude_unset=True), **more}
    return Orders(base_url=url, nonce="n", concurrency=ROWS, about_key="", files=(), maps=str(folder), reads=True,
                  verbose=False, **told)  # fmt: skip


async def test_no_change_leaves_before_the_coordinator_has_kept_what_its_record_was(link: Link, tmp_path: Path) -> None:
    async with RemoteWorker(orders(tmp_path, link.url), link, "a") as worker:
        assert await worker.work() is None
    for row in range(2, 2 + ROWS):
        assert [one for one in link.seen if one.endswith(f" {row}")] == [f"GET {row}", f"keep {row}", f"PATCH {row}"]
    assert set(link.outcomes.values()) == {Outcome.UPDATED}
    assert {(state.state, state.amends) for states in link.kept for state in states} == {
        ('{"values":{"name":"Old"},"version":"\\"1\\""}', False)
    }


async def test_a_process_that_the_run_has_given_up_sends_no_change(link: Link, tmp_path: Path) -> None:
    link.keeps = False
    async with RemoteWorker(orders(tmp_path, link.url), link, "a") as worker:
        stopped = await worker.work()
    assert stopped is not None
    assert "given up one of its worker processes" in stopped[0]
    assert not [one for one in link.seen if one.startswith("PATCH")]
    assert set(link.outcomes.values()) <= {Outcome.NOT_ATTEMPTED}


async def test_a_process_that_has_not_got_the_target_s_package_says_which_one_it_needs(tmp_path: Path) -> None:
    package = {"name": "widgets", "version": "1.0", "target": "widget"}
    with pytest.raises(ConfigError, match=r"widget of the package widgets 1\.0, which is not installed"):
        RemoteWorker(orders(tmp_path, "", package=package), Link(), "a")
