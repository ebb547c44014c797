"""A kept-alive connection that gives each request its own reply, or none.

HTTP/1.1 has nothing but the order that says which reply belongs to which request (RFC 9112, section 9.3). So a
connection on which anything came while no request was out is closed, and two replies to one request count as none. A
reply whose status line is clear counts even where its framing is wrong; then the connection is not used again.
"""

from __future__ import annotations

import re
import select
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, HttpVersion10, RawResponseMessage
from aiohttp.http_writer import _serialize_headers
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from multidict import CIMultiDict, CIMultiDictProxy

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

    from aiohttp.connector import Connection
    from yarl import URL

MAX_HEADER = 65_536
"""Bytes of one header line. Cookies and content policies are longer than the 8 KiB that most programs allow."""

MAX_HEADERS = 1_000

KEEP_S = 1.5
"""For so long an idle connection is used again. The shortest time after which a common server closes is 2 s (gunicorn);
a request that meets the closing server is lost, and its row unknown."""

LONGEST_KEEP_S = 15.0
"""The same where the server says that it keeps idle connections longer (`Keep-Alive: timeout=`)."""

_MAX_HEAD = 4 * MAX_HEADER
_HEAD = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: ([^\r\n]*))?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_TIMEOUT = re.compile(r"\btimeout\s*=\s*(\d{1,9})", re.ASCII | re.IGNORECASE)


class TwoRepliesError(aiohttp.ClientPayloadError):
    """Two replies came to one request, and which is its own can't be known."""


class OneReply(ResponseHandler):
    """The protocol of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._replies = 1  # until the first request is out, whatever comes is a stray
        self._seen: bytearray | None = bytearray()
        self._heard_at = loop.time()
        self._keep_s = KEEP_S
        self._readable: Callable[[], bool] | None = None

    def set_response_params(self, **params: Any) -> None:  # noqa: ANN401 - aiohttp's own
        """A request is about to leave."""
        self._replies, self._seen = 0, bytearray()
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Bytes came: a part of the reply, or what nobody asked for."""
        if not data:  # none came: aiohttp lets its parser take up what it has
            super().data_received(data)
            return
        if self._replies and (self._payload is None or self._payload.is_eof()):
            self.abort()
            return
        self._heard_at = self._loop.time()
        if self._seen is not None:
            self._seen += data
            if len(self._seen) > _MAX_HEAD and _HEAD.match(self._seen) is None:
                self.abort()
                self.set_exception(aiohttp.ClientPayloadError())
                return
        super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """The head of a reply is whole."""
        message = data[0]
        if message.code >= 200 or message.code == 101:  # noqa: PLR2004 - others announce the reply (RFC 9110, 15.2)
            self._replies += 1
            self._seen = None
        if self._replies > 1:
            self._buffer.clear()
            self.set_exception(TwoRepliesError())
            return
        if (keep := message.headers.get("Keep-Alive")) and (found := _TIMEOUT.search(keep)):
            self._keep_s = min(keep_for_s(int(found[1])), LONGEST_KEEP_S)
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The reply can't be read on; where its head is clear, it is taken all the same."""
        if isinstance(exc, HttpProcessingError) and self._seen is not None:
            salvaged = _salvage(bytes(self._seen), self._loop, self)
            if salvaged is not None:
                self.force_close()
                self.feed_data(salvaged)
                return
        super().set_exception(exc, *cause)

    def usable(self) -> bool:
        """Whether an idle connection may be used again: not idle for too long, and nothing waits to be read.

        Unread bytes are a reply that nobody asked for, or the server's goodbye.
        """
        if self.transport is None or self._loop.time() - self._heard_at > self._keep_s:
            return False
        if self._readable is None:
            sock = self.transport.get_extra_info("socket")
            self._readable = _readable(sock.fileno()) if sock else bool
        return not self._readable()


class Response:
    """The head of a reply, and its body as it comes in; it has what the client needs of aiohttp's own class.

    The connection can be used again once the body has been read to its end.
    """

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(self, message: RawResponseMessage, content: StreamReader, connection: Connection) -> None:
        self.status, self.headers, self.content = message.code, message.headers, content
        self._connection = connection
        content.on_eof(connection.release)

    def close(self) -> None:
        """Closes the connection, unless the whole reply has come."""
        self._connection.close()


class Connector(aiohttp.TCPConnector):
    """Opens connections and keeps them, at most `limit` at once; each is an `OneReply`.

    Args:
        base: where `send` sends to; the path does not matter.
        limit: how many connections there are at the most.
        timeout: for how long `send` waits for a connection, and for the next bytes of a reply.
        dns_cache_s: for how long an address is kept (seconds).
        tls: for `https`; None for the defaults.
    """

    def __init__(
        self, base: URL, limit: int, timeout: aiohttp.ClientTimeout, dns_cache_s: int, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(limit=limit, keepalive_timeout=LONGEST_KEEP_S, ttl_dns_cache=dns_cache_s, ssl=tls or True)
        self._factory = partial(OneReply, loop=self._loop)  # type: ignore[assignment]
        self._where = aiohttp.ClientRequest(hdrs.METH_GET, base, loop=self._loop)
        self._timeout = timeout
        self._leaving: list[tuple[asyncio.Transport, bytes]] = []

    async def send(self, method: str, target: str, headers: CIMultiDict[str], body: bytes) -> Response:
        """Sends a request, all in one piece, and waits for the head of its reply; past aiohttp's session.

        The session makes a dozen objects for each request. Through it, a whole run needs 44 % more
        (`benchmarks/instructions.py --without direct`).

        Args:
            method: the HTTP method.
            target: path and query, percent-encoded.
            headers: all that are to be sent but `Content-Length`.
            body: as it goes out.

        Raises:
            aiohttp.ClientError, OSError, HttpProcessingError: there was no reply.
        """
        try:
            connection = await self.connect(self._where, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:  # lost as soon as it was made
            connection.close()
            raise aiohttp.ClientConnectionResetError
        try:
            protocol.set_response_params(
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=self._timeout.sock_read,
                max_line_size=MAX_HEADER,
                max_field_size=MAX_HEADER,
                max_headers=MAX_HEADERS,
            )
            headers = headers.copy()
            if body or method != hdrs.METH_GET:
                headers[hdrs.CONTENT_LENGTH] = str(len(body))
            if not self._leaving:
                self._loop.call_soon(self._write)
            self._leaving.append((transport, _serialize_headers(f"{method} {target} HTTP/1.1", headers) + body))
            protocol.start_timeout()
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:  # noqa: PLR2004 - announcements (RFC 9110, 15.2)
                message, content = await protocol.read()
        except BaseException:
            connection.close()
            raise
        return Response(message, content, connection)

    def _write(self) -> None:
        """Writes all requests of one round of the event loop, one right after the other.

        A server on this machine falls asleep between requests that come one by one, and to wake it takes longer than to
        write: a whole run takes 10 % longer then (`benchmarks/throughput.py --without together`).
        """
        leaving, self._leaving = self._leaving, []
        for transport, data in leaving:
            if not transport.is_closing():
                transport.write(data)

    async def _get(self, key: Any, traces: Any) -> Any:  # noqa: ANN401 - aiohttp's own
        """An idle connection that may be used again, the one used last; None if there is none."""
        while True:
            if idle := self._conns.get(key):
                idle.rotate(1)
            connection = await super()._get(key, traces)
            if connection is None or (isinstance(connection.protocol, OneReply) and connection.protocol.usable()):
                return connection
            connection.close()


def keep_for_s(advertised_s: float) -> float:
    """How long to use an idle connection again (seconds) that the server keeps for so long.

    The server's time began when it had sent its reply, and a request must arrive before it ends.
    """
    return max(advertised_s / 2, advertised_s - 1.0)


def _readable(file: int) -> Callable[[], bool]:
    """A function that says whether an open file can be read from without waiting."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: bool(select.select([file], [], [], 0)[0])
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return lambda: bool(poll.poll(0))


def _salvage(
    data: bytes, loop: asyncio.AbstractEventLoop, protocol: OneReply
) -> tuple[RawResponseMessage, StreamReader] | None:
    """The reply whose head is clear, in bytes that break the rules of HTTP elsewhere; None if there is none.

    Its body is what came along, unless it is in chunks.
    """
    place = 0
    while (head := _HEAD.match(data, place)) is not None:
        status, place = int(head[1]), head.end()
        if status >= 200:  # noqa: PLR2004 - others announce the reply (RFC 9110, section 15.2)
            raw = [line.partition(b":") for line in head[3].splitlines()]
            pairs = [(name.strip(), value.strip()) for name, colon, value in raw if colon]
            headers = CIMultiDict((_text(name), _text(value)) for name, value in pairs)
            body = b"" if "Transfer-Encoding" in headers else data[place:]
            message = RawResponseMessage(
                HttpVersion10,
                status,
                _text(head[2] or b""),
                CIMultiDictProxy(headers),
                tuple(pairs),
                should_close=True,
                compression=None,
                upgrade=False,
                chunked=False,
            )
            return message, _content(body, loop, protocol)
    return None


def _text(data: bytes) -> str:
    return "".join(character for character in data.decode("utf-8", "replace") if character.isprintable())


def _content(body: bytes, loop: asyncio.AbstractEventLoop, protocol: OneReply) -> StreamReader:
    if not body:
        return EMPTY_PAYLOAD
    content = StreamReader(protocol, limit=len(body), loop=loop)
    content.feed_data(body)
    content.feed_eof()
    return content
