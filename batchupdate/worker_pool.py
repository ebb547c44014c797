"""Bounded workers: claim → turn → send → judge → wait or finish.

One worker at a time stands at the head of the line: it takes the next row, waits for the limiter's turn, and leaves
the head to send. So rows go out in order, a turn is never taken without a row to send, and at most a handful of rows
are marked as started before they leave. A row that has to wait for its next try holds no worker.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from batchupdate.backoff import settle
from batchupdate.errors import SafetyStop
from batchupdate.model import FINE, Action, Fault, Outcome, Reply, Result, Traffic, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from structlog.typing import FilteringBoundLogger

    from batchupdate.clock import Clock
    from batchupdate.config import MaxFailures
    from batchupdate.model import Request
    from batchupdate.rates import Rate

CLAIM_BATCH = 256
"""Rows claimed ahead at the most. After a kill, `concurrency + CLAIM_BATCH` rows at most are in doubt."""

AHEAD_S = 0.1
"""Rows are claimed this far ahead of the rate, so that a slow run has next to none in doubt."""

OVERTAKEN_AT_MOST = 20
"""A row is given up when it was turned away so often while other rows got through."""

ENOUGH_FOR_A_SHARE = 20
"""A share of failures means nothing before this many rows."""


class Source(Protocol):
    """Where requests come from."""

    async def claim(self, count: int) -> list[Request]:
        """The next requests, at most `count`; none at the end."""
        ...

    async def release(self, numbers: Sequence[int]) -> None:
        """Takes back rows that were claimed but not sent."""
        ...


class Sink(Protocol):
    """Where results go."""

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Keeps a result; one that is not final is tried again when the run goes on."""
        ...


class Turns(Protocol):
    """Whose turn it is; see `batchupdate.limiter.Limiter`."""

    rate: Rate
    waited_s: float

    async def turn(self) -> float:
        """Waits for a turn; returns when it was given."""
        ...

    def hold(self, sent_at: float, wait_s: float | None) -> bool:
        """Holds everybody; returns whether this was a new offence."""
        ...

    def passed(self, sent_at: float) -> None:
        """A request got through."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """When to give up. Times are in seconds; `request_id_headers` say where a reply's id may stand."""

    max_attempts: int = 5
    give_up_after_s: float = 600.0
    max_failures: MaxFailures | None = None
    request_id_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    due: float
    order: int
    request: Request = field(compare=False)
    verdict: Verdict = field(compare=False)
    answer: Reply | Fault = field(compare=False)


class WorkerPool:
    """Sends everything its source has, and gives every result to its sink.

    Args:
        source: where requests come from.
        sink: where results go.
        turns: the limiter.
        send: sends one request and returns its reply or fault; never raises.
        judge: says what a reply or fault means.
        delay: seconds of a row's own backoff after its n-th failed attempt, from 1.
        rules: when to give up.
        clock: where time comes from.
        log: where noteworthy events go.
    """

    def __init__(  # noqa: PLR0913 - all it works with, by name
        self,
        *,
        source: Source,
        sink: Sink,
        turns: Turns,
        send: Callable[[Request], Awaitable[Reply | Fault]],
        judge: Callable[[Reply | Fault], Verdict],
        delay: Callable[[int], float],
        rules: Rules,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._source, self._sink, self._turns = source, sink, turns
        self._send, self._judge, self._delay = send, judge, delay
        self._rules, self._clock, self._log = rules, clock, log
        self._ready: deque[Request] = deque()
        self._waiting: list[_Waiting] = []
        self._in_flight = 0
        self._exhausted = False
        self._claiming: asyncio.Task[None] | None = None
        self._head = asyncio.Lock()
        self._at_head: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._pushed = 0
        self._answered = 0
        self._overtaken: dict[int, tuple[int, int]] = {}
        self._last_pass = clock.monotonic()
        self._unreached = 0
        self._sent = self._retried = self._throttled = 0
        self._stopped = False
        self._reason: SafetyStop | None = None
        self.counts = dict.fromkeys(Outcome, 0)
        """Results so far, by outcome."""

    @property
    def traffic(self) -> Traffic:
        """The requests so far."""
        return Traffic(self._sent, self._retried, self._throttled, self._turns.waited_s)

    @property
    def in_flight(self) -> int:
        """Requests that are out and unanswered."""
        return self._in_flight

    async def run(self, concurrency: int) -> None:
        """Works until everything is sent, or the run is stopped; then hands back what was not sent.

        Raises:
            SafetyStop: a safety rule stopped the run.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._work())
        except BaseExceptionGroup as error:
            raise error.exceptions[0] from None
        finally:
            await self._hand_back()
        if self._reason is not None:
            raise self._reason

    def stop(self, reason: SafetyStop | None = None) -> None:
        """Takes no further rows; what is in flight may finish. The first reason given is the one that counts."""
        self._reason = self._reason or reason
        self._stopped = True
        self._changed.set()
        if self._at_head is not None:
            self._at_head.cancel()

    async def _work(self) -> None:
        while True:
            async with self._head:
                try:
                    self._at_head = asyncio.current_task()
                    turn = await self._take_turn()
                except asyncio.CancelledError:
                    if not self._stopped:
                        raise
                    return
                except SafetyStop as error:  # the journal can't be written: nothing further may leave
                    self._at_head = None
                    self.stop(error)
                    return
                finally:
                    self._at_head = None
                if turn is None:
                    return
                self._in_flight += 1
            await self._exchange(*turn)

    async def _take_turn(self) -> tuple[Request, float] | None:
        """Takes the next request and waits for its turn; returns both, or None at the end."""
        item = await self._next()
        if item is None:
            return None
        try:
            sent_at = await self._turns.turn()
        except BaseException:  # it was not sent: back to where it came from
            if isinstance(item, _Waiting):
                heapq.heappush(self._waiting, item)
            else:
                self._ready.appendleft(item)
            raise
        return (item.request if isinstance(item, _Waiting) else item), sent_at

    async def _next(self) -> Request | _Waiting | None:
        """The next request to send: one whose wait is over, else a new one. None at the end."""
        while not self._stopped:
            if self._waiting and self._waiting[0].due <= self._clock.monotonic():
                return heapq.heappop(self._waiting)
            if self._ready:
                request = self._ready.popleft()
                if not self._exhausted and len(self._ready) < self._batch() // 2:
                    self._claim_ahead()
                return request
            if not self._exhausted:
                await asyncio.shield(self._claim_ahead())
            elif self._waiting or self._in_flight:
                await self._something_changes()
            else:
                return None
        return None

    def _batch(self) -> int:
        """How many rows to have claimed ahead."""
        rate = self._turns.rate
        return min(CLAIM_BATCH, int(rate.per_s * AHEAD_S)) if rate.limited else CLAIM_BATCH

    def _claim_ahead(self) -> asyncio.Task[None]:
        """Lets the next rows be claimed in the background; the task that does it."""
        if self._claiming is None or self._claiming.done():
            if self._claiming is not None:
                self._claiming.result()  # raises what went wrong there
            self._claiming = asyncio.create_task(self._claim(max(1, self._batch() // 2)))
        return self._claiming

    async def _claim(self, count: int) -> None:
        requests = await self._source.claim(count)
        self._ready.extend(requests)
        self._exhausted = len(requests) < count

    async def _something_changes(self) -> None:
        """Waits until a row's wait is over, or a row in flight has ended."""
        self._changed.clear()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
        if self._waiting:
            tasks.append(asyncio.create_task(self._clock.sleep_until(self._waiting[0].due)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _exchange(self, request: Request, sent_at: float) -> None:
        try:
            answer = await self._send(request)
        except BaseException:
            stopped = "the run was stopped before the answer came; the change may or may not have been applied"
            self._count_sent(request)
            verdict = Verdict(Action.DONE, Outcome.UNKNOWN, stopped)
            self._finish(replace(request, sent=request.sent + 1), verdict, None, final=False)
            raise
        finally:
            self._in_flight -= 1
            self._changed.set()
        verdict = self._judge(answer)
        if isinstance(answer, Reply) or answer.ambiguous:
            self._count_sent(request)
            request = replace(request, sent=request.sent + 1)
        self._act(request, answer, verdict, sent_at)

    def _count_sent(self, request: Request) -> None:
        self._sent += 1
        self._retried += request.sent > 0

    def _act(self, request: Request, answer: Reply | Fault, verdict: Verdict, sent_at: float) -> None:
        if verdict.action is Action.HOLD:
            self._hold(request, answer, verdict, sent_at)
            return
        if isinstance(answer, Reply):
            self._answered += 1
            self._unreached = 0
            self._last_pass = self._clock.monotonic()
            self._turns.passed(sent_at)
        if verdict.action is Action.REPEAT and request.attempt < self._rules.max_attempts:
            wait = max(self._delay(request.attempt), verdict.wait_s or 0.0)
            self._log.info("repeat", row=request.row, id=request.record_id, why=verdict.message, wait_s=round(wait, 3))
            unanswered = request.unanswered or isinstance(answer, Fault)
            again = replace(request, attempt=request.attempt + 1, unanswered=unanswered)
            self._wait(again, verdict, answer, wait)
            return
        self._finish(request, verdict, answer, final=verdict.action is not Action.STOP)
        if verdict.action is Action.STOP:
            self.stop(SafetyStop(f"Stopped at row {request.row}: {verdict.message}.", _STOP_HINT))

    def _hold(self, request: Request, answer: Reply | Fault, verdict: Verdict, sent_at: float) -> None:
        """The API is not taking requests: everybody holds, and this row goes to the head of the line."""
        fresh = self._turns.hold(sent_at, verdict.wait_s)
        if isinstance(answer, Reply):
            self._throttled += 1
            self._unreached = 0
        elif fresh:
            self._unreached += 1
        if fresh:
            self._log.warning("hold", row=request.row, why=verdict.message, asked_s=verdict.wait_s)
        self._wait(request, verdict, answer, 0.0)
        if self._often_overtaken(request):
            self._waiting = [waiting for waiting in self._waiting if waiting.request.row != request.row]
            heapq.heapify(self._waiting)
            told = f"{verdict.message} ({OVERTAKEN_AT_MOST} times, while other rows got through)"
            self._finish(request, Verdict(Action.DONE, Outcome.FAILED, told), answer)
        self._give_up_if_down(verdict)

    def _often_overtaken(self, request: Request) -> bool:
        times, answered = self._overtaken.get(request.row, (0, self._answered))
        times += self._answered > answered
        self._overtaken[request.row] = (times, self._answered)
        return times >= OVERTAKEN_AT_MOST

    def _give_up_if_down(self, verdict: Verdict) -> None:
        silent = self._clock.monotonic() - self._last_pass
        if silent >= self._rules.give_up_after_s:
            message = f"Stopped: the API has taken no request for {silent:.0f} s. Its last word: {verdict.message}."
        elif not self._answered and self._unreached >= self._rules.max_attempts:
            message = f"Stopped: the API was never reached: {verdict.message}."
        else:
            return
        self.stop(SafetyStop(message, "Check the base URL and the API's status, then run it again: it goes on here."))

    def _wait(self, request: Request, verdict: Verdict, answer: Reply | Fault, wait_s: float) -> None:
        self._pushed += 1
        due = self._clock.monotonic() + wait_s
        heapq.heappush(self._waiting, _Waiting(due, self._pushed, request, verdict, answer))

    def _finish(self, request: Request, verdict: Verdict, answer: Reply | Fault | None, *, final: bool = True) -> None:
        outcome, message = settle(request, verdict)
        headers = answer.headers if isinstance(answer, Reply) else {}
        self._overtaken.pop(request.row, None)
        self.counts[outcome] += 1
        self._sink.finish(
            Result(
                request.row,
                outcome,
                answer.status if isinstance(answer, Reply) else None,
                request.sent,
                message,
                next((headers[name] for name in self._rules.request_id_headers if name in headers), ""),
                headers.get("location", "") if outcome is Outcome.ACCEPTED else "",
                self._clock.now(),
                round(answer.duration_s * 1000, 1) if answer else None,
            ),
            final=final,
        )
        if outcome not in FINE:
            status = answer.status if isinstance(answer, Reply) else None
            self._log.warning(outcome.value, row=request.row, id=request.record_id, status=status, why=message)
            self._stop_if_it_goes_wrong()

    def _stop_if_it_goes_wrong(self) -> None:
        limit = self._rules.max_failures
        if limit is None or self._stopped:
            return
        failures = sum(count for outcome, count in self.counts.items() if outcome not in FINE)
        done = sum(self.counts.values())
        if limit.count is not None:
            too_many = failures > limit.count
        else:
            too_many = done >= ENOUGH_FOR_A_SHARE and failures * 100 > (limit.percent or 0.0) * done
        if too_many:
            message = f"Stopped: {failures} of {done} rows failed, and --max-failures allows {limit}."
            self.stop(SafetyStop(message, "See failed.csv for the reasons."))

    async def _hand_back(self) -> None:
        """Gives back what was claimed and not sent, and keeps what was waiting for another try."""
        if self._claiming is not None:
            await asyncio.wait([self._claiming])
            if isinstance(error := self._claiming.exception(), SafetyStop):
                self._reason = self._reason or error
        for waiting in sorted(self._waiting):
            request, verdict = waiting.request, waiting.verdict
            told = f"{verdict.message}; the run stopped before another try"
            answer = waiting.answer
            self._finish(request, replace(verdict, action=Action.DONE, message=told), answer, final=False)
        self._waiting = []
        await self._source.release([request.row for request in self._ready])
        self._ready.clear()


_STOP_HINT = "Every other row would fare the same. Mend the cause, then run it again: it goes on here."
