"""The sandbox on a socket: the only file here that waits, breaks connections, and knows threads."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from batchupdate.sandbox.apis import Answer, Call
from batchupdate.sandbox.faults import Fault, Kind
from batchupdate.sandbox.settings import Options, Settings
from batchupdate.sandbox.world import CONTROL, World, api_name
from batchupdate.util import event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Unpack

BACKLOG = 1024  # connections may come in a burst of the client's whole concurrency
STOP_WITHIN_S = 1.0  # what a request that is still being read gets when the server stops
GARBAGE = b"\x16\x03\x01 this is not HTTP\r\n\r\n\x00\xff"
# Lingering on, for 0 seconds: closing sends RST in place of FIN. Windows has shorts in this struct.
_RST_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown to users as an address they can reach


class Sandbox(World):
    """A running server for both built-in APIs, and the truth about what it did.

    `async with Sandbox(limit="20/s", faults="reset-after=0.02") as sandbox:` listens at `sandbox.url` until the block
    ends. The keywords are those of `Settings`. Both APIs have the same base URL: their paths differ.

    Raises:
        ValueError: a setting can't be.
        OSError: it can't listen there, when it is entered.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        self.settings = Settings(**options)
        super().__init__(self.settings)
        self._runner: web.ServerRunner | None = None
        self._stopping = asyncio.Event()
        self._in_flight = 0
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:49152`, without a trailing slash; empty before it has started."""
        return self._url

    def base_url(self, target: str) -> str:
        """The base URL for a target such as `langdock-integration`, or for `langdock` or `nairi`.

        Raises:
            KeyError: the sandbox has no such API.
        """
        api_name(target)
        return self._url

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts to listen.

        Raises:
            OSError: it can't listen at this host and port.
        """
        self._stopping.clear()
        # Cancelling a handler whose client is gone ends a hang as soon as the client gives up.
        server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_WITHIN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.settings.host, self.settings.port, backlog=BACKLOG).start()
        except BaseException:
            await self.stop()
            raise
        host, port = self._runner.addresses[0][:2]
        host = _EVERYWHERE.get(host, host)
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Stops listening and ends every request that still hangs. What it did can still be asked."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body, too_large = b"", False
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            too_large = True
        path, _, query = request.raw_path.partition("?")
        headers = request.headers
        of_headers = (headers.get(name, "") for name in ("If-Match", "If-None-Match"))
        call = Call(request.method, path, body, headers.get("Content-Type", ""), query, *of_headers)
        if path.startswith(CONTROL):
            return _response(self.control(call))
        self._in_flight += 1
        try:
            authorization = headers.get("Authorization", "")
            fate = self.meet(call, authorization, self._in_flight, too_large=too_large)
            if fate.fault:
                await self._suffer(request, fate.fault)
            return _response(fate.answer or Answer(500, b""), fate.seq)
        finally:
            self._in_flight -= 1

    async def _suffer(self, request: web.BaseRequest, fault: Fault) -> None:
        """Returns if an answer is to be sent, late perhaps; else breaks the connection, which cancels this call."""
        if fault.kind is Kind.SLOW:
            # Not the clock's sleep: stopping the server must end this wait, too.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), fault.seconds)
        if fault.kind not in _SILENT:
            return
        if fault.kind in {Kind.HANG, Kind.HANG_AFTER}:
            await self._stopping.wait()
        transport = request.transport
        if transport is not None:
            _break_off(transport, fault.kind)
        # The end of the connection cancels this handler: nothing it could return would reach anybody.
        await asyncio.Event().wait()


_SILENT = frozenset({Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.HANG, Kind.HANG_AFTER, Kind.GARBAGE})


def _break_off(transport: asyncio.Transport, kind: Kind) -> None:
    if kind is Kind.GARBAGE:
        transport.write(GARBAGE)
        transport.close()
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    transport.abort()


def _response(answer: Answer, seq: int | None = None) -> web.Response:
    headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
    if seq is not None:
        headers["X-Request-Id"] = f"sandbox-{seq}"
    return web.Response(status=answer.status, body=answer.body, headers=headers)


@contextmanager
def run_in_thread(**options: Unpack[Options]) -> Iterator[Sandbox]:
    """Runs a sandbox in a thread with a loop of its own, for code that is not async.

    The sandbox may be asked from any thread; its server has stopped when the block has ended.

    Raises:
        ValueError: a setting can't be.
        OSError: it can't listen there.
    """
    sandbox = Sandbox(**options)
    ready: Future[asyncio.AbstractEventLoop] = Future()
    enough = asyncio.Event()
    thread = threading.Thread(
        target=lambda: event_loop.run(_live(sandbox, ready, enough)), name="batchupdate-sandbox", daemon=True
    )
    thread.start()
    try:
        loop = ready.result()
    except BaseException:
        thread.join()
        raise
    try:
        yield sandbox
    finally:
        loop.call_soon_threadsafe(enough.set)
        thread.join()


async def _live(sandbox: Sandbox, ready: Future[asyncio.AbstractEventLoop], enough: asyncio.Event) -> None:
    try:
        await sandbox.start()
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the thread that waits for us
        ready.set_exception(error)
        return
    ready.set_result(asyncio.get_running_loop())
    await enough.wait()
    await sandbox.stop()


async def serve(on_ready: Callable[[str], None], **options: Unpack[Options]) -> None:
    """Runs a sandbox until cancelled. Calls `on_ready` with its URL once it listens, and prints nothing itself.

    Raises:
        ValueError: a setting can't be.
        OSError: it can't listen there.
    """
    async with Sandbox(**options) as sandbox:
        on_ready(sandbox.url)
        await asyncio.Event().wait()
