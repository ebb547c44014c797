"""An API whose records hold half of a character, which JSON can write and UTF-8 can't; on real sockets."""

from __future__ import annotations

import asyncio
import csv
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening
from whole_runs import lines, outcomes

from batchupdate.cli.console import Screen
from batchupdate.cli.plan_output import show_plan
from batchupdate.config import Settings
from batchupdate.config.loading import with_kept
from batchupdate.roundtrip.trial import read_record
from batchupdate.roundtrip.verify import verify
from batchupdate.run import compare_first, execute, plan_file, prepare, run_file, undo_job
from batchupdate.runs.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.slow

TARGET = """\
name: halves
title: Halves
path: /t/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {}, note: {}, more: {type: json}}
read: {}
list: {path: /t}
repeatable: true
rate: unlimited
"""
RECORDS = {
    "1": {"id": "1", "name": "\ud800x", "note": "n", "more": {"\udc00": ["\ud800"]}},
    "2": {"id": "2", "name": "b", "note": "\udfff", "more": None},
    "\udfff3": {"id": "\udfff3", "name": "c", "note": "", "more": None},
}


@pytest.fixture
async def api() -> AsyncIterator[tuple[str, dict[str, dict[str, Any]]]]:
    records = json.loads(json.dumps(RECORDS))

    async def one(request: web.Request) -> web.Response:
        record = records[request.match_info["id"]]
        if request.method == "PATCH":
            record |= await request.json()
        return web.Response(text=json.dumps(record), content_type="application/json")

    async def every(_request: web.Request) -> web.Response:
        return web.Response(text=json.dumps([*records.values()]), content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/t", every), web.get("/t/{id}", one), web.patch("/t/{id}", one)])
    async with listening(app) as url:
        yield url, records


async def test_such_a_record_is_planned_changed_verified_and_undone_and_has_its_half_again(
    api: tuple[str, dict[str, dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, records = api
    (tmp_path / "t.yaml").write_text(TARGET, "utf-8")
    source = tmp_path / "in.csv"
    source.write_text("id,name,more\n1,new,{}\n2,new,\n", "utf-8")
    settings = Settings(target=str(tmp_path / "t.yaml"), base_url=url, runs_dir=tmp_path / "runs")
    made = await plan_file(source, settings, environ={})
    show_plan(made, Screen())
    assert "\\ud800x" in capsys.readouterr().out
    with (made.folder / "plan.csv").open(newline="", encoding="utf-8-sig") as file:
        assert next(row["old"] for row in csv.DictReader(file)) == "\\ud800x"
    sheet = openpyxl.load_workbook(made.folder / "plan.xlsx").worksheets[0]
    assert "\\ud800x" in [cell.value for row in sheet.iter_rows() for cell in row]
    with prepare(source, settings, environ={}, clock=QuickClock()) as job:
        run = await execute(await compare_first(job))
    assert outcomes(run) == ["updated", "updated"]
    assert (await verify(run.folder, settings, environ={})).exit_code == 0
    assert (await read_record(("2",), settings, {})).fields[1].value == r'"\udfff"'
    with undo_job(RunFolder(run.folder), partial(with_kept, settings), environ={}, clock=QuickClock()) as job:
        undone = await execute(job)
    assert outcomes(undone) == ["updated", "updated"]
    assert records == RECORDS


async def test_a_conflict_names_it_and_undo_csv_leaves_the_cell_blank(
    api: tuple[str, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    url, records = api
    (tmp_path / "t.yaml").write_text(TARGET, "utf-8")
    source = tmp_path / "in.csv"
    source.write_text("id,name,note,expected.note\n1,new,m,n\n2,new,,z\n", "utf-8")
    settings = Settings(target=str(tmp_path / "t.yaml"), base_url=url, runs_dir=tmp_path / "runs")
    with prepare(source, settings, environ={}, clock=QuickClock()) as job:
        run = await execute(job)
    assert outcomes(run) == ["updated", "conflict"]
    assert "should be 'z'" in lines(run)[1]["_error"]
    assert "udfff" in lines(run)[1]["_error"]
    with (run.folder / "undo.csv").open(newline="", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["note"]) == ("", "n"), "a cell can't have it, and must not have something else"
    assert records["2"]["name"] == "b"


async def test_a_row_finds_its_record_among_such_records_and_none_that_it_can_not_name(
    api: tuple[str, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    url, records = api
    (tmp_path / "t.yaml").write_text(TARGET, "utf-8")
    source = tmp_path / "in.csv"
    source.write_text("old name,note\nb,new\n\\ud800x,new\nd,new\nc,new\n", "utf-8")
    settings = Settings.model_validate(
        {"target": str(tmp_path / "t.yaml"), "base_url": url, "runs_dir": tmp_path / "runs", "input": {"match": "name"}}
    )
    run = await asyncio.to_thread(lambda: asyncio.run(run_file(source, settings, environ={})))
    assert outcomes(run) == ["updated", "invalid", "invalid", "invalid"]
    assert "its id holds half of a character" in lines(run)[3]["_error"]
    assert records["2"]["note"] == "new"
    assert records["1"] == RECORDS["1"]
