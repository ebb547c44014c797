"""Bounded workers: claim → turn → send → judge → wait or finish.

One worker at a time stands at the head of the line: it takes the next row, waits for the limiter's turn, and leaves
the head to send. So rows go out in order, and a turn is never taken without a row to send. A row that has to wait for
its next try holds no worker.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.api.verdict import KEY_REFUSED
from batchupdate.engine.backlog import AT_ONCE, NEXT_S, Backlog
from batchupdate.engine.backoff import retrying
from batchupdate.engine.batches import adding, at_no_cost, by_next_step, by_row, each, halves, some_taken
from batchupdate.engine.failure_limit import too_many_failures
from batchupdate.engine.final_outcome import settle
from batchupdate.engine.suspects import PROVEN, REPEATED, Suspects
from batchupdate.engine.worker_errors import one_of
from batchupdate.errors import SafetyStop
from batchupdate.model import ONE_FILE, SUCCEEDED, Action, Fault, Outcome, ReadReply, Reply, Result, Traffic, Verdict
from batchupdate.util.clock import minute
from batchupdate.util.shielded import shielded
from batchupdate.util.text import as_sentence, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from structlog.typing import FilteringBoundLogger

    from batchupdate.config import MaxFailures
    from batchupdate.engine.pool_limits import PoolLimits
    from batchupdate.engine.protocols import Sink, Source, Turns
    from batchupdate.model import Allowance, Request, RowLabels
    from batchupdate.util.clock import Clock

FREE_REPEATS = 100
"""Repeats after errors that every run has, whatever its retry budget: a share of few rows is next to none."""

LONGEST_OWN_WAIT = 4
"""A row that was refused again, and may not be to blame, waits by itself as after this failure at the most."""

RENEWALS_AT_MOST = 2
"""So often a row is sent again because the credentials had expired; then they are wrong."""

STALE_S, STALE_TURNS = 1.0, 3
"""What was read longer ago than this, in seconds and in turns at the present rate, is read again before its change."""

TOO_LONG = 413
"""The status of a request whose body is too long (RFC 9110, section 15.5.14)."""

SERVER_ERROR = 500
"""From this status on, the server says that it failed (RFC 9110, section 15.6)."""

HEADER_MOST = 500
"""Characters that are kept of a reply's id and place."""


class WorkerPool:
    """Sends everything its source has, and gives every result to its sink.

    Args:
        source: where requests come from.
        sink: where results go.
        turns: the limiter.
        send: sends one request and returns its reply or fault; never raises.
        judge: says what a reply or fault means for a request.
        listen: reads what a reply says about the API's limits; None if nobody wants to know.
        delay: seconds of a row's own backoff after its n-th failed attempt, from 1.
        rules: when to give up.
        clock: where time comes from.
        log: where noteworthy events go.
        labels: how rows are called.
    """

    def __init__(  # noqa: PLR0913 - all it works with, by name
        self,
        *,
        source: Source,
        sink: Sink,
        turns: Turns,
        send: Callable[[Request], Awaitable[Reply | Fault]],
        judge: Callable[[Request, Reply | Fault], Verdict],
        listen: Callable[[Reply], Sequence[Allowance]] | None,
        delay: Callable[[int], float],
        rules: PoolLimits,
        clock: Clock,
        log: FilteringBoundLogger,
        labels: RowLabels = ONE_FILE,
    ) -> None:
        self._source, self._sink, self._turns = source, sink, turns
        self._send, self._judge, self._listen, self._delay = send, judge, listen, delay
        self._rules, self._clock, self._log, self._labels = rules, clock, log, labels
        self._packing = rules.packing()
        self._backlog = Backlog(source, turns, rules.claim_batch, clock, self.stop, self._packing)
        self._head = asyncio.Lock()
        self._at_head: asyncio.Task[None] | None = None
        self._let_in = 0
        self._suspects = Suspects()
        self._read_at: dict[int, float] = {}
        self._read_twice: set[int] = set()
        self._reached = False
        self._unreached = 0
        self._sent = self._retried = self._throttled = self._repeats = 0
        self._reason: Exception | None = None
        self.trouble = ""
        """Why nothing gets through at present, as a sentence; empty as long as something does."""
        self.counts = dict.fromkeys(Outcome, 0)
        """Results so far, by outcome."""

    @property
    def traffic(self) -> Traffic:
        """The requests so far."""
        turns = self._turns
        return Traffic(self._sent, self._retried, self._throttled, turns.waited_s, turns.allowed_per_s)

    @property
    def in_flight(self) -> int:
        """Requests that are out and unanswered."""
        return self._backlog.out

    async def run(self, concurrency: int) -> None:
        """Works until everything is sent, or the run is stopped; then hands back what was not sent.

        Raises:
            SafetyStop: a safety rule stopped the run.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._work())
        except BaseExceptionGroup as group:
            error = one_of(group, self._log)
            raise error from error.__cause__
        finally:
            await shielded(asyncio.create_task(self._hand_back()))
        if self._reason is not None:
            raise self._reason

    def stop(self, reason: Exception | None = None) -> None:
        """Takes no further rows; what is in flight may finish. The first reason given is the one that counts."""
        self._reason = self._reason or reason
        self._backlog.closed = True
        if self._at_head is not None:
            self._at_head.cancel()

    def set_limits(self, give_up_after_s: float, max_failures: MaxFailures | None) -> None:
        """Keeps another patience (seconds) and failure limit from now on."""
        self._rules = replace(self._rules, give_up_after_s=give_up_after_s, max_failures=max_failures)
        self._stop_if_it_goes_wrong()

    async def _work(self) -> None:
        while True:
            turn = self._turn_at_once() or await self._turn_at_head()
            if turn is None:
                return
            await self._exchange(*turn)

    def _turn_at_once(self) -> tuple[Request, float] | None:
        """The next request, if it may leave right now; None if a row or a turn has to be waited for.

        A lock that has waiters is passed on once in a round of the event loop. Where nothing has to be waited for,
        workers must not queue for it, or a fast run would send one request a round.
        """
        if self._head.locked() or self._backlog.closed or not self._backlog.has_one:
            return None
        sent_at = self._turns.try_turn()
        return None if sent_at is None else (self._backlog.pop(), sent_at)

    async def _turn_at_head(self) -> tuple[Request, float] | None:
        """Waits at the head of the line for the next request and its turn; None at the end."""
        async with self._head:
            self._at_head = asyncio.current_task()
            try:
                if await self._backlog.one_is_there():
                    sent_at = await self._turns.turn()
                    return self._backlog.pop(), sent_at  # chosen now: a row that was turned away meanwhile goes first
            except asyncio.CancelledError:
                if not self._backlog.closed:
                    raise
            finally:
                self._at_head = None
        return None

    def _fresh(self, request: Request) -> Request:
        """Lets a record be read again, once, if everybody was held between its reading and its change."""
        if (read_at := self._read_at.pop(request.row, None)) is None or request.row in self._read_twice:
            return request
        if self._clock.monotonic() - read_at <= max(STALE_S, STALE_TURNS / self._turns.rate_per_s):
            return request
        self._read_twice.add(request.row)
        return request._replace(current=None)

    async def _exchange(self, request: Request, sent_at: float) -> None:
        request = self._fresh(request)
        reads = self._rules.reads_first is not None and self._rules.reads_first(request)
        if not reads:
            for one in request.rows:
                self._sink.leaves(one)
        if self._suspects.rows:
            self._suspects.leaves(request.row)
        try:
            answer = await self._send(request)
        except BaseException:
            self._turns.cancelled(sent_at)
            stopped = "the run was stopped before the answer came; the change may or may not have been applied"
            verdict = Verdict(Action.DONE, Outcome.UNKNOWN, stopped)
            if reads:
                verdict = Verdict(Action.DONE, Outcome.NOT_ATTEMPTED, "the run was stopped while its record was read")
            self._finish(request, verdict, None, left=not reads and self._count(request), final=False)
            raise
        finally:
            self._backlog.ended(request.row)
        left = isinstance(answer, Reply) or answer.left
        self._sent += reads and left
        self._act(request, answer, sent_at, left=left and not reads and self._count(request))

    def _count(self, request: Request) -> bool:
        """Counts a request that left."""
        self._sent += 1
        self._retried += any(one.sent > 0 for one in request.batch) if request.batch else request.sent > 0
        return True

    def _act(self, request: Request, answer: Reply | Fault, sent_at: float, *, left: bool) -> None:
        verdict = self._judge(request, answer)
        self._reached = self._reached or isinstance(answer, Reply) or answer.left
        if verdict.action is Action.RENEW:
            self._turns.cancelled(sent_at)
            if request.renewed < RENEWALS_AT_MOST:
                self._log.info("renew", row=request.row, why=verdict.message)
                again = each(
                    request, verdict, lambda one, _: one._replace(sent=one.sent + left, renewed=one.renewed + 1)
                )
                self._wait(again, verdict, answer, 0.0)
                return
            verdict = replace(verdict, action=Action.STOP)
            self.stop(SafetyStop(self._why_stopped(request, answer, verdict), self._stop_hint))
            self._finish(request, verdict, answer, left=left, final=False)
            return
        if isinstance(answer, Fault) and verdict.action is Action.DONE and not left:  # that says nothing of the API
            self._turns.cancelled(sent_at)
            self._finish(request, verdict, answer, left=left)
            return
        alone = self._give_back(request, answer, verdict, sent_at)
        if verdict.action is Action.PROCEED:
            pulled = verdict.pulled or request.pulled
            ready = request._replace(current=verdict.current, pulled=pulled, sent=request.sent + left)
            self._read_at[request.row] = self._clock.monotonic()
            self._wait(ready, verdict, None, NEXT_S)
            return
        if isinstance(answer, Reply) and verdict.action is not Action.HOLD:
            let_in = answer.status < SERVER_ERROR and answer.status not in KEY_REFUSED
            self._let_in += len(request.rows) if let_in else 0
        if not verdict.parts:
            self._follow(request, answer, verdict, alone, left=left)
            return
        for one, reply, own in by_next_step(request, verdict.parts):
            self._follow(one, reply, own, alone, left=left)

    def _follow(self, request: Request, answer: Reply | Fault, verdict: Verdict, alone: int, *, left: bool) -> None:
        """Does what is to be done next for a request, or for each row of a batch."""
        if verdict.action is Action.HOLD:
            self._hold(each(request, verdict, partial(at_no_cost, left)), answer, verdict, alone)
            return
        if verdict.action is Action.SPLIT:
            if isinstance(answer, Reply) and answer.status == TOO_LONG:
                self._packing.shrink(request.rows)
            self._split(each(request, verdict, partial(at_no_cost, left)), answer, verdict)
            return
        if verdict.action is Action.REPEAT and (request.attempt < self._rules.max_attempts or request.batch):
            if self._may_repeat():
                self._repeat(request, answer, verdict, left=left)
                return
            verdict = adding(verdict, "; not sent again, for the run's retry budget is spent")
        if verdict.action is Action.STOP:
            self.stop(SafetyStop(self._why_stopped(request, answer, verdict), self._stop_hint))
        self._finish(request, verdict, answer, left=left, final=verdict.action is not Action.STOP)

    def _split(self, request: Request, answer: Reply | Fault, verdict: Verdict) -> None:
        """Sends a batch again in halves."""
        self._log.info("split", row=request.row, rows=len(request.rows), why=verdict.message)
        parts = verdict.parts
        for half in reversed(halves(request)):
            own, parts = parts[-len(half.rows) :], parts[: -len(half.rows)]
            self._wait(half, replace(verdict, parts=own), answer, AT_ONCE)

    def _why_stopped(self, request: Request, answer: Reply | Fault, verdict: Verdict) -> str:
        message = as_sentence(f"Stopped at {self._labels.label(request.row)}: {verdict.message}")
        if not self._rules.about_key or not isinstance(answer, Reply) or answer.status not in KEY_REFUSED:
            return message
        refused = "The key was refused."
        if count := self._let_in:
            rows = "1 row" if count == 1 else f"{count:,} rows"
            refused = f"The key was accepted for {rows} and is refused now: it may have expired, or been revoked."
        return f"{message} {refused} {self._rules.about_key}"

    def _give_back(self, request: Request, answer: Reply | Fault, verdict: Verdict, sent_at: float) -> int:
        """Gives the turn back with what was learned; returns how often its row was refused by itself by now.

        What a row is to blame for says nothing of the API: nobody pauses for it, and nothing is learned.
        """
        turns, row, passed = self._turns, request.row, self._backlog.passed
        if isinstance(answer, Reply) and verdict.action is Action.HOLD and not some_taken(verdict):
            self._throttled += 1
            again = self._suspects.overtaken(row, passed)
            # It ended an earlier session, and would end this one: another row is asked first.
            others = self._backlog.has_others
            excused = others and request.sent > 0 and self._too_long(verdict)
            if alone := self._suspects.refused(row, sent_at, passed, others=others, excused=excused):
                turns.cancelled(sent_at)
                return alone
            if turns.hold(sent_at, verdict.wait_s, self._heard(answer), again=again):
                self._log.warning("hold", row=row, why=verdict.message, asked_s=verdict.wait_s)
        elif isinstance(answer, Reply) and answer.status < SERVER_ERROR:
            self._got_through(row, answer, verdict, sent_at)
            if verdict.action is not Action.HOLD:
                return 0
        else:
            left = isinstance(answer, Reply) or answer.left
            down = turns.failed(sent_at, again=left and self._suspects.failed(row, passed))
            self._unreached += down and isinstance(answer, Fault)
            if down or verdict.action is Action.HOLD:
                self.trouble = retrying(verdict.message, self._rules.give_up_after_s)
        self._give_up_if_down(verdict)
        return 0

    def _got_through(self, row: int, answer: Reply, verdict: Verdict, sent_at: float) -> None:
        """Gives the turn back of a request that was answered, or some rows of which were while others wait."""
        turns = self._turns
        self._backlog.passed += 1
        self.trouble = ""
        if verdict.action is not Action.HOLD:
            turns.passed(sent_at, self._heard(answer))
        else:
            self._throttled += 1
            if turns.hold(sent_at, verdict.wait_s, self._heard(answer), partly=True):
                self._log.warning("hold", row=row, why=verdict.message, asked_s=verdict.wait_s)
        if self._suspects.rows:
            self._suspects.ended(row)
            if self._suspects.passed(sent_at):
                turns.acquit()

    def _heard(self, answer: Reply) -> Sequence[Allowance]:
        return self._listen(answer) if self._listen else ()

    def _may_repeat(self) -> bool:
        """Spends one of the repeats that a run has: an API that is unwell is not to be hammered."""
        first_tries = self._sent - self._retried
        if self._repeats >= FREE_REPEATS + self._rules.retry_budget * first_tries:
            return False
        self._repeats += 1
        return True

    def _repeat(self, request: Request, answer: Reply | Fault, verdict: Verdict, *, left: bool) -> None:
        """Lets a row try again after its own backoff; a batch that has had its tries goes on in halves."""
        wait = max(self._delay(request.attempt), verdict.wait_s or 0.0)
        self._log.info("repeat", row=request.row, id=request.record_id, why=verdict.message, wait_s=round(wait, 3))
        unanswered = isinstance(answer, Fault) and answer.ambiguous
        error = isinstance(answer, Reply) and not isinstance(answer, ReadReply)
        tried_out = request.attempt >= self._rules.max_attempts

        def again(one: Request, own: Verdict) -> Request:
            return one._replace(
                attempt=one.attempt + (not tried_out),
                sent=one.sent + left,
                unanswered=one.unanswered or unanswered,
                unsure=one.unsure or own.ambiguous,
                errors=one.errors + error,
                current=None,  # it is read again: what was read is not true for long
            )

        if tried_out:
            self._split(each(request, verdict, again), answer, verdict)
        else:
            self._wait(each(request, verdict, again), verdict, answer, wait)

    def _hold(self, request: Request, answer: Reply | Fault, verdict: Verdict, alone: int) -> None:
        """The API did not take a request: its row tries again at no cost, unless it alone is refused, time and again.

        At first it goes to the head of the line. One that is refused again waits by itself, so that another is tried.
        """
        refusals = self._suspects.refusals(request.row)
        passed = self._backlog.passed
        if alone and (self._suspects.given_up(request.row, passed) or (alone >= PROVEN and self._too_long(verdict))):
            others = f"{passed:,} other request{'s' if passed > 1 else ''} got through"
            message = f"{verdict.message}; refused {refusals} times, every time, while {others}"
            if request.batch:
                self._split(request, answer, verdict)
            else:
                self._finish(request, Verdict(Action.DONE, Outcome.FAILED, message), answer)
        elif alone:
            self._wait(request, verdict, answer, max(self._delay(alone), verdict.wait_s or 0.0), refused=True)
        elif refusals >= REPEATED or (refusals and self._turns.probing):
            wait_s = self._delay(min(refusals, LONGEST_OWN_WAIT))
            self._wait(request, verdict, answer, wait_s, refused=True)
        else:
            self._wait(request, verdict, answer, 0.0)

    @property
    def _again(self) -> str:
        """How to go on once the cause is mended, as the second half of a sentence."""
        return "run it again: the run resumes here." if self._rules.resumes else "give the command again."

    @property
    def _stop_hint(self) -> str:
        return f"Every other row would fare the same. Mend the cause, then {self._again}"

    def _too_long(self, verdict: Verdict) -> bool:
        """Whether the API asks to wait for longer than a run waits at all."""
        return verdict.asked_s is not None and verdict.asked_s > self._rules.give_up_after_s

    def _give_up_if_down(self, verdict: Verdict) -> None:
        silent, patience = self._turns.down_for_s, self._rules.give_up_after_s
        hint = f"Check the base URL and the API's status, then {self._again}"
        if verdict.asked_s is not None and self._too_long(verdict):
            back = minute(self._clock.unix() + verdict.asked_s)
            message = as_sentence(
                f"Stopped: the API asks to wait {verdict.asked_s:.0f} s, until {back}, longer than the "
                f"{patience:.0f} s after which a run is given up (--give-up-after). Its last word: {verdict.message}"
            )
            hint = f"After {back}, {self._again}"
        elif silent >= patience:
            last = as_sentence(verdict.message)
            message = f"Stopped: the API has accepted no request for {silent:.0f} s. Its last word: {last}"
        elif not self._reached and self._unreached >= self._rules.max_attempts:
            message = as_sentence(f"Stopped: the API was never reached: {verdict.message}")
        else:
            return
        self.stop(SafetyStop(message, hint))

    def _wait(
        self, request: Request, verdict: Verdict, answer: Reply | Fault | None, wait_s: float, *, refused: bool = False
    ) -> None:
        stopped = adding(verdict, "; the run stopped before another try", Action.DONE)
        results = [self._result(one, own, reply, one.sent) for one, reply, own in by_row(request, stopped, answer)]
        for result in results:
            self._sink.waits(result)
        self._backlog.wait(request, results, wait_s, refused=refused)

    def _finish(
        self,
        request: Request,
        verdict: Verdict,
        answer: Reply | Fault | None,
        *,
        left: bool = False,
        final: bool = True,
    ) -> None:
        if not request.batch:
            self._keep(self._result(request, verdict, answer, request.sent + left), request.record_id, final=final)
            return
        for one, reply, own in by_row(request, verdict, answer):
            self._keep(self._result(one, own, reply, one.sent + left), one.record_id, final=final)

    def _result(self, request: Request, verdict: Verdict, answer: Reply | Fault | None, sent: int) -> Result:
        """What is true of a row for which nothing further is tried."""
        told = verdict.outcome not in SUCCEEDED or verdict.outcome is Outcome.UNCHANGED
        outcome, message = settle(request, verdict) if told else (verdict.outcome, "")
        status = request_id = location = None
        captured = self._rules.capture(answer) if self._rules.capture and isinstance(answer, Reply) else ""
        if isinstance(answer, Reply):
            status = None if isinstance(answer, ReadReply) and verdict.outcome in _COMPARED else answer.status
            request_id = next(filter(None, map(answer.headers.get, self._rules.request_id_headers)), None)
            location = answer.headers.get("location") if outcome is Outcome.ACCEPTED else None
        duration_ms, now = round(answer.duration_s * 1000, 1) if answer else None, self._clock.unix()
        request_id = one_line(request_id, HEADER_MOST) if request_id else ""
        location = one_line(location, HEADER_MOST) if location else ""
        return Result(request.row, outcome, status, sent, message, request_id, location, now, duration_ms, captured)

    def _keep(self, result: Result, record_id: str, *, final: bool) -> None:
        self._suspects.ended(result.row)
        self._read_twice.discard(result.row)
        self.counts[result.outcome] += 1
        self._sink.finish(result, final=final)
        if result.outcome not in SUCCEEDED:
            outcome, status = result.outcome.value, result.http_status
            self._log.warning(outcome, row=result.row, id=record_id, status=status, why=result.error)
            self._stop_if_it_goes_wrong()

    def _stop_if_it_goes_wrong(self) -> None:
        if not self._backlog.closed and (
            why := too_many_failures(self._rules.max_failures, self.counts, self._rules.counted)
        ):
            self.stop(why)

    async def _hand_back(self) -> None:
        """Gives back what was claimed and not sent, and keeps what was waiting for another try."""
        unsent, waiting = await self._backlog.hand_back()
        for request, results in waiting:
            for one, result in zip(request.rows, results, strict=True):
                self._keep(result, one.record_id, final=False)
        await self._source.release([request.row for request in unsent])


_COMPARED = frozenset({Outcome.UNCHANGED, Outcome.CONFLICT})
"""Outcomes that what a record has makes of a row, and not the status of the reply to its read."""
