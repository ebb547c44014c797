"""Stand-ins that several tests share."""

from __future__ import annotations

import asyncio
import heapq
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from batchupdate.journal import Journal
    from batchupdate.model import Request, Result

T = TypeVar("T")

EPOCH = datetime(2026, 11, 21, 18, 45, tzinfo=UTC)
SETTLE_ROUNDS = 10_000
"""So many rounds of the event loop mean that something is spinning."""
QUIET_ROUNDS = 10
"""After so many in which every task waits, no callback is left that could wake one."""


class FakeClock:
    """Time that stands still until a test moves it; see `batchupdate.util.clock.Clock`.

    `run` works a coroutine off and jumps to the next due time whenever nothing else can happen, so that hours pass in
    milliseconds. It is for code without real I/O or threads.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self.time = self._start = start
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.time - self._start)

    def unix(self) -> float:
        return self.now().timestamp()

    async def sleep_until(self, due: float, *, precise: bool = False) -> None:
        del precise
        if due <= self.time:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Moves time forward, waking every sleeper at its own moment."""
        end = self.time + seconds
        await settle()
        while self._waiting and self._waiting[0][0] <= end:
            self._wake_next()
            await settle()
        self.time = end
        await settle()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Works a coroutine off, in fake time."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await settle()
            if task.done():
                break
            if not self._waiting:
                await asyncio.sleep(0.001)  # a thread may still be at work
                continue
            self._wake_next()
        return task.result()

    def _wake_next(self) -> None:
        due, _, future = heapq.heappop(self._waiting)
        self.time = max(self.time, due)
        if not future.done():
            future.set_result(None)


async def settle() -> None:
    """Lets everything happen that can happen without time passing."""
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    quiet = 0
    for _ in range(SETTLE_ROUNDS):
        await asyncio.sleep(0)
        if ready is not None:
            if not ready:  # nothing but this task wants to run
                return
        else:  # uvloop keeps that to itself
            quiet = quiet + 1 if _all_others_wait() else 0
            if quiet == QUIET_ROUNDS:
                return


def _all_others_wait() -> bool:
    waits_for = [task._fut_waiter for task in asyncio.all_tasks() - {asyncio.current_task()}]  # type: ignore[attr-defined]
    return all(future is not None and not future.done() for future in waits_for)


class QuickClock:
    """Real time, made to pass faster: for tests over real sockets, in which nobody should wait for a backoff."""

    def __init__(self, factor: float = 100.0) -> None:
        self._factor = factor

    def monotonic(self) -> float:
        return time.monotonic() * self._factor

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def unix(self) -> float:
        return self.monotonic()

    async def sleep_until(self, due: float, *, precise: bool = False) -> None:
        del precise
        while (left := due - self.monotonic()) > 0:  # noqa: ASYNC110 - it is time that we wait for
            await asyncio.sleep(left / self._factor)


def claim(journal: Journal, after: int, count: int, results: Sequence[tuple[Result, bool]] = ()) -> list[Request]:
    """Claims the next rows and keeps results, as the queue does."""
    requests = journal.upcoming(after, count) if count else []
    journal.commit([request.row for request in requests], results)
    return requests
