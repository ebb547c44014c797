"""The outcome of a row for which nothing further is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Action, Outcome

if TYPE_CHECKING:
    from batchupdate.model import Request, Verdict


def settle(request: Request, verdict: Verdict) -> tuple[Outcome, str]:
    """The outcome and the sentence of a row for which nothing further is tried.

    A row of which some attempt went unanswered is never called failed: that attempt may have been applied. Nor is a row
    of which an attempt may have been applied although it was answered, with 502 for instance, called a conflict or not
    attempted later: a 412 can mean that the record has changed just because of it (RFC 9110, section 13.1.1). For the
    same reason, a record that turns out to have the row's values is updated, and not unchanged.
    """
    message = verdict.message
    if verdict.outcome is Outcome.UNCHANGED and (request.unanswered or request.unsure):
        return Outcome.UPDATED, "an earlier attempt may have been applied, and the record has the row's values now"
    if verdict.action is Action.REPEAT and request.attempt > 1:
        message += f" (after {request.attempt} attempts)"
    if request.unanswered and verdict.outcome in {Outcome.FAILED, Outcome.CONFLICT, Outcome.NOT_ATTEMPTED}:
        return Outcome.UNKNOWN, f"an earlier attempt got no answer and may have been applied; the last one: {message}"
    if request.unsure and verdict.outcome in {Outcome.CONFLICT, Outcome.NOT_ATTEMPTED}:
        return Outcome.UNKNOWN, f"an earlier attempt may have been applied; the last one: {message}"
    return verdict.outcome, message
