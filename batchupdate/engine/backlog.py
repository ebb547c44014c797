"""The requests that may leave next: rows claimed a little ahead of the rate, and rows that wait for another try."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.engine.batches import Packing
    from batchupdate.engine.protocols import Source, Turns
    from batchupdate.model import Request, Result
    from batchupdate.util.clock import Clock

AHEAD_S = 0.1
"""Rows are claimed this far ahead of the rate, so that a power cut leaves next to none of a slow run unanswered."""

NEXT_S = -1e9
"""The wait of a change whose record was just read: it goes before other rows that wait, for what was read grows old."""

AT_ONCE = -math.inf
"""The wait of a half of a batch: a row that is to blame is soon alone, and only then counts as a failure."""


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A request whose next try is `due`; `results` are what is true of its rows meanwhile.

    `passed` is how many requests had got through when it came back.
    """

    due: float
    order: int
    request: Request = field(compare=False)
    results: Sequence[Result] = field(compare=False)
    passed: int = field(compare=False)


class Backlog:
    """Hands out requests in order; one whose wait is over goes first.

    While the API takes nothing, rows that were not tried since it last took something go before those that were. Else
    one row that it never takes would go out again and again, and keep all others from it. Rows that were refused again
    and again go out one by one, with others that get through between them.

    Args:
        source: where rows are claimed.
        turns: knows the rate.
        claim_batch: how many rows are claimed ahead at the most.
        clock: where time comes from.
        on_error: is told why no rows can be claimed; nothing further may leave then.
        packing: how many rows go out as one request.
    """

    def __init__(
        self,
        source: Source,
        turns: Turns,
        claim_batch: int,
        clock: Clock,
        on_error: Callable[[Exception], None],
        packing: Packing,
    ) -> None:
        self._source, self._turns, self._claim_batch = source, turns, claim_batch
        self._clock, self._on_error, self._packing = clock, on_error, packing
        self._ready: deque[Request] = deque()
        self._waiting: list[_Waiting] = []
        self._refused: list[_Waiting] = []
        self._trying: int | None = None  # which of these rows is out
        self._tried_at = -1  # how many had got through when the last of them came back
        self._pushed = 0
        self._exhausted = False
        self._low_water = 0
        self._claiming: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.passed = 0
        """Requests that got through so far."""
        self.out = 0
        """Requests that were taken and have not ended: each may come back, to wait."""
        self.closed = False
        """Whether nothing more is handed out."""

    @property
    def has_one(self) -> bool:
        """Whether there is a request that may leave now."""
        return self._may_pack or self._due() is not None

    @property
    def _may_pack(self) -> bool:
        """Whether as many new rows are there as go out together, or the last ones."""
        return len(self._ready) >= self._packing.size or bool(self._ready and self._exhausted)

    @property
    def has_others(self) -> bool:
        """Whether there are rows that were not tried yet, as far as known."""
        return bool(self._ready) or not self._exhausted

    def _due(self) -> list[_Waiting] | None:
        """The heap whose first request goes next; None if a row goes that was not tried yet, or if none may leave."""
        now = self._clock.monotonic()
        waiting, refused = self._waiting, self._refused
        is_due = bool(waiting) and waiting[0].due <= now
        if is_due and not (self.has_others and self._turns.probing and waiting[0].passed == self.passed):
            return waiting
        if refused and refused[0].due <= now and not is_due:
            one_by_one = self._trying is None and self.passed > self._tried_at and not self._turns.probing
            if one_by_one or not self.has_others:
                return refused
        return None

    async def one_is_there(self) -> bool:
        """Waits until there is a request that may leave; False at the end."""
        while not self.closed:
            if self.has_one:
                return True
            if not self._exhausted:
                await asyncio.shield(self._claim_ahead())
            elif self._waiting or self._refused or self.out:
                await self._something_changes()
            else:
                return False
        return False

    def pop(self) -> Request:
        """Takes the next request that is there; call `ended` when it has come to its end."""
        self.out += 1
        heap = self._due()
        if heap is None and not self._may_pack:  # it came back meanwhile that the API takes nothing
            heap = min(filter(None, (self._waiting, self._refused)), default=None)
        if heap is not None:
            request = heapq.heappop(heap).request
            if heap is self._refused:
                self._trying = request.row
            return request
        request = self._packing.take(self._ready)
        if len(self._ready) < self._low_water and not self._exhausted:
            self._claim_ahead()
        return request

    def ended(self, row: int) -> None:
        """The request of this row, which was taken, has come to its end."""
        self.out -= 1
        if row == self._trying:
            self._trying, self._tried_at = None, self.passed
        self._changed.set()

    def wait(self, request: Request, results: Sequence[Result], wait_s: float, *, refused: bool = False) -> None:
        """Takes a request back until its wait is over; `refused` is whether it was refused again and again.

        `AT_ONCE` is a wait that puts it before all others, the last one first.
        """
        self._pushed += 1
        due = self._clock.monotonic() + wait_s
        order = -self._pushed if wait_s == AT_ONCE else self._pushed
        one = _Waiting(due, order, request, results, self.passed)
        heapq.heappush(self._refused if refused else self._waiting, one)

    async def hand_back(self) -> tuple[list[Request], list[tuple[Request, Sequence[Result]]]]:
        """Empties it: the requests that were claimed and not sent, and those that were waiting with their results."""
        if self._claiming is not None:
            await asyncio.wait([self._claiming])
        waiting = [(one.request, one.results) for one in sorted(self._waiting + self._refused)]
        unsent = list(self._ready)
        self._ready.clear()
        self._waiting.clear()
        self._refused.clear()
        return unsent, waiting

    def _batch(self) -> int:
        """How many rows to have claimed ahead."""
        size = self._packing.size
        ahead = self._turns.rate_per_s * AHEAD_S * size
        rows = int(ahead) if ahead < self._claim_batch else self._claim_batch
        return rows if size == 1 else max(rows, 2 * size)

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
        if heaps := [heap for heap in (self._waiting, self._refused) if heap]:
            due = min(heap[0].due for heap in heaps)
            tasks.append(asyncio.create_task(self._clock.sleep_until(due)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
