"""Prism as the judge of requests: it serves a document, and says of every request whether the document allows it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import ClientSession, TCPConnector, web
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Iterator, Sequence

    from batchupdate.targets.openapi import Document, Operation

STARTS_WITHIN_S = 300
MADE = 300  # the first status that is no success
REFUSALS = (
    "UNPROCESSABLE_ENTITY", "UNAUTHORIZED", "INVALID_CONTENT_TYPE", "NO_PATH_MATCHED", "NO_METHOD_MATCHED", "NO_SERVER",
)  # fmt: skip
REPLIES = (
    "VIOLATIONS",
    "NO_RESPONSE_DEFINED",
    "NOT_ACCEPTABLE",
    "NOT_FOUND",
    "NO_COMPLEX_OBJECT",
    "SCHEMA_TOO_COMPLEX",
)
"""Prism's names of what is wrong with a request, and of what it could not make up as a reply."""
_FROM_PRISM = {"host", "accept-encoding", "content-length"}


@dataclass
class Judge:
    """Stands between the client and Prism: hands every request on as it came, and keeps what Prism says of it.

    `said` has a pair for each request: `accepted`, `refused` or `unclear`, and why. `prefix` is a path that Prism does
    not know, because the document has it in a server's URL.
    """

    address: str
    session: ClientSession
    prefix: str = ""
    said: list[tuple[str, str]] = field(default_factory=list)
    last: tuple[str, str, dict[str, str]] = ("", "", {})

    async def handle(self, request: web.Request) -> web.Response:
        """Answers the client as an API would that took it, so that a run does not stop at a refusal."""
        path = request.raw_path.removeprefix(self.prefix)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _FROM_PRISM}
        if request.method != "GET":
            self.last = request.method, path, headers
        self.said.append(await self._ask(request.method, path, headers, await request.read()))
        return web.json_response({}, headers={"ETag": '"1"'})

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
        url = URL(self.address + path, encoded=True)
        async with self.session.request(method, url, headers=headers, data=body or None) as reply:
            return judged(reply.status, reply.headers.get("sl-violations", ""), await reply.text(errors="replace"))

    async def refuses_nonsense(self) -> bool:
        """Whether Prism refuses the last change with a body that no record has."""
        method, path, headers = self.last
        body = b"no_such_member[x]=1" if "form" in headers.get("Content-Type", "") else b'"no record"'
        return (await self._ask(method, path, headers, body))[0] == "refused"


def judged(status: int, violations: str, body: str) -> tuple[str, str]:
    """What a reply of Prism means for the request: `accepted`, `refused` or `unclear`, and why.

    Args:
        status: of the reply.
        violations: its header `sl-violations`: a list of what is wrong with request and reply, cut off at 8 KB.
        body: a problem (RFC 9457) of Prism's own, or a reply of the document.
    """
    if '"location":["request"' in violations:
        try:
            listed = [one for one in json.loads(violations) if one["location"][0] == "request"]
        except ValueError:
            return "refused", violations[:300]
        if wrong := [one for one in listed if one["severity"] == "Error"]:
            return "refused", "; ".join(f"{'.'.join(map(str, one['location'][1:]))}: {one['message']}" for one in wrong)
    try:
        problem = json.loads(body)
        kind = str(problem["type"]).partition("prism/errors#")[2]
    except (ValueError, KeyError, TypeError):
        problem, kind = {}, ""
    if kind.startswith(REFUSALS):
        wrong = problem.get("validation", ())
        said = [f"{'.'.join(map(str, one.get('location', [])))}: {one['message']}" for one in wrong]
        return "refused", "; ".join(said) or f"{kind}: {problem.get('detail', '')}"
    if status < MADE or kind.startswith(REPLIES):
        return "accepted", ""
    return "unclear", f"{status} {body[:200]}"


@asynccontextmanager
async def judge_of(document: Document, operations: Sequence[Operation]) -> AsyncIterator[tuple[Judge, str]]:
    """A judge by these operations of a document, and its address.

    Raises:
        TimeoutError: Prism does not serve the document.
    """
    async with (
        _prism(document, operations) as address,
        ClientSession(
            max_field_size=1 << 20,
            connector=TCPConnector(force_close=True),  # Node closes idle connections
        ) as session,
    ):
        judge = Judge(address, session)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", judge.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        port = _free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield judge, f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


@asynccontextmanager
async def _prism(document: Document, operations: Sequence[Operation]) -> AsyncIterator[str]:
    program = shutil.which("prism")
    if program is None:
        sys.exit("There is no prism: npm install --global @stoplight/prism-cli@5")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        port = _free_port()
        options = f"mock --errors --verboseLevel error --host 127.0.0.1 --port {port}".split()
        command = [program, *options, _written(folder, cut_down(document.root, operations))]
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: ASYNC220 - it is quick
        try:
            until = time.monotonic() + STARTS_WITHIN_S
            while not _answers(port):
                if server.poll() is not None or time.monotonic() > until:
                    output.seek(0)
                    said = " ".join(output.read().decode(errors="replace").split())
                    raise TimeoutError(f"Prism can't serve it: {said[-300:] or 'no answer'}")
                await asyncio.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def _written(folder: str, document: dict[str, Any]) -> str:
    file = Path(folder, "document.json")
    file.write_text(json.dumps(document), "utf-8")
    return str(file)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ---- a smaller document ----


def cut_down(root: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """A document with these operations alone, and what they refer to: Prism needs minutes for the largest documents.

    A reference that leads nowhere, or to the network, counts as anything, as it does for `from-openapi`: Prism would
    serve nothing of the document, or ask the network. A document of Swagger 2 that names no media type for a body means
    JSON; by Prism, it would allow no body. A form's lists get the style that they have by default (OpenAPI 3.0,
    "Encoding Object"), which Prism forgets. Else, what the document says of the operations stays as it is.
    """
    kept = {"openapi", "swagger", "info", "servers", "host", "basePath", "schemes", "consumes", "produces"}
    made = {name: one for name, one in root.items() if name in kept or name.startswith("security")}
    paths = {one.path.partition("#")[0] for one in operations}
    made["paths"] = {name: one for name, one in root["paths"].items() if str(name).partition("#")[0] in paths}
    if schemes := root.get("components", {}).get("securitySchemes"):
        made["components"] = {"securitySchemes": schemes}
    left, seen = [*_references(made)], set()
    while left:
        if (reference := left.pop()) not in seen and reference.startswith("#/"):
            seen.add(reference)
            left += _references(_take(root, made, reference))
    made = _settled(made, {reference for reference in seen if _leads(root, reference)})
    for node in [node for item in made["paths"].values() for node in item.values() if isinstance(node, dict)]:
        if "swagger" not in made:
            _style_lists(made, node.get("requestBody"))
        else:
            node["consumes"] = node.get("consumes") or made.get("consumes") or ["application/json"]
    return made


def _style_lists(root: dict[str, Any], body: object) -> None:
    content = body.get("content") if isinstance(body, dict) else None
    form = content.get("application/x-www-form-urlencoded") if isinstance(content, dict) else None
    schema = form.get("schema", {}) if isinstance(form, dict) else {}
    if (reference := schema.get("$ref")) and _leads(root, reference):
        for part in _parts(reference):
            root = root[part]
        schema = root
    for name, one in schema.get("properties", {}).items():
        if isinstance(one, dict) and one.get("type") == "array" and form is not None:
            form.setdefault("encoding", {}).setdefault(name, {"style": "form", "explode": True})


def _take(root: dict[str, Any], made: dict[str, Any], reference: str) -> object:
    """Copies what a reference leads to, or the named part that holds it; gives it."""
    parts = _parts(reference)
    parts = parts[: 3 if parts[0] == "components" else 2]
    source, target = root, made
    for part in parts[:-1]:
        if not isinstance(source := source.get(part), dict):
            return None
        target = target.setdefault(part, {})
    if parts[-1] in source:
        target[parts[-1]] = source[parts[-1]]
    return source.get(parts[-1])


def _parts(reference: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in unquote(reference[2:]).split("/")]


def _leads(root: object, reference: str) -> bool:
    for part in _parts(reference):
        if isinstance(root, list) and part.isdecimal() and int(part) < len(root):
            root = root[int(part)]
        elif isinstance(root, dict) and part in root:
            root = root[part]
        else:
            return False
    return True


def _settled(node: Any, good: Container[str]) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(node, list):
        return [_settled(one, good) for one in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    is_bad = isinstance(reference, str) and reference not in good
    return {name: _settled(one, good) for name, one in node.items() if not (is_bad and name == "$ref")}


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for one in node.values():
            yield from _references(one)
    elif isinstance(node, list):
        for one in node:
            yield from _references(one)
