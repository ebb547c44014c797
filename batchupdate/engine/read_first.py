"""For records that are read just before their changes: a row comes twice, for the read and for its change."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from batchupdate.api.success import is_success
from batchupdate.api.verdict import judge
from batchupdate.model import SUCCEEDED, Action, Fault, FaultKind, Outcome, ReadReply, Reply, Verdict
from batchupdate.planner.comparison import Comparison, Finding
from batchupdate.targets import StatusRule, UnexpectedReplyError
from batchupdate.targets.precondition import Current, Pulled
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchupdate.api.client import Client
    from batchupdate.api.verdict import Policy
    from batchupdate.model import Request
    from batchupdate.runs.job import Job

_UNREAD = "its present state can't be read: there was no answer, or no whole one"
_NO_RIGHT = 403
_SENDS_UNREAD = "; --check-old never sends a change without reading its record"


def reading_policy(policy: Policy) -> Policy:
    """What the replies to reads of records mean, by what those to changes do."""
    statuses = {_NO_RIGHT: StatusRule(means="the key has no permission to read this record"), **policy.statuses}
    return replace(policy, changes=False, repeatable=True, statuses=statuses)


class FirstReads:
    """Reads records before their changes, and says what the replies mean for these.

    Args:
        job: which records are read, and what for.
        policy: what the replies to changes mean.
    """

    def __init__(self, job: Job, policy: Policy) -> None:
        self._policy = reading_policy(policy)
        self._target, self._rule, self._now = job.target, job.read_first, job.clock.now
        self._nonce = job.nonce  # asked for now: the journal belongs to its own thread while rows are sent
        self._comparison = Comparison(job.target)

    def wanted(self, request: Request) -> bool:
        """Whether a row's record is to be read now: not a second time, and not before it comes again."""
        if request.current is not None:
            return bool(request.current.refused)
        pulled = Pulled.from_json(request.pulled)
        return self._rule.reads(pulled) or self._may_be_done(request, pulled)

    def _may_be_done(self, request: Request, pulled: Pulled) -> bool:
        """Whether an earlier try may have been applied, after which the API would not take the pulled version again."""
        return (request.unanswered or request.unsure) and bool(pulled.version) and self._target.read is not None

    async def send(
        self,
        client: Client,
        change: Callable[[Request], Awaitable[Reply | Fault]],
        keep: Callable[[int, str], Awaitable[None]],
        request: Request,
    ) -> Reply | Fault:
        """Reads a row's record if that is wanted, and keeps what it was; else sends its `change`."""
        if not self.wanted(request):
            return await change(request)
        answer = await client.read(self._target.read_path(request.path))
        if not isinstance(answer, Reply):
            return Fault(FaultKind.UNREAD, _UNREAD, answer.duration_s) if answer.ambiguous else answer
        tried = request.sent or request.unanswered  # what is read now may be what an earlier try has made of it
        if is_success(answer.status) and not tried and self._target.read is not None:
            with suppress(UnexpectedReplyError):  # `judge` says so
                await keep(request.row, self._target.seen(answer, json.loads(request.fields)).to_json())
        return ReadReply(*answer)

    async def change(self, client: Client, request: Request) -> Reply | Fault:
        """Sends the change of a row, which starts from what was read, and is guarded by the version that is known."""
        current = request.current or Current()
        version = Pulled.from_json(request.pulled).version or current.version
        body = self._target.body_of(request.fields, request.path, current.record)
        return await client.send(request.path, body, self._target.headers_of(self._nonce, request, version))

    def refused(self, request: Request, answer: Reply | Fault, verdict: Verdict) -> Verdict:
        """Lets the record be read of a row whose version was not taken, to say what has changed."""
        if not isinstance(answer, Reply) or answer.status != HTTPStatus.PRECONDITION_FAILED:
            return verdict
        pulled = Pulled.from_json(request.pulled)
        if self._target.read is None or not pulled.version or not (pulled.old or pulled.seen):
            return verdict
        return Verdict(Action.PROCEED, verdict.outcome, verdict.message, current=Current(refused=verdict.message))

    def judge(self, request: Request, answer: ReadReply) -> Verdict:
        """What the reply to a read means for the change that is to follow it; nothing was changed, whatever it says."""
        verdict = judge(answer, self._policy, self._now)
        if request.current is not None:
            return self._why_refused(request, answer, verdict)
        if verdict.outcome not in SUCCEEDED:
            outcome = Outcome.FAILED if verdict.outcome is Outcome.UNKNOWN else verdict.outcome
            optional = verdict.action is Action.DONE and not self._target.reads_first
            message = verdict.message + (_SENDS_UNREAD if optional else "")
            return replace(verdict, outcome=outcome, ambiguous=False, message=message)
        try:
            current = self._target.current(answer)
            settled = self._compare(request, answer)
        except UnexpectedReplyError as error:
            return Verdict(Action.DONE, Outcome.FAILED, f"its change was not sent: {error}")
        return settled or Verdict(Action.PROCEED, Outcome.NOT_ATTEMPTED, "its record was read", current=current)

    def _why_refused(self, request: Request, answer: ReadReply, verdict: Verdict) -> Verdict:
        """The conflict of a row whose version was refused, with what its record has become."""
        said = request.current.refused
        if verdict.outcome not in SUCCEEDED:
            if verdict.action in {Action.DONE, Action.STOP}:
                return Verdict(Action.DONE, Outcome.CONFLICT, f"{said}; it can't be read now: {verdict.message}")
            return verdict
        wanted, pulled = exact_json.loads(request.fields), Pulled.from_json(request.pulled)
        with suppress(UnexpectedReplyError):
            found = self._comparison.compare(wanted, pulled, self._target.seen(answer, {**wanted, **pulled.expected}))
            said += (
                f"; {found.message}"
                if found.finding is Finding.CONFLICT
                else "; nothing that this row sets has changed"
            )
        return Verdict(Action.DONE, Outcome.CONFLICT, said)

    def _compare(self, request: Request, answer: ReadReply) -> Verdict | None:
        """What becomes of a row that is not sent: its record has its values already, or is not as it was expected.

        None where it is to be sent.
        """
        pulled = Pulled.from_json(request.pulled)
        guarded = self._rule.compares(pulled)
        if not guarded and not self._may_be_done(request, pulled):
            return None
        wanted = exact_json.loads(request.fields)
        present = self._target.seen(answer, {**wanted, **pulled.expected})
        finding, _, message = self._comparison.compare(wanted, pulled, present, guarded=guarded)
        if finding is Finding.CHANGES:
            return None
        return Verdict(Action.DONE, Outcome.CONFLICT if finding is Finding.CONFLICT else Outcome.UNCHANGED, message)
