"""A worker process of any machine: it comes to a coordinator, works for it, and leaves when the run has ended."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from distributed import Worker
from distributed.comm.core import FatalCommClosedError, connect
from distributed.core import send_recv

from batchupdate.engine.cluster.scheduler import LOOPBACK, VERSIONS, quiet_dask, try_to_listen
from batchupdate.engine.cluster.security import security_of
from batchupdate.engine.cluster.worker import HELLO, NAME, Plugin
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.runs.cluster_certs import split_address

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from distributed.security import Security

    from batchupdate.runs.cluster_certs import Certificates

CONNECT_S, ANSWER_S, JOIN_S, AGAIN_S = 2.0, 5.0, 20.0, 0.5
"""How long to try to connect, to wait for an answer and to join, and to wait before the next try."""

CLOSE_S = 5.0
"""Dask's own farewell takes up to a minute where there is no scheduler any more."""


async def work_for(
    address: str,
    certificates: Certificates,
    leaving: asyncio.Event,
    say: Callable[[str], None],
    *,
    wait_s: float,
    host: str | None = None,
) -> None:
    """Works for the coordinator at an address until its run has ended, or `leaving` is set.

    A coordinator that is not there, or is lost, is waited for: `wait_s` seconds, each time. `host` is the address to
    listen at; None for the one by which this machine reaches the coordinator.

    Raises:
        ConfigError: the coordinator refuses this machine, or is not to be trusted, or there is no key.
        SafetyStop: there is no coordinator.
    """
    security, place = security_of(certificates), socket.gethostname()
    if host is not None:
        try:
            await try_to_listen(host.strip("[]"), 0)
        except OSError as error:
            message = f"This process can't listen at {host}: {_reason(error)}."
            raise ConfigError(message, "Give --host an address of this machine, or leave it out.") from error
    # A task that is cancelled as the coordinator is lost leaves questions to it behind, which asyncio would report.
    with quiet_dask("asyncio"), tempfile.TemporaryDirectory(prefix="batchupdate-") as scratch:
        while not leaving.is_set():
            said = await _unless(leaving, _hello(address, security, f"{place}/{uuid.uuid4().hex[:8]}", wait_s))
            if said is None:
                return
            if said["spare"]:
                say(f"{said['spare']} processes are at work for {address}; this one waits to replace one of them.")
            else:
                say(f"At work for {address}.")
            worker = WorkerProcess(
                address,
                host=_bracketed(host.strip("[]") if host else await _way_to(address)),
                protocol="tls",
                security=security,
                nthreads=1,
                name=said["name"],
                dashboard=False,
                dashboard_address=f"{LOOPBACK}:0",
                memory_limit=0,
                death_timeout=JOIN_S,
                local_directory=scratch,
            )
            if await _worked(worker, leaving):
                if not leaving.is_set():
                    say("The run has ended.")
                return
            say(f"The coordinator at {address} is gone; it is waited for.")
            await asyncio.sleep(AGAIN_S)


class WorkerProcess(Worker):
    """A worker that ends at once; Dask's own waits for half a minute for a scheduler that is gone."""

    async def close(self, *_: object, reason: str = "", **__: object) -> str | None:  # type: ignore[override]  # Dask's timeout is not kept
        """Dask calls this when the connection breaks, or when the scheduler says so."""
        return await super().close(timeout=1, executor_wait=False, nanny=False, reason=reason)


async def _worked(worker: Worker, leaving: asyncio.Event) -> bool:
    """Joins, and works until the run has ended or the process is to leave; False if the coordinator was lost."""
    try:
        await worker
    except (TimeoutError, OSError, RuntimeError):
        return False
    plugin: Plugin | None = worker.plugins.get(NAME)  # type: ignore[assignment]  # ours, by its name
    if plugin is None:
        await _close(worker)
        return False
    finished = worker.finished()  # type: ignore[no-untyped-call]
    lost, done, left = (asyncio.ensure_future(one) for one in (finished, plugin.run_has_ended.wait(), leaving.wait()))
    try:
        await asyncio.wait([lost, done, left, plugin.cannot_begin], return_when=asyncio.FIRST_COMPLETED)
        if plugin.cannot_begin.done():
            raise plugin.cannot_begin.result()
        if left.done() and not (lost.done() or done.done()):
            with suppress(OSError, RuntimeError):  # the coordinator is gone meanwhile, or it takes too long
                await plugin.leave()
        return plugin.run_has_ended.is_set() or leaving.is_set()
    finally:
        for task in (lost, done, left):
            task.cancel()
        await _close(worker)


async def _close(worker: Worker) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await worker.close()


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, dict[str, str]]) -> dict[str, str] | None:
    """What some work comes to; None if an event comes first."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


async def _hello(address: str, security: Security, place: str, wait_s: float) -> dict[str, str]:
    """Waits for the coordinator, and asks whether this process may come."""
    why, loop = "", asyncio.get_running_loop()
    until, (host, port) = loop.time() + wait_s, split_address(address)
    arguments = security.get_connection_args("worker")  # type: ignore[no-untyped-call]
    while True:
        try:
            async with asyncio.timeout(ANSWER_S):
                _, writer = await asyncio.open_connection(host, port)  # Dask tries again, and does not say why
                writer.close()
                comm = await connect(address, timeout=CONNECT_S, **arguments)  # type: ignore[no-untyped-call]
                try:
                    said: dict[str, str] | None = await send_recv(comm, op=HELLO, versions=VERSIONS, place=place)
                finally:
                    comm.abort()
            if said is not None:
                break
            why = "it is about to begin"
        except FatalCommClosedError as error:
            message = f"{address} and this machine don't trust each other: their certificates are not of one CA."
            hint = "Give this machine the folder 'worker' that was made together with the coordinator's."
            raise ConfigError(message, hint) from error
        except OSError as error:
            why = _reason(error)
        if loop.time() >= until:
            message = f"There is no coordinator at {address}; it was waited for {wait_s:g} s."
            raise SafetyStop(message, f"Start its run, or wait longer with --wait. The last try: {why}.")
        await asyncio.sleep(AGAIN_S)
    if said["why"]:
        hint = "Install the same versions on both sides: pip install 'batchupdate[cluster]==VERSION'."
        raise ConfigError(said["why"], hint)
    return said


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer came"
    said_by_system = bool(error.errno) and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno or 0) if said_by_system else error.strerror or str(error)


async def _way_to(address: str) -> str:
    """The address of this machine by which it reaches another; nothing is sent to find it out."""
    host, port = split_address(address)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, target = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
