"""Servers that nobody here wrote, as processes of their own on free ports of 127.0.0.1; for tests/third_party."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from batchupdate import Settings, run_file
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary
    from batchupdate.roundtrip.pull import Pulled

START_S = 60.0
END_S = 10.0
BETWEEN_S = 0.05


class Answer(NamedTuple):
    """What a server said to another client than ours, which asks for the state after a run."""

    status: int
    headers: Mapping[str, str]
    body: Any


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: Sequence[str | Path], port: int) -> Iterator[str]:
    """Starts a server, gives its URL once it accepts connections, and ends it."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # that hides uvloop
    with tempfile.TemporaryFile() as output:
        server = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output, env=environ)
        try:
            if not _accepts(port, server):
                output.seek(0)
                pytest.fail(f"{command[0]} did not start:\n{output.read().decode(errors='replace')}", pytrace=False)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(END_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _accepts(port: int, server: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            try:
                server.wait(BETWEEN_S)
            except subprocess.TimeoutExpired:
                continue
            return False  # it has ended
        return True
    return False


def ask(url: str, method: str = "GET", body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request, with JSON both ways."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=START_S)
    try:
        data = None if body is None else json.dumps(body).encode()
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, data, {"Content-Type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        content = reply.read()
        return Answer(reply.status, {n.lower(): v for n, v in reply.getheaders()}, json.loads(content or b"null"))
    finally:
        connection.close()


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """An application of ours at a free port, by its URL; in this process."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def behind(url: str, meanwhile: Callable[[web.Request], None]) -> AsyncIterator[str]:
    """A proxy before a server: `meanwhile` is called when the server has answered, before the client knows."""

    async def forward(request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name not in {"Host", "Content-Length"}}
        body = await request.read()
        async with session.request(request.method, url + request.path_qs, data=body, headers=headers) as reply:
            content = await reply.read()
        meanwhile(request)
        kept = {name: value for name, value in reply.headers.items() if name in {"ETag", "Etag", "Content-Type"}}
        return web.Response(status=reply.status, body=content, headers=kept)

    app = web.Application()
    app.router.add_route("*", "/{_:.*}", forward)
    async with aiohttp.ClientSession() as session, listening(app) as proxy:
        yield proxy


def settings_for(folder: Path, target: str, url: str, **more: Any) -> Settings:
    """Settings of a run of a target's name, or of the text of its declaration."""
    if "\n" in target:
        path = folder / "target.yaml"
        path.write_text(target, "utf-8")
        target = str(path)
    options = {"target": target, "base_url": url, "runs_dir": folder / "runs", "rate": "unlimited"}
    return Settings.model_validate({**options, **more})


async def apply(
    source: Path | Sequence[Mapping[str, object]],
    settings: Settings,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """A run of a file, or of rows."""
    if not isinstance(source, os.PathLike):
        rows, source = source, settings.runs_dir.with_name("rows.jsonl")
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return await run_file(source, settings, environ=environ or {})


async def pull(path: Path, settings: Settings, environ: Mapping[str, str] | None = None) -> Pulled:
    assert settings.target
    return await pull_records(settings.target, settings, path, Form(path.suffix[1:]), environ=environ or {})


def outcomes(summary: Summary) -> dict[str, str]:
    """What became of each record, by its id."""
    results = summary.results()
    return dict(zip(results["_id"], results["_outcome"], strict=True))


def errors(summary: Summary) -> dict[str, str]:
    """What the results say of each record, by its id."""
    results = summary.results()
    return dict(zip(results["_id"], results["_error"], strict=True))
