"""A server that says any bytes, and a client that talks to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from batchupdate.api.client import Client
from batchupdate.config import Secrets, Settings
from batchupdate.model import Fault, Reply
from batchupdate.util.clock import SystemClock

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from fakes import FakeClock

KEY = "sk-ld-very-secret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def client_of(
    base_url: str,
    method: str = "PATCH",
    headers: Mapping[str, str] | None = None,
    clock: FakeClock | None = None,
    change_headers: Mapping[str, str] | None = None,
    **settings: float | str,
) -> Client:
    return Client(
        base_url,
        method,
        {"Authorization": f"Bearer {KEY}"} if headers is None else headers,
        Settings(**{"timeout": 5.0, **settings}),  # type: ignore[arg-type]
        concurrency=4,
        clock=clock or SystemClock(),
        secrets=Secrets([SecretStr(KEY)]),
        change_headers=change_headers,
    )


async def send(base_url: str, method: str = "PATCH", path: str = "/things/1", **settings: float | str) -> Reply | Fault:
    async with client_of(base_url, method, **settings) as client:
        return await client.send(path, b'{"name":"x"}')


def reply(answer: Reply | Fault) -> Reply:
    assert isinstance(answer, Reply), answer
    return answer


def fault(answer: Reply | Fault) -> Fault:
    assert isinstance(answer, Fault), answer
    assert KEY not in answer.message
    assert answer.duration_s >= 0
    return answer


@dataclass
class RawServer:
    """A server that says any bytes it is told to, and keeps those it got."""

    answers: list[bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]]
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    tasks: list[asyncio.Task[None] | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.tasks.append(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError), closing(writer.transport):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                self.heads.append(head)
                self.used.append(number)
                self.bodies.append(await reader.readexactly(length))
                answer = self.answers[min(len(self.heads), len(self.answers)) - 1]
                if callable(answer):
                    await answer(writer)
                else:
                    writer.write(answer)
                    await writer.drain()


@asynccontextmanager
async def serving(
    *answers: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    raw = RawServer([*answers])
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for task in filter(None, raw.tasks):
            task.cancel()
        await asyncio.sleep(0.005)  # TLS says goodbye


def then_close(start: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await writer.drain()
        writer.close()

    return answer
