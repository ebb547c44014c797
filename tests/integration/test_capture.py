"""Values of the replies in the results, over real sockets: kept, resumed, read again, and without secrets."""

from __future__ import annotations

import csv
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening

from batchupdate.config import Settings, load_settings
from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result
from batchupdate.reader import ReadOptions, open_table
from batchupdate.run import execute, prepare, resumed_job, run_file
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import rebuild_reports, summary_of
from batchupdate.targets.catalogue import target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from batchupdate.reporter import Summary

KEY = "mk-0123456789-secret"
KEYS = {"MY_KEY": KEY}
TARGET = """\
name: mine
title: My API
path: /things/{id}
auth: {env: MY_KEY}
id: {id: {}}
fields: {name: {}}
repeatable: true
"""
BATCH = """\
batch:
  path: /batch
  size: 10
  template: {things: [{id: "{id}", ...: "{fields}"}]}
  results: results
  status: status
"""
CAPTURE = "capture: {at: meta.updated_at, etag: headers.etag}\n"


@asynccontextmanager
async def serving(answer: Callable[[web.Request, dict[str, Any]], web.StreamResponse]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request, await request.json())

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    async with listening(app) as url:
        yield url


def thing(request: web.Request, _: object) -> web.Response:
    name = request.path.rpartition("/")[2]
    if name == "gone":
        return web.json_response({"error": "no such thing", "meta": {"updated_at": "never"}}, status=404)
    return web.json_response({"meta": {"updated_at": f"at {name}"}}, headers={"ETag": f'"{name}-1"'})


def settings_for(folder: Path, url: str, target: str = TARGET + CAPTURE, **more: Any) -> Settings:
    (folder / "mine.yaml").write_text(target, encoding="utf-8")
    options = {"target": str(folder / "mine.yaml"), "base_url": url, "runs_dir": folder / "runs", "rate": "unlimited"}
    return Settings.model_validate({**options, "concurrency": 1, "give_up_after": 5.0, **more})


def rows(folder: Path, *ids: str) -> Path:
    path = folder / "in.csv"
    path.write_text("\n".join(["id,name", *(f"{one},N" for one in ids)]), encoding="utf-8")
    return path


def captured(summary: Summary, *names: str) -> list[list[str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return [[line[f"_reply.{name}"] for name in names] for line in csv.DictReader(file)]


async def run(folder: Path, url: str, *ids: str, **more: Any) -> Summary:
    return await run_file(rows(folder, *ids), settings_for(folder, url, **more), environ=KEYS)


async def test_values_of_body_and_headers_stand_in_every_form_of_the_results(tmp_path: Path) -> None:
    async with serving(thing) as url:
        summary = await run(tmp_path, url, "a", "gone")
    assert captured(summary, "at", "etag") == [["at a", '"a-1"'], ["never", ""]]
    header = (summary.folder / "results.csv").read_text("utf-8-sig").splitlines()[0]
    assert header.endswith("_duration_ms,_reply.at,_reply.etag")
    frame = summary.results()
    assert frame["_reply.at"].tolist() == ["at a", "never"]
    assert [str(kind) for kind in frame.dtypes[-2:]] == ["string", "string"]
    sheet = openpyxl.load_workbook(summary.folder / "results.xlsx")["results"]
    assert [cell.value for cell in sheet[2]][-2:] == ["at a", '"a-1"']


async def test_the_config_adds_to_what_the_target_captures_and_wins_over_it(tmp_path: Path) -> None:
    async with serving(thing) as url:
        summary = await run(tmp_path, url, "a", capture={"etag": "meta", "kind": "headers.Content-Type"})
    assert captured(summary, "at", "etag", "kind") == [
        ["at a", '{"updated_at":"at a"}', "application/json; charset=utf-8"]
    ]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"v": 1.10}', "1.10"),
        (b'{"v": 12345678901234567890}', "12345678901234567890"),
        (b'{"v": true}', "true"),
        (b'{"v": null}', ""),
        (b'{"v": ""}', ""),
        (b'{"v": ["a", 1]}', '["a",1]'),
        (b'{"v": "a\\n\\u0000b"}', "a b"),
        (b'{"v": "=1+1"}', "'=1+1"),
        (b'{"w": 1}', ""),
        (b"[1]", ""),
        (b"no JSON", ""),
        (b"", ""),
        (b'{"v": "' + b"x" * 600 + b'"}', "x" * 499 + "\u2026"),
    ],
)
async def test_any_value_is_a_text_on_one_line_and_what_is_missing_is_blank(
    body: bytes, wanted: str, tmp_path: Path
) -> None:
    async with serving(lambda *_: web.Response(body=body, content_type="application/json")) as url:
        summary = await run(tmp_path, url, "a", target=TARGET + "capture: {v: v}\n")
    assert summary.counts[Outcome.UPDATED] == 1
    assert captured(summary, "v") == [[wanted]]


async def test_an_expression_that_can_not_be_applied_gives_a_blank_and_no_failure(tmp_path: Path) -> None:
    async with serving(thing) as url:
        summary = await run(tmp_path, url, "a", target=TARGET + 'capture: {v: "length(meta.updated_at.x)"}\n')
    assert (summary.exit_code, captured(summary, "v")) == (0, [[""]])


async def test_of_a_batch_each_row_has_the_values_of_its_own_result(tmp_path: Path) -> None:
    def answer(_: web.Request, body: dict[str, Any]) -> web.Response:
        results = [
            {"id": one["id"], "status": 404 if one["id"] == "b" else 200, "meta": {"updated_at": f"at {one['id']}"}}
            for one in body["things"]
        ]
        return web.json_response({"results": results[::-1]})

    async with serving(answer) as url:
        summary = await run(tmp_path, url, "a", "b", "c", target=TARGET + BATCH + CAPTURE)
    assert captured(summary, "at") == [["at a"], ["at b"], ["at c"]]


async def test_a_key_that_the_api_repeats_is_in_no_report_and_no_journal(tmp_path: Path) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    body = f'{{"v": "key {KEY}", "w": "{escaped}"}}'.encode()
    target = TARGET + "capture: {v: v, w: w, x: headers.x-echo, all: '@'}\n"
    async with serving(lambda *_: web.Response(body=body, headers={"X-Echo": KEY})) as url:
        summary = await run(tmp_path, url, "a", target=target)
    assert captured(summary, "v", "w", "x") == [["key [redacted]", "[redacted]", "[redacted]"]]
    for path in summary.folder.iterdir():
        assert KEY.encode() not in path.read_bytes(), path.name


async def test_values_survive_a_stop_a_resume_and_a_report_and_a_later_try_replaces_them(tmp_path: Path) -> None:
    refused = True

    def answer(request: web.Request, body: dict[str, Any]) -> web.Response:
        if refused and request.path.endswith("b"):
            return web.json_response({"meta": {"updated_at": "refused"}}, status=401)
        return thing(request, body) if request.path.endswith("a") else web.json_response({})

    async with serving(answer) as url:
        settings = settings_for(tmp_path, url)
        with prepare(rows(tmp_path, "a", "b"), settings, environ=KEYS, clock=QuickClock()) as job:
            stopped = await execute(job)
        assert captured(stopped, "at") == [["at a"], ["refused"]]
        refused = False
        with resumed_job(
            RunFolder(stopped.folder),
            lambda kept: load_settings({"capture": {"more": "headers.etag"}}, environ={}, kept=kept),
            environ=KEYS,
            clock=QuickClock(),
        ) as job:
            resumed = await execute(job)
    assert captured(resumed, "at", "etag", "more") == [["at a", '"a-1"', ""], ["", "", ""]]
    (resumed.folder / "results.csv").unlink()
    rebuilt = rebuild_reports(RunFolder(resumed.folder))
    assert captured(rebuilt, "at", "etag", "more") == [["at a", '"a-1"', ""], ["", "", ""]]
    assert summary_of(RunFolder(resumed.folder)).results()["_reply.etag"].tolist() == ['"a-1"', ""]


def test_values_that_only_the_map_of_a_killed_process_has_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal.create(path) as journal:
        journal.add_rows([(key, ["a"], "a", "/a", {"name": "N"}) for key in (2, 3)], [])
        journal.seal({})
        journal.begin_session(1.0, repeatable=True)
        for key, found in ((2, '{"at":"now"}'), (3, json.dumps({"at": "x" * 2000}))):
            (request,) = journal.upcoming(key - 1, 1)
            journal.commit([key], [])
            journal.in_flight.leaves(key, request.sent)
            result = Result(key, Outcome.ACCEPTED, 202, 1, "", "r", "/jobs/1", 1.0, 2.0, found)
            journal.in_flight.keep(result, final=True)
        killed = path.with_name("in-flight.map").read_bytes()
    path.with_name("in-flight.map").write_bytes(killed)
    with Journal.take_over(path) as journal:
        lines = [(line.outcome, line.location, line.captured) for line in journal.lines()]
    assert lines == [("accepted", "/jobs/1", '{"at":"now"}'), ("accepted", "/jobs/1", "")]


async def test_results_with_these_columns_are_valid_input_and_they_are_ignored(tmp_path: Path) -> None:
    async with serving(thing) as url:
        summary = await run(tmp_path, url, "a")
    for name in ("results.csv", "results.xlsx"):
        with open_table(summary.folder / name, ReadOptions()) as table:
            assert (table.columns, table.own) == (("id", "name"), True)


async def test_merged_rows_have_the_values_of_the_request_that_was_theirs(tmp_path: Path) -> None:
    target = TARGET.replace("{name: {}}", "{name: {}, note: {}}") + CAPTURE
    async with serving(thing) as url:
        path = tmp_path / "in.csv"
        path.write_text("id,name,note\na,N,\na,,X\n", encoding="utf-8")
        settings = settings_for(tmp_path, url, target, input={"on_duplicate": "merge"})
        summary = await run_file(path, settings, environ=KEYS)
    assert captured(summary, "at") == [["at a"], ["at a"]]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("a..b", "t.yaml:2: capture.v: 'a..b' is not a JMESPath expression"),
        ("headers.a b", "t.yaml:2: capture.v: 'headers.a b' names no header; write one as headers.etag"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_line(said: str, words: str, tmp_path: Path) -> None:
    config = tmp_path / "t.yaml"
    config.write_text(f'capture:\n  v: "{said}"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(config=config, environ={})
    assert words in caught.value.message
    target = tmp_path / "mine.yaml"
    target.write_text(f'{TARGET}capture:\n  v: "{said}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml:9: capture\.v"):
        target_of(Settings(target=str(target)), {})


def test_a_body_member_called_headers_is_still_within_reach(tmp_path: Path) -> None:
    config = tmp_path / "t.yaml"
    config.write_text("capture: {v: '\"headers\".etag'}\n", encoding="utf-8")
    assert load_settings(config=config, environ={}).capture == {"v": '"headers".etag'}
