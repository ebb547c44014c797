from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import pytest
from yarl import URL

from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

KEYS = {"langdock": "sk-ld-sandbox", "nairi": "nr_sandbox"}
ROOTS = {"langdock": "/integrations/v1/", "nairi": "/api/public/v1/integrations/llm/"}


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.start = datetime(2026, 11, 21, 18, 0, tzinfo=UTC) - timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    async def sleep_until(self, due: float) -> None:
        self.seconds = max(self.seconds, due)


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, with its body read."""

    status: int
    headers: Any
    text: str
    json: Any


class Ask(Protocol):
    async def __call__(
        self, sandbox: Sandbox, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> Got: ...


class Patch(Protocol):
    async def __call__(self, sandbox: Sandbox, api: str, record_id: str, body: Any, **more: Any) -> Got: ...


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Sandbox]]]:
    """Starts sandboxes; stops them when the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(**options: Any) -> Sandbox:
            return await stack.enter_async_context(Sandbox(**options))

        yield begin


@pytest.fixture
async def sandbox(start: Callable[..., Awaitable[Sandbox]]) -> Sandbox:
    return await start()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@pytest.fixture
def ask(http: aiohttp.ClientSession) -> Ask:
    """Sends one request; a body that is no bytes goes as JSON. The key is the one of the path's API."""

    async def send(
        sandbox: Sandbox, method: str, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> Got:
        key = KEYS["nairi" if "/api/public/" in path else "langdock"] if key is None else key
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        if isinstance(body, bytes | BytesIO):
            more["data"] = body
            headers.setdefault("Content-Type", "application/json")
        elif body is not None:
            more["json"] = body
        url = URL(sandbox.url + path, encoded=True)  # the path goes out as it is written here
        async with http.request(method, url, headers=headers, **more) as reply:
            text = await reply.text()
            is_json = "json" in reply.headers["Content-Type"]
            try:
                value = await reply.json() if is_json else None
            except ValueError:
                value = None
            return Got(reply.status, reply.headers, text, value)

    return send


@pytest.fixture
def patch(ask: Ask) -> Patch:
    """Sends one PATCH for a record."""

    async def send(sandbox: Sandbox, api: str, record_id: str, body: Any, **more: Any) -> Got:
        return await ask(sandbox, "PATCH", ROOTS[api] + record_id, body, **more)

    return send


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Lets the loop run until something is so; at most 5 s."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the condition looks at what has no event
                await asyncio.sleep(0)

    return wait
