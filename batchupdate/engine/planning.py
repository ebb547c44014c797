"""What the records of a run are now, before anything is sent: read by the list where that takes fewer requests.

Each row's change is compared with its record. What was read is kept in the journal, and with it what becomes of the
rows that need not be sent, or must not be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchupdate.api.verdict import Policy, errors_in_doubt
from batchupdate.engine.pools import Pools
from batchupdate.engine.record_reader import PORTION, RecordReader, list_worth_it
from batchupdate.model import Outcome, Result
from batchupdate.planner.comparison import Comparison, Finding
from batchupdate.planner.sent_fields import SentFields
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import FilteringBoundLogger

    from batchupdate.engine.pools import Stop
    from batchupdate.engine.record_reader import Reading, Sought
    from batchupdate.model import Progress, Request
    from batchupdate.runs.job import Job

FEW_ROWS = 100
"""So many rows are compared with their records one by one before a run that was not planned."""

_LINKS = frozenset({"plan_of", "retry_of", "undo_of"})

NO_RECORD = "there is no such record"

_SINCE = {"": ("it was pulled", "pull it again"), "diff": ("the rows were compared", "run it again")}

_OUTCOMES = {Finding.UNCHANGED: Outcome.UNCHANGED, Finding.CONFLICT: Outcome.CONFLICT}


def to_be_compared(job: Job) -> bool:
    """Whether the records of a run are read before the first change, by its setting `diff`.

    What an earlier process has found of rows that were never sent is forgotten: it is not how their records are now.
    Where these are not read again, such rows are sent, and a notice says so of those that were unchanged.
    """
    if not job.resumed:
        return worth_comparing(job, job.to_send)
    if _LINKS & job.journal.meta().keys():  # what these rows expect of their records stands, and is looked at
        return False
    if not job.to_send and job.journal.sessions().started_at is not None:  # only its reports are left to be written
        return False
    unchanged = job.journal.forget_comparison(errors_in_doubt(job.target))
    if worth_comparing(job, job.to_send):
        return True
    if unchanged:
        had = "1 row had its values" if unchanged == 1 else f"{unchanged:,} rows had their values"
        job.checkup.notices.append(
            f"{had} already when this run began. That is not looked at again (--diff), so "
            f"{'it is' if unchanged == 1 else 'they are'} sent, too."
        )
    return False


def worth_comparing(job: Job, rows: int) -> bool:
    """Whether the records of so many rows are read by the setting `diff`.

    `auto` does so where it takes few requests: the whole list in one, or those of few rows. Rows of an earlier run know
    already what their records should be.
    """
    target, asked = job.target, job.settings.diff
    if asked == "never" or (target.read is None and target.list is None):
        return False
    if rows and (asked == "always" or (target.read is not None and rows <= FEW_ROWS)):
        return True
    one_call = target.list is not None and target.list.pagination.style == "none"
    return one_call and list_worth_it(job, job.journal, rows) is not None


async def read_records(
    job: Job,
    log: FilteringBoundLogger,
    stop: Stop,
    on_progress: Callable[[Progress], None],
    *,
    approve: bool,
) -> Reading:
    """Reads the record of every row that is to be sent, and keeps what is found in the journal.

    Rows whose records are as they should be are `unchanged`; those that are not as expected are a `conflict`.

    Args:
        job: whose rows; its session has not begun.
        log: where noteworthy events go.
        stop: asks for an early end.
        on_progress: is called with how far the reading is.
        approve: whether this is for a plan: then a row of which no record can be read is not sent either.
    """
    policy = Policy.of(job.target, job.settings.max_wait)
    findings = _Findings(job, approve=approve)
    reader = RecordReader(job, job.journal, findings, Pools(job, policy, log, stop, on_progress), "planning")
    reading = await reader.read(policy, log, on_progress, singly_after_list=approve)
    if reading.whole and approve:
        for request in reader.rest():
            findings.gone(request, None)
    findings.keep()
    job.journal.sign()
    return reading


class _Findings:
    """What was found of rows and their records, on its way to the journal."""

    def __init__(self, job: Job, *, approve: bool) -> None:
        self._job, self._journal, self._target, self._approve = job, job.journal, job.target, approve
        self._comparison = Comparison(job.target, sends_all=job.settings.send == "all")
        self._sent = SentFields(job.target)
        self._guards = not approve and self._target.precondition is not None
        self._states: list[tuple[int, str]] = []
        self._guarded: list[tuple[int, str]] = []
        self._fields: dict[int, Mapping[str, Any]] = {}
        self._results: list[Result] = []
        self.count = 0
        """Rows of which something was found."""

    def seen(self, row: Sought, seen: Seen, locked: str = "") -> None:
        """Compares a row with its record."""
        if locked:
            self._end(row.request, seen, Outcome.INVALID, f"this record must not be edited: {locked}")
        else:
            self._compare(*row, seen)

    def gone(self, request: Request, status: int | None) -> None:
        """Notes that a row has no record."""
        creates = self._target.creates and not Pulled.from_json(request.pulled)
        if creates or not self._approve:
            self._state(request, Seen(gone=True), guarded=creates)
        else:
            self._end(request, Seen(gone=True), Outcome.FAILED, NO_RECORD, status)

    def unread(self, result: Result) -> None:
        """Notes that a row's record can't be read."""
        if self._approve:
            error = f"nothing was sent, for its record can't be read: {result.error}"
            self._results.append(result._replace(outcome=Outcome.FAILED, attempts=0, error=error))
        self.count += 1
        self._keep_some()

    def _compare(self, request: Request, wanted: Mapping[str, Any], known: Pulled, seen: Seen) -> None:
        guarded = self._job.settings.check_old != "never"
        if known.version and seen.version and known.version != seen.version and guarded:
            found = self._comparison.compare(wanted, known, seen)
            if found.finding is not Finding.UNCHANGED:
                since, way_out = _SINCE.get(known.by, _SINCE[""])
                message = found.message or f"nothing was sent: the record has changed since {since}; {way_out}"
                self._end(request, seen, Outcome.CONFLICT, message)
                return
        finding, changes, message = self._comparison.compare(wanted, known, seen, guarded=guarded)
        if finding is Finding.CHANGES:
            fields = wanted if self._job.settings.send == "all" else self._sent.of(wanted, changes)
            if fields is not wanted:
                self._fields[request.row] = fields
            self._state(request, seen, guarded=True)
        else:
            self._end(request, seen, _OUTCOMES[finding], message)

    def _end(self, request: Request, seen: Seen, outcome: Outcome, message: str, status: int | None = None) -> None:
        now = self._job.clock.unix()
        self._results.append(Result(request.row, outcome, status, request.sent, message, finished_at=now))
        self._state(request, seen)

    def _state(self, request: Request, seen: Seen, *, guarded: bool = False) -> None:
        """Keeps what a record is; `guarded` is whether its row is sent only if it still is that then."""
        self._states.append((request.row, seen.to_json()))
        if guarded and self._guards:
            self._guarded.append(self._states[-1])
        self.count += 1
        self._keep_some()

    def _keep_some(self) -> None:
        if len(self._states) + len(self._results) >= PORTION:
            self.keep()

    def keep(self) -> None:
        """Hands everything to the journal."""
        if self._states or self._results:
            self._journal.keep_plan(self._states, self._fields, self._results, self._guarded)
        self._states, self._fields, self._results, self._guarded = [], {}, [], []
