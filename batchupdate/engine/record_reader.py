"""Reads the records of many rows: by the list where that takes fewer requests than the rows, else one by one."""

from __future__ import annotations

import itertools
import math
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from batchupdate.api.verdict import GONE, judge
from batchupdate.engine.batches import Packing
from batchupdate.engine.look_ups import LookUps
from batchupdate.engine.pool_limits import PoolLimits
from batchupdate.engine.pools import guarded
from batchupdate.engine.read_first import reading_policy
from batchupdate.errors import Interrupted, SafetyStop
from batchupdate.model import SUCCEEDED, Outcome, Progress, Reply, Result
from batchupdate.targets import UnexpectedReplyError
from batchupdate.targets.precondition import Pulled
from batchupdate.util import json as exact_json
from batchupdate.util.text import encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from structlog.typing import FilteringBoundLogger

    from batchupdate.api.client import Client
    from batchupdate.api.verdict import Policy
    from batchupdate.engine.pools import Pools
    from batchupdate.errors import BatchUpdateError
    from batchupdate.model import Fault, Request, Verdict
    from batchupdate.runs.job import Job
    from batchupdate.targets import Listing, Record, Target
    from batchupdate.targets.ids import IdRule
    from batchupdate.targets.seen import Seen

PORTION = 1000
"""Rows that are looked at or kept at once."""


class Rows(Protocol):
    """Rows whose records are to be read: those of which nothing was found yet are unseen."""

    def unseen(self, after: int, count: int) -> list[Request]:
        """The next ones after the one with the key `after`."""

    def unseen_at(self, paths: Iterable[str]) -> list[Request]:
        """Those whose requests go to some paths."""

    def count_unseen(self) -> int:
        """How many there are."""

    def fields_set(self) -> set[str]:
        """The names of all fields that some row sets."""

    def index_paths(self, *, drop: bool = False) -> None:
        """Makes rows quick to find by their paths, for as long as that is needed."""


class Sought(NamedTuple):
    """A row whose record was read: what it sets, and what its sheet says of the record."""

    request: Request
    fields: Mapping[str, Any]
    known: Pulled

    @classmethod
    def of(cls, request: Request) -> Self:
        """What a row's request holds as JSON."""
        return cls(request, exact_json.loads(request.fields), Pulled.from_json(request.pulled))

    @property
    def names(self) -> Collection[str]:
        """The fields that are to be known of its record."""
        return {**self.fields, **dict.fromkeys(said)} if (said := self.known.said) else self.fields


class Findings(Protocol):
    """Takes what was found of each row; what was handed over and kept is not unseen any more."""

    count: int
    """Rows of which something was found."""

    def seen(self, row: Sought, seen: Seen, locked: str = "") -> None:
        """A row's record was read; `locked` is why it must not be edited, if the list says so."""

    def gone(self, request: Request, status: int | None) -> None:
        """There is no such record."""

    def unread(self, result: Result) -> None:
        """A row's record can't be read, for the reason that the result has."""

    def keep(self) -> None:
        """Keeps all that was found so far."""


@dataclass(slots=True)
class Reading:
    """How the records were read: requests that left, pages of the list among them, and the reason of an early end.

    `whole` is whether the list was read to its end, and is all that can be read: what was not in it is not there.
    """

    requests: int = 0
    pages: int = 0
    ended: BatchUpdateError | None = None
    notices: list[str] = field(default_factory=list)
    whole: bool = False


def why_unreadable(target: Target) -> str:
    """Why nothing can be said of a target's records before a change, as a sentence; '' if something can."""
    if target.read is not None or target.list is not None:
        return ""
    return (
        f"{target.title.split(':')[0]} has no request that reads these records, so their present values can't be known."
    )


def list_worth_it(job: Job, rows: Rows, count: int) -> Listing | None:
    """The list, if it can say what is to be known, and may take fewer requests than so many rows."""
    target = job.target
    if target.list is None or count < 1:
        return None
    if target.read is None:
        return target.list
    hidden = {name for name in target.list.absent if target.can_read(name)}
    if count == 1 or (hidden and not hidden.isdisjoint(rows.fields_set())):
        return None
    return target.list


class RecordReader:
    """Reads the records of rows.

    Args:
        job: says how to read.
        rows: whose records.
        findings: where what is found goes.
        pools: send the requests, in their turns.
        stage: what the progress calls it.
    """

    def __init__(self, job: Job, rows: Rows, findings: Findings, pools: Pools, stage: str) -> None:
        self._job, self._rows, self._findings, self._pools, self._stage = job, rows, findings, pools, stage
        self._target = job.target
        self._paths_of = _paths_of(job.target)

    async def read(
        self,
        policy: Policy,
        log: FilteringBoundLogger,
        on_progress: Callable[[Progress], None],
        *,
        singly_after_list: bool = True,
    ) -> Reading:
        """Reads them all, unless it is asked to stop or the API can't be read.

        Args:
            policy: what replies to changes mean.
            log: where noteworthy events go.
            on_progress: is called with how far the reading is.
            singly_after_list: whether records are read one by one where the list can't be read.
        """
        reading = Reading()
        try:
            await self._read(reading, policy, log, on_progress, singly_after_list=singly_after_list)
            self._pools.stop.heed()
        except Interrupted as error:
            reading.ended = error
        return reading

    async def _read(
        self,
        reading: Reading,
        policy: Policy,
        log: FilteringBoundLogger,
        on_progress: Callable[[Progress], None],
        *,
        singly_after_list: bool,
    ) -> None:
        findings, rows, stop = self._findings, self._rows, self._pools.stop
        total = rows.count_unseen()
        on_progress(Progress(self._stage, 0, total))
        if (listing := list_worth_it(self._job, rows, total)) is not None:
            try:
                by_list = self._by_list(listing, reading, total, on_progress)
                reading.whole = await stop.interrupts(by_list) and self._target.read is None
            except SafetyStop as error:
                if self._target.read is None or not singly_after_list:
                    reading.ended = error
                    return
                log.warning("list", why=error.message)
                reading.notices.append(f"The list could not be read, so each record is read by itself: {error.message}")
            finally:
                findings.keep()
        if self._target.read is not None and findings.count < total:
            await self._one_by_one(policy, reading, total)
            findings.keep()

    def rest(self) -> Iterator[Request]:
        """The rows of which nothing was found."""
        after = 0
        while requests := self._rows.unseen(after, PORTION):
            yield from requests
            after = requests[-1].row

    async def _by_list(
        self, listing: Listing, reading: Reading, total: int, on_progress: Callable[[Progress], None]
    ) -> bool:
        """Reads the list as long as that takes fewer requests than the rows that are left.

        Returns:
            Whether it was read to its end.
        """
        from batchupdate.engine.listing import (  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded
            PageClient,
            Pager,
            record_pages,
        )

        job, target, findings, stage = self._job, self._target, self._findings, self._stage
        pager = Pager(listing, job.base_url)
        client = PageClient(
            pager.origin,
            target,
            job.settings,
            job.credentials,
            clock=job.clock,
            on_trouble=lambda trouble: on_progress(Progress(stage, findings.count, total, trouble=trouble)),
            limiter=self._pools.limiter,
        )
        pages = record_pages(client, pager, target, listing, target.fields)
        try:
            async with client, aclosing(pages), AsyncExitStack() as at_end:
                async for page in pages:
                    if not reading.pages:  # no index is made for a list that can't be read
                        self._rows.index_paths()
                        at_end.callback(self._rows.index_paths, drop=True)
                    reading.pages = page.number
                    self._add_page(page.records)
                    on_progress(Progress(stage, findings.count, total))
                    left, records = total - findings.count, len(page.records)
                    more = 0.0 if page.total is None else math.ceil(page.total / max(1, records)) - page.number
                    if left <= 0 or (target.read is not None and (more > left or page.number >= total)):
                        return False
        finally:
            reading.requests = client.requests
        return True

    def _add_page(self, records: Sequence[Record]) -> None:
        """Hands over the rows whose records are on a page of the list, unless a read by itself would say more."""
        target = self._target
        at = {path: record for record in records for path in self._paths_of(record.ids)}
        for request in self._rows.unseen_at(at) if at else ():
            record, row = at[request.path], Sought.of(request)
            seen = target.listed(record, row.names)
            if record.locked or all(seen.knows(name) or not target.can_read(name) for name in row.names):
                self._findings.seen(row, seen, record.locked)
        self._findings.keep()

    async def _one_by_one(self, policy: Policy, reading: Reading, total: int) -> None:
        from batchupdate.api.client import Client  # noqa: PLC0415 - `check` does not wait for aiohttp to be loaded

        job, target, settings = self._job, self._target, self._job.settings
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

        rules = PoolLimits(
            settings.max_attempts, settings.give_up_after, None, settings.retry_budget, packing=Packing, resumes=False
        )
        before = self._pools.traffic.sent
        async with client:
            singles = _Singles(self._rows, target, client, self._findings)
            left = total - self._findings.count
            reading.ended = await self._pools.work(
                self._stage, singles, singles, send=guarded(singles.read, job), judge=judged, rules=rules, total=left
            )
        reading.requests += self._pools.traffic.sent - before


class _Singles(LookUps):
    """A source of rows of whose records nothing is known, their sender and their sink, for a pool that reads them."""

    def __init__(self, rows: Rows, target: Target, client: Client, findings: Findings) -> None:
        super().__init__(rows.unseen)
        self._target, self._client, self._findings = target, client, findings
        self._asked: dict[int, tuple[Request, Reply | Fault]] = {}

    async def read(self, request: Request) -> Reply | Fault:
        """Reads one record."""
        answer = await self._client.read(self._target.read_path(request.path))
        self._asked[request.row] = request, answer
        return answer

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Hands over what was found."""
        request, answer = self._asked.pop(result.row, (None, None))
        if not final:
            return
        if request is not None and result.outcome in SUCCEEDED and isinstance(answer, Reply):
            try:
                row = Sought.of(request)
                seen = self._target.seen(answer, row.names)
            except UnexpectedReplyError as error:
                self._findings.unread(Result(request.row, Outcome.FAILED, answer.status, error=str(error)))
            else:
                self._findings.seen(row, seen)
        elif request is not None and result.http_status in GONE:
            self._findings.gone(request, result.http_status)
        else:
            self._findings.unread(result)


def _paths_of(target: Target) -> Callable[[tuple[str, ...]], Iterable[str]]:
    """What says where a request goes for a record of the list, for every spelling of its id that a row may have."""
    places = {name: place for place, name in enumerate(target.id)}
    parts = [(places[name], target.id[name]) for name in target.path_variables]

    def paths(ids: tuple[str, ...]) -> Iterable[str]:
        spellings = []
        for place, rule in parts:
            if rule.refusal(ids[place]) or encodable(ids[place]) != ids[place]:
                return ()  # no row can name it
            spellings.append(_spellings(rule, ids[place]))
        return map(target.expand, itertools.product(*spellings))

    return paths


def _spellings(rule: IdRule, value: str) -> Collection[str]:
    if rule.format is None:
        return (value,)
    key = rule.key(value)
    return {value, key, key.lower(), key.upper(), rule.prefix + key}
