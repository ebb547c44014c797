from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from raw_server import OK, client_of, fault, reply, send, serving, then_close

from batchupdate.api.connection import KEEP_S, LONGEST_KEEP_S, OneReply, keep_for_s
from batchupdate.model import FaultKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.usefixtures("no_proxies", "tried_versions")

GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


def then_say(start: bytes, more: bytes, after: asyncio.Event) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Answers, and later says something that nobody asked for."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        async def say() -> None:
            await after.wait()
            writer.write(more)

        writer.write(start)
        tasks.append(asyncio.create_task(say()))

    tasks: list[asyncio.Task[None]] = []
    return answer


@pytest.mark.parametrize("stray", [STRAY, STRAY[:20], b"x", STRAY * 2])
async def test_a_reply_that_nobody_asked_for_is_never_taken_for_the_next_ones(stray: bytes) -> None:
    idle = asyncio.Event()
    async with serving(then_say(OK, stray, idle), GONE) as server, client_of(server.url) as client:
        assert reply(await client.send("/1", b"{}")).status == 200
        idle.set()
        await asyncio.sleep(0.02)
        assert reply(await client.send("/2", b"{}")).status == 404
        assert server.connections == 2


async def test_a_stray_reply_that_was_not_even_read_yet_is_noticed_before_the_next_request() -> None:
    written = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        written.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(2)
            writer.write(OK if len(written) == 1 else GONE)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with client_of(url) as client:
        assert reply(await client.send("/1", b"{}")).status == 200
        # In one step of the event loop with the next request: nothing is read between the two.
        written[0].transport.get_extra_info("socket")._sock.send(STRAY)
        assert reply(await client.send("/2", b"{}")).status == 404
    for writer in written:
        writer.close()
    server.close()


async def test_two_replies_to_one_request_are_none() -> None:
    async with serving(OK + GONE, OK) as server, client_of(server.url) as client:
        answer = fault(await client.send("/1", b"{}"))
        assert (answer.kind, "which one is its own is unclear" in answer.message) == (FaultKind.LOST, True)
        assert reply(await client.send("/2", b"{}")).status == 200
        assert server.connections == 2


async def test_what_announces_a_reply_is_none_itself() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with serving(early + early + OK, GONE) as server, client_of(server.url) as client:
        assert reply(await client.send("/1", b"{}")).status == 200
        assert reply(await client.send("/2", b"{}")).status == 404
        assert server.connections == 1


async def test_a_change_of_protocol_is_a_reply_and_ends_its_connection() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n"
    async with serving(upgrade, OK) as server, client_of(server.url) as client:
        assert reply(await client.send("/1", b"{}")).status == 101
        assert reply(await client.send("/2", b"{}")).status == 200
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n{}", 204, b"{}"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}", 204, b"{}"),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 204, b""),
        (b'HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\n{"message": "x"}', 409, b'{"message": "x"}'),
        (b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 201, b""),
        (b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 404, b""),
        (b"HTTP/1.1 404 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 404, b"ab"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 No\r\nContent-Length: 1\r\n\r\nab", 422, b"ab"),
    ],
)
async def test_a_clear_status_counts_even_where_the_rest_breaks_the_rules(
    answer: bytes, status: int, body: bytes
) -> None:
    async with serving(answer, OK) as server, client_of(server.url) as client:
        first = reply(await client.send("/1", b"{}"))
        assert (first.status, first.body) == (status, body)
        assert reply(await client.send("/2", b"{}")).status == 200
        assert server.connections == 2


async def test_a_head_that_does_not_end_is_no_clear_status() -> None:
    async with serving(then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n")) as server:
        assert fault(await send(server.url)).kind is FaultKind.LOST


@pytest.mark.parametrize(("count", "size"), [(1, 65_000), (3, 60_000), (900, 100)])
async def test_long_and_many_headers_are_read(count: int, size: int) -> None:
    more = b"".join(b"X-%d: %s\r\n" % (number, b"y" * size) for number in range(count))
    async with serving(b"HTTP/1.1 200 OK\r\n" + more + b"X-Request-Id: r1\r\nContent-Length: 0\r\n\r\n") as server:
        assert reply(await send(server.url)).headers["x-request-id"] == "r1"


# Idle connections.


@pytest.mark.parametrize(("advertised_s", "kept_s"), [(0, 0), (1, 0.5), (2, 1), (5, 4), (60, 59)])
def test_an_idle_connection_is_used_for_less_time_than_the_server_keeps_it(advertised_s: float, kept_s: float) -> None:
    assert keep_for_s(advertised_s) == kept_s


@pytest.mark.parametrize(
    ("header", "kept_s"),
    [
        ("", KEEP_S),
        ("Keep-Alive: timeout=5, max=100\r\n", 4.0),
        ("keep-alive: max=100, Timeout = 8\r\n", 7.0),
        ("Keep-Alive: timeout=3600\r\n", LONGEST_KEEP_S),
        ("Keep-Alive: timeout=0\r\n", 0.0),
        ("Keep-Alive: timeout=soon\r\n", KEEP_S),
    ],
)
async def test_how_long_an_idle_connection_is_used_is_learned_from_the_reply(
    monkeypatch: pytest.MonkeyPatch, header: str, kept_s: float
) -> None:
    late_s = 0.0
    real = asyncio.get_running_loop().time
    usable = OneReply.usable

    def later(protocol: OneReply) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(protocol._loop, "time", lambda: real() + late_s)
            return usable(protocol)

    monkeypatch.setattr(OneReply, "usable", later)
    answer = f"HTTP/1.1 200 OK\r\n{header}Content-Length: 0\r\n\r\n".encode()
    async with serving(answer) as server, client_of(server.url) as client:
        await client.send("/1", b"{}")
        late_s = max(0.0, kept_s - 0.3)
        await client.send("/2", b"{}")
        assert server.connections == (1 if kept_s else 2)
        late_s = kept_s + 0.05
        await client.send("/3", b"{}")
        assert server.connections == (2 if kept_s else 3)


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    async with serving(then_close(OK), GONE) as server, client_of(server.url) as client:
        assert reply(await client.send("/1", b"{}")).status == 200
        assert reply(await client.send("/2", b"{}")).status == 404


@pytest.mark.parametrize("body", [b"{}", b"<a/>", b"x" * 300_000])
@pytest.mark.parametrize("status", [200, 404])
async def test_a_connection_whose_reply_was_read_is_used_again(status: int, body: bytes) -> None:
    answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
    async with serving(answer) as server, client_of(server.url) as client:
        for _ in range(3):
            assert reply(await client.read("/", 1_000_000)).body == body
        assert server.connections == 1


async def test_the_connection_used_last_is_used_next_so_that_few_grow_old() -> None:
    async with serving(OK) as server, client_of(server.url) as client:
        await asyncio.gather(*(client.send(f"/{number}", b"{}") for number in range(3)))
        assert server.connections == 3
        for _ in range(3):
            await client.send("/", b"{}")
        assert len({*server.used[3:]}) == 1
