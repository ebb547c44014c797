"""For records that are read just before their changes: a row comes twice, for the read and for its change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchupdate.api.verdict import judge
from batchupdate.model import SUCCEEDED, Action, Fault, FaultKind, Outcome, ReadReply, Reply, Verdict
from batchupdate.targets import StatusRule, UnexpectedReplyError
from batchupdate.targets.current_record import MISSING
from batchupdate.targets.precondition import Pulled
from batchupdate.util import json as exact_json
from batchupdate.util.text import quoted
from batchupdate.validator.pulled_cells import PulledCell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchupdate.api.client import Client
    from batchupdate.api.verdict import Policy
    from batchupdate.model import Request
    from batchupdate.runs.job import Job

_UNREAD = "its present state can't be read: there was no answer, or no whole one"
_NO_RIGHT = 403
_SENDS_UNREAD = "; --check-old never sends a change without reading its record"


class FirstReads:
    """Reads records before their changes, and says what the replies mean for these.

    Args:
        job: which records are read, and what for.
        policy: what the replies to changes mean.
    """

    def __init__(self, job: Job, policy: Policy) -> None:
        statuses = {_NO_RIGHT: StatusRule(means="the key has no permission to read this record"), **policy.statuses}
        self._policy = replace(policy, changes=False, repeatable=True, statuses=statuses)
        self._target, self._rule, self._now = job.target, job.read_first, job.clock.now
        self._nonce = job.nonce  # asked for now: the journal belongs to its own thread while rows are sent
        self._cells: dict[str, PulledCell] = {}

    def wanted(self, request: Request) -> bool:
        """Whether a row's record is to be read now: not a second time, and not before it comes again."""
        if request.current is not None:
            return False
        pulled = Pulled.from_json(request.pulled)
        return self._rule.reads(version=bool(pulled.version), old=bool(pulled.old)) or self._may_be_done(
            request, pulled
        )

    def _may_be_done(self, request: Request, pulled: Pulled) -> bool:
        """Whether an earlier try may have been applied, after which the API would not take the pulled version again."""
        return (request.unanswered or request.unsure) and bool(pulled.version) and self._target.read is not None

    async def send(
        self, client: Client, change: Callable[[Request], Awaitable[Reply | Fault]], request: Request
    ) -> Reply | Fault:
        """Reads a row's record if that is wanted, else sends its `change`."""
        if not self.wanted(request):
            return await change(request)
        answer = await client.read(self._target.read_path(request.path))
        if isinstance(answer, Reply):
            return ReadReply(*answer)
        return Fault(FaultKind.UNREAD, _UNREAD, answer.duration_s) if answer.ambiguous else answer

    async def change(self, client: Client, request: Request) -> Reply | Fault:
        """Sends the change of a row, which starts from what was read, and is guarded by the version that is known."""
        record, version = request.current or ("", "")
        version = Pulled.from_json(request.pulled).version or version
        body = self._target.body_of(request.fields, request.path, record)
        return await client.send(request.path, body, self._target.headers_of(self._nonce, request, version))

    def judge(self, request: Request, answer: ReadReply) -> Verdict:
        """What the reply to a read means for the change that is to follow it; nothing was changed, whatever it says."""
        verdict = judge(answer, self._policy, self._now)
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

    def _compare(self, request: Request, answer: ReadReply) -> Verdict | None:
        """What becomes of a row that is not sent: its record has its values already, or others than it was pulled with.

        None where it is to be sent. A field that has its new value already is no conflict, whoever has set it.
        """
        pulled = Pulled.from_json(request.pulled)
        compares = self._rule.compares(version=bool(pulled.version), old=bool(pulled.old))
        if not compares and not self._may_be_done(request, pulled):
            return None
        wanted = exact_json.loads(request.fields)
        present = self._target.values_in(answer, wanted)
        left = [name for name, value in wanted.items() if not self._cell(name).equal(value, present[name])]
        if not left:
            return Verdict(Action.DONE, Outcome.UNCHANGED, "the record already has these values")
        old = pulled.old if compares else {}
        changed = [name for name in left if name in old and not self._cell(name).same(old[name], present[name])]
        if not changed:
            return None
        name = changed[0]
        others = f" ({', '.join(changed[1:])} changed as well)" if changed[1:] else ""
        now = f"is {quoted(self._cell(name).text(present[name]) or exact_json.dumps(present[name]))} now"
        if present[name] is MISSING:
            now = "is not in the record now (if the API never returns it there, add it to read.absent in the target)"
        message = f"{name} was {quoted(old[name])} when it was pulled, and {now}{others}; pull the records again"
        return Verdict(Action.DONE, Outcome.CONFLICT, f"nothing was sent: {message}")

    def _cell(self, name: str) -> PulledCell:
        if name not in self._cells:
            self._cells[name] = PulledCell(name, self._target.fields[name])
        return self._cells[name]
