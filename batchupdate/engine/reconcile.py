"""Rows whose requests were never answered, or not for good: looked up, where the target's records can be read.

A row that turns out to be as its change wants it is `updated`, and need not be sent again. One whose record has values
that are neither the row's nor those from before its change was changed by somebody else, and is not sent again: it is
`unknown`, for the change may have been applied before that. All others stay as they are: to be sent again where that is
safe, else `unknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.engine.look_ups import LookUps
from batchupdate.model import Outcome, Reply, Result
from batchupdate.planner.comparison import Comparison, Finding
from batchupdate.targets import UnexpectedReplyError
from batchupdate.targets.hooks import HookError
from batchupdate.targets.precondition import NOTHING_SENT, Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchupdate.api.client import Client
    from batchupdate.journal import Journal
    from batchupdate.journal.queue import Queue
    from batchupdate.model import Fault, Request
    from batchupdate.targets import Target

    Before = Callable[[Sequence[int]], Awaitable[dict[int, str]]]

FOUND = "it was found applied when the run was resumed"
FOUND_AFTER_A_DEATH = "it was found applied after a worker process had died"
FOUND_UNSURE = "an earlier attempt may have been applied, and the record has the row's values now"
_UNANSWERED = "an earlier attempt got no answer and may have been applied; it was not sent again: "
_UNSURE = "an earlier attempt may have been applied; it was not sent again: "
_WAY_OUT = "; to set it all the same, run failed.csv"
_OK = 200


class Found(NamedTuple):
    """What becomes of a row by what its record is."""

    outcome: Outcome
    message: str


class RecordLookUp:
    """Reads the records of rows that may have been applied, and says what that means for them.

    Args:
        client: reads records.
        target: knows where, and what a reply shows.
        before: gives what is kept of the records of some rows, as they were before the change.
        redact: takes secrets out of a sentence.
        applied: what is said of a row that turns out to be applied.
    """

    def __init__(
        self, client: Client, target: Target, before: Before, redact: Callable[[str], str], applied: str = FOUND
    ) -> None:
        self._client, self._target, self._before, self._redact = client, target, before, redact
        self._applied = applied
        self._comparison = Comparison(target)

    async def read(self, request: Request) -> tuple[Reply | Fault, Found | None]:
        """Reads one record; None where it says nothing about the change, which may be sent again then."""
        answer = await self._client.read(self._target.read_path(request.path))
        if not isinstance(answer, Reply) or answer.status != _OK:
            return answer, None
        if self._target.shows(answer.body, request.fields):
            return answer, Found(Outcome.UPDATED, FOUND_UNSURE if request.unsure else self._applied)
        return answer, self._changed_since(answer, request, (await self._before([request.row])).get(request.row))

    async def found(self, request: Request) -> Found | None:
        """The same, where nobody wants the reply, and nothing is known where the code of the target's package fails."""
        try:
            return (await self.read(request))[1]
        except HookError:
            return None

    def _changed_since(self, answer: Reply, request: Request, before: str | None) -> Found | None:
        """What somebody else has changed, seen by what the record was before; nothing where that is not known."""
        if before is None:
            return None
        wanted, known = exact_json.loads(request.fields), Pulled(seen=Seen.from_json(before), by="look_up")
        try:
            found = self._comparison.compare(wanted, known, self._target.seen(answer, wanted))
        except UnexpectedReplyError:
            return None
        if found.finding is not Finding.CONFLICT:
            return None
        said = (_UNSURE if request.unsure else _UNANSWERED) + found.message.removeprefix(NOTHING_SENT) + _WAY_OUT
        return Found(Outcome.UNKNOWN, self._redact(said))


class Reconciliation(LookUps):
    """A source of rows that may have been applied, their sender and their sink, for a pool that looks them up.

    Args:
        journal: where the rows stand.
        queue: where results go.
        records: reads their records.
    """

    def __init__(self, journal: Journal, queue: Queue, records: RecordLookUp) -> None:
        super().__init__(journal.unanswered)
        self._queue, self._records = queue, records
        self._found: dict[int, tuple[Request, Found]] = {}
        self.applied = self.foreign = 0
        """Rows that turned out to be applied, and those whose records somebody else has changed."""

    async def look_up(self, request: Request) -> Reply | Fault:
        """Reads one record; notes what that means for the row."""
        answer, found = await self._records.read(request)
        if found is not None:
            self._found[request.row] = request, found
        return answer

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Keeps what became of a row by its record; whatever else came of it says nothing about the change."""
        request, found = self._found.pop(result.row, (None, None))
        if request is None or found is None or not final:
            return
        applied = found.outcome is Outcome.UPDATED
        self.applied += applied
        self.foreign += not applied
        self._queue.finish(
            Result(result.row, found.outcome, None, request.sent, found.message, finished_at=result.finished_at)
        )
