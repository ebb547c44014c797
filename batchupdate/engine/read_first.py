"""For records that are read just before their changes: a row comes twice, for the read and for its change."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchupdate.api.success import is_success
from batchupdate.api.verdict import CHANGED, GONE, judge
from batchupdate.model import SUCCEEDED, Action, Fault, FaultKind, Outcome, ReadReply, Reply, Verdict
from batchupdate.planner.comparison import Comparison, Finding
from batchupdate.targets import StatusRule, UnexpectedReplyError
from batchupdate.targets.precondition import NOTHING_SENT, Current, Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from batchupdate.api.client import Client
    from batchupdate.api.verdict import Policy
    from batchupdate.engine.assignment import Assignment
    from batchupdate.engine.protocols import Past
    from batchupdate.model import Request
    from batchupdate.targets import Target

_UNREAD = "its present state can't be read: there was no answer, or no whole one"
_NO_RIGHT = 403
_OTHERS = "nothing that this row sets has changed"
_MADE = "somebody else has made this record since it was not there"
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

    def __init__(self, job: Assignment, policy: Policy) -> None:
        self._policy = reading_policy(policy)
        self._target, self._rule, self._now = job.target, job.read_first, job.clock.now
        self._nonce = job.nonce  # asked for now: the journal belongs to its own thread while rows are sent
        self._comparison = Comparison(job.target, sends_all=True)

    def wanted(self, request: Request) -> bool:
        """Whether a row's record is to be read now: not a second time, and not before it comes again."""
        if request.current is not None:
            return bool(request.current.refused)
        pulled = Pulled.from_json(request.pulled)
        return self._rule.reads(pulled) or self._may_be_done(request, pulled)

    def _may_be_done(self, request: Request, pulled: Pulled) -> bool:
        """Whether an earlier try may have been applied, after which the API would not take the pulled version again."""
        return (request.unanswered or request.unsure) and pulled.versioned and self._target.read is not None

    async def send(
        self,
        client: Client,
        change: Callable[[Request], Awaitable[Reply | Fault]],
        past: Past,
        request: Request,
    ) -> Reply | Fault:
        """Reads a row's record if that is wanted, and keeps what it was; else sends its `change`."""
        if not self.wanted(request):
            return await change(request)
        answer = await client.read(self._target.read_path(request.path))
        if not isinstance(answer, Reply):
            return Fault(FaultKind.UNREAD, _UNREAD, answer.duration_s) if answer.ambiguous else answer
        if is_success(answer.status) and self._target.read is not None:
            with suppress(UnexpectedReplyError):  # `judge` says so
                await self._keep(past, request, self._target.seen(answer, exact_json.loads(request.fields)))
        elif not self._was_tried(request) and self._may_create(request, answer):
            await past.keep_before(request.row, Seen(gone=True).to_json())
        return ReadReply(*answer)

    def _may_create(self, request: Request, answer: Reply) -> bool:
        """Whether the change of a row makes its record, which is not there and was not expected to be."""
        pulled = Pulled.from_json(request.pulled)
        return answer.status in GONE and self._target.creates and (pulled.gone or not pulled)

    async def _keep(self, past: Past, request: Request, seen: Seen) -> None:
        """Keeps for `undo` what a record is.

        After an earlier try, a field that has its new value may owe that to the try; any other one was changed by
        somebody else since the first read, or is as it was then. Where the change is guarded by the version of the
        first read, it can only be made to what was read then: another value has come after a try that was applied.
        """
        if not self._was_tried(request):
            await past.keep_before(request.row, seen.to_json())
            return
        if Pulled.from_json(request.pulled).versioned:
            return
        wanted = exact_json.loads(request.fields)
        others = {name: value for name, value in seen.values.items() if not self._is_so(name, wanted, seen)}
        await past.amend_before(request.row, seen._replace(values=others))

    def _is_so(self, name: str, wanted: Mapping[str, Any], seen: Seen) -> bool:
        return name in wanted and self._comparison.is_so(name, wanted[name], seen)

    @staticmethod
    def _was_tried(request: Request) -> bool:
        return bool(request.sent or request.unanswered or request.unsure)

    def _why_not_kept(self, request: Request, answer: ReadReply) -> str:
        """Why a reply does not say what the record is, although it may have its version; '' if it does."""
        try:
            self._target.seen(answer, json.loads(request.fields))
        except UnexpectedReplyError as error:
            return str(error)
        return ""

    async def change(self, client: Client, request: Request) -> Reply | Fault:
        """Sends the change of a row, which starts from what was read, and is guarded by the version that is known."""
        current = request.current or Current()
        version = Pulled.from_json(request.pulled).version or current.version
        body = self._target.body_of(request.fields, request.path, current.record)
        return await client.send(request.path, body, self._target.headers_of(self._nonce, request, version))

    def refused(self, request: Request, answer: Reply | Fault, verdict: Verdict) -> Verdict:
        """Lets the record be read of a row whose version was not taken, to say what has changed."""
        if not isinstance(answer, Reply) or (verdict.action, verdict.outcome) != (Action.DONE, Outcome.CONFLICT):
            return verdict
        pulled = Pulled.from_json(request.pulled)
        if self._target.read is None or not pulled.versioned or not (pulled.old or pulled.seen):
            return verdict
        message = verdict.message.replace(CHANGED, _MADE) if pulled.gone else verdict.message
        return Verdict(Action.PROCEED, verdict.outcome, message, current=Current(refused=message))

    def judge(self, request: Request, answer: ReadReply) -> Verdict:
        """What the reply to a read means for the change that is to follow it; nothing was changed, whatever it says."""
        verdict = judge(answer, self._policy, self._now)
        if request.current is not None:
            return self._why_refused(request, answer, verdict)
        if self._may_create(request, answer):
            return self._proceed(request, Current(), Seen(gone=True))
        if verdict.outcome not in SUCCEEDED:
            outcome = Outcome.FAILED if verdict.outcome is Outcome.UNKNOWN else verdict.outcome
            optional = verdict.action is Action.DONE and not self._target.reads_first
            message = verdict.message + (_SENDS_UNREAD if optional else "")
            return replace(verdict, outcome=outcome, ambiguous=False, message=message)
        return self._judge_record(request, answer)

    def _judge_record(self, request: Request, answer: ReadReply) -> Verdict:
        """What a record that was read means for the change of its row."""
        try:
            current = self._target.current(answer)
            settled = self._compare(request, answer)
        except UnexpectedReplyError as error:
            return Verdict(Action.DONE, Outcome.FAILED, f"its change was not sent: {error}")
        if settled:
            return settled
        keeps = self._target.read is not None and not self._was_tried(request)
        if keeps and (why := self._why_not_kept(request, answer)):
            return Verdict(Action.REPEAT, Outcome.FAILED, f"its change was not sent: {why}")
        seen = None
        if current.version:
            with suppress(UnexpectedReplyError):  # the version is enough
                seen = self._target.seen(answer, _names(request))
        return self._proceed(request, current, seen)

    def _proceed(self, request: Request, current: Current, seen: Seen | None) -> Verdict:
        """Lets a change be sent to a record that must stay as it was read, however often it is sent.

        A later reading would be of a record that somebody else has changed meanwhile, or that an earlier try has.
        """
        pulled = _still_to_be(self._target, request, current.version, seen)
        return Verdict(Action.PROCEED, Outcome.NOT_ATTEMPTED, "its record was read", current=current, pulled=pulled)

    def _why_refused(self, request: Request, answer: ReadReply, verdict: Verdict) -> Verdict:
        """The conflict of a row whose version was refused, with what its record has become."""
        said = request.current.refused
        if verdict.outcome not in SUCCEEDED:
            if verdict.action in {Action.DONE, Action.STOP}:
                return Verdict(Action.DONE, Outcome.CONFLICT, f"{said}; it can't be read now: {verdict.message}")
            return verdict
        wanted, pulled = exact_json.loads(request.fields), Pulled.from_json(request.pulled)
        with suppress(UnexpectedReplyError):
            found = self._comparison.compare(wanted, pulled, self._target.seen(answer, _names(request)))
            said += "; " + (found.message.removeprefix(NOTHING_SENT) or _OTHERS)
        return Verdict(Action.DONE, Outcome.CONFLICT, said)

    def _compare(self, request: Request, answer: ReadReply) -> Verdict | None:
        """What becomes of a row that is not sent: its record has its values already, or is not as it was expected.

        None where it is to be sent.
        """
        pulled = Pulled.from_json(request.pulled)
        guarded = self._rule.compares(pulled)
        if not guarded and not self._may_be_done(request, pulled):
            return self._would_lose(request, answer) if self._rule.keeps_objects else None
        wanted = exact_json.loads(request.fields)
        present = self._target.seen(answer, _names(request))
        finding, _, message = self._comparison.compare(wanted, pulled, present, guarded=guarded)
        if finding is Finding.CHANGES:
            return None
        return Verdict(Action.DONE, Outcome.CONFLICT if finding is Finding.CONFLICT else Outcome.UNCHANGED, message)

    def _would_lose(self, request: Request, answer: ReadReply) -> Verdict | None:
        """The conflict of a row whose record was read for its version alone, and would lose something."""
        with suppress(UnexpectedReplyError):  # `_why_not_kept` says so
            present = self._target.seen(answer, _names(request))
            if lost := self._comparison.lost(exact_json.loads(request.fields), present):
                return Verdict(Action.DONE, Outcome.CONFLICT, lost)
        return None


def held_to(target: Target, request: Request, before: str) -> Request:
    """A request whose first try may have left, and that must still find its record as it was read before that.

    Of one that was tried before, what was kept is older than what was read last.

    Args:
        target: whether its records have versions.
        request: it, as it was claimed.
        before: what the record was, the JSON of a `Seen`.
    """
    if request.sent or request.unanswered or request.unsure:
        return request
    seen = Seen.from_json(before)
    pulled = _still_to_be(target, request, seen.version, seen) if seen.version or seen.gone else ""
    return request._replace(pulled=pulled or request.pulled)


def _still_to_be(target: Target, request: Request, version: str, seen: Seen | None) -> str:
    """What a row's record must still be, as JSON, once it was read; '' where that was known before, or nobody asks."""
    known = Pulled.from_json(request.pulled)
    if target.precondition is None or known.versioned:
        return ""
    known = known._replace(version=version)
    if known.seen is None or not any(map(known.seen.knows, _names(request))):
        known = known._replace(seen=seen, by="read" if seen else known.by)
    return known.to_json()


def _names(request: Request) -> list[str]:
    """The fields that are to be known of a row's record."""
    known = Pulled.from_json(request.pulled)
    return [*dict.fromkeys((*exact_json.loads(request.fields), *known.said, *known.held))]
