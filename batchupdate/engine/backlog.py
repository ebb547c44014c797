"""The requests that may leave next: rows claimed a little ahead of the rate, and rows that wait for another try."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.engine.protocols import Source, Turns
    from batchupdate.model import Request, Result
    from batchupdate.util.clock import Clock

AHEAD_S = 0.1
"""Rows are claimed this far ahead of the rate, so that a power cut leaves next to none of a slow run unanswered."""


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A request whose next try is `due`; `result` is what is true of its row meanwhile."""

    due: float
    order: int
    request: Request = field(compare=False)
    result: Result = field(compare=False)


class Backlog:
    """Hands out requests in order; one whose wait is over goes first.

    Args:
        source: where rows are claimed.
        turns: knows the rate.
        claim_batch: how many rows are claimed ahead at the most.
        clock: where time comes from.
        on_error: is told why no rows can be claimed; nothing further may leave then.
    """

    def __init__(
        self, source: Source, turns: Turns, claim_batch: int, clock: Clock, on_error: Callable[[Exception], None]
    ) -> None:
        self._source, self._turns, self._claim_batch = source, turns, claim_batch
        self._clock, self._on_error = clock, on_error
        self._ready: deque[Request] = deque()
        self._waiting: list[_Waiting] = []
        self._pushed = 0
        self._exhausted = False
        self._low_water = 0
        self._claiming: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.out = 0
        """Requests that were taken and have not ended: each may come back, to wait."""
        self.closed = False
        """Whether nothing more is handed out."""

    @property
    def has_one(self) -> bool:
        """Whether there is a request that may leave now."""
        return bool(self._ready) or self._one_is_due()

    def _one_is_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0].due <= self._clock.monotonic()

    async def one_is_there(self) -> bool:
        """Waits until there is a request that may leave; False at the end."""
        while not self.closed:
            if self.has_one:
                return True
            if not self._exhausted:
                await asyncio.shield(self._claim_ahead())
            elif self._waiting or self.out:
                await self._something_changes()
            else:
                return False
        return False

    def pop(self) -> Request:
        """Takes the next request that is there; call `ended` when it has come to its end."""
        self.out += 1
        if self._one_is_due():
            return heapq.heappop(self._waiting).request
        request = self._ready.popleft()
        if len(self._ready) < self._low_water and not self._exhausted:
            self._claim_ahead()
        return request

    def ended(self) -> None:
        """One of the requests that were taken has come to its end."""
        self.out -= 1
        self._changed.set()

    def wait(self, request: Request, result: Result, wait_s: float) -> None:
        """Takes a request back until its wait is over."""
        self._pushed += 1
        due = self._clock.monotonic() + wait_s
        heapq.heappush(self._waiting, _Waiting(due, self._pushed, request, result))

    async def hand_back(self) -> tuple[list[Request], list[tuple[Request, Result]]]:
        """Empties it: the requests that were claimed and not sent, and those that were waiting with their results."""
        if self._claiming is not None:
            await asyncio.wait([self._claiming])
        unsent, waiting = list(self._ready), [(one.request, one.result) for one in sorted(self._waiting)]
        self._ready.clear()
        self._waiting.clear()
        return unsent, waiting

    def _batch(self) -> int:
        """How many rows to have claimed ahead."""
        ahead = self._turns.rate_per_s * AHEAD_S
        return int(ahead) if ahead < self._claim_batch else self._claim_batch

    def _claim_ahead(self) -> asyncio.Task[None]:
        """Lets the next rows be claimed in the background; the task that does it."""
        if self._claiming is None or self._claiming.done():
            self._claiming = asyncio.create_task(self._claim(max(1, self._batch() // 2)))
        return self._claiming

    async def _claim(self, count: int) -> None:
        try:
            requests = await self._source.claim(count)
        except Exception as error:  # noqa: BLE001 - the pool raises it; until then nothing further may leave
            self._on_error(error)
            return
        self._ready.extend(requests)
        self._exhausted = len(requests) < count
        self._low_water = self._batch() // 2

    async def _something_changes(self) -> None:
        """Waits until a row's wait is over, or a request that is out has ended."""
        self._changed.clear()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
        if self._waiting:
            tasks.append(asyncio.create_task(self._clock.sleep_until(self._waiting[0].due)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
