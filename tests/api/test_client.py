from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
from typing import TYPE_CHECKING

import aiohttp
import pytest
from raw_server import KEY, OK, client_of, fault, reply, send, serving, then_close

from batchupdate.api.client import MAX_BODY, MAX_RECORD, RENEWED_EVERY_S
from batchupdate.api.connection import OneReply
from batchupdate.errors import ConfigError
from batchupdate.model import FaultKind
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from fakes import FakeClock

BASE = "https://api.example.test"

pytestmark = pytest.mark.usefixtures("no_proxies", "tried_versions")


def refused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# What goes out.


async def test_a_request_goes_out_as_it_was_given() -> None:
    async with serving(OK) as server:
        answer = reply(await send(server.url + "/api", path="/things/a%2Fb%3F?x=%20"))
    head = server.heads[0].decode().split("\r\n")
    assert head[0] == "PATCH /api/things/a%2Fb%3F?x=%20 HTTP/1.1"
    assert {
        f"Authorization: Bearer {KEY}",
        f"User-Agent: batchupdate/{__version__}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        "Content-Length: 12",
    } <= set(head)
    assert server.bodies == [b'{"name":"x"}']
    assert (answer.status, answer.body) == (200, b"")


async def test_headers_of_changes_take_the_place_of_ours_and_stay_away_from_reads() -> None:
    own = {"content-type": "application/merge-patch+json", "If-Match": "*"}
    async with serving(OK) as server, client_of(server.url, change_headers=own) as client:
        await client.send("/", b"{}")
        await client.read("/")
    change, read = (head.lower().split(b"\r\n") for head in server.heads)
    assert [line for line in change if line.startswith(b"content-type")] == [
        b"content-type: application/merge-patch+json"
    ]
    assert b"if-match: *" in change
    assert not [line for line in read if line.startswith((b"content-type", b"if-match"))]
    assert f"authorization: bearer {KEY}".encode() in read


async def test_requests_share_a_connection_and_no_cookies_are_kept() -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=abc; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with serving(cookie) as server, client_of(server.url) as client:
        for _ in range(3):
            await client.send("/", b"{}")
    assert server.connections == 1
    assert len(server.heads) == 3
    assert b"cookie" not in b"".join(server.heads).lower()


async def test_a_request_that_is_cancelled_as_it_leaves_takes_no_other_with_it() -> None:
    async with serving(OK) as server, client_of(server.url) as client:
        await asyncio.gather(client.send("/warm", b"{}"), client.send("/warm", b"{}"))
        assert server.connections == 2
        first, second = (asyncio.create_task(client.send(path, b"{}")) for path in ("/first", "/second"))
        await asyncio.sleep(0)
        first.cancel()
        assert reply(await second).status == 200
        with pytest.raises(asyncio.CancelledError):
            await first
    assert b"/second" in server.heads[-1]


async def test_a_password_in_netrc_never_takes_the_keys_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login eve password evil\ndefault login eve password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(OK) as server, client_of(server.url) as client, client_of(server.url, headers={}) as keyless:
        await client.send("/", b"{}")
        await keyless.send("/", b"{}")
    assert f"Authorization: Bearer {KEY}".encode() in server.heads[0]
    assert b"authorization" not in server.heads[1].lower()


# What comes back.


async def test_connections_are_renewed_now_and_then_so_that_an_api_may_move(clock: FakeClock) -> None:
    async with (
        serving(OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=60\r\n")) as server,
        client_of(server.url, clock=clock, timeout=60.0) as client,
    ):
        await client.send("/a", b"{}")
        await clock.advance(RENEWED_EVERY_S - 1)
        await client.send("/b", b"{}")
        assert server.connections == 1
        await clock.advance(2)
        assert reply(await client.send("/c", b"{}")).status == 200
        assert server.connections == 2
        await clock.advance(61)
        assert not client._old


async def test_a_request_on_an_old_connection_finishes_there(clock: FakeClock) -> None:
    go = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(OK)

    async with serving(late, OK) as server, client_of(server.url, clock=clock, timeout=60.0) as client:
        await clock.advance(RENEWED_EVERY_S - 1)
        sending = asyncio.create_task(client.send("/a", b"{}"))
        while not server.heads:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.001)
        await clock.advance(2)
        assert reply(await client.send("/b", b"{}")).status == 200
        go.set()
        assert reply(await sending).status == 200


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207, 304, 400, 401, 404, 409, 412, 422, 429, 500, 503, 599])
async def test_every_status_is_a_reply(status: int, clock: FakeClock) -> None:
    body = b"" if status in {204, 304} else b'{"message":"m"}'
    said = f"HTTP/1.1 {status} Said\r\nX-Request-ID: r1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    async with serving(said) as server, client_of(server.url, clock=clock) as client:
        answer = reply(await client.send("/things/1", b"{}"))
    assert (answer.status, answer.duration_s) == (status, 0.0)
    assert answer.body == (b"" if status == 200 else body)
    assert answer.headers.get("x-request-id") == "r1"


async def test_an_empty_answer_is_a_reply() -> None:
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        assert reply(await send(server.url)).body == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with serving(OK) as elsewhere:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(head) as server:
            answer = reply(await send(server.url))
    assert (answer.status, answer.headers["location"]) == (status, f"{elsewhere.url}/")
    assert elsewhere.connections == 0
    assert len(server.heads) == 1


def endless(head: bytes, piece: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"HTTP/1.1 500 Oh\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65_536),
        endless(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
        endless(b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n", b"x" * 1000),
    ],
)
async def test_a_body_without_end_is_cut_off(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
    async with serving(answer, OK) as server, client_of(server.url, timeout=60.0) as client:
        first = reply(await client.send("/", b"{}"))
        assert (first.status, len(first.body)) == (500, MAX_BODY)
        assert first.duration_s < 30  # long before its time was up
        assert reply(await client.send("/", b"{}")).status == 200


async def test_headers_without_end_are_lost_and_not_kept() -> None:
    async with serving(endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"y" * 4000 + b"\r\n")) as server:
        assert fault(await send(server.url)).kind is FaultKind.LOST


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


def then_hang(start: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await hang(writer)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        then_hang(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
        then_hang(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
        then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"),
    ],
)
async def test_a_status_stands_even_if_its_body_never_comes_whole(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async with serving(answer) as server:
        assert reply(await send(server.url, read_timeout=0.5)).status == 200


async def test_a_key_that_the_server_echoes_never_comes_out() -> None:
    body = f'{{"you sent": "Bearer {KEY}"}}'.encode()
    head = f"HTTP/1.1 400 No {KEY}\r\nX-Echo: a {KEY} b\r\nX-Request-Id: r1\r\nX-Request-Id: r2\r\n"
    async with serving(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body) as server:
        answer = reply(await send(server.url))
    assert KEY not in repr(answer)
    assert answer.body == b'{"you sent": "Bearer [redacted]"}'
    assert answer.headers["x-echo"] == "a [redacted] b"
    assert answer.headers["X-Request-ID"] == "r1"


async def test_headers_that_are_no_text_come_out_as_text() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nX-Request-Id: \xff\xe9 \xc3\xa9\r\nContent-Length: 0\r\n\r\n") as server:
        answer = reply(await send(server.url))
    assert answer.headers["x-request-id"].encode("utf-8").decode("utf-8") == "?? é"


async def test_a_packed_body_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
    async with serving(packed) as server:
        assert reply(await send(server.url)).body == b"\x1f\x8b\x08"


# No answer.


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03" * 100,
        b"HTTP/9.9 what\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"220 smtp.example\r\n",
    ],
)
async def test_garbage_is_lost(garbage: bytes) -> None:
    async with serving(then_close(garbage)) as server:
        assert fault(await send(server.url)).kind is FaultKind.LOST


async def reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
@pytest.mark.parametrize("broken", [reset, then_close(b""), then_close(b"HTTP/1.1 20")])
async def test_a_connection_that_breaks_after_the_request_is_lost_and_the_request_is_sent_once(
    method: str, broken: Callable[[asyncio.StreamWriter], Awaitable[None]]
) -> None:
    async with serving(broken, OK) as server:
        assert fault(await send(server.url, method)).kind is FaultKind.LOST
    assert len(server.heads) == 1


@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
@pytest.mark.parametrize("broken", [reset, then_close(b"")])
async def test_a_kept_connection_that_breaks_does_not_make_a_request_go_out_twice(
    method: str, broken: Callable[[asyncio.StreamWriter], Awaitable[None]]
) -> None:
    async with serving(OK, broken, OK) as server, client_of(server.url, method) as client:
        assert reply(await client.send("/1", b"{}")).status == 200
        assert fault(await client.send("/2", b"{}")).kind is FaultKind.LOST
        assert [head.split()[1] for head in server.heads] == [b"/1", b"/2"]
        assert reply(await client.send("/3", b"{}")).status == 200


async def test_a_connection_that_breaks_before_the_request_arrived_is_lost_too() -> None:
    async def slam(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reset(writer)

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert fault(await send(url)).kind is FaultKind.LOST


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_refused_connection_was_not_reached(method: str) -> None:
    port = refused_port()
    answer = fault(await send(f"http://127.0.0.1:{port}", method))
    assert (answer.kind, answer.message) == (
        FaultKind.CONNECT,
        f"no connection to 127.0.0.1:{port}: connection refused",
    )
    assert not answer.ambiguous


async def test_a_name_with_two_addresses_that_both_refuse_says_why_in_few_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = refused_port()

    async def two(_self: object, *_args: object, **_kwargs: object) -> list[dict[str, object]]:
        return [
            {"hostname": "two.test", "host": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for host in ("127.0.0.1", "127.0.0.2")
        ]

    monkeypatch.setattr(aiohttp.TCPConnector, "_resolve_host", two)
    answer = fault(await send(f"http://two.test:{port}"))
    assert answer.message == f"no connection to two.test:{port}: connection refused"


async def test_a_name_that_is_not_known_was_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    answer = fault(await send("http://nowhere.test"))
    assert (answer.kind, answer.message) == (
        FaultKind.CONNECT,
        "no connection to nowhere.test:80: the name nowhere.test can't be found",
    )


async def test_no_answer_within_the_read_timeout_is_a_timeout() -> None:
    async with serving(hang) as server:
        answer = fault(await send(server.url, timeout=60.0, read_timeout=0.1))
    assert answer.kind is FaultKind.TIMEOUT
    assert answer.ambiguous
    assert 0.05 < answer.duration_s < 30


async def test_an_answer_that_drips_is_a_timeout_once_the_total_is_over() -> None:
    async def slow_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        await drip(writer)

    async with serving(slow_head) as server:
        assert fault(await send(server.url, timeout=0.2, read_timeout=60.0)).kind is FaultKind.TIMEOUT


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def test_a_status_stands_even_if_its_body_drips_until_the_total_is_over() -> None:
    async def slow_body(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        await drip(writer)

    async with serving(slow_body) as server:
        answer = reply(await send(server.url, timeout=0.5))
    assert answer.status == 200
    assert answer.duration_s < 30  # the whole body would take minutes


async def test_a_worker_whose_request_ran_out_of_time_goes_on_unharmed() -> None:
    async with serving(hang, OK) as server, client_of(server.url, timeout=1.0) as client:
        assert fault(await client.send("/1", b"{}")).kind is FaultKind.TIMEOUT
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        async with asyncio.timeout(30):
            assert reply(await client.send("/2", b"{}")).status == 200


async def test_only_the_requests_that_are_late_run_out_of_time() -> None:
    async with serving(hang, OK) as server, client_of(server.url, timeout=1.0) as client:
        late = asyncio.create_task(client.send("/1", b"{}"))
        while not late.done():
            await asyncio.sleep(0.02)
            assert reply(await client.send("/2", b"{}")).status == 200
        assert fault(await late).kind is FaultKind.TIMEOUT
        assert reply(await client.send("/2", b"{}")).status == 200


async def test_a_cancellation_that_comes_together_with_the_end_of_the_time_is_a_cancellation() -> None:
    async with serving(hang) as server, client_of(server.url) as client:
        sending = asyncio.create_task(client.send("/", b"{}"))
        while not server.heads:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.001)
        (exchange,) = client._open
        exchange.end()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not client._open


@pytest.mark.parametrize("limits", [{"connect_timeout": 0.1}, {"timeout": 1.0, "connect_timeout": 10.0}])
async def test_no_connection_in_time_was_not_reached(limits: dict[str, float]) -> None:
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()  # it takes the connection and never shakes hands
    with silent:
        port = silent.getsockname()[1]
        answer = fault(await send(f"https://127.0.0.1:{port}", **limits))
    assert (answer.kind, answer.message) == (FaultKind.CONNECT, f"no connection to 127.0.0.1:{port}: timed out")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ServerDisconnectedError(), FaultKind.LOST),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), FaultKind.LOST),
        (aiohttp.ClientPayloadError(KEY), FaultKind.LOST),
        (aiohttp.SocketTimeoutError(KEY), FaultKind.TIMEOUT),
        (aiohttp.ConnectionTimeoutError(KEY), FaultKind.CONNECT),
        (TimeoutError(KEY), FaultKind.TIMEOUT),
        (OSError(KEY), FaultKind.LOST),
    ],
)
async def test_every_error_becomes_a_fault(error: Exception, kind: FaultKind, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: OneReply) -> None:
        raise error

    monkeypatch.setattr(OneReply, "read", fail)
    async with serving(OK) as server:
        assert fault(await send(server.url)).kind is kind


async def test_a_cancelled_request_is_cancelled() -> None:
    async with serving(hang) as server, client_of(server.url) as client:
        sending = asyncio.create_task(client.send("/", b"{}"))
        while not server.heads:  # noqa: ASYNC110 - the server is a few lines long
            await asyncio.sleep(0.001)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_a_client_that_was_not_opened_says_so() -> None:
    client = client_of(BASE)
    with pytest.raises(AssertionError, match="context manager"):
        await client.send("/", b"{}")
    await client.__aexit__(None, None, None)


# TLS.


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, *subject],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.mark.third_party("openssl")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(
    self_signed: ssl.SSLContext, method: str
) -> None:
    async with serving(OK, tls=self_signed) as server:
        answer = fault(await send(f"https://127.0.0.1:{server.port}", method))
    assert answer.kind is FaultKind.CERTIFICATE
    assert "the certificate of 127.0.0.1 can't be verified: self" in answer.message
    assert not answer.ambiguous
    assert server.heads == []


async def test_a_server_without_tls_was_not_reached() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = fault(await send(f"https://127.0.0.1:{port}"))
    assert answer.kind is FaultKind.CONNECT
    assert answer.message.startswith(f"no connection to 127.0.0.1:{port}: no TLS (")


async def test_a_handshake_that_breaks_off_was_not_reached() -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        await reset(writer)

    async with await asyncio.start_server(slam, "127.0.0.1", 0) as server:
        answer = fault(await send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert answer.kind is FaultKind.CONNECT


# Proxies.


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    if variable == "HTTP_PROXY":
        monkeypatch.delenv("REQUEST_METHOD", raising=False)
    async with serving(OK) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert reply(await send("http://api.example.test")).status == 200
    assert proxy.heads[0].startswith(b"PATCH http://api.example.test/things/1 HTTP/1.1\r\n")


async def test_a_proxy_gets_to_know_the_host_and_never_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        answer = fault(await send(BASE))
    assert proxy.heads[0].startswith(b"CONNECT api.example.test:443 HTTP/1.1\r\n")
    assert KEY.encode() not in b"".join(proxy.heads)
    assert (answer.kind, answer.message) == (
        FaultKind.CONNECT,
        "the proxy refuses to connect to api.example.test: 403",
    )


async def test_the_proxy_of_the_settings_comes_before_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(OK) as proxy:
        assert reply(await send("http://api.example.test", proxy=proxy.url)).status == 200


@pytest.mark.parametrize("exempt", ["api.example.test", ".example.test", "example.test", "api.example.test:8080", "*"])
def test_hosts_in_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert client_of("http://api.example.test:8080/v1")._proxy is None
    if exempt != "*":
        assert client_of("http://api.other.test:8080/v1")._proxy == "http://127.0.0.1:1"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_reached_directly(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert client_of(f"http://{host}:8080")._proxy is None


async def test_a_proxy_that_is_down_was_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{KEY}@127.0.0.1:{refused_port()}")
    answer = fault(await send(BASE))
    assert (answer.kind, answer.message) == (
        FaultKind.CONNECT,
        "no connection to the proxy 127.0.0.1: connection refused",
    )


@pytest.mark.parametrize(
    "proxy",
    ["socks5://user:s3cr3t@host:1080", "proxy:s3cr3t", "s3cr3t", "http://", "http://h:s3cr3t", "http://[s3cr3t"],
)
def test_a_proxy_that_is_none_is_refused_with_a_sentence_that_does_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="http://host:port") as caught:
        client_of(BASE)
    assert "s3cr3t" not in str(caught.value)


# Reading.


async def test_a_read_has_its_body_even_where_it_is_a_plain_success_and_a_long_one() -> None:
    record = b'{"name": "' + b"x" * (2 * MAX_BODY) + b'"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(record) + record
    async with serving(answer) as server, client_of(server.url) as client:
        assert reply(await client.read("/things/1")).body == record
        assert server.heads[0].startswith(b"GET /things/1 HTTP/1.1\r\n")
        assert f"Authorization: Bearer {KEY}".encode() in server.heads[0]


async def test_a_record_beyond_all_bounds_is_cut_off() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * MAX_RECORD) + b"x" * (2 * MAX_RECORD)
    async with serving(answer) as server, client_of(server.url) as client:
        assert len(reply(await client.read("/things/1")).body) == MAX_RECORD


async def test_a_read_that_breaks_is_not_sent_again_by_itself() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(OK, hang_up, OK) as server, client_of(server.url) as client:
        await client.read("/a")
        assert fault(await client.read("/b")).kind is FaultKind.LOST
        assert len(server.heads) == 2


async def test_headers_of_one_request_go_along_with_it_alone() -> None:
    async with serving(OK) as server, client_of(server.url) as client:
        await client.send("/a", b"{}", {"Idempotency-Key": "k-1"})
        await client.send("/b", b"{}")
    assert b"Idempotency-Key: k-1\r\n" in server.heads[0]
    assert b"Idempotency-Key" not in server.heads[1]
