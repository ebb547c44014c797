"""Rows whose requests were never answered: looked up, where the target's records can be read.

A row that turns out to be as its change wants it is `updated`, and need not be sent again. All others stay as they are:
to be sent again where that is safe, else `unknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.engine.look_ups import LookUps
from batchupdate.model import Outcome, Reply, Result
from batchupdate.targets.hooks import HookError

if TYPE_CHECKING:
    from batchupdate.api.client import Client
    from batchupdate.journal import Journal
    from batchupdate.journal.queue import Queue
    from batchupdate.model import Fault, Request
    from batchupdate.targets import Target

FOUND = "it was found applied when the run was resumed"
_OK = 200


class Reconciliation(LookUps):
    """A source of unanswered rows, their sender and their sink, for a pool that looks them up.

    Args:
        journal: where the rows stand.
        queue: where results go.
        client: reads records.
        target: knows where, and what a reply shows.
    """

    def __init__(self, journal: Journal, queue: Queue, client: Client, target: Target) -> None:
        super().__init__(journal.unanswered)
        self._queue, self._client, self._target = queue, client, target
        self._applied: dict[int, Request] = {}
        self.found = 0
        """Rows that turned out to be applied."""

    async def look_up(self, request: Request) -> Reply | Fault:
        """Reads one record; notes whether it is as the row wants it."""
        answer = await self._client.read(self._target.read_path(request.path))
        if _shows(answer, self._target, request):
            self._applied[request.row] = request
        return answer

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Keeps a row that was found applied; whatever else came of it says nothing about the change."""
        request = self._applied.pop(result.row, None)
        if request is not None and final:
            self.found += 1
            self._queue.finish(
                Result(result.row, Outcome.UPDATED, None, request.sent, FOUND, finished_at=result.finished_at)
            )


async def shows_applied(client: Client, target: Target, request: Request) -> bool:
    """Whether a record turns out to be as its row wants it; reads it."""
    try:
        answer = await client.read(target.read_path(request.path))
    except HookError:  # the code of the target's package failed, so nothing is known
        return False
    return _shows(answer, target, request)


def _shows(answer: Reply | Fault, target: Target, request: Request) -> bool:
    return isinstance(answer, Reply) and answer.status == _OK and target.shows(answer.body, request.fields)
