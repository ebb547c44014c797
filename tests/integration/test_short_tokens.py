"""A run whose tokens live for a second, at an API that takes none that is older."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from real_servers import listening

from batchupdate import Outcome, Settings, run_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TARGET = """\
name: shop
title: A shop
path: /things/{id}
auth:
  scheme: oauth2
  grant: client_credentials
  token_url: %s/token
  client_id: me
  client_secret: {env: SHOP_SECRET}
id: {id: {}}
fields: {name: {}}
repeatable: true
rate: %s
"""
LIVES_S = 1.0


async def test_no_row_is_lost_and_each_token_is_asked_for_once(tmp_path: Path) -> None:
    made: dict[str, float] = {}
    changed: list[str] = []

    async def token(_request: web.Request) -> web.Response:
        made[f"token-{len(made)}-of-mine"] = time.monotonic()
        return web.json_response({"access_token": f"token-{len(made) - 1}-of-mine", "expires_in": 3600})  # too long

    async def change(request: web.Request) -> web.Response:
        since = made.get(request.headers["Authorization"].removeprefix("Bearer "), 0.0)
        if time.monotonic() - since > LIVES_S:
            return web.json_response({"error": "token expired"}, status=401)
        changed.append(request.match_info["id"])
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.post("/token", token), web.patch("/things/{id}", change)])
    (tmp_path / "rows.csv").write_text("id,name\n" + "".join(f"k{n},x\n" for n in range(160)), "utf-8")
    async with listening(app) as url:
        (tmp_path / "shop.yaml").write_text(TARGET % (url, "40/s"), "utf-8")
        settings = Settings(target=str(tmp_path / "shop.yaml"), base_url=url, runs_dir=tmp_path / "runs")
        started = time.monotonic()
        summary = await run_file(tmp_path / "rows.csv", settings, environ={"SHOP_SECRET": "secret-of-mine"})
        lasted = time.monotonic() - started
    assert summary.counts[Outcome.UPDATED] == 160
    assert sorted(changed) == sorted(f"k{n}" for n in range(160))
    assert 2 <= len(made) <= lasted / LIVES_S + 2
    written = b"".join(path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file())
    assert b"-of-mine" not in written
