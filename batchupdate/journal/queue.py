"""The journal as the workers see it: a source of requests and a sink for results, on an event loop.

The journal works in a thread of its own. Results are kept with the next claim's commit, or after a short while where
no claim comes, so that a commit is shared by many rows. Until then they stand in the in-flight map, which a killed
process leaves behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from batchupdate.util.shielded import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from batchupdate.journal import Journal, Session
    from batchupdate.model import Request, Result
    from batchupdate.targets.seen import Seen
    from batchupdate.util.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

FLUSH_AFTER_S = 0.2
"""The longest time, in seconds, after which a result that is known here begins to be written into the journal."""

READ_AHEAD = 512
"""Rows read at once, at the least."""


class Queue:
    """Claims requests from a journal and hands results back to it; an async context manager.

    Args:
        journal: sealed, with a session begun.
        clock: where time comes from.
        session: tells how far the session is; it is kept with every commit.
    """

    def __init__(self, journal: Journal, clock: Clock, session: Callable[[], Session | None] = lambda: None) -> None:
        self._session = session
        self._journal = journal
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "journal")
        self._upcoming: deque[Request] = deque()
        self._read = 0
        self._results: list[tuple[Result, bool]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._states: list[tuple[int, str]] = []
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._flushing is not None:
                self._flushing.cancel()
                await asyncio.gather(self._flushing, return_exceptions=True)  # what failed there is tried again now
            await self._write()
        finally:
            self._thread.shutdown()

    async def claim(self, count: int) -> list[Request]:
        """The next rows, marked as claimed on the disk; fewer than `count` at the end, and then none."""
        if self._flushing is not None and self._flushing.done():
            flushed, self._flushing = self._flushing, None
            flushed.result()  # a write that failed stops the run here, before the next request leaves
        self._read_ahead(count)
        requests = [self._upcoming.popleft() for _ in range(min(count, len(self._upcoming)))]
        try:
            await self._write([request.row for request in requests])
        except Exception:
            self._upcoming.extendleft(reversed(requests))
            raise
        return requests

    def _read_ahead(self, count: int) -> None:
        """Reads rows in larger portions than they are claimed.

        Here and not in the journal's thread, for SQLite gives up and takes back the interpreter lock at every row that
        it fetches, and a busy event loop lets it wait each time.
        """
        if len(self._upcoming) < count:
            requests = self._journal.upcoming(self._read, max(count, READ_AHEAD))
            if requests:
                self._read = requests[-1].row
                self._upcoming.extend(requests)

    def leaves(self, request: Request) -> None:
        """Notes that a row's request leaves now; call it for nothing that was not claimed."""
        self._journal.in_flight.leaves(request.row, request.sent)

    def lends(self, request: Request, process: str) -> None:
        """Notes that a row is given to a worker process; see `InFlightMap.lends`."""
        self._journal.in_flight.lends(request.row, request.sent, process)

    def returns(self, key: int) -> None:
        """Notes that a row which was given away is back, and was not sent."""
        self._journal.in_flight.returns(key)

    def waits(self, result: Result) -> None:
        """Notes what is true of a row that waits for its next try, for the case that the process dies meanwhile."""
        self._journal.in_flight.keep(result, final=False)

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Keeps what became of a row; one that is not final is tried again when the run is resumed."""
        self._journal.in_flight.keep(result, final=final)
        self._results.append((result, final))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())

    async def keep_before(self, key: int, state: str) -> None:
        """Keeps what a row's record is; returns once that is on the disk, in one commit for all that ask meanwhile."""
        self._states.append((key, state))
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_states())
        await asyncio.shield(self._keeping)

    async def amend_before(self, key: int, seen: Seen) -> None:
        """Corrects what is kept of a row's record, by what was read of it later; returns once that is on the disk."""
        await self._in_thread(self._journal.amend_before, key, seen)

    async def before(self, keys: Sequence[int]) -> dict[int, str]:
        """What is kept of the records of some rows."""
        return await self._in_thread(self._journal.before, keys)

    async def _keep_states(self) -> None:
        await asyncio.sleep(0)  # others may come in the same round
        states, self._states, self._keeping = self._states, [], None
        await self._in_thread(self._journal.keep_before, states)

    async def keep_facts(self, facts: Mapping[str, Any]) -> None:
        """Keeps facts about the run; returns once they are on the disk."""
        await self._in_thread(self._journal.set_meta, facts)

    async def settle(self) -> None:
        """Returns once every result that was handed in so far is on the disk."""
        await self._write()

    async def release(self, keys: Sequence[int]) -> None:
        """Gives back rows that were claimed but not sent."""
        if keys:
            await self._in_thread(self._journal.release, keys)

    async def _flush_soon(self) -> None:
        """Writes the results that are there after a while; then those that came meanwhile, no later after they did."""
        due = self._clock.monotonic() + FLUSH_AFTER_S
        while self._results:
            await self._clock.sleep_until(due)
            due = self._clock.monotonic() + FLUSH_AFTER_S
            await self._write()
        self._flushing = None

    async def _write(self, claimed: Sequence[int] = ()) -> None:
        results, self._results = self._results, []
        if not results and not claimed:
            return
        try:
            await self._in_thread(self._journal.commit, claimed, results, self._session())
        except Exception:
            self._results = results + self._results
            raise

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the journal. Once asked for, a call is made and waited for even if this task is cancelled."""
        call = asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **kwargs))
        return await shielded(call)
