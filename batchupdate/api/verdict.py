"""What a reply means, and how long to wait: pure functions, a table, and nothing that sends or sleeps.

The table follows RFC 9110 (what a status says) and RFC 5789 (a PATCH may be repeated only where its target says that
repeating is safe). A status below 500 that the table does not know is an answer, and an answer is never repeated; one
from 500 on is taken for a 500, and one beyond 599 too (RFC 9110, section 15). A target can override entries
(`statuses`), and name replies that mean "slow down" (`throttle`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING

from batchupdate.api.error_message import error_sentence
from batchupdate.api.rate_limit_headers import MAX_WAIT_S, Signals
from batchupdate.api.success import Doubt, doubt_about, is_success, is_web_page
from batchupdate.model import SUCCEEDED, Action, Fault, FaultKind, Outcome, Reply, Verdict
from batchupdate.targets import Limits, StatusRule
from batchupdate.targets.hooks import HookError
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from batchupdate.targets import Target, ThrottleRule
    from batchupdate.targets.hooks import Hooks


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
THROTTLED = Meaning(Action.HOLD, Outcome.NOT_ATTEMPTED)
TRIED = Meaning(Action.REPEAT, Outcome.FAILED, ambiguous=True)
"""The server, or a gateway before it, gave up at a point that it does not name: 520 to 599 of gateways among them."""

TABLE: Mapping[int, Meaning] = {
    202: Meaning(Action.DONE, Outcome.ACCEPTED),
    207: REFUSED,  # Multi-Status holds successes and failures: no plain success
    401: Meaning(Action.STOP, Outcome.FAILED),
    407: Meaning(Action.STOP, Outcome.FAILED),
    408: TRIED,  # RFC 9110, 15.5.9: the whole request did not arrive; but gateways send it when their server is slow
    412: Meaning(Action.DONE, Outcome.CONFLICT),
    425: TRIED,  # RFC 8470, 5.2: not processed, as it came in early data; we send none, so it means something else
    429: THROTTLED,  # RFC 6585, 4
    460: TRIED,  # a load balancer (AWS) stopped waiting
    499: TRIED,  # a gateway (nginx) stopped waiting
    501: REFUSED,
    503: THROTTLED,  # with Retry-After; without, see _meaning
    505: REFUSED,
    506: REFUSED,
    507: REFUSED,  # RFC 4918, 11.5: the record can't be stored
    508: REFUSED,
    510: REFUSED,
    511: REFUSED,  # RFC 6585, 6: a network that wants a login intercepted the request
}

FAULTS: Mapping[FaultKind, Meaning] = {
    FaultKind.CONNECT: Meaning(Action.HOLD, Outcome.NOT_ATTEMPTED),
    FaultKind.CERTIFICATE: Meaning(Action.STOP, Outcome.NOT_ATTEMPTED),
    FaultKind.NO_CREDENTIALS: Meaning(Action.STOP, Outcome.NOT_ATTEMPTED),
    FaultKind.PACKAGE: Meaning(Action.STOP, Outcome.NOT_ATTEMPTED),
    FaultKind.UNWRITABLE: REFUSED,
    FaultKind.EXPIRED: Meaning(Action.RENEW, Outcome.FAILED),
    FaultKind.UNREAD: Meaning(Action.REPEAT, Outcome.FAILED),
    FaultKind.LOST: Meaning(Action.REPEAT, Outcome.UNKNOWN, ambiguous=True),
    FaultKind.TIMEOUT: Meaning(Action.REPEAT, Outcome.UNKNOWN, ambiguous=True),
}

_OVERRIDES: Mapping[str, Meaning] = {
    "give_up": REFUSED,
    "repeat": Meaning(Action.REPEAT, Outcome.FAILED),
    "hold": THROTTLED,
    "stop": Meaning(Action.STOP, Outcome.FAILED),
    "done": CONFIRMED,
}

KEY_REFUSED = frozenset({401, 403})
"""Where these stop everything, the key is to blame."""

GONE = frozenset({404, 410})
"""With these, an API says that there is no such record."""

_STATUSES = range(100, 1000)

_REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})

PLACE_MOST = 300
"""Characters of a place that the API redirects to, in a sentence."""

_CREATED = "the API made a new record, for there was none with this id; remove it if that was a mistake"
CHANGED = "somebody else has changed the record since its version was pulled or read"
"""What the refusal of a version means."""
_IN_PROGRESS = "the API is still working on an earlier try of this row"
_TOO_MANY = "too many requests"
_SAYS: Mapping[int, str] = {
    207: "several answers in one, which may include failures",
    401: "the API rejected the key",
    403: "the key has no permission to change this record",
    404: "there is no such record",
    412: "the record is not in the state that the change expects",
    429: _TOO_MANY,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the judge must know of the target: see `Target` for the meaning of each.

    `changes` is whether the requests are changes: only then a success has to prove itself by its body (see `success`).
    `errors_stay` says that a repeated request would only get the same error again. `hooks` judges the replies to
    changes first, where the target's package does. `signals` reads the replies' headers as the target's `limits` say.
    """

    repeatable: bool
    statuses: Mapping[int, StatusRule] = field(default_factory=dict)
    error_paths: Sequence[str] = ()
    max_wait_s: float = MAX_WAIT_S
    throttle: Sequence[ThrottleRule] = ()
    limits: Limits = field(default_factory=Limits)
    success: str | None = None
    changes: bool = True
    errors_stay: bool = False
    hooks: Hooks | None = None
    signals: Signals = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", Signals(self.limits, self.max_wait_s))

    @classmethod
    def of_batches(cls, target: Target, max_wait_s: float) -> Policy:
        """The policy for replies to many rows at once: what is said of a single record's reply does not count.

        So an error stays one, even where the target takes it for a success of the record that it is about.
        """
        errors = {status: rule for status, rule in target.statuses.items() if not _counts_as_success(status, rule)}
        return replace(cls.of(target, max_wait_s), statuses=errors, success=None, errors_stay=False)

    @classmethod
    def of(cls, target: Target, max_wait_s: float) -> Policy:
        """The policy that a target declares; no reply makes us wait longer than `max_wait_s` seconds."""
        return cls(
            target.repeatable,
            _statuses(target),
            target.errors.paths,
            max_wait_s,
            target.throttle,
            target.limits,
            target.success,
            errors_stay=target.idempotency is not None and target.idempotency.replays_errors == "no_repeat",
            hooks=target.hooks if target.judges else None,
        )


def _counts_as_success(status: int, rule: StatusRule) -> bool:
    """Whether a rule makes an error a success."""
    return not is_success(status) and (rule.action == "done" or rule.outcome in SUCCEEDED)


def _statuses(target: Target) -> Mapping[int, StatusRule]:
    """What statuses mean for a target, with those that it declares in other places."""
    rules: dict[int, StatusRule] = {}
    if target.idempotency is not None and target.idempotency.in_progress is not None:
        rules[target.idempotency.in_progress] = StatusRule(means=_IN_PROGRESS, action="repeat")
    if target.precondition is not None:
        rules[int(HTTPStatus.PRECONDITION_FAILED)] = StatusRule(means=CHANGED)
    if target.must_exist:
        rules[int(HTTPStatus.CREATED)] = StatusRule(means=_CREATED, action="give_up")
    return {**rules, **target.statuses} if rules else target.statuses


_UPDATED = Verdict(Action.DONE, Outcome.UPDATED)


def judge(answer: Reply | Fault, policy: Policy, now: Callable[[], datetime]) -> Verdict:
    """What one reply or fault means, and what to do next; `now` is asked for replies that carry no `Date`."""
    if policy.hooks is None or not policy.changes or isinstance(answer, Fault):
        return _judged(answer, policy, now)
    try:
        rule = policy.hooks.judge(answer)
    except HookError as error:  # the change may have been applied: whether it was, only the package can say
        return Verdict(Action.STOP, Outcome.UNKNOWN, f"{answer.status}, but {error.fault.message}", ambiguous=True)
    if rule is not None:
        policy = replace(policy, statuses={**policy.statuses, answer.status: rule}, throttle=())
    return _judged(answer, policy, now)


def _judged(answer: Reply | Fault, policy: Policy, now: Callable[[], datetime]) -> Verdict:
    """What it means by the table and the target's declaration."""
    if isinstance(answer, Fault):
        meaning, wait, asked, message = FAULTS[answer.kind], None, None, answer.message
    elif _is_plain_success(answer, policy):
        return _UPDATED
    else:
        rule = next((rule for rule in policy.throttle if rule.matches(answer)), None)
        asked = policy.signals.asked_s(answer.headers, now)
        wait = None if asked is None else min(asked, policy.max_wait_s)
        meaning = THROTTLED if rule else _meaning(answer.status, policy, wait)
        means = ""
        if policy.changes and meaning.outcome in {Outcome.UPDATED, Outcome.ACCEPTED}:
            meaning, means = _examined(answer, meaning, policy)
        if meaning.action is Action.DONE and meaning.outcome in {Outcome.UPDATED, Outcome.ACCEPTED}:
            return Verdict(meaning.action, meaning.outcome)
        if meaning.action is Action.HOLD and wait is None:
            wait = _wait_without_header_s(answer, rule, policy, now)
        message = _sentence(answer, policy, rule, means)
    if meaning.ambiguous and not policy.repeatable:
        may = "" if isinstance(answer, Fault) else "it may have been applied; "
        message = f"{message}; {may}it is not sent again, because the target does not declare that repeating is safe"
        return Verdict(Action.DONE, _uncertain_outcome(answer, policy), message)
    if meaning.action is Action.REPEAT and meaning.ambiguous and policy.errors_stay and isinstance(answer, Reply):
        message += "; it is not sent again, because the API would repeat this answer for the same key"
        return Verdict(Action.DONE, meaning.outcome, message)
    return Verdict(meaning.action, meaning.outcome, message, wait, meaning.ambiguous, asked)


def _uncertain_outcome(answer: Reply | Fault, policy: Policy) -> Outcome:
    """The outcome of a row that may have been applied and is not sent again: unknown, but where the target knows."""
    rule = policy.statuses.get(answer.status) if isinstance(answer, Reply) else None
    return rule.outcome if rule and rule.outcome else Outcome.UNKNOWN


def _is_plain_success(reply: Reply, policy: Policy) -> bool:
    """Nearly all replies are, and need no more than this."""
    if not is_success(reply.status) or reply.status in TABLE or reply.status in policy.statuses:
        return False
    return not policy.changes or (policy.success is None and not is_web_page(reply))


def _meaning(status: int, policy: Policy, wait_s: float | None) -> Meaning:
    rule = policy.statuses.get(status)
    default = TABLE.get(status) or _default(status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and wait_s is None:
        # Without a Retry-After nothing says that the request was turned away unread.
        default = Meaning(Action.HOLD, Outcome.FAILED, ambiguous=True)
    if rule is None:
        return default
    meaning = _OVERRIDES[rule.action] if rule.action else default
    outcome = rule.outcome or meaning.outcome
    # An answer from 500 on does not say that nothing happened; its repetition needs a repeatable target all the same.
    server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    unsure = server_error or default.ambiguous if rule.action == "repeat" else meaning.ambiguous
    return replace(meaning, outcome=outcome, ambiguous=unsure)


def _examined(reply: Reply, meaning: Meaning, policy: Policy) -> tuple[Meaning, str]:
    """What a reply means whose status is that of a success, and why it is none after all, if so."""
    rule = policy.statuses.get(reply.status)
    if rule is not None and rule.action == "done":
        return meaning, ""
    match doubt_about(reply, policy.success):
        case None:
            return meaning, ""
        case Doubt(sentence, refused=True):
            return REFUSED, sentence
        case Doubt(sentence):
            return Meaning(Action.REPEAT, Outcome.UNKNOWN, ambiguous=True), sentence


def errors_in_doubt(target: Target | None = None) -> list[int]:
    """The statuses of errors after which a change may have been applied all the same, by the table and a target.

    Only of rows that are `failed` by them: what a target's package says of a single reply is not seen in its status.
    """
    policy = Policy(repeatable=True) if target is None else Policy.of_batches(target, MAX_WAIT_S)
    return [status for status in _STATUSES if _meaning(status, policy, None).ambiguous]


def _default(status: int) -> Meaning:
    """What a status means that the table does not know; by its class (RFC 9110, section 15)."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TRIED
    return CONFIRMED if is_success(status) else REFUSED


def _wait_without_header_s(
    reply: Reply, rule: ThrottleRule | None, policy: Policy, now: Callable[[], datetime]
) -> float | None:
    """Seconds to pause after a throttled reply that names no time, capped; None where nothing says how long.

    That is until the used-up limit resets, else what the target declares (GitHub: at least a minute after a
    "secondary rate limit"; Airtable: 30 s).
    """
    renewal = policy.signals.renewal_s(reply.headers, now)
    if renewal is not None or rule is None or rule.wait_s is None:
        return renewal
    return min(rule.wait_s, policy.max_wait_s)


def _sentence(reply: Reply, policy: Policy, throttle: ThrottleRule | None, means: str) -> str:
    means = means or _means(reply, policy, throttle)
    own = error_sentence(reply.body, policy.error_paths)
    return f"{reply.status} {means}" + (f": {own}" if own and own.lower() not in means.lower() else "")


def _means(reply: Reply, policy: Policy, throttle: ThrottleRule | None) -> str:
    """What the reply's status says, in the target's words or else in ours."""
    status = reply.status
    if throttle is not None and throttle.means:
        return throttle.means
    if throttle is not None and status != HTTPStatus.TOO_MANY_REQUESTS:
        return _TOO_MANY  # what the status says otherwise is beside the point
    rule = policy.statuses.get(status)
    if (means := (rule.means if rule else "") or _SAYS.get(status, "")) or status not in _REDIRECTS:
        return means or responses.get(status, "a status without a standard meaning")
    place = one_line(reply.headers.get("location", ""), PLACE_MOST)
    return f"the API redirects{f' to {place}' if place else ''}, but redirects are not followed; check the base URL"
