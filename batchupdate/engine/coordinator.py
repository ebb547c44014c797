"""A run's side of worker processes: it alone claims rows, keeps results, gives turns and decides what is sent again.

A worker process asks for rows when it has few left, as a pool in this process asks its source (`Backlog`). What it was
given is leased to it: in the journal the rows stand as claimed, in the in-flight map as given to it, until a result
comes. So nothing is sent that the journal does not know. Worker processes keep nothing but a map of their own of what
is out; when one dies, that says which rows may have been applied, and all others go to somebody else as if nothing had
happened. When this process dies, it says the same to the one that resumes the run.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from batchupdate.engine.failure_limit import too_many_failures
from batchupdate.engine.leased_turns import TurnDesk
from batchupdate.engine.protocols import Past, Sink
from batchupdate.errors import SafetyStop
from batchupdate.journal.in_flight import OF_WORKER, is_in_use, maps_of_workers, read_map
from batchupdate.model import Outcome, Result, Traffic
from batchupdate.targets.seen import Seen
from batchupdate.util.shielded import shielded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

    from batchupdate.config import MaxFailures
    from batchupdate.engine.leased_turns import Granted, Heard
    from batchupdate.engine.pool_limits import PoolLimits
    from batchupdate.engine.protocols import Source
    from batchupdate.errors import BatchUpdateError
    from batchupdate.journal.in_flight import LeftInFlight
    from batchupdate.limiter import Limiter
    from batchupdate.model import Request
    from batchupdate.util.clock import Clock

DEATHS_AT_MOST = 3
"""So often may worker processes die while a row is out; then it is not tried again in this session."""

END_AFTER_S, DYING_S = 1.0, 10.0
"""A process that was lost, and is there after the first of these times, is ended; the run stops after the second."""

LOST_IN_A_ROW = 20
"""So many worker processes may die with no result between them."""

LOOK_EVERY_S, MISSED_EVERY_S = 0.02, 0.5

STARTING_S = 15.0
"""So long the worker processes of this machine may take to begin before anybody is told that there is none."""

_DIED = "a worker process died before this row's answer came; it may or may not have been applied"
_DIED_OFTEN = (
    f"worker processes died {DEATHS_AT_MOST} times while this row was out; it may or may not have been applied"
)
_STOPPED = "the run was stopped before the answer came; the change may or may not have been applied"


class Report(NamedTuple):
    """What a worker process says every now and then.

    `results` are each with whether it is final, `log` are lines with their method, event and values, `traffic` is all
    that it has sent so far, and `trouble` why nothing gets through, as a sentence.
    """

    results: Sequence[tuple[Result, bool]] = ()
    heard: Sequence[Heard] = ()
    log: Sequence[tuple[str, str, Mapping[str, object]]] = ()
    traffic: Traffic = Traffic()
    trouble: str = ""


class State(NamedTuple):
    """What a record was before the change of a row: the JSON of a `Seen`, and whether it only corrects what is kept."""

    row: int
    state: str
    amends: bool = False


class Books(Sink, Past, Protocol):
    """Where it is noted what becomes of rows, which process has them, and what their records were before."""

    def lends(self, request: Request, process: str) -> None:
        """Notes that a row is given to a process, whose map says whether it is out; without a name it counts as out."""
        ...

    def returns(self, key: int) -> None:
        """Notes that a row is back, and was not sent."""
        ...

    async def before(self, keys: Sequence[int]) -> dict[int, str]:
        """What is kept of the records of some rows."""
        ...


class Workers(Protocol):
    """Worker processes at work; the one that knows how they are started is `batchupdate.engine.cluster`."""

    def tell(self, what: str, number: int = 0) -> None:
        """Tells all of them: `recall` with its number, or `stop`."""
        ...

    def end(self, process: str) -> None:
        """Ends a process that was lost, and is still there."""
        ...


class Coordinator:
    """Lets worker processes send everything that a source has; for `Pools` it is a pool like the one in this process.

    Args:
        source: where requests come from.
        sink: where results go, and what is to be kept.
        limiter: whose turn it is.
        start: starts the worker processes; they end with its context.
        maps: the folder in which each process keeps a map of what is out, `map_path` of its name.
        rules: when to give up.
        repeatable: whether a row that may have been applied may be sent again.
        in_doubt: the statuses of errors after which one may have been applied all the same.
        look_up: says what became of a row that may have been applied, if its record shows it; None where none is read.
        hold_to: lets a row that a process may have sent be sent again only to the record as that has read it, the JSON
            of a `Seen`; None where the API knows no versions.
        clock: where time comes from.
        log: where noteworthy events go.
        how_to_join: says how a worker process is started where this one does not start them, as a sentence.
    """

    def __init__(  # noqa: PLR0913 - all it works with, by name
        self,
        *,
        source: Source,
        sink: Books,
        limiter: Limiter,
        start: Callable[[Coordinator], AbstractAsyncContextManager[Workers]],
        maps: Path,
        rules: PoolLimits,
        repeatable: bool,
        in_doubt: Collection[int],
        look_up: Callable[[Request], Awaitable[tuple[Outcome, str] | None]] | None,
        hold_to: Callable[[Request, str], Request] | None = None,
        clock: Clock,
        log: FilteringBoundLogger,
        how_to_join: str = "",
    ) -> None:
        self._how_to_join, self._why_none = how_to_join, ""
        self._source, self._sink, self._start, self._maps = source, sink, start, maps
        self._rules, self._repeatable, self._in_doubt, self._look_up = rules, repeatable, in_doubt, look_up
        self._hold_to, self._limiter, self._clock, self._log = hold_to, limiter, clock, log
        self._desk = TurnDesk(limiter, lambda number: self._tell("recall", number))
        self._desk.patience_s = rules.give_up_after_s
        self._workers: Workers | None = None
        self._leased: dict[str, dict[int, Request]] = {}  # by process, of those that are alive
        self._again: deque[Request] = deque()
        self._stuck: dict[str, dict[int, Request]] = {}  # lost, not ended: resuming reads in their maps what was out
        self._deaths: Counter[int] = Counter()
        self._burying: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._exhausted = self._closed = False
        self._reason: Exception | None = None
        self._changed = asyncio.Event()
        self._traffic: dict[str, Traffic] = {}
        self._looked_up = self._lost_in_a_row = 0
        self.trouble = ""
        """Why nothing gets through at present, as a sentence; empty as long as something does."""
        self.counts = dict.fromkeys(Outcome, 0)
        """Results so far, by outcome."""

    @property
    def traffic(self) -> Traffic:
        """The requests so far, as far as they were heard of."""
        each = self._traffic.values()
        return Traffic(
            sum(one.sent for one in each) + self._looked_up,
            sum(one.retried for one in each),
            sum(one.throttled for one in each),
            self._limiter.waited_s,
            self._limiter.allowed_per_s,
        )

    @property
    def in_flight(self) -> int:
        """Rows that are leased and have no result."""
        return sum(map(len, self._leased.values()))

    @property
    def wants_workers(self) -> bool:
        """Whether there are rows that a process without any could send."""
        return not self._closed and (bool(self._again) or not self._exhausted)

    @property
    def has_ended(self) -> bool:
        """Whether everything has its result, or nothing further is sent and nothing is out."""
        return (self._closed or not self.wants_workers) and not (self.in_flight or self._burying)

    async def changed(self) -> None:
        """Returns when `wants_workers` or `has_ended` may have changed."""
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self, concurrency: int) -> None:
        """Works until everything is sent, or the run is stopped; then hands back what was not sent.

        Raises:
            SafetyStop: a safety rule stopped the run.
        """
        del concurrency  # it is shared out among the processes
        missing = asyncio.create_task(self._miss_workers())
        try:
            async with self._start(self) as self._workers:
                if self._closed:
                    self._tell("stop")
                while not self.has_ended:
                    await self.changed()
        finally:
            missing.cancel()
            await shielded(asyncio.create_task(self._hand_back()))
        if self._reason is not None:
            raise self._reason

    def stop(self, reason: Exception | None = None) -> None:
        """Gives no further rows; what is in flight may finish. The first reason given is the one that counts."""
        self._reason = self._reason or reason
        self._closed = True
        self._tell("stop")
        self._wake()

    def set_limits(self, give_up_after_s: float, max_failures: MaxFailures | None) -> None:
        """Keeps another patience (seconds) and failure limit from now on."""
        self._rules = replace(self._rules, give_up_after_s=give_up_after_s, max_failures=max_failures)
        self._desk.patience_s = give_up_after_s
        self._stop_if_it_goes_wrong()

    def _tell(self, what: str, number: int = 0) -> None:
        if self._workers is not None:
            self._workers.tell(what, number)

    # What worker processes ask for.

    def joined(self, process: str, place: str = "") -> None:
        """A process may be given rows from now on; `place` is its machine, where that is not this one."""
        self._leased.setdefault(process, {})
        self.trouble = self._why_none = ""
        self._log.info("worker_joined", worker=process, place=place)

    def refused(self, process: str, place: str, error: BatchUpdateError) -> None:
        """A process of another machine can't begin, for a reason of its own; others may."""
        self._log.warning("worker_cannot_begin", worker=process, place=place, why=error.message)
        self._why_none = f"The one on {place} can't begin: {error.message} "

    def left(self, process: str) -> None:
        """A process goes of its own will: it has given all back."""
        if self._leased.get(process):  # it has not
            self.lost(process)
        elif self._leased.pop(process, None) is not None:
            self._log.info("worker_left", worker=process)
            self._desk.gone(process)
            self._wake()

    async def _miss_workers(self) -> None:
        """Says so as long as there is no worker process, and stops the run when none has come for too long."""
        since = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            missed_s = now - since
            if self._leased:
                since = now
            elif not self._closed and (self._how_to_join or missed_s > STARTING_S):
                self.trouble = f"There is no worker process. {self._why_none}{self._how_to_join}".rstrip()
                if missed_s > self._rules.give_up_after_s:
                    message = f"Stopped: there has been no worker process for {missed_s:.0f} s. {self._why_none}"
                    self.stop(SafetyStop(message.rstrip(), f"{self._how_to_join} The same command resumes.".lstrip()))
            await self._clock.sleep_until(now + MISSED_EVERY_S)

    async def claim(self, process: str, count: int) -> list[Request]:
        """The next rows for a process, leased to it; fewer than `count` only if there are no more at present."""
        async with self._claiming:
            if self._closed or process not in self._leased:
                return []
            rows = [self._again.popleft() for _ in range(min(count, len(self._again)))]
            if len(rows) < count and not self._exhausted:
                try:
                    new = await self._source.claim(count - len(rows))
                except Exception as error:  # noqa: BLE001 - `run` raises it; until then nothing further may leave
                    self._again.extendleft(reversed(rows))
                    self.stop(error)
                    return []
                self._exhausted = len(new) < count - len(rows)
                rows += new
            leased = self._leased.get(process)
            if leased is None or self._closed:  # meanwhile
                self._again.extend(rows)
                rows = []
            for request in rows:
                self._sink.lends(request, "" if request.unanswered or request.unsure else process)
                self._leased[process][request.row] = request
        self._wake()
        return rows

    def release(self, process: str, keys: Sequence[int]) -> None:
        """A process gives back rows that it has not sent."""
        leased = self._leased.get(process, {})
        self._take_back([leased.pop(key) for key in keys if key in leased])

    def _take_back(self, unsent: Sequence[Request]) -> None:
        for request in unsent:
            if not (request.unanswered or request.unsure):
                self._sink.returns(request.row)
        self._again.extend(unsent)
        self._wake()

    async def keep(self, process: str, states: Sequence[State]) -> bool:
        """Keeps what records are before the changes of a process's rows; returns once that is on the disk.

        Returns:
            Whether they are its rows; else nothing is kept, and no change may leave.
        """
        leased = self._leased.get(process, {})
        if not all(one.row in leased for one in states):
            return False
        await asyncio.gather(*map(self._keep_state, states))
        return True

    async def _keep_state(self, state: State) -> None:
        if state.amends:
            await self._sink.amend_before(state.row, Seen.from_json(state.state))
        else:
            await self._sink.keep_before(state.row, state.state)

    async def lease(self, process: str, most: int, heard: Sequence[Heard]) -> Granted:
        """Turns for a process; waits for them."""
        return await self._desk.lease(process, most, heard)

    def report(self, process: str, report: Report) -> None:
        """Keeps what a process says; a row of which it has no lease is not its own any more."""
        self._desk.hear(process, report.heard)
        if process not in self._leased:
            return
        self._traffic[process] = report.traffic
        self.trouble = report.trouble
        for method, event, values in report.log:
            getattr(self._log, method)(event, **values)
        self._keep(process, report.results)

    def _keep(self, process: str, results: Sequence[tuple[Result, bool]]) -> None:
        leased = self._leased[process]
        for result, final in results:
            if leased.pop(result.row, None) is not None:
                self._finish(result, final=final)
        if not leased:
            self._wake()

    def _finish(self, result: Result, *, final: bool) -> None:
        self._lost_in_a_row = 0
        self.counts[result.outcome] += 1
        self._sink.finish(result, final=final)
        self._stop_if_it_goes_wrong()

    def _stop_if_it_goes_wrong(self) -> None:
        if not self._closed and (why := too_many_failures(self._rules.max_failures, self.counts, self._rules.counted)):
            self.stop(why)

    def ended(self, process: str, stopped: tuple[str, str] | None) -> None:
        """A process has sent all that it had; `stopped` is why it says that the run has to stop, and the way out."""
        if stopped is not None:
            self.stop(SafetyStop(*stopped))
        if leased := self._leased.get(process):  # it has given all back; whatever is left was never sent
            self.stop(AssertionError(f"{len(leased)} rows of {process} have no result"))
        self._desk.ended(process)
        self._wake()

    def lost(self, process: str) -> None:
        """A process has died: what it had is resolved."""
        if process in self._leased:
            leased = self._leased.pop(process)
            self._log.warning("worker_lost", worker=process, leased=len(leased))
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= LOST_IN_A_ROW:
                message = f"Stopped: {LOST_IN_A_ROW} worker processes have died, and nothing got done between."
                self.stop(SafetyStop(message, "Run it without --workers, or find out why they die; the run resumes."))
            task = asyncio.create_task(self._bury(process, leased))
            self._burying.add(task)
            task.add_done_callback(self._buried)

    def _buried(self, task: asyncio.Task[None]) -> None:
        self._burying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop(error if isinstance(error, Exception) else None)
        self._wake()

    async def _bury(self, process: str, leased: dict[int, Request]) -> None:
        """Resolves the rows of a dead process: results that it left, rows that were out, and those that never left."""
        path = map_path(self._maps, process)
        since, told = self._clock.monotonic(), False
        while is_in_use(path):
            waited_s = self._clock.monotonic() - since
            if waited_s > END_AFTER_S and not told and self._workers is not None:
                told = True
                self._workers.end(process)
            if waited_s > DYING_S:
                self._stuck[process] = leased
                raise SafetyStop(
                    f"The worker process {process} was lost, and does not end.", "End it, then resume the run."
                )
            await self._clock.sleep_until(self._clock.monotonic() + LOOK_EVERY_S)
        self._desk.gone(process)
        left = read_map(path, process)
        if self._hold_to is not None:
            sent = leased if left is None else [*dict(left.unanswered), *(one.row for one, _ in left.results)]
            for row, state in (await self._sink.before([row for row in sent if row in leased])).items():
                leased[row] = self._hold_to(leased[row], state)
        out = self._take_results(leased, left)
        self._deaths.update(out.keys())
        self._take_back([request for row, request in leased.items() if row not in out])
        path.unlink(missing_ok=True)
        for request in out.values():
            await self._resolve(request)

    def _take_results(self, leased: dict[int, Request], left: LeftInFlight | None) -> dict[int, Request]:
        """Keeps the results that a process left; returns the rows that may have been applied without an answer."""
        if left is None:
            return {row: request._replace(sent=request.sent + 1, unanswered=True) for row, request in leased.items()}
        out = {
            row: leased[row]._replace(sent=sent + 1, unanswered=True) for row, sent in left.unanswered if row in leased
        }
        for result, final in left.results:
            if result.row not in leased:
                continue  # its report has come
            if final:
                del leased[result.row]
                self._finish(result, final=True)
                continue
            request = leased[result.row]._replace(sent=result.attempts)
            if result.outcome is Outcome.UNKNOWN:
                out[result.row] = request._replace(unanswered=True)
            else:  # it waited for its next try
                failed = result.outcome is Outcome.FAILED and result.attempts > 0
                unsure = failed and result.http_status in self._in_doubt
                leased[result.row] = request._replace(unsure=request.unsure or unsure)
                if leased[result.row].unsure and not self._repeatable:
                    out[result.row] = leased[result.row]
        return out

    async def _resolve(self, request: Request) -> None:
        if self._look_up is not None and not self._closed:
            sent_at = await self._limiter.turn()
            try:
                found = await self._look_up(request)
            finally:
                self._limiter.cancelled(sent_at)
                self._looked_up += 1
            if found is not None:
                self._finish(self._result(request, *found), final=True)
                return
        if not self._repeatable:
            self._finish(self._result(request, Outcome.UNKNOWN, _DIED), final=True)
        elif self._deaths[request.row] >= DEATHS_AT_MOST:
            self._finish(self._result(request, Outcome.UNKNOWN, _DIED_OFTEN), final=False)
        else:
            self._again.append(request)
            self._wake()

    def _result(self, request: Request, outcome: Outcome, why: str) -> Result:
        return Result(request.row, outcome, None, request.sent, why, finished_at=self._clock.unix())

    async def _hand_back(self) -> None:
        """Gives back what was not sent; what may have been applied, and is not sent again now, stays unknown."""
        self._closed = True
        ended = {name for name in self._stuck if not is_in_use(map_path(self._maps, name))}
        self._leased |= {name: self._stuck.pop(name) for name in ended}  # after all
        for process in [name for name, rows in self._leased.items() if rows]:
            self.lost(process)  # the run was stopped the hard way; the processes are gone by now
        while self._burying:
            await asyncio.wait(self._burying)
        unsent = []
        for request in self._again:
            if request.unanswered or request.unsure:
                self._finish(self._result(request, Outcome.UNKNOWN, _STOPPED), final=False)
            else:
                unsent.append(request.row)
        self._again.clear()
        await self._source.release(unsent)
        for process, path in maps_of_workers(self._maps).items():
            if process not in self._stuck and not is_in_use(path):
                path.unlink(missing_ok=True)


def map_path(folder: Path, process: str) -> Path:
    """Where a worker process keeps what is out."""
    return folder / OF_WORKER.format(process)
