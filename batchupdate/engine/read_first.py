"""For targets whose records are read just before their changes: a row comes twice, for the read and for its change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchupdate.api.verdict import judge
from batchupdate.model import SUCCEEDED, Action, Fault, FaultKind, Outcome, ReadReply, Reply, Verdict
from batchupdate.targets import UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchupdate.api.client import Client
    from batchupdate.api.verdict import Policy
    from batchupdate.model import Request
    from batchupdate.runs.job import Job

_UNREAD = "its present state can't be read: there was no answer, or no whole one"


def read_or_send(client: Client, job: Job) -> Callable[[Request], Awaitable[Reply | Fault]]:
    """Reads a row's record when the row comes for the first time, and sends its change when it comes again."""
    target, nonce = job.target, job.nonce

    async def send(request: Request) -> Reply | Fault:
        if request.current is not None:
            body = target.body_of(request.fields, request.path, request.current.record)
            return await client.send(request.path, body, target.headers_of(nonce, request))
        answer = await client.read(target.read_path(request.path))
        if isinstance(answer, Reply):
            return ReadReply(*answer)
        return Fault(FaultKind.UNREAD, _UNREAD, answer.duration_s) if answer.ambiguous else answer

    return send


def judged_read(answer: ReadReply, policy: Policy, job: Job) -> Verdict:
    """What the reply to a read means for the change that is to follow it; nothing was changed, whatever it says."""
    verdict = judge(answer, policy, job.clock.now)
    if verdict.outcome not in SUCCEEDED:
        outcome = Outcome.FAILED if verdict.outcome is Outcome.UNKNOWN else verdict.outcome
        return replace(verdict, outcome=outcome, ambiguous=False)
    try:
        current = job.target.current(answer)
    except UnexpectedReplyError as error:
        return Verdict(Action.DONE, Outcome.FAILED, f"its change was not sent: {error}")
    return Verdict(Action.PROCEED, Outcome.NOT_ATTEMPTED, "its record was read", current=current)
