"""One request, one reply. The only user of aiohttp's client; it never retries and never follows a redirect."""

from __future__ import annotations

import asyncio
import os
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from batchupdate.api.connection import MAX_HEADER, MAX_HEADERS, Connector, Response, TwoRepliesError
from batchupdate.api.credentials import NO_CREDENTIALS, Credentials, NoCredentialsError
from batchupdate.api.error_message import error_sentence
from batchupdate.api.proxy import checked_proxy, proxy_from_environment
from batchupdate.api.success import is_success
from batchupdate.api.tls import refusal_of, tls_context
from batchupdate.model import Fault, FaultKind, Reply
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import TracebackType

    from batchupdate.config import Secrets, Settings
    from batchupdate.util.clock import Clock

MAX_BODY = 65_536
"""Bytes of a reply's body that are kept: enough for any error, and a bound on what a sick server can make us hold."""

MAX_RECORD = 4 << 20
"""The same for a record that is read."""

MAX_BATCH_REPLY = 64 << 20
"""The same for the results of a batch."""

DNS_CACHE_S = 60
RENEWED_EVERY_S = 600.0
"""A connection in steady use would never look at the DNS again, and an API that has moved would be missed for days."""

CONNECT_SHARE = 0.9
SWEEP_EVERY_S = 0.25
_OK = int(HTTPStatus.OK)
_BLANK = b"\xef\xbb\xbf \t\r\n"
_TRIED = "3.14."
"""The versions of aiohttp whose session we can do without; with others, and for proxies, requests go through it."""

FIXED_HEADERS = {
    "User-Agent": f"batchupdate/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # replies are small, and a packed one could unfold to anything
}
_REPEATED_BY_AIOHTTP = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Client:
    """Sends requests to one base URL; an async context manager.

    Args:
        base_url: scheme, host and path that every request's path is appended to.
        method: the HTTP method of all of them.
        headers: sent with every request, the key among them.
        settings: timeouts, in seconds, the proxy, and the certificates.
        concurrency: how many connections may be open at once.
        clock: where durations come from.
        secrets: blotted out of everything that comes back.
        credentials: what authenticates each request.
        change_headers: sent with changes alone, beside those that all have.
        keep_bodies: whether the reply to a change has its body even for a plain success.
        most_of_bodies: how many bytes of it then, at the most.
        decode: makes JSON of a reply to a read that is something else.

    Raises:
        ConfigError: the proxy is none that we can use, or a file with certificates isn't one.
    """

    def __init__(  # noqa: PLR0913 - all it works with, by name
        self,
        base_url: str,
        method: str,
        headers: Mapping[str, str],
        settings: Settings,
        *,
        concurrency: int,
        clock: Clock,
        secrets: Secrets,
        credentials: Credentials = NO_CREDENTIALS,
        change_headers: Mapping[str, str] | None = None,
        keep_bodies: bool = False,
        most_of_bodies: int = MAX_RECORD,
        decode: Callable[[Reply], bytes] | None = None,
    ) -> None:
        self._decode = decode
        self._keep_bodies, self._most_of_bodies = keep_bodies, most_of_bodies
        self._base = URL(base_url, encoded=True)
        parts = urlsplit(base_url)
        self._origin, self._prefix = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        self._host = parts.hostname or ""
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._place = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self._method = method
        self._clock = clock
        self._secrets = secrets
        self._fixed = {hdrs.HOST: self._base.host_port_subcomponent or "", **FIXED_HEADERS, **headers}
        self._for_changes = {"Content-Type": "application/json", **(change_headers or {})}
        self._credentials = credentials
        self._proof: Mapping[str, str] | None = None
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._read_headers: CIMultiDict[str] = CIMultiDict()
        self._patience = settings.timeout
        self._open: dict[_Exchange, None] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._timeout = aiohttp.ClientTimeout(
            # The sweeper ends what takes too long: with a timer for each request, `benchmarks/instructions.py
            # --without sweeper` counts 4 % more for a whole run.
            total=None,
            # Below the total, so that a host that is not there counts as one that was not reached.
            connect=min(settings.connect_timeout, CONNECT_SHARE * settings.timeout),
            sock_read=settings.read_timeout,
        )
        self._concurrency = concurrency
        self._proxy = checked_proxy(settings.proxy or proxy_from_environment(base_url))
        self._tls = tls_context(settings) if base_url.startswith("https:") else None
        self._direct = self._proxy is None and aiohttp.__version__.startswith(_TRIED)
        self._connector: Connector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._old: list[tuple[float, aiohttp.ClientSession]] = []
        self._renewed_at = clock.monotonic()

    async def __aenter__(self) -> Self:
        self._session = self._new_session()
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    def _new_session(self) -> aiohttp.ClientSession:
        self._renewed_at = self._clock.monotonic()
        self._connector = Connector(self._base, self._concurrency, self._timeout, DNS_CACHE_S, self._tls)
        return aiohttp.ClientSession(
            headers=FIXED_HEADERS,
            timeout=self._timeout,
            connector=self._connector,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            proxy=self._proxy,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for session in [*(old for _, old in self._old), self._session]:
            if session is not None:
                await session.close()

    def send(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Coroutine[None, None, Reply | Fault]:
        """Sends one request and waits for its reply, or for the reason why there is none.

        Args:
            path: path and query, percent-encoded already.
            body: the request body, as it goes out.
            headers: of this request alone, beside those that all have.

        Raises:
            HookError: the target's package can't sign the request; it did not leave.
        """
        return self._exchange(self._method, path, body, headers)

    async def read(self, path: str, most: int = MAX_RECORD, body: bytes | None = None) -> Reply | Fault:
        """Asks for a record as it is now, or for a list of them; the reply has its body, up to `most` bytes.

        That is a GET, or a POST with a JSON `body` where that is how an API is asked.

        Raises:
            HookError: the target's package can't sign the request, or read the reply.
        """
        method, own = ("GET", None) if body is None else ("POST", {"Content-Type": "application/json"})
        answer = await self._exchange(method, path, body or b"", own, most, change=False)
        if self._decode and isinstance(answer, Reply) and is_success(answer.status) and answer.body:
            return answer._replace(body=self._decode(answer))
        return answer

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes,
        own: Mapping[str, str] | None,
        most: int = MAX_BODY,
        *,
        change: bool = True,
    ) -> Reply | Fault:
        assert self._session is not None, "use the client as an async context manager"  # noqa: S101 - our own misuse
        try:
            proof = await self._credentials.headers()
        except NoCredentialsError as error:
            return error.fault
        if proof is not self._proof:
            self._join_headers(proof)
        headers = self._headers if change else self._read_headers
        if own:
            headers = headers.copy()
            headers.update(own)
        if sign := self._credentials.sign:
            added = sign(method, self._origin + self._target(path), headers, body)
            headers = headers.copy()
            headers.update(added)
        answer = await self._answer(method, path, body, headers, most, change=change)
        if isinstance(answer, Reply) and self._credentials.expires(answer) and self._credentials.reject(proof):
            said = error_sentence(answer.body)
            why = f"{answer.status} the API does not take the credentials any more" + (f": {said}" if said else "")
            return Fault(FaultKind.EXPIRED, why)
        return answer

    def _join_headers(self, proof: Mapping[str, str]) -> None:
        """Puts new credentials beside the headers that stay as they are."""
        self._proof = proof
        self._read_headers, self._headers = CIMultiDict(), CIMultiDict()
        for headers, parts in (
            (self._read_headers, (self._fixed, proof)),
            (self._headers, (self._fixed, self._for_changes, proof)),
        ):
            for part in parts:
                for name, value in part.items():
                    headers[name] = value

    async def _answer(
        self, method: str, path: str, body: bytes, headers: CIMultiDict[str], most: int, *, change: bool
    ) -> Reply | Fault:
        started = self._clock.monotonic()
        exchange = _Exchange(asyncio.current_task(), started + self._patience)
        self._open[exchange] = None
        response: Response | aiohttp.ClientResponse | None = None
        target = self._target(path)
        try:
            if self._direct and self._connector is not None:
                response = await self._connector.send(method, target, headers, body)
            else:
                response = await self._send_through_session(method, target, headers, body)
            content = self._secrets.redact_bytes(await self._read(response, most, change=change))
        except (aiohttp.ClientError, TimeoutError, OSError, HttpProcessingError, _BrokenOffError) as error:
            return self._fault(error, self._clock.monotonic() - started)
        except asyncio.CancelledError as error:
            if response is not None:
                response.close()
            if not exchange.ran_out():
                raise
            if response is not None:  # its status stands, even if the rest of its body never came
                return Reply(response.status, self._clean(response.headers), b"", self._clock.monotonic() - started)
            return self._fault(TimeoutError(*error.args), self._clock.monotonic() - started)
        finally:
            del self._open[exchange]
        return Reply(response.status, self._clean(response.headers), content, self._clock.monotonic() - started)

    def _target(self, path: str) -> str:
        """Path and query of a request, with what authenticates it there."""
        target = self._prefix + path
        if self._credentials.query:
            target += ("&" if "?" in target else "?") + self._credentials.query
        return target

    async def _send_through_session(
        self, method: str, target: str, headers: CIMultiDict[str], body: bytes
    ) -> aiohttp.ClientResponse:
        """What `Connector.send` does, through aiohttp's session."""
        assert self._session is not None  # noqa: S101 - as above
        return await self._session.request(
            method,
            URL(self._origin + target, encoded=True),
            data=body or None,
            headers=headers,  # not the session's own: aiohttp gives those to the proxy too
            allow_redirects=False,
            # aiohttp sends a PUT or a GET again by itself when a connection breaks; that is ours to judge.
            middlewares=_BREAK_OFF if method in _REPEATED_BY_AIOHTTP else (),
        )

    async def _read(self, response: Response | aiohttp.ClientResponse, most: int, *, change: bool) -> bytes:
        """The body up to `most` bytes; that of a plain success of a change is dropped, unless it is a web page or such.

        What was read counts even if the rest never comes: the status stands already.
        """
        plain = response.status == _OK and change and not self._keep_bodies
        if plain and response.content.is_eof():
            return _markup(response.content.read_nowait(most))
        if self._keep_bodies:
            most = max(most, self._most_of_bodies)
        content = bytearray()
        try:
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > most:
                    response.close()  # the rest is not worth waiting for, and the connection can't be used again
                    break
        except (aiohttp.ClientError, TimeoutError, OSError):
            response.close()
        return _markup(bytes(content[:most])) if plain else bytes(content[:most])

    async def _sweep(self) -> None:
        """Ends exchanges that take too long (they stand in the order in which they run out of time); renews."""
        pause = min(SWEEP_EVERY_S, self._patience / 10)
        while True:
            now = self._clock.monotonic()
            for exchange in self._open:
                if exchange.due > now:
                    break
                exchange.end()
            await self._renew(now)
            await self._clock.sleep_until(now + pause)

    async def _renew(self, now: float) -> None:
        """Lets new requests have new connections from time to time; what is on the old ones may finish first."""
        if self._session is not None and now - self._renewed_at >= RENEWED_EVERY_S:
            self._old.append((now + self._patience + 1.0, self._session))
            self._session = self._new_session()
        while self._old and self._old[0][0] <= now:
            await self._old.pop(0)[1].close()

    def _clean(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """A server can echo the key, or send bytes that are no text: nothing beyond this client is to see either."""
        text = "\n".join(headers.values())
        if text.isascii() and not self._secrets.within(text):
            return headers
        redact = self._secrets.redact
        return CIMultiDict(
            (name, redact(value.encode("utf-8", "replace").decode("utf-8"))) for name, value in headers.items()
        )

    def _fault(self, error: BaseException, duration_s: float) -> Fault:
        if refusal := refusal_of(error):
            kind, text = FaultKind.CERTIFICATE, f"{self._host} refuses the TLS handshake: {refusal}"
        else:
            kind, text = _kind_of(error, self._host, self._place)
        return Fault(kind, self._secrets.redact(text), duration_s)


def _markup(body: bytes) -> bytes:
    """A body that begins as HTML and XML do; the others say nothing beyond their status."""
    return body if body[:100].lstrip(_BLANK).startswith(b"<") else b""


class _Exchange:
    """A request that is out, and when its time is up; ends its task as `asyncio.timeout` does."""

    __slots__ = ("_before", "_ended", "_task", "due")

    def __init__(self, task: asyncio.Task[object] | None, due: float) -> None:
        self._task, self.due, self._ended = task, due, False
        self._before = task.cancelling() if task else 0

    def end(self) -> None:
        """Its time is up."""
        if not self._ended and self._task is not None:
            self._ended = True
            self._task.cancel()

    def ran_out(self) -> bool:
        """Whether the cancellation that has just arrived is ours alone; then it is taken back."""
        return self._ended and self._task is not None and self._task.uncancel() <= self._before


class _BrokenOffError(Exception):
    """A broken connection, hidden from aiohttp so that it does not send the request again."""


async def _break_off(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenOffError(*error.args) from error


_BREAK_OFF = (_break_off,)


def _kind_of(error: BaseException, host: str, place: str) -> tuple[FaultKind, str]:  # noqa: PLR0911 - a table
    """Sorts an exception by whether the request can have been applied; the order goes from special to general."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            return FaultKind.CERTIFICATE, f"the certificate of {host} can't be verified: {reason}"
        case aiohttp.ClientConnectorDNSError():
            return FaultKind.CONNECT, f"no connection to {place}: the name {error.host} can't be found"
        case aiohttp.ClientProxyConnectionError():
            return FaultKind.CONNECT, f"no connection to the proxy {error.host}: {why_no_connection(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return FaultKind.CONNECT, f"the proxy refuses to connect to {host}: {error.status}"
        case aiohttp.ClientConnectorError():
            return FaultKind.CONNECT, f"no connection to {place}: {why_no_connection(error.os_error)}"
        case aiohttp.ConnectionTimeoutError():
            return FaultKind.CONNECT, f"no connection to {place}: timed out"
        case TimeoutError():
            return FaultKind.TIMEOUT, "no answer in time; it may or may not have been applied"
        case TwoRepliesError():
            message = "two answers came to one request, and which one is its own is unclear"
            return FaultKind.LOST, f"{message}; the change may or may not have been applied"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return FaultKind.LOST, "the answer is not HTTP; the change may or may not have been applied"
        case _:
            return FaultKind.LOST, "the connection was lost before an answer; it may or may not have been applied"


def why_no_connection(error: OSError) -> str:
    """Why there is no connection, in the system's words."""
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({(error.reason or 'unknown').replace('_', ' ').lower()})"
    return os.strerror(error.errno).lower() if error.errno else str(error)
