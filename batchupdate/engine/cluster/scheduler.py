"""The coordinator's side: its process hosts the Dask scheduler, to which the worker processes come."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import pickle
import signal
import socket
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster, Scheduler, SchedulerPlugin
from distributed.comm.core import CommClosedError
from distributed.security import Security

from batchupdate.engine.cluster.security import security_of
from batchupdate.engine.cluster.worker import ASK, END, HELLO, NAME, TELL, Plugin, work
from batchupdate.errors import BatchUpdateError, SafetyStop
from batchupdate.runs.cluster_certs import split_address
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from batchupdate.engine.coordinator import Coordinator
    from batchupdate.engine.remote_worker import Orders
    from batchupdate.runs.cluster_certs import Certificates

LOOPBACK = "127.0.0.1"
VERSIONS = {"batchupdate": __version__, "distributed": version("distributed")}
"""What has to be the same on both sides: orders and results are pickled, and messages are Dask's."""

GOODBYE_S = 3.0
"""For so long the coordinator waits at its end until worker processes of other machines have left."""


@contextmanager
def quiet_dask(*loggers_too: str) -> Iterator[None]:
    """Dask without its pages and its lines, nor those of other loggers; on the loop that runs already."""
    uvloop = type(asyncio.get_running_loop()).__module__.partition(".")[0] == "uvloop"
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", *loggers_too)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with dask.config.set(
            {
                "distributed.admin.event-loop": "uvloop" if uvloop else "asyncio",
                "distributed.scheduler.http.routes": [],  # no pages: nobody is to look at them
                "distributed.worker.http.routes": [],
            }
        ):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@asynccontextmanager
async def local_workers(orders: Orders, count: int, coordinator: Coordinator) -> AsyncIterator[_Workers]:
    """So many worker processes on this machine, at work for a coordinator until the context ends."""
    with tempfile.TemporaryDirectory(prefix="batchupdate-") as scratch, quiet_dask():
        async with (
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                asynchronous=True,
                host=LOOPBACK,
                security=Security.temporary(),  # type: ignore[no-untyped-call]
                dashboard_address=f"{LOOPBACK}:0",
                worker_dashboard_address=f"{LOOPBACK}:0",
                silence_logs=logging.CRITICAL,
                memory_limit=0,
                local_directory=scratch,
            ) as cluster,
            Client(cluster, asynchronous=True, set_as_default=False) as client,  # type: ignore[no-untyped-call]
        ):
            workers = _Workers(coordinator, client, cluster.scheduler)
            await client.register_plugin(Plugin(orders, is_child=True))
            workers.begin()
            try:
                yield workers
            finally:
                await workers.close()


@asynccontextmanager
async def remote_workers(
    orders: Orders,
    most: int,
    address: str,
    certificates: Certificates,
    coordinator: Coordinator,
    *,
    ends_run: bool,
) -> AsyncIterator[_Workers]:
    """Worker processes of any machine that come to an address, until the context ends.

    At most `most` of them get something to do; others wait until one of these leaves. They are told when the run has
    ended, unless `ends_run` is False: then they wait for the coordinator to come back.

    Raises:
        SafetyStop: this process can't listen there.
    """
    security = security_of(certificates)
    with quiet_dask():
        try:
            await try_to_listen(*split_address(address))
        except OSError as error:
            message = f"This process can't listen at {address}: {error.strerror or error}."
            hint = "Give --cluster an address of this machine and a free port; the same command resumes."
            raise SafetyStop(message, hint) from error
        scheduler = Scheduler(
            host=address, protocol="tls", security=security, dashboard=False, dashboard_address=f"{LOOPBACK}:0"
        )
        try:
            await scheduler
            async with Client(  # type: ignore[no-untyped-call]
                scheduler.address, security=security, asynchronous=True, set_as_default=False
            ) as client:
                workers = _Workers(coordinator, client, scheduler, most)
                await client.register_plugin(Plugin(orders, is_child=False))
                workers.begin()
                try:
                    yield workers
                    if ends_run:
                        await workers.dismiss()
                finally:
                    await workers.close()
        finally:
            await scheduler.close()


async def try_to_listen(host: str, port: int) -> None:
    """Raises OSError where this process can't; Dask itself would leave a socket open, and not say it plainly."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)


class _Workers(SchedulerPlugin):
    """Knows which processes are there; see `batchupdate.engine.coordinator.Workers`.

    `most` is how many processes of other machines get something to do; None where all are children of this one.
    """

    def __init__(self, coordinator: Coordinator, client: Client, scheduler: Scheduler, most: int | None = None) -> None:
        self._coordinator, self._client, self._scheduler, self._most = coordinator, client, scheduler, most
        self._processes: dict[str, str] = {}  # by address
        self._spare: dict[str, None] = {}  # addresses, in their order
        self._pids: dict[str, int] = {}
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._closing, self._all_left = False, asyncio.Event()
        scheduler.handlers[ASK] = self.ask

    def begin(self) -> None:
        """Takes on those that are there, and whoever comes."""
        self._scheduler.handlers[HELLO] = self.hello  # now, for whoever comes gets the plugin as it comes
        self._scheduler.add_plugin(self, name=NAME)
        for address in [*self._scheduler.workers]:
            self.add_worker(self._scheduler, address)

    def hello(self, versions: dict[str, str], place: str) -> dict[str, str]:
        """A process of another machine asks whether it may come; `why` not, or as whose `name` it does."""
        for name, here in VERSIONS.items():
            if (there := versions.get(name)) != here:
                return {"why": f"The coordinator has {name} {here}, and this machine {there}."}
        spare = self._most is not None and len(self._processes) >= self._most
        return {"why": "", "name": f"{NAME} {place}", "spare": str(self._most) if spare else ""}

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """A process has joined; Dask calls this."""
        if self._closing or worker in self._processes or worker in self._spare:
            return
        if self._most is not None and not str(scheduler.workers[worker].name).startswith(f"{NAME} "):
            return  # not one of ours: it was not asked for its version
        if self._most is not None and len(self._processes) >= self._most:
            self._spare[worker] = None
        else:
            self._take_on(worker)

    def _take_on(self, address: str) -> None:
        state = self._scheduler.workers[address]
        process = self._processes[address] = state.server_id
        place = "" if self._most is None else str(state.name).removeprefix(f"{NAME} ")
        self._coordinator.joined(process, place)
        self._at_work[process] = asyncio.create_task(self._employ(address, process, place))

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: object) -> None:
        """A process has left; Dask calls this."""
        if not scheduler.workers:
            self._all_left.set()
        self._spare.pop(worker, None)
        process = self._processes.pop(worker, None)
        if process is not None and not self._closing:
            self._at_work.pop(process).cancel()
            self._coordinator.lost(process)
            self._replace()

    def _replace(self) -> None:
        if self._spare and not self._closing:
            address = next(iter(self._spare))
            del self._spare[address]
            self._take_on(address)

    def _takes_leave(self, process: str) -> None:
        """A process has given everything back, and goes."""
        for address in [one for one, name in self._processes.items() if name == process]:
            del self._processes[address]
            self._at_work.pop(process).cancel()
            self._coordinator.left(process)
            self._replace()

    async def _employ(self, address: str, process: str, place: str) -> None:
        """Lets a process work, round after round, as long as there is something to do."""
        coordinator, number = self._coordinator, 0
        while not coordinator.has_ended:
            if not coordinator.wants_workers:
                await coordinator.changed()
                continue
            number += 1
            future = self._client.submit(
                work,
                process,
                number,
                key=f"round-{process}-{number}",
                workers=[address],
                allow_other_workers=False,
                retries=0,
                pure=False,
            )
            try:
                # What the round came to is asked: to fetch it, we would need a way to the process.
                error = await future.exception()  # type: ignore[no-untyped-call]
            except Exception as gone:  # noqa: BLE001 - the run raises it
                error = gone
            if isinstance(error, BatchUpdateError) and self._most is not None:
                coordinator.refused(process, place, error)
                return
            if isinstance(error, BatchUpdateError):
                coordinator.stop(SafetyStop(f"A worker process can't begin: {error.message}", error.hint))
            elif error is not None:
                if address in self._processes and not self._closing:
                    coordinator.stop(error)
                return

    async def ask(self, process: str, pid: int, what: str, data: bytes) -> bytes:
        """A worker process asks its coordinator for something, or says what became of rows.

        One that was given up is refused: its rows are somebody else's, and it must not send what it has left.
        """
        if process not in self._at_work:
            raise PermissionError(f"{process} is not part of this run, or not any more")
        self._pids[process] = pid
        coordinator = self._coordinator
        calls: dict[str, Callable[..., Any]] = {
            "claim": coordinator.claim,
            "release": coordinator.release,
            "lease": coordinator.lease,
            "keep": coordinator.keep,
            "report": coordinator.report,
            "ended": coordinator.ended,
            "leave": self._takes_leave,
        }
        try:
            answer = calls[what](process, *pickle.loads(data))  # noqa: S301 - of our own process, over TLS
            return pickle.dumps(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:
            coordinator.stop(error)
            raise

    def tell(self, what: str, number: int = 0) -> None:
        """See `Workers`."""
        if self._closing:
            return
        for stream in [*self._scheduler.stream_comms.values()]:
            with suppress(CommClosedError):  # that it has gone is heard in another way
                stream.send({"op": TELL, "what": what, "number": number})

    def end(self, process: str) -> None:
        """See `Workers`."""
        if self._most is None and (pid := self._pids.get(process)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def dismiss(self) -> None:
        """Lets rounds end, tells all that the run has ended, and gives them a moment to leave."""
        if at_work := [*self._at_work.values()]:
            await asyncio.wait(at_work, timeout=GOODBYE_S)
        self.tell(END)
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                if self._scheduler.workers:
                    await self._all_left.wait()

    async def close(self) -> None:
        """Nobody is asked for anything any more."""
        self._closing = True
        tasks = [*self._at_work.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
