"""What a reply means, and how long to wait: pure functions, a table, and nothing that sends or sleeps.

The table follows RFC 9110 (what a status says) and RFC 5789 (a PATCH may be repeated only where its target says that
repeating is safe). A status that the table does not know is an answer, and an answer is never repeated.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING

from batchupdate.error_body import error_sentence
from batchupdate.model import Action, Fault, FaultKind, Outcome, Reply, Request, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.targets import StatusRule, Target

BASE_DELAY_S = 1.0
MAX_DELAY_S = 60.0
_NUMBER = re.compile(r"\d+(?:\.\d*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Meaning:
    """One line of the table: what to do, and the row's outcome if nothing further is tried.

    `ambiguous` is whether the request can have been applied: such a one is repeated only where that is safe.
    """

    action: Action
    outcome: Outcome
    ambiguous: bool = False


REFUSED = Meaning(Action.DONE, Outcome.FAILED)
CONFIRMED = Meaning(Action.DONE, Outcome.UPDATED)

TABLE: Mapping[int, Meaning] = {
    202: Meaning(Action.DONE, Outcome.ACCEPTED),
    207: REFUSED,  # Multi-Status holds successes and failures: no plain success
    401: Meaning(Action.STOP, Outcome.FAILED),
    407: Meaning(Action.STOP, Outcome.FAILED),
    408: Meaning(Action.REPEAT, Outcome.FAILED),  # the server did not get the whole request
    412: Meaning(Action.DONE, Outcome.CONFLICT),
    425: Meaning(Action.REPEAT, Outcome.FAILED),
    429: Meaning(Action.HOLD, Outcome.NOT_ATTEMPTED),
    500: Meaning(Action.REPEAT, Outcome.FAILED, ambiguous=True),
    502: Meaning(Action.REPEAT, Outcome.FAILED, ambiguous=True),
    503: Meaning(Action.HOLD, Outcome.NOT_ATTEMPTED),
    504: Meaning(Action.REPEAT, Outcome.FAILED, ambiguous=True),
}

FAULTS: Mapping[FaultKind, Meaning] = {
    FaultKind.CONNECT: Meaning(Action.HOLD, Outcome.NOT_ATTEMPTED),
    FaultKind.CERTIFICATE: Meaning(Action.STOP, Outcome.NOT_ATTEMPTED),
    FaultKind.LOST: Meaning(Action.REPEAT, Outcome.UNKNOWN, ambiguous=True),
    FaultKind.TIMEOUT: Meaning(Action.REPEAT, Outcome.UNKNOWN, ambiguous=True),
}

_OVERRIDES: Mapping[str, Meaning] = {
    "give_up": REFUSED,
    "repeat": Meaning(Action.REPEAT, Outcome.FAILED),
    "hold": Meaning(Action.HOLD, Outcome.NOT_ATTEMPTED),
    "stop": Meaning(Action.STOP, Outcome.FAILED),
    "done": CONFIRMED,
}

_REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})

_SAYS: Mapping[int, str] = {
    207: "several answers in one: no plain success",
    401: "the API refuses the key",
    403: "the key may not change this record",
    404: "there is no such record",
    429: "too many requests",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the judge must know of the target: see `Target` for the meaning of each."""

    repeatable: bool
    statuses: Mapping[int, StatusRule] = field(default_factory=dict)
    error_paths: Sequence[str] = ()
    max_wait_s: float = 300.0

    @classmethod
    def of(cls, target: Target, max_wait_s: float) -> Policy:
        """The policy that a target declares."""
        return cls(target.repeatable, target.statuses, target.errors.paths, max_wait_s)


_OK = int(HTTPStatus.OK)  # looking up an enum's member, and hashing it, takes longer than all else here
_UPDATED = Verdict(Action.DONE, Outcome.UPDATED)


def judge(answer: Reply | Fault, policy: Policy, now: Callable[[], datetime]) -> Verdict:
    """What one reply or fault means, and what to do next; `now` is asked for replies that carry no `Date`."""
    if isinstance(answer, Fault):
        meaning, wait, message = FAULTS[answer.kind], None, answer.message
    elif answer.status == _OK and _OK not in policy.statuses:
        return _UPDATED
    else:
        wait = retry_after_s(answer.headers, now, policy.max_wait_s)
        meaning = _meaning(answer.status, policy, wait)
        if meaning.action is Action.DONE and meaning.outcome in {Outcome.UPDATED, Outcome.ACCEPTED}:
            return Verdict(meaning.action, meaning.outcome)
        message = _sentence(answer, policy)
    if meaning.ambiguous and not policy.repeatable:
        may = "" if isinstance(answer, Fault) else "it may have been applied; "
        told = f"{message}; {may}it is not sent again, for this target does not say that repeating is safe"
        return Verdict(Action.DONE, meaning.outcome, told)
    return Verdict(meaning.action, meaning.outcome, message, wait)


def _meaning(status: int, policy: Policy, wait_s: float | None) -> Meaning:
    rule = policy.statuses.get(status)
    default = TABLE.get(status, CONFIRMED if 200 <= status < 300 else REFUSED)  # noqa: PLR2004 - 2xx
    if status == HTTPStatus.SERVICE_UNAVAILABLE and wait_s is None:
        # Without a Retry-After nothing says that the request was turned away unread.
        default = Meaning(Action.HOLD, Outcome.FAILED, ambiguous=True)
    if rule is None:
        return default
    meaning = _OVERRIDES[rule.action] if rule.action else default
    outcome = rule.outcome or meaning.outcome
    # An answer from 500 on does not say that nothing happened; its repetition needs a repeatable target all the same.
    unsure = status >= HTTPStatus.INTERNAL_SERVER_ERROR if rule.action == "repeat" else meaning.ambiguous
    return replace(meaning, outcome=outcome, ambiguous=unsure)


def _sentence(reply: Reply, policy: Policy) -> str:
    status = reply.status
    rule = policy.statuses.get(status)
    means = (rule.means if rule else "") or _SAYS.get(status, "")
    if not means and status in _REDIRECTS:
        place = reply.headers.get("location", "")
        means = (
            f"the API redirects{f' to {place}' if place else ''}, and redirects are not followed; check the base URL"
        )
    if not means:
        means = responses.get(status, "a status that no standard knows")
    own = error_sentence(reply.body, policy.error_paths)
    return f"{status} {means}" + (f": {own}" if own and own.lower() not in means.lower() else "")


def settle(request: Request, verdict: Verdict) -> tuple[Outcome, str]:
    """The outcome and the sentence of a row for which nothing further is tried.

    A row of which some attempt went unanswered is never called failed: that attempt may have been applied.
    """
    message = verdict.message
    if verdict.action is Action.REPEAT and request.attempt > 1:
        message += f" (after {request.attempt} attempts)"
    if request.unanswered and verdict.outcome in {Outcome.FAILED, Outcome.CONFLICT, Outcome.NOT_ATTEMPTED}:
        return Outcome.UNKNOWN, f"an earlier attempt got no answer and may have been applied; the last one: {message}"
    return verdict.outcome, message


def delay_s(attempt: int, *, base_s: float = BASE_DELAY_S, cap_s: float = MAX_DELAY_S) -> float:
    """Seconds to wait after the n-th failure in a row (from 1): exponential, with a cap and full jitter.

    Full jitter, so that many workers or many runs don't come back at the same moment.
    """
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt - 1, 32))
    return random.uniform(0.0, ceiling)  # noqa: S311 - jitter, no secret


def retry_after_s(
    headers: Mapping[str, str], now: Callable[[], datetime], max_wait_s: float = math.inf
) -> float | None:
    """Seconds that `Retry-After` asks for, capped; None where it is missing or malformed.

    RFC 9110, section 10.2.3: whole seconds or an HTTP-date; decimals are seen in the wild. A date is held against
    the response's own `Date`, because our clock may be wrong.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if _NUMBER.fullmatch(value):
        return min(float(value), max_wait_s)
    due = _http_date(value)
    if due is None:
        return None
    told = _http_date(headers.get("date", "")) or now()
    return min(max((due - told).total_seconds(), 0.0), max_wait_s)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
