"""What the records of a run are now, before anything is sent: read by the list where that takes fewer requests.

Each row's change is compared with its record. What was read is kept in the journal, and with it what becomes of the
rows that need not be sent, or must not be.
"""

from __future__ import annotations

import itertools
import math
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from batchupdate.api.verdict import Policy, judge
from batchupdate.engine.batches import Packing
from batchupdate.engine.pools import Pools, guarded
from batchupdate.engine.read_first import reading_policy
from batchupdate.engine.rules import Rules
from batchupdate.errors import SafetyStop
from batchupdate.model import SUCCEEDED, Outcome, Progress, Reply, Result
from batchupdate.planner.comparison import Comparison, Finding
from batchupdate.planner.sent_fields import SentFields
from batchupdate.targets import UnexpectedReplyError
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.client import Client
    from batchupdate.engine.pools import Stop
    from batchupdate.errors import BatchUpdateError
    from batchupdate.model import Fault, Request, Verdict
    from batchupdate.runs.job import Job
    from batchupdate.targets import Listing, Record, Target

PORTION = 1000
"""Rows whose findings are kept with one commit."""

FEW_ROWS = 100
"""So many rows are compared with their records one by one before a run that was not planned."""

_GONE = frozenset({404, 410})
NO_RECORD = "there is no such record"


@dataclass(slots=True)
class Reading:
    """How the records were read: requests that left, pages of the list among them, and the reason of an early end."""

    requests: int = 0
    pages: int = 0
    ended: BatchUpdateError | None = None
    notices: list[str] = field(default_factory=list)


def why_unreadable(target: Target) -> str:
    """Why nothing can be said of a target's records before a change, as a sentence; '' if something can."""
    if target.read is not None or target.list is not None:
        return ""
    return (
        f"{target.title.split(':')[0]} has no request that reads these records, so their present values can't be known."
    )


def worth_comparing(job: Job) -> bool:
    """Whether the records of a run are read before the first change, by its setting `diff`.

    `auto` does so where it takes few requests: the whole list in one, or those of few rows.
    """
    target, asked = job.target, job.settings.diff
    if job.resumed or asked == "never" or (target.read is None and target.list is None):
        return False
    rows = job.to_send
    few = target.read is not None and rows <= FEW_ROWS
    one_call = target.list is not None and target.list.pagination.style == "none" and _list_worth_it(job, rows)
    return rows > 0 and (asked == "always" or few or bool(one_call))


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
    journal, target = job.journal, job.target
    policy = Policy.of(target, job.settings.max_wait)
    pools, reading = Pools(job, policy, log, stop, on_progress), Reading()
    findings, total = _Findings(job, approve=approve), journal.count_unseen()
    on_progress(Progress("planning", 0, total))
    whole = False
    if (listing := _list_worth_it(job, total)) is not None:
        journal.index_paths()
        try:
            whole = await _by_list(job, listing, pools, findings, reading, total, on_progress)
        except SafetyStop as error:
            if target.read is None or not approve:
                reading.ended = error
                return reading
            log.warning("list", why=error.message)
            reading.notices.append(f"The list could not be read, so each record is read by itself: {error.message}")
        finally:
            findings.keep()
            journal.index_paths(drop=True)
    if target.read is not None:
        await _one_by_one(job, pools, policy, findings, reading, total)
    elif whole and approve:
        for request in _rest(job):
            findings.gone(request, None)
    findings.keep()
    journal.sign()
    return reading


def _list_worth_it(job: Job, rows: int) -> Listing | None:
    """The list, if it can say what is to be known, and may take fewer requests than the rows."""
    target = job.target
    if target.list is None or rows < 1:
        return None
    if target.read is None:
        return target.list
    names = job.journal.fields_set()
    shows = all(name not in target.list.absent or not target.can_read(name) for name in names)
    return target.list if shows and rows > 1 else None


async def _by_list(
    job: Job,
    listing: Listing,
    pools: Pools,
    findings: _Findings,
    reading: Reading,
    total: int,
    on_progress: Callable[[Progress], None],
) -> bool:
    """Reads the list as long as that takes fewer requests than the rows that are left; returns whether to its end."""
    from batchupdate.engine.listing import (  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded
        PageClient,
        Pager,
        record_pages,
    )

    target = job.target
    pager = Pager(listing, job.base_url)
    client = PageClient(
        pager.origin,
        target,
        job.settings,
        job.credentials,
        clock=job.clock,
        on_trouble=lambda trouble: on_progress(Progress("planning", findings.count, total, trouble=trouble)),
        limiter=pools.limiter,
    )
    async with client, aclosing(record_pages(client, pager, target, listing, target.fields)) as pages:
        async for page in pages:
            reading.requests, reading.pages = client.requests, page.number
            findings.add_page(page.records)
            on_progress(Progress("planning", findings.count, total))
            left = total - findings.count
            if left <= 0:
                return False
            more = 0.0 if page.total is None else math.ceil(page.total / max(1, len(page.records))) - page.number
            if target.read is not None and (more > left or page.number >= total):
                return False
    return True


async def _one_by_one(
    job: Job, pools: Pools, policy: Policy, findings: _Findings, reading: Reading, total: int
) -> None:
    from batchupdate.api.client import Client  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded

    target, settings = job.target, job.settings
    policy = reading_policy(policy)
    client = Client(
        job.base_url,
        "GET",
        target.read_headers,
        settings,
        concurrency=job.concurrency,
        clock=job.clock,
        secrets=job.secrets,
        credentials=job.credentials,
        decode=target.decode,
    )

    def judged(_: Request, answer: Reply | Fault) -> Verdict:
        verdict = judge(answer, policy, job.clock.now)
        return replace(verdict, message=job.secrets.redact(verdict.message)) if verdict.message else verdict

    rules = Rules(settings.max_attempts, settings.give_up_after, None, settings.retry_budget, packing=Packing)
    async with client:
        singles = _Singles(job, client, findings)
        left = total - findings.count
        reading.ended = await pools.work(
            "planning", singles, singles, send=guarded(singles.read, job), judge=judged, rules=rules, total=left
        )
    reading.requests += pools.traffic.sent


def _rest(job: Job) -> Iterator[Request]:
    after = 0
    while requests := job.journal.unseen(after, PORTION):
        yield from requests
        after = requests[-1].row


class _Singles:
    """A source of rows of whose records nothing is known, their sender and their sink, for a pool that reads them."""

    def __init__(self, job: Job, client: Client, findings: _Findings) -> None:
        self._journal, self._target, self._client, self._findings = job.journal, job.target, client, findings
        self._read = 0
        self._asked: dict[int, tuple[Request, Reply | Fault]] = {}

    async def claim(self, count: int) -> list[Request]:
        """The next rows."""
        requests = self._journal.unseen(self._read, count)
        if requests:
            self._read = requests[-1].row
        return requests

    async def release(self, keys: Sequence[int]) -> None:
        """Reading leaves no mark."""

    def leaves(self, request: Request) -> None:
        """A read changes nothing, so it does not matter what becomes of it."""

    def waits(self, result: Result) -> None:
        """As above."""

    async def read(self, request: Request) -> Reply | Fault:
        """Reads one record."""
        answer = await self._client.read(self._target.read_path(request.path))
        self._asked[request.row] = request, answer
        return answer

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Notes what was found."""
        request, answer = self._asked.pop(result.row, (None, None))
        if not final:
            return
        if request is not None and result.outcome in SUCCEEDED and isinstance(answer, Reply):
            self._findings.add_reply(request, answer)
        elif request is not None and result.http_status in _GONE:
            self._findings.gone(request, result.http_status)
        else:
            self._findings.unread(result)


class _Findings:
    """What was found of rows and their records, on its way to the journal."""

    def __init__(self, job: Job, *, approve: bool) -> None:
        self._job, self._journal, self._target, self._approve = job, job.journal, job.target, approve
        self._comparison, self._sent = Comparison(job.target), SentFields(job.target)
        self._states: list[tuple[int, str]] = []
        self._fields: dict[int, Mapping[str, Any]] = {}
        self._results: list[Result] = []
        self.count = 0
        """Rows of which something was found."""

    def add_page(self, records: Sequence[Record]) -> None:
        """Compares the rows whose records are on a page of the list."""
        at = {path: record for record in records for path in self._paths(record.ids)}
        for request in self._journal.unseen_at(at) if at else ():
            record, wanted = at[request.path], exact_json.loads(request.fields)
            known = Pulled.from_json(request.pulled)
            names = {**wanted, **known.expected}
            seen = self._target.listed(record, names)
            if record.locked:
                self._end(request, seen, Outcome.INVALID, f"this record must not be edited: {record.locked}")
            elif not any(not seen.knows(name) and self._target.can_read(name) for name in names):
                self._compare(request, wanted, known, seen)
        self.keep()

    def add_reply(self, request: Request, answer: Reply) -> None:
        """Compares a row with its record in the reply to a read."""
        wanted, known = exact_json.loads(request.fields), Pulled.from_json(request.pulled)
        try:
            seen = self._target.seen(answer, {**wanted, **known.expected})
        except UnexpectedReplyError as error:
            self.unread(Result(request.row, Outcome.FAILED, answer.status, error=str(error)))
            return
        self._compare(request, wanted, known, seen)

    def gone(self, request: Request, status: int | None) -> None:
        """Notes that a row has no record."""
        if self._target.creates or not self._approve:
            self._state(request, Seen(gone=True))
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
                message = found.message or "nothing was sent: the record has changed since it was pulled; pull it again"
                self._end(request, seen, Outcome.CONFLICT, message)
                return
        finding, changes, message = self._comparison.compare(wanted, known, seen, guarded=guarded)
        if finding is Finding.CHANGES:
            fields = wanted if self._job.settings.send == "all" else self._sent.of(wanted, changes)
            if fields is not wanted:
                self._fields[request.row] = fields
            self._state(request, seen)
        else:
            self._end(request, seen, Outcome(finding), message)

    def _end(self, request: Request, seen: Seen, outcome: Outcome, message: str, status: int | None = None) -> None:
        self._results.append(Result(request.row, outcome, status, 0, message, finished_at=self._job.clock.unix()))
        self._state(request, seen)

    def _state(self, request: Request, seen: Seen) -> None:
        self._states.append((request.row, seen.to_json()))
        self.count += 1
        self._keep_some()

    def _keep_some(self) -> None:
        if len(self._states) + len(self._results) >= PORTION:
            self.keep()

    def keep(self) -> None:
        """Hands everything to the journal."""
        if self._states or self._results:
            self._journal.keep_plan(self._states, self._fields, self._results)
        self._states, self._fields, self._results = [], {}, []

    def _paths(self, ids: tuple[str, ...]) -> Iterator[str]:
        """Where a request goes for a record of the list, for every spelling of its id that a row may have."""
        by_name = dict(zip(self._target.id, ids, strict=True))
        names = self._target.path_variables
        if any(self._target.id[name].refusal(by_name[name]) for name in names):
            return
        yield from map(
            self._target.expand, itertools.product(*(self._spellings(name, by_name[name]) for name in names))
        )

    def _spellings(self, name: str, value: str) -> set[str]:
        rule = self._target.id[name]
        if rule.format is None:
            return {value}
        key = rule.key(value)
        return {value, key, key.lower(), key.upper(), rule.prefix + key}
