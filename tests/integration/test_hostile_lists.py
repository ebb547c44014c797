"""Lists of records from a server that means harm or is broken, over real sockets."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from real_servers import listening

from batchupdate.config import Settings
from batchupdate.engine.listing import page_client
from batchupdate.errors import SafetyStop
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form
from batchupdate.run import check_file

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from batchupdate.roundtrip.pull import Pulled

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "sk-very-secret-key"
DECLARED = """\
name: mine
title: My API
base_url: {url}/base
path: /things/{{id}}
auth: {{env: MY_KEY}}
rate: unlimited
id: {{id: {{}}}}
fields:
  name: {{nullable: true}}
  count: {{type: integer}}
list:
  path: /things
  records: data
  pagination: {pagination}
"""
NEXT = "{style: next, next: next}"
CURSOR = "{style: cursor, parameter: after, next: next}"


class Server:
    """Serves one handler, keeps what was asked of it, and is pulled from."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "out.csv"
        self.asked: list[str] = []

    async def pull(self, handler: Handler, pagination: str = CURSOR, form: Form = Form.CSV, **settings: Any) -> Pulled:
        async def serve(request: web.Request) -> web.StreamResponse:
            self.asked.append(request.raw_path)
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", serve)
        async with listening(app) as url:
            declared = self.folder / "mine.yaml"
            declared.write_text(DECLARED.format(url=url, pagination=pagination), "utf-8")
            chosen = Settings.model_validate({"target": str(declared), "max_attempts": 1, **settings})
            return await pull_records(str(declared), chosen, self.path, form, environ={"MY_KEY": KEY})

    async def refused(self, handler: Handler, pagination: str = CURSOR, **settings: Any) -> str:
        """What stops it; the key is not in it, and nothing is left behind."""
        with pytest.raises(SafetyStop) as caught:
            await self.pull(handler, pagination, **settings)
        assert KEY not in f"{caught.value} {caught.value.hint}"
        assert [path.name for path in self.folder.iterdir()] == ["mine.yaml"]
        return str(caught.value)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def gives(content: object, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(body=body, status=status, headers={"Content-Type": "application/json", **headers})

    return handler


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.test/things",
        "//evil.test/things",
        "https://127.0.0.1:{port}/things",
        "http://user:pass@127.0.0.1:{port}/things",
        "http://127.0.0.1:1/things",
        "http://localhost:{port}/things",
        "http://127.0.0.1:{port}@evil.test/",
        "file:///etc/passwd",
        "javascript:1",
    ],
)
async def test_the_key_follows_no_next_page_to_another_place(server: Server, url: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": 1}], "next": url.format(port=request.url.port)})

    assert "the next page is at" in await server.refused(handler, NEXT)
    assert server.asked == ["/base/things"]


@pytest.mark.parametrize("url", ["/x y\r\nX-Evil: 1", "\\\\evil.test\\x", "http:///x", "/ü#f", "/a\x00b"])
async def test_an_odd_next_page_stays_on_the_server_and_adds_no_header(server: Server, url: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert "X-Evil" not in request.headers
        first = len(server.asked) == 1
        return web.json_response({"data": [{"id": len(server.asked)}], "next": url if first else None})

    assert (await server.pull(handler, NEXT)).records == 2
    assert len(server.asked) == 2


async def test_a_redirect_is_not_followed_and_its_address_tells_no_key(server: Server) -> None:
    told = await server.refused(gives({}, 302, Location=f"http://127.0.0.1:1/?key={KEY}"))
    assert "redirects are not followed" in told
    assert len(server.asked) == 1


async def test_an_echoed_key_is_in_no_sentence_and_no_sheet(server: Server) -> None:
    await server.refused(gives({"error": f"no: Bearer {KEY}"}, 400))
    assert (await server.pull(gives({"data": [{"id": 1, "name": f"Bearer {KEY}"}]}))).records == 1
    assert KEY not in server.path.read_text("utf-8")


async def test_a_packed_answer_is_never_unfolded(server: Server) -> None:
    bomb = gzip.compress(b" " * 100_000_000, 1)
    assert "is compressed (gzip)" in await server.refused(gives(bomb, **{"Content-Encoding": "gzip"}))


async def test_a_page_without_an_end_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_client, "MAX_PAGE", 1 << 20)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65_536)
        except ConnectionError:
            return response

    assert "has more than 1 MiB" in await server.refused(handler)


async def test_a_page_that_drips_is_given_up_in_time_and_told_so(server: Server) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"[")
                await asyncio.sleep(0.05)
        except ConnectionError:
            return response

    told = await asyncio.wait_for(server.refused(handler, timeout=0.5), 60)
    assert "did not arrive in time (--timeout)" in told


async def test_pages_without_an_end_are_given_up(server: Server) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"data": [], "next": len(server.asked)})

    assert "more than 9 pages" in await server.refused(handler, f"{CURSOR}\n  max_pages: 9")
    assert len(server.asked) == 9


@pytest.mark.parametrize("form", list(Form))
async def test_hostile_values_are_written_such_that_nothing_counts_as_an_edit(server: Server, form: Form) -> None:
    names = [
        "=cmd|' /C calc'!A0", "@SUM(1)", "'=1", "'007", "x" * 40_000, "\x01\x08", "a\x00b", "  ", "\xa0x\u200b",
        "a\r\nb", "_x0041_", "<null>", "<empty>", "\ufeffx", "\uffff", 5, True, {"a": 1}, [1], "007", "1/2",
    ]  # fmt: skip
    ids = ["a/b", "..", "007", " x ", "=1+1", "<null>", "a\nb", 12345678901234567890123, "'=1", "true", "1e5"]
    records = [{"id": f"n{number}", "name": name} for number, name in enumerate(names)]
    records += [{"id": each, "name": "N", "count": "odd"} for each in ids]
    server.path = server.folder / f"out.{form}"
    pulled = await server.pull(gives({"data": records}), "none", form)
    assert pulled.records == len(records)
    checkup = check_file(server.path, Settings(target=str(server.folder / "mine.yaml")))
    assert (checkup.rows, checkup.untouched, checkup.invalid) == (len(records), len(records), 0)


async def test_a_csv_runs_no_formula_wherever_it_came_from(server: Server) -> None:
    record = {"id": "=1+1", "name": "\t=HYPERLINK(1)", "count": "-1+cmd"}
    await server.pull(gives({"data": [record]}))
    with server.path.open(newline="", encoding="utf-8-sig") as file:
        _, row = csv.reader(file)
    assert [cell for cell in row if not cell.startswith("'")] == []


@pytest.mark.parametrize("value", ["null", "true", "1.5", '""', "{}", "[1]"])
async def test_an_id_that_is_neither_text_nor_a_whole_number_is_refused(server: Server, value: str) -> None:
    told = await server.refused(gives(f'{{"data": [{{"id": {value}}}]}}'.encode()))
    assert "a record has no id where one is expected" in told
