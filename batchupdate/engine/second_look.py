"""Rows that a plan has called unchanged: their records are looked at again when the plan is run, for the plan is older.

Until then, their sentence says that nobody has looked again; it stays where that is not worth its requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.api.verdict import Policy
from batchupdate.engine.planning import worth_comparing
from batchupdate.engine.record_reader import PORTION, RecordReader
from batchupdate.journal.checklist import Checklist
from batchupdate.model import Outcome, Result
from batchupdate.planner.comparison import ALREADY_SO, Comparison, Finding
from batchupdate.targets.precondition import NOTHING_SENT, Pulled
from batchupdate.targets.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from batchupdate.engine.pools import Pools
    from batchupdate.engine.record_reader import Reading, Sought
    from batchupdate.model import Progress, Request
    from batchupdate.runs.job import Job

_GONE = f"{NOTHING_SENT}its record was there in the plan, and is not there now; make a new plan"


def unseen_since_the_plan(job: Job) -> Checklist | None:
    """The rows of a plan's run that only the plan has found to be so; None where there are none, or it costs too much.

    That is decided as for a plain run (`diff`); who wants records to be read back (`verify`) wants these as well.
    """
    if "plan_of" not in job.journal.meta():
        return None
    checklist = Checklist.unseen_since_the_plan(job.journal)
    count = checklist.count_unseen()
    readable = job.target.read is not None or job.target.list is not None
    worth = (job.settings.verify and readable) or worth_comparing(job, count)
    return checklist if count and worth else None


async def look_again(
    job: Job, checklist: Checklist, pools: Pools, log: FilteringBoundLogger, on_progress: Callable[[Progress], None]
) -> Reading:
    """Compares rows with their records once more; one that somebody has changed since the plan is a conflict.

    Each finding is in the journal when this returns.
    """
    findings = _Findings(job, checklist)
    reader = RecordReader(job, checklist, findings, pools, "looking again")
    reading = await reader.read(Policy.of(job.target, job.settings.max_wait), log, on_progress)
    if reading.whole:
        for request in reader.rest():
            findings.gone(request, None)
    findings.keep()
    log.info("looked_again", requests=reading.requests, conflicts=findings.conflicts, ended=str(reading.ended or ""))
    return reading


class _Findings:
    """Takes what was found of rows, and hands it to the journal in portions; see `record_reader.Findings`."""

    def __init__(self, job: Job, checklist: Checklist) -> None:
        self._job, self._checklist, self._comparison = job, checklist, Comparison(job.target)
        self._seen: list[tuple[Sought, Seen]] = []
        self._results: list[Result] = []
        self.count = self.conflicts = 0

    def seen(self, row: Sought, seen: Seen, locked: str = "") -> None:  # noqa: ARG002 - nothing is sent
        """Notes a record."""
        self._seen.append((row, seen))
        self._counted()

    def gone(self, request: Request, status: int | None) -> None:
        """Notes that a record is not there any more."""
        self._end(request.row, Outcome.CONFLICT, _GONE, status)
        self._counted()

    def unread(self, result: Result) -> None:
        """A row whose record can't be read keeps its sentence."""
        self._checklist.keep([(result.row, "")])
        self._counted()

    def _counted(self) -> None:
        self.count += 1
        if len(self._seen) + len(self._results) >= PORTION:
            self.keep()

    def _end(self, row: int, outcome: Outcome, message: str, status: int | None = None) -> None:
        self.conflicts += outcome is Outcome.CONFLICT
        message = self._job.secrets.redact(message)
        self._results.append(Result(row, outcome, status, error=message, finished_at=self._job.clock.unix()))

    def keep(self) -> None:
        """Compares what was read, and keeps what that says."""
        before = self._job.journal.before([row.request.row for row, _ in self._seen])
        for row, seen in self._seen:
            key = row.request.row
            known = Pulled(seen=Seen.from_json(before[key]) if key in before else None, by="plan")
            finding, changes, message = self._comparison.compare(row.fields, known, seen)
            if finding is Finding.UNCHANGED:
                self._end(key, Outcome.UNCHANGED, ALREADY_SO)
            else:
                other = f"{NOTHING_SENT}{', '.join(changes)} was so in the plan, and is not so now; make a new plan"
                self._end(key, Outcome.CONFLICT, message or other)
        if self._results:
            self._checklist.keep([(result.row, result.outcome.value) for result in self._results])
            self._job.journal.commit([], [(result, True) for result in self._results])
        self._seen, self._results = [], []
