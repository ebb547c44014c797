from __future__ import annotations

from http.client import responses
from typing import Any

import pytest
from fakes import EPOCH

from batchupdate.api.verdict import Policy, errors_in_doubt, judge
from batchupdate.engine.final_outcome import settle
from batchupdate.model import Action, Fault, FaultKind, Outcome, Reply, Request, Verdict
from batchupdate.targets import StatusRule, ThrottleRule, find_target

DONE, REPEAT, HOLD, STOP = Action.DONE, Action.REPEAT, Action.HOLD, Action.STOP
FAILED, UPDATED, UNKNOWN = Outcome.FAILED, Outcome.UPDATED, Outcome.UNKNOWN
WAITING = Outcome.NOT_ATTEMPTED
REPEATABLE = Policy(repeatable=True)
ONCE = Policy(repeatable=False)
NOT_AGAIN = "it is not sent again, because the target does not declare that repeating is safe"


def verdict(status: int, policy: Policy = REPEATABLE, body: bytes = b"", **headers: str) -> Verdict:
    return judge(
        Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body), policy, lambda: EPOCH
    )


def overridden(status: int, policy: Policy = REPEATABLE, **rule: Any) -> Policy:
    return Policy(policy.repeatable, {status: StatusRule.model_validate(rule)})


@pytest.mark.parametrize("policy", [REPEATABLE, ONCE])
@pytest.mark.parametrize(
    ("status", "action", "outcome"),
    [
        *[(status, DONE, UPDATED) for status in (200, 201, 203, 204, 205, 206, 226, 299)],
        (202, DONE, Outcome.ACCEPTED),
        (207, DONE, FAILED),
        *[(status, DONE, FAILED) for status in (300, 301, 302, 303, 304, 307, 308)],
        *[(status, DONE, FAILED) for status in (400, 402, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 418, 422)],
        *[(status, DONE, FAILED) for status in (421, 423, 424, 426, 428, 431, 451, 498)],
        *[(status, DONE, FAILED) for status in (501, 505, 506, 507, 508, 510, 511)],
        (401, STOP, FAILED),
        (407, STOP, FAILED),
        (412, DONE, Outcome.CONFLICT),
        (429, HOLD, WAITING),
    ],
)
def test_what_a_clear_answer_means(status: int, action: Action, outcome: Outcome, policy: Policy) -> None:
    found = verdict(status, policy)
    assert (found.action, found.outcome) == (action, outcome)


@pytest.mark.parametrize(
    ("status", "headers", "repeatable", "once"),
    [
        (500, {}, (REPEAT, FAILED), (DONE, UNKNOWN)),
        (502, {}, (REPEAT, FAILED), (DONE, UNKNOWN)),
        (504, {}, (REPEAT, FAILED), (DONE, UNKNOWN)),
        *[
            (status, {}, (REPEAT, FAILED), (DONE, UNKNOWN))
            for status in (408, 425, 460, 499, 509, 512, 520, 522, 524, 525, 529, 530, 561, 598, 599, 600, 700, 999)
        ],
        (503, {}, (HOLD, FAILED), (DONE, UNKNOWN)),
        (503, {"retry_after": "soon"}, (HOLD, FAILED), (DONE, UNKNOWN)),
        (503, {"retry_after": "7"}, (HOLD, WAITING), (HOLD, WAITING)),
    ],
)
def test_an_unclear_answer_is_repeated_only_where_that_is_safe(
    status: int, headers: dict[str, str], repeatable: tuple[Action, Outcome], once: tuple[Action, Outcome]
) -> None:
    again, never = verdict(status, REPEATABLE, **headers), verdict(status, ONCE, **headers)
    assert (again.action, again.outcome) == repeatable
    assert (never.action, never.outcome) == once
    if never.action is DONE:
        says = responses.get(status, "a status without a standard meaning")
        assert never.message == f"{status} {says}; it may have been applied; {NOT_AGAIN}"


@pytest.mark.parametrize(
    ("kind", "repeatable", "once"),
    [
        (FaultKind.CONNECT, (HOLD, WAITING), (HOLD, WAITING)),
        (FaultKind.CERTIFICATE, (STOP, WAITING), (STOP, WAITING)),
        (FaultKind.LOST, (REPEAT, UNKNOWN), (DONE, UNKNOWN)),
        (FaultKind.TIMEOUT, (REPEAT, UNKNOWN), (DONE, UNKNOWN)),
    ],
)
def test_what_a_missing_answer_means(
    kind: FaultKind, repeatable: tuple[Action, Outcome], once: tuple[Action, Outcome]
) -> None:
    fault = Fault(kind, "no answer")
    again, never = judge(fault, REPEATABLE, lambda: EPOCH), judge(fault, ONCE, lambda: EPOCH)
    assert (again.action, again.outcome, again.message) == (*repeatable, "no answer")
    assert (never.action, never.outcome) == once
    assert never.message == ("no answer" if not fault.ambiguous else f"no answer; {NOT_AGAIN}")


def test_every_kind_of_fault_has_a_meaning() -> None:
    for kind in FaultKind:
        assert judge(Fault(kind, "x"), REPEATABLE, lambda: EPOCH).message


@pytest.mark.parametrize(
    ("status", "rule", "action", "outcome"),
    [
        (404, {"action": "done"}, DONE, UPDATED),
        (409, {"outcome": "conflict"}, DONE, Outcome.CONFLICT),
        (304, {"outcome": "unchanged"}, DONE, Outcome.UNCHANGED),
        (409, {"action": "repeat"}, REPEAT, FAILED),
        (403, {"action": "hold"}, HOLD, WAITING),
        (403, {"action": "hold", "outcome": "failed"}, HOLD, FAILED),
        (403, {"action": "stop"}, STOP, FAILED),
        (401, {"action": "give_up"}, DONE, FAILED),
        (429, {"action": "give_up"}, DONE, FAILED),
        (200, {"action": "give_up"}, DONE, FAILED),
        (529, {"action": "hold"}, HOLD, WAITING),
        (503, {"action": "hold"}, HOLD, WAITING),
        (503, {"action": "give_up"}, DONE, FAILED),
        (500, {"means": "broken"}, DONE, UNKNOWN),
        (500, {"outcome": "failed"}, DONE, FAILED),
        (500, {"action": "repeat"}, DONE, UNKNOWN),
        (520, {"action": "repeat"}, DONE, UNKNOWN),
        (499, {"action": "repeat"}, DONE, UNKNOWN),
        (524, {"means": "the API took too long"}, DONE, UNKNOWN),
        (520, {"action": "give_up"}, DONE, FAILED),
    ],
)
def test_a_target_can_say_what_a_status_means(
    status: int, rule: dict[str, str], action: Action, outcome: Outcome
) -> None:
    found = verdict(status, overridden(status, ONCE, **rule))
    assert (found.action, found.outcome) == (action, outcome)


@pytest.mark.parametrize("status", [409, 500, 520])
def test_a_status_that_a_repeatable_target_wants_repeated_is(status: int) -> None:
    assert verdict(status, overridden(status, action="repeat")).action is REPEAT


def test_a_rule_for_one_status_leaves_the_others_alone() -> None:
    assert verdict(404, overridden(403, action="stop")).action is DONE


def test_a_hold_keeps_its_wait_whatever_outcome_a_target_gives_it() -> None:
    found = verdict(429, overridden(429, outcome="accepted"), retry_after="3")
    assert (found.action, found.wait_s) == (HOLD, 3.0)
    assert found.message


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (verdict(200, body=b'{"message": "all succeeded"}'), ""),
        (verdict(404), "404 there is no such record"),
        (verdict(404, body=b'{"message": "gone"}'), "404 there is no such record: gone"),
        (verdict(404, body=b'"There is NO such record"'), "404 there is no such record"),
        (verdict(403), "403 the key has no permission to change this record"),
        (verdict(418), "418 I'm a Teapot"),
        (verdict(799), "799 a status without a standard meaning"),
        (verdict(409, overridden(409, means="someone was faster")), "409 someone was faster"),
        (verdict(207), "207 several answers in one, which may include failures"),
        (
            verdict(301, location="https://elsewhere"),
            "301 the API redirects to https://elsewhere, but redirects are not followed; check the base URL",
        ),
        (verdict(308), "308 the API redirects, but redirects are not followed; check the base URL"),
        (verdict(302, overridden(302, means="sent to the login page")), "302 sent to the login page"),
        (verdict(304), "304 Not Modified"),
        (verdict(422, Policy(repeatable=True, error_paths=["why"]), b'{"why": "x", "message": "y"}'), "x"),
    ],
)
def test_a_failure_is_told_in_one_sentence(found: Verdict, message: str) -> None:
    assert found.message.endswith(message)
    assert bool(found.message) == bool(message)


def test_a_policy_is_what_the_target_declares() -> None:
    target = find_target("nairi-llm-integration")
    policy = Policy.of(target, 12.0)
    assert policy == Policy(repeatable=True, statuses=target.statuses, error_paths=("error",), max_wait_s=12.0)
    assert policy.signals.max_wait_s == 12.0


# ---- settling ----


@pytest.mark.parametrize("outcome", [FAILED, Outcome.CONFLICT, WAITING])
def test_a_row_with_an_unanswered_attempt_is_never_called_failed(outcome: Outcome) -> None:
    request = Request(2, "id", "/", "{}", attempt=2, unanswered=True)
    settled, message = settle(request, Verdict(DONE, outcome, "404 gone"))
    assert settled is UNKNOWN
    assert message == "an earlier attempt got no answer and may have been applied; the last one: 404 gone"


@pytest.mark.parametrize("outcome", [UPDATED, Outcome.ACCEPTED])
def test_a_confirmed_row_is_fine_even_after_an_unanswered_attempt(outcome: Outcome) -> None:
    request = Request(2, "id", "/", "{}", attempt=2, unanswered=True)
    assert settle(request, Verdict(DONE, outcome)) == (outcome, "")


def test_a_record_that_has_the_values_after_an_attempt_that_may_have_set_them_is_updated() -> None:
    verdict = Verdict(DONE, Outcome.UNCHANGED, "it has these values already")
    first = Request(2, "id", "/", "{}")
    assert settle(first, verdict) == (Outcome.UNCHANGED, "it has these values already")
    for again in (first._replace(unanswered=True), first._replace(unsure=True)):
        assert settle(again, verdict)[0] is UPDATED


@pytest.mark.parametrize("outcome", [Outcome.CONFLICT, WAITING])
def test_a_row_with_an_attempt_that_came_to_nothing_may_have_been_changed_by_it(outcome: Outcome) -> None:
    again, first = (Request(2, "id", "/", "{}", attempt=2, unsure=unsure) for unsure in (True, False))
    message = "an earlier attempt may have been applied; the last one: 412 no"
    assert settle(again, Verdict(DONE, outcome, "412 no")) == (UNKNOWN, message)
    assert settle(first, Verdict(DONE, outcome, "412 no")) == (outcome, "412 no")


@pytest.mark.parametrize(
    ("attempt", "action", "message"),
    [(1, REPEAT, "no"), (5, REPEAT, "no (after 5 attempts)"), (5, DONE, "no"), (5, STOP, "no")],
)
def test_a_row_that_was_given_up_says_after_how_many_attempts(attempt: int, action: Action, message: str) -> None:
    request = Request(2, "id", "/", "{}", attempt=attempt)
    assert settle(request, Verdict(action, FAILED, "no")) == (FAILED, message)


# ---- waiting ----


def test_a_replys_wait_goes_along_with_its_verdict() -> None:
    assert verdict(429, retry_after="9").wait_s == 9.0
    assert verdict(429).wait_s is None
    assert verdict(429, Policy(repeatable=True, max_wait_s=5.0), retry_after="9").wait_s == 5.0
    assert verdict(500, retry_after="9").wait_s == 9.0


def test_what_a_reply_asks_for_is_known_beyond_the_longest_wait() -> None:
    policy = Policy(repeatable=True, max_wait_s=5.0)
    found = verdict(429, policy, retry_after="86400")
    assert (found.wait_s, found.asked_s) == (5.0, 86400.0)
    assert verdict(429, policy).asked_s is None


LEGACY = {"x_ratelimit_limit": "100", "x_ratelimit_remaining": "0", "x_ratelimit_reset": "30"}


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, LEGACY, 30.0),
        (429, LEGACY | {"retry_after": "7"}, 7.0),
        (429, LEGACY | {"retry_after": "soon"}, 30.0),
        (429, LEGACY | {"x_ratelimit_remaining": "3"}, None),
        (429, LEGACY | {"x_ratelimit_reset": "99999"}, 300.0),
        (429, LEGACY | {"x_ratelimit_reset": "-5"}, None),
        (429, {"x_ratelimit_reset": "30"}, 30.0),
        (429, {"ratelimit": '"a";r=0;t=5, "b";r=0;t=9, "c";r=1;t=60'}, 9.0),
        (503, LEGACY, 30.0),
        (500, LEGACY, None),
        (425, LEGACY, None),
        (400, LEGACY, None),
    ],
)
def test_a_hold_without_a_wait_lasts_until_what_is_used_up_renews(
    status: int, headers: dict[str, str], wait_s: float | None
) -> None:
    assert verdict(status, **headers).wait_s == wait_s


def test_a_503_is_not_turned_away_unread_just_because_a_limit_is_used_up() -> None:
    assert verdict(503, ONCE, **LEGACY).action is DONE


# ---- throttled where the target says so ----


def throttling(*rules: dict[str, Any], **policy: Any) -> Policy:
    return Policy(repeatable=False, throttle=[ThrottleRule.model_validate(rule) for rule in rules], **policy)


USED_UP = {"status": 403, "headers": {"X-RateLimit-Remaining": "0"}}
IN_BODY = {"status": [403, 429], "body": "(?i)secondary rate limit", "wait_s": 60}


@pytest.mark.parametrize(
    ("status", "headers", "body", "action", "wait_s"),
    [
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "20"}, b"", HOLD, 20.0),
        (403, {"x_ratelimit_remaining": " 0 "}, b"", HOLD, None),
        (403, {"x_ratelimit_remaining": "10"}, b"", DONE, None),
        (403, {}, b"", DONE, None),
        (404, {"x_ratelimit_remaining": "0"}, b"", DONE, None),
        (403, {}, b'{"message": "a Secondary rate limit"}', HOLD, 60.0),
        (403, {"retry_after": "5"}, b"a secondary rate limit", HOLD, 5.0),
        (429, {"ratelimit": "x;r=0;t=20"}, b"a secondary rate limit", HOLD, 20.0),
        (429, {}, b"a secondary rate limit", HOLD, 60.0),
        (429, {}, b"another", HOLD, None),
        (403, {}, b"x" * 65_536 + b"secondary rate limit", DONE, None),
        (403, {}, b"\xff secondary rate limit", HOLD, 60.0),
    ],
)
def test_a_target_can_say_which_replies_are_throttled(
    status: int, headers: dict[str, str], body: bytes, action: Action, wait_s: float | None
) -> None:
    found = verdict(status, throttling(USED_UP, IN_BODY), body, **headers)
    assert (found.action, found.wait_s) == (action, wait_s)
    assert (found.outcome is WAITING) == (action is HOLD)


def test_all_that_a_throttle_says_must_be_so() -> None:
    policy = throttling({"status": 403, "headers": {"A": "*", "B": "Yes"}, "body": "slow"})
    assert verdict(403, policy, b"slow", a="", b="yes").action is HOLD
    for body, headers in [(b"slow", {"b": "yes"}), (b"slow", {"a": "1", "b": "no"}), (b"", {"a": "1", "b": "yes"})]:
        assert verdict(403, policy, body, **headers).action is DONE


def test_the_first_throttle_that_fits_counts() -> None:
    policy = throttling({"status": 529, "body": "x", "wait_s": 1}, {"status": 529, "wait_s": 2})
    assert verdict(529, policy, b"x").wait_s == 1
    assert verdict(529, policy, b"y").wait_s == 2
    assert verdict(529, throttling()).action is DONE


def test_a_throttles_own_wait_is_capped_too() -> None:
    policy = throttling({"status": 429, "wait_s": 30}, max_wait_s=10.0)
    assert verdict(429, policy).wait_s == 10.0


def test_a_throttle_beats_what_the_target_says_of_the_status() -> None:
    rules = {403: StatusRule(means="no access", action="stop"), 429: StatusRule(means="slow down")}
    policy = throttling({"status": [403, 429], "body": "quota"}, {"status": 500, "means": "busy"}, statuses=rules)
    assert verdict(403, policy, b'{"error": "quota"}').message == "403 too many requests: quota"
    assert verdict(403, policy, b'{"error": "other"}').message == "403 no access: other"
    assert verdict(429, policy, b'{"error": "quota"}').message == "429 slow down: quota"
    assert verdict(500, policy).message == "500 busy"
    assert verdict(500, policy).action is HOLD


@pytest.mark.parametrize("status", range(300, 700))
def test_an_error_leaves_it_open_whether_its_change_was_applied_if_its_verdict_does(status: int) -> None:
    assert (status in errors_in_doubt()) is verdict(status).ambiguous


@pytest.mark.parametrize(
    ("status", "rule", "in_doubt"),
    [
        (500, {"action": "give_up"}, False),
        (500, {"outcome": "failed"}, True),
        (500, {"action": "done"}, True),  # a row that is `failed` by it all the same is one of a batch
        (507, {"action": "repeat"}, True),
        (503, {"action": "hold"}, False),
        (409, {"action": "repeat"}, False),
        (408, {"action": "give_up"}, False),
        (404, {"means": "gone"}, False),
    ],
)
def test_what_a_target_says_of_an_error_counts_there_too(status: int, rule: Any, *, in_doubt: bool) -> None:
    target = find_target("langdock-integration")
    with_rule = target.model_copy(update={"statuses": {status: StatusRule.model_validate(rule)}})
    assert (status in errors_in_doubt(with_rule)) is in_doubt
    assert {502, 504, 599} <= set(errors_in_doubt(with_rule))
