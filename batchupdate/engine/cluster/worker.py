"""The side of a worker process: what Dask calls there, and the way to the coordinator."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
from typing import TYPE_CHECKING, Any, cast

from distributed import WorkerPlugin, get_worker

from batchupdate.config import Settings
from batchupdate.engine.remote_worker import RemoteWorker
from batchupdate.errors import BatchUpdateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Worker

    from batchupdate.engine.coordinator import Report, State
    from batchupdate.engine.leased_turns import Granted, Heard
    from batchupdate.engine.remote_worker import Orders
    from batchupdate.model import Request

NAME = "batchupdate"
ASK, HELLO, TELL = "batchupdate_ask", "batchupdate_hello", "batchupdate_tell"
STOP, RECALL, END = "stop", "recall", "end"


class Plugin(WorkerPlugin):
    """Lets a process work; `is_child` is whether it was started by the coordinator."""

    name = NAME

    def __init__(self, orders: Orders, *, is_child: bool) -> None:
        self._orders, self._is_child = orders, is_child

    def setup(self, worker: Worker) -> None:
        """A process begins; Dask calls this."""
        self._link = _Link(worker)
        self._remote: RemoteWorker | None = None
        self._rounds = 0
        self._round = asyncio.Lock()
        self._stopped = False
        self.cannot_begin: asyncio.Future[BatchUpdateError] = asyncio.get_running_loop().create_future()
        """Why this process can't work, such as a key that is missing here."""
        self.run_has_ended = asyncio.Event()
        """Is set when the coordinator says so: nothing more is to be done for it."""
        worker.stream_handlers[TELL] = self.tell
        if self._is_child:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's: it lets us drain

    async def teardown(self, worker: Worker) -> None:
        """A process ends; Dask calls this."""
        del worker
        self._stopped = True
        remote, self._remote = self._remote, None
        if remote is not None:
            remote.stop()
            await remote.__aexit__()

    async def work(self, number: int) -> None:
        """One round; nothing if it was begun before."""
        async with self._round:
            if number <= self._rounds or self._stopped:
                return
            self._rounds = number
            if self._remote is None:
                try:
                    self._remote = await RemoteWorker(self._orders, self._link, self._link.process).__aenter__()
                except BatchUpdateError as error:
                    self.cannot_begin.set_result(error)
                    raise
            await self._link.ended(await self._remote.work())

    def tell(self, what: str, number: int) -> None:
        """The coordinator tells all processes something."""
        if what == RECALL:
            if self._remote is not None:
                self._remote.recall(number)
            return
        self._stop()
        if what == END:
            self.run_has_ended.set()

    def _stop(self) -> None:
        self._stopped = True
        if self._remote is not None:
            self._remote.stop()

    async def leave(self) -> None:
        """Lets what is in flight finish, gives all else back, and takes leave of the coordinator.

        Raises:
            TimeoutError: what is in flight takes too long.
            OSError: the coordinator is gone.
        """
        self._stop()
        async with asyncio.timeout(Settings.model_validate_json(self._orders.settings).drain_timeout):
            async with self._round:
                await self._link.leave()


async def work(process: str, number: int) -> None:
    """The task that is one round of a process; elsewhere it does nothing."""
    worker = get_worker()
    if worker.id == process:
        await cast("Plugin", worker.plugins[NAME]).work(number)


class _Link:
    """See `batchupdate.engine.remote_worker.Link`."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.process: str = worker.id

    async def _ask(self, what: str, *values: object) -> Any:  # noqa: ANN401 - whatever was asked for
        data = await self._worker.scheduler.batchupdate_ask(
            process=self.process, pid=os.getpid(), what=what, data=pickle.dumps(values)
        )
        return pickle.loads(data)  # noqa: S301 - of our own process, over TLS

    async def claim(self, count: int) -> list[Request]:
        rows: list[Request] = await self._ask("claim", count)
        return rows

    async def release(self, keys: Sequence[int]) -> None:
        await self._ask("release", [*keys])

    async def lease(self, most: int, heard: Sequence[Heard]) -> Granted:
        granted: Granted = await self._ask("lease", most, [*heard])
        return granted

    async def keep(self, states: Sequence[State]) -> bool:
        kept: bool = await self._ask("keep", [*states])
        return kept

    async def report(self, report: Report) -> None:
        await self._ask("report", report)

    async def ended(self, stopped: tuple[str, str] | None) -> None:
        await self._ask("ended", stopped)

    async def leave(self) -> None:
        await self._ask("leave")
