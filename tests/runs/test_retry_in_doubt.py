"""Which errors leave it open whether their change was applied, over a run, its retry and its undo."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from real_servers import listening
from whole_runs import again, apply, lines

from batchupdate.config import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TARGET = """\
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {}}
rate: unlimited
repeatable: true
"""


@pytest.mark.parametrize(
    ("status", "declared", "in_doubt"),
    [
        (500, "", True),
        (502, "", True),
        (507, "", False),
        (501, "", False),
        (404, "", False),
        (500, "statuses: {500: {action: give_up, means: it was refused}}\n", False),
        (507, "statuses: {507: {action: repeat}}\n", True),
        (404, "statuses: {404: {action: repeat}}\n", False),
    ],
)
async def test_a_retry_that_is_refused_is_a_conflict_unless_the_first_try_may_have_been_applied(
    tmp_path: Path, status: int, declared: str, *, in_doubt: bool
) -> None:
    answers = deque([status, 412])

    async def patch(_: web.Request) -> web.Response:
        return web.json_response({}, status=answers.popleft())

    (tmp_path / "things.yaml").write_text(TARGET + declared, "utf-8")
    (tmp_path / "in.csv").write_text("id,name\nk1,New\n", "utf-8")
    app = web.Application()
    app.add_routes([web.patch("/things/{id}", patch)])
    async with listening(app) as url:
        first = await apply(
            tmp_path / "in.csv",
            Settings(target=str(tmp_path / "things.yaml"), base_url=url, runs_dir=tmp_path / "runs", max_attempts=1),
        )
        second = await again(first, tmp_path)
    assert [line["_outcome"] for line in lines(first)] == ["failed"]
    assert [line["_outcome"] for line in lines(second)] == ["unknown" if in_doubt else "conflict"]
