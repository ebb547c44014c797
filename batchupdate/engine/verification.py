"""Reads the records of a run again: whether they still have what it gave them, or took it in the first place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from batchupdate.api.verdict import Policy
from batchupdate.engine.pools import Pools
from batchupdate.engine.record_reader import PORTION, Reading, RecordReader, Sought
from batchupdate.journal.checklist import Checklist
from batchupdate.model import Outcome
from batchupdate.planner.comparison import Comparison
from batchupdate.reporter.verification import Drift, RecordState, Verification, VerifiedRow
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from structlog.typing import FilteringBoundLogger

    from batchupdate.engine.pools import Stop
    from batchupdate.errors import BatchUpdateError
    from batchupdate.model import Progress, Request, Result
    from batchupdate.runs.job import Job

APPLIED = (Outcome.UPDATED, Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.UNKNOWN)
"""The outcomes of rows whose records have, or may have, their values."""

_STAGE = "verifying"
_NOTHING = Seen()
_DOUBTS = {
    Outcome.UNKNOWN: "its outcome was unknown: it was not applied, or was changed since",
    Outcome.ACCEPTED: "the API has accepted it for later: it is not applied yet, or was changed since",
}
_APPLIED_AFTER_ALL = "its outcome was unknown: it was applied"


async def verify_rows(
    job: Job, log: FilteringBoundLogger, stop: Stop, on_progress: Callable[[Progress], None]
) -> tuple[Verification, BatchUpdateError | None]:
    """Compares the records of a run with what it gave them; nothing is written into its journal.

    Returns:
        What was found, and why the reading ended early, or None.
    """
    policy = Policy.of(job.target, job.settings.max_wait)
    checklist = Checklist.of(job.journal, *APPLIED)
    sink = _Verified(job, checklist)
    reading = await _read(job, checklist, sink, Pools(job, policy, log, stop, on_progress), log, on_progress)
    made = Verification(
        job.folder.run_id,
        job.folder.path,
        job.target.name,
        job.base_url,
        job.clock.unix(),
        reading.requests,
        notices=reading.notices,
        labels=job.labels,
        lines=partial(_rows, checklist),
    )
    made.count()
    return made, reading.ended


async def _read(
    job: Job,
    checklist: Checklist,
    sink: _Sink,
    pools: Pools,
    log: FilteringBoundLogger,
    on_progress: Callable[[Progress], None],
) -> Reading:
    reader = RecordReader(job, checklist, sink, pools, _STAGE)
    reading = await reader.read(Policy.of(job.target, job.settings.max_wait), log, on_progress)
    if reading.whole:
        for request in reader.rest():
            sink.gone(request, None)
    sink.keep()
    return reading


def _rows(checklist: Checklist) -> Iterator[VerifiedRow]:
    for key, record_id, _, found in checklist.rows():
        if found is None:
            yield VerifiedRow(key, record_id, RecordState.UNREADABLE, (), "it was not read")
            continue
        state, drifts, message = exact_json.loads(found)
        yield VerifiedRow(key, record_id, RecordState(state), tuple(Drift(*one) for one in drifts), message)


@dataclass(slots=True)
class _Compared:
    """A record beside what its row has sent: fields that differ, and those of which nothing can be said."""

    drifts: list[Drift]
    unknown: list[str]
    undeclared: bool
    before: Seen


class _Sink:
    """Takes what was found of rows, and hands it on in portions; see `record_reader.Findings`."""

    def __init__(self, job: Job, checklist: Checklist) -> None:
        self._job, self._checklist, self.comparison = job, checklist, Comparison(job.target)
        self._seen: list[tuple[Sought, Seen]] = []
        self._others: list[tuple[int, str]] = []
        self.count = 0

    def seen(self, row: Sought, seen: Seen, locked: str = "") -> None:  # noqa: ARG002 - it is only compared
        """Notes a record."""
        self._seen.append((row, seen))
        self._counted()

    def gone(self, request: Request, status: int | None) -> None:  # noqa: ARG002 - 404 or 410, or not in the list
        """Notes that there is none."""
        self._others.append((request.row, _found(RecordState.GONE)))
        self._counted()

    def unread(self, result: Result) -> None:
        """Notes that one can't be read."""
        self._others.append((result.row, _found(RecordState.UNREADABLE, message=result.error)))
        self._counted()

    def _counted(self) -> None:
        self.count += 1
        if len(self._seen) + len(self._others) >= PORTION:
            self.keep()

    def keep(self) -> None:
        """Compares what was read, and keeps what that says."""
        keys = [row.request.row for row, _ in self._seen]
        before, ended = self._job.journal.before(keys), self._checklist.ended(keys)
        found = [*self._others]
        for row, seen in self._seen:
            key = row.request.row
            was = Seen.from_json(before[key]) if key in before else _NOTHING
            found.append((key, self.said(key, self._compared(row.fields, seen, was), *ended[key])))
        self._checklist.keep(found)
        self._seen, self._others = [], []
        self.kept()

    def _compared(self, wanted: Mapping[str, Any], seen: Seen, before: Seen) -> _Compared:
        """Null, an empty value and a field that is not there are the same; one that was never there says nothing."""
        drifts, unknown, undeclared = [], [], False
        for name, value in wanted.items():
            if seen.knows(name) and self.comparison.same(name, Seen({name: value}), seen):
                continue
            if name in seen.values or (name in seen.absent and name in before.values):
                drifts.append(Drift(name, value, seen.values.get(name), name in seen.absent))
            else:
                unknown.append(name)
                undeclared |= name in seen.absent
        return _Compared(drifts, unknown, undeclared or len(unknown) == len(wanted), before)

    def said(self, key: int, found: _Compared, outcome: Outcome, status: int | None) -> str:
        """What is kept of a row."""
        raise NotImplementedError

    def kept(self) -> None:
        """Is called after each portion."""


class _Verified(_Sink):
    """Says of each record whether it still has what the run gave it."""

    def said(self, key: int, found: _Compared, outcome: Outcome, status: int | None) -> str:  # noqa: ARG002 - one for all
        """See `_Sink`."""
        if found.drifts:
            return _found(RecordState.DRIFTED, found.drifts, _DOUBTS.get(outcome, ""))
        message = f"the record does not show {', '.join(found.unknown)}" if found.unknown else ""
        if found.undeclared:
            return _found(RecordState.UNKNOWN, message=message)
        if outcome is Outcome.UNKNOWN:
            message = "; ".join(filter(None, (_APPLIED_AFTER_ALL, message)))
        return _found(RecordState.OURS, message=message)


def _found(state: RecordState, drifts: Sequence[Drift] = (), message: str = "") -> str:
    return exact_json.dumps([state.value, [list(one) for one in drifts], message])


async def read_back(
    job: Job, pools: Pools, log: FilteringBoundLogger, on_progress: Callable[[Progress], None]
) -> tuple[Reading, list[str]]:
    """Reads the records that a run has updated; a row whose record does not have its values is `failed` then.

    Each finding is in the journal when this returns.

    Returns:
        How they were read, and sentences about those of which that is not known.
    """
    checklist = Checklist.of(job.journal, Outcome.UPDATED)
    sink = _ReadBack(job, checklist)
    reading = await _read(job, checklist, sink, pools, log, on_progress)
    unread = checklist.count_unseen() + sink.unread_rows
    notices = list(reading.notices)
    if unread:
        why = f": {reading.ended.message}" if reading.ended else ""
        notices.append(f"{_rows_of(unread)} updated, and could not be read back{why or '.'}")
    if later := job.journal.counts()[Outcome.ACCEPTED]:
        notices.append(f"{_rows_of(later)} accepted for later, and not read back: see later with batchupdate verify.")
    log.info("verified", requests=reading.requests, not_applied=sink.denied, unread=unread)
    return reading, notices


def _rows_of(count: int) -> str:
    return "1 row was" if count == 1 else f"{count:,} rows were"


class _ReadBack(_Sink):
    """Finds the rows that the API said it had applied, and had not."""

    def __init__(self, job: Job, checklist: Checklist) -> None:
        super().__init__(job, checklist)
        self._denied: list[tuple[int, str]] = []
        self.denied = self.unread_rows = 0

    def gone(self, request: Request, status: int | None) -> None:
        """See `_Sink`; a record that is not there was not read back."""
        self.unread_rows += 1
        super().gone(request, status)

    def unread(self, result: Result) -> None:
        """See `_Sink`."""
        self.unread_rows += 1
        super().unread(result)

    def said(self, key: int, found: _Compared, outcome: Outcome, status: int | None) -> str:  # noqa: ARG002 - updated
        """See `_Sink`."""
        if found.drifts:
            others = " and ".join(self._difference(drift, found.before) for drift in found.drifts)
            message = f"the API answered {status or HTTPStatus.OK.value}, but the record {others} (read back)"
            self._denied.append((key, self._job.secrets.redact(message)))
        return _found(RecordState.DRIFTED if found.drifts else RecordState.OURS)

    def _difference(self, drift: Drift, before: Seen) -> str:
        name, text = drift.name, self.comparison.text
        now = Seen({} if drift.absent else {name: drift.now}, (name,) if drift.absent else ())
        if drift.absent:
            return f"has no {name}"
        if before.knows(name) and self.comparison.same(name, before, now):
            return f"still has {name} {text(name, now)}"
        return f"has {name} {text(name, now)} instead of {text(name, Seen({name: drift.sent}))}"

    def kept(self) -> None:
        """Hands the rows to the journal."""
        if self._denied:
            self._job.journal.deny(self._denied)
            self.denied += len(self._denied)
            self._denied = []
