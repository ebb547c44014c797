"""Nested fields and lists on their way from a file to an API, over real sockets."""

from __future__ import annotations

import asyncio
import csv
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening

from batchupdate import Settings
from batchupdate.model import Outcome
from batchupdate.run import execute, prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TARGET = r"""
name: crm
title: "CRM: update a contact"
path: /contacts/{id}
auth: {scheme: none}
id: {id: {pattern: "^c[0-9]+$"}}
fields:
  name: {max_length: 40}
  address.city: {max_length: 80}
  address.zip: {pattern: "^[0-9]{5}$", nullable: true}
  address.geo.lat: {type: number}
  a\.b: {}
  labels: {type: list, nullable: true}
  profile.scores: {type: list, items: {type: integer}}
body: {wrap: [contact], constants: {source: sheet}}
repeatable: true
"""
HEADINGS = (
    "id", "Name", "Address.City", "address.zip", "address.geo.lat", "a.b", "First label", "labels[1]", "labels[2]",
    "profile.scores[0]", "profile.scores[1]",
)  # fmt: skip
ROWS = [
    ("c1", "Ö", "Ulm", "089", "", "", "a, b", "007", "", "1", "2"),
    ("c2", "", "Ulm", "01234", "48.4010", "x", "a, b", "007", "", "1", "22222222222222222222"),
    ("c3", "", "", "<null>", "", "", "<null>", "", "", "", ""),
    ("c4", "N", "", "", "", "", "<empty>", "", "", "3", ""),
    ("c5", "", "", "", "", "", "a", "", "c", "", ""),
]
RECORDS: list[dict[str, Any]] = [
    {"id": "c1", "name": "Ö", "address": {"city": "Ulm", "zip": "089"}},
    {
        "id": "c2",
        "address": {"city": "Ulm", "zip": "01234", "geo": {"lat": 48.40}},
        "a.b": "x",
        "labels": ["a, b", "007"],
        "profile": {"scores": [1, 22222222222222222222]},
    },
    {"id": "c3", "address": {"zip": "<null>"}, "labels": "<null>"},
    {"id": "c4", "name": "N", "labels": [], "profile": {"scores": [3]}},
    {"id": "c5", "labels": ["a", None]},
]
SENT = {
    "/contacts/c2": '{"source":"sheet","contact":{"address":{"city":"Ulm","zip":"01234","geo":{"lat":48.4010}},'
    '"a.b":"x","labels":["a, b","007"],"profile":{"scores":[1,22222222222222222222]}}}',
    "/contacts/c3": '{"source":"sheet","contact":{"address":{"zip":null},"labels":null}}',
    "/contacts/c4": '{"source":"sheet","contact":{"name":"N","labels":[],"profile":{"scores":[3]}}}',
}


@asynccontextmanager
async def an_api(bodies: dict[str, str]) -> AsyncIterator[str]:
    """An API that keeps what it is sent, by path."""

    async def change(request: web.Request) -> web.Response:
        bodies[request.path] = (await request.read()).decode()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_patch("/contacts/{id}", change)
    async with listening(app) as url:
        yield url


def as_csv(folder: Path) -> Path:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADINGS, *ROWS])
    return path


def as_json_lines(folder: Path) -> Path:
    path = folder / "in.jsonl"
    lines = [json.dumps(record).replace("48.4", "48.4010") for record in RECORDS]
    path.write_text("\n".join(lines), "utf-8")
    return path


def settings_for(url: str, folder: Path, **more: Any) -> Settings:
    (folder / "crm.yaml").write_text(TARGET, "utf-8")
    told = {"target": str(folder / "crm.yaml"), "base_url": url, "runs_dir": folder / "runs", "rate": "unlimited"}
    return Settings.model_validate(told | more)


@pytest.mark.parametrize("written", [as_csv, as_json_lines], ids=["csv", "jsonl"])
async def test_the_body_is_the_nested_json_that_the_file_says(tmp_path: Path, written: Any) -> None:
    bodies: dict[str, str] = {}
    mapped = {"input": {"columns": {"First label": "labels[0]"}}} if written is as_csv else {}
    async with an_api(bodies) as url:
        source = await asyncio.to_thread(written, tmp_path)
        with prepare(source, settings_for(url, tmp_path, **mapped), environ={}, clock=QuickClock()) as prepared:
            summary = await execute(prepared)
    assert bodies == SENT
    assert summary.counts[Outcome.UPDATED] == 3
    assert summary.counts[Outcome.INVALID] == 2  # a zip code of three digits, and a list with a hole
    with (summary.folder / "failed.csv").open(newline="", encoding="utf-8-sig") as file:
        failed = list(csv.DictReader(file))
    assert [row["_id"] for row in failed] == ["c1", "c5"]
    assert "address.zip" in failed[0]["_error"]
    assert failed[0]["Address.City" if written is as_csv else "address.city"] == "Ulm"


async def test_the_failed_rows_of_nested_columns_can_be_mended_and_run(tmp_path: Path) -> None:
    bodies: dict[str, str] = {}
    mapped = {"input": {"columns": {"First label": "labels[0]"}}}
    async with an_api(bodies) as url:
        settings = settings_for(url, tmp_path, **mapped)
        source = await asyncio.to_thread(as_csv, tmp_path)
        with prepare(source, settings, environ={}, clock=QuickClock()) as prepared:
            summary = await execute(prepared)
        bodies.clear()
        failed = summary.folder / "failed.csv"
        mended = failed.read_text("utf-8-sig").replace("089", "89073").replace("a,,c", "a,b,c")
        failed.write_text(mended, "utf-8")
        with prepare(failed, settings, environ={}, clock=QuickClock()) as prepared:
            summary = await execute(prepared)
    assert summary.counts[Outcome.UPDATED] == 2
    assert [json.loads(bodies[f"/contacts/{name}"])["contact"] for name in ("c1", "c5")] == [
        {
            "name": "Ö",
            "address": {"city": "Ulm", "zip": "89073"},
            "labels": ["a, b", "007"],
            "profile": {"scores": [1, 2]},
        },
        {"labels": ["a", "b", "c"]},
    ]


async def test_merged_rows_go_out_as_one_nested_body(tmp_path: Path) -> None:
    bodies: dict[str, str] = {}
    path = tmp_path / "in.csv"
    path.write_text("id,address.city,address.zip,labels[0]\nc1,Ulm,,a\nc1,,89073,\nc1,Bonn,,b\n", "utf-8")
    async with an_api(bodies) as url:
        settings = settings_for(url, tmp_path, input={"on_duplicate": "merge"})
        with prepare(path, settings, environ={}, clock=QuickClock()) as prepared:
            await execute(prepared)
    assert json.loads(bodies["/contacts/c1"])["contact"] == {
        "address": {"city": "Bonn", "zip": "89073"},
        "labels": ["b"],
    }
