from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import responses
from typing import Any

import pytest
from fakes import EPOCH
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.backoff import MAX_DELAY_S, Policy, delay_s, judge, retry_after_s, settle
from batchupdate.model import Action, Fault, FaultKind, Outcome, Reply, Request, Verdict
from batchupdate.targets import StatusRule, find_target

DONE, REPEAT, HOLD, STOP = Action.DONE, Action.REPEAT, Action.HOLD, Action.STOP
FAILED, UPDATED, UNKNOWN = Outcome.FAILED, Outcome.UPDATED, Outcome.UNKNOWN
WAITING = Outcome.NOT_ATTEMPTED
REPEATABLE = Policy(repeatable=True)
ONCE = Policy(repeatable=False)
NOT_AGAIN = "it is not sent again, for this target does not say that repeating is safe"


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
        *[(status, DONE, FAILED) for status in (421, 423, 424, 426, 428, 431, 451, 499)],
        *[(status, DONE, FAILED) for status in (501, 505, 507, 520, 529, 599, 700, 999)],
        (401, STOP, FAILED),
        (407, STOP, FAILED),
        (408, REPEAT, FAILED),
        (412, DONE, Outcome.CONFLICT),
        (425, REPEAT, FAILED),
        (429, HOLD, WAITING),
    ],
)
def test_what_a_clear_answer_means(status: int, action: Action, outcome: Outcome, policy: Policy) -> None:
    found = verdict(status, policy)
    assert (found.action, found.outcome) == (action, outcome)


@pytest.mark.parametrize(
    ("status", "headers", "repeatable", "once"),
    [
        (500, {}, (REPEAT, FAILED), (DONE, FAILED)),
        (502, {}, (REPEAT, FAILED), (DONE, FAILED)),
        (504, {}, (REPEAT, FAILED), (DONE, FAILED)),
        (503, {}, (HOLD, FAILED), (DONE, FAILED)),
        (503, {"retry_after": "soon"}, (HOLD, FAILED), (DONE, FAILED)),
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
        assert never.message == f"{status} {responses[status]}; it may have been applied; {NOT_AGAIN}"


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
        (500, {"means": "broken"}, DONE, FAILED),
        (500, {"action": "repeat"}, DONE, FAILED),
        (520, {"action": "repeat"}, DONE, FAILED),
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
        (verdict(200, body=b'{"message": "all fine"}'), ""),
        (verdict(404), "404 there is no such record"),
        (verdict(404, body=b'{"message": "gone"}'), "404 there is no such record: gone"),
        (verdict(404, body=b'"There is NO such record"'), "404 there is no such record"),
        (verdict(403), "403 the key may not change this record"),
        (verdict(418), "418 I'm a Teapot"),
        (verdict(799), "799 a status that no standard knows"),
        (verdict(409, overridden(409, means="someone was faster")), "409 someone was faster"),
        (verdict(207), "207 several answers in one: no plain success"),
        (
            verdict(301, location="https://elsewhere"),
            "301 the API redirects to https://elsewhere, and redirects are not followed; check the base URL",
        ),
        (verdict(308), "308 the API redirects, and redirects are not followed; check the base URL"),
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


# ---- settling ----


@pytest.mark.parametrize("outcome", [FAILED, Outcome.CONFLICT, WAITING])
def test_a_row_with_an_unanswered_attempt_is_never_called_failed(outcome: Outcome) -> None:
    request = Request(2, "id", "/", "{}", attempt=2, unanswered=True)
    settled, message = settle(request, Verdict(DONE, outcome, "404 gone"))
    assert settled is UNKNOWN
    assert message == "an earlier attempt got no answer and may have been applied; the last one: 404 gone"


@pytest.mark.parametrize("outcome", [UPDATED, Outcome.ACCEPTED, Outcome.UNCHANGED])
def test_a_confirmed_row_is_fine_even_after_an_unanswered_attempt(outcome: Outcome) -> None:
    request = Request(2, "id", "/", "{}", attempt=2, unanswered=True)
    assert settle(request, Verdict(DONE, outcome)) == (outcome, "")


@pytest.mark.parametrize(
    ("attempt", "action", "message"),
    [(1, REPEAT, "no"), (5, REPEAT, "no (after 5 attempts)"), (5, DONE, "no"), (5, STOP, "no")],
)
def test_a_row_that_was_given_up_says_after_how_many_attempts(attempt: int, action: Action, message: str) -> None:
    request = Request(2, "id", "/", "{}", attempt=attempt)
    assert settle(request, Verdict(action, FAILED, "no")) == (FAILED, message)


# ---- waiting ----


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("2.", 2.0),
        ("299", 299.0),
        ("301", 300.0),
        ("99999999999999999999", 300.0),
        ("9" * 5000, 300.0),
        (format_datetime(EPOCH + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(EPOCH + timedelta(days=30), usegmt=True), 300.0),
        (format_datetime(EPOCH - timedelta(days=30), usegmt=True), 0.0),
        ("Saturday, 21-Nov-26 18:45:20 GMT", 20.0),
        ("Sat Nov 21 18:45:10 2026", 10.0),
        ("Sat, 21 Nov 2026 20:45:10 +0200", 10.0),
        ("Sat, 21 Nov 2026 18:45:10 -0000", 10.0),
        *[
            (value, None)
            for value in ("", " ", "-1", "+1", "1e3", "0x10", "1,5", "nan", "inf", "soon", "\u0665", "7 s", "1\n2")
        ],
        *[(value, None) for value in ("Sat, 99 Nov 2026 18:45:00 GMT", "Sat, 21 Nov 2026 18:45:00 +9999999")],
    ],
)
def test_a_wait_is_read_in_every_form_and_capped(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}, lambda: EPOCH, 300.0) == seconds


def test_no_header_names_no_wait() -> None:
    assert retry_after_s({}, lambda: EPOCH) is None


def test_without_a_cap_a_wait_is_as_long_as_asked() -> None:
    assert retry_after_s({"retry-after": "100000"}, lambda: EPOCH) == 100_000.0


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (format_datetime(EPOCH - timedelta(hours=1), usegmt=True), 60.0),
        ("Sat, 21 Nov 2026 17:45:00 -0000", 60.0),
        ("nonsense", 0.0),
        ("", 0.0),
    ],
)
def test_a_date_is_held_against_the_replys_own_clock(date: str, seconds: float) -> None:
    due = format_datetime(EPOCH - timedelta(minutes=59), usegmt=True)
    assert retry_after_s({"retry-after": due, "date": date}, lambda: EPOCH) == seconds


@given(st.text(), st.text())
def test_no_header_crashes_the_judge(value: str, date: str) -> None:
    wait = retry_after_s({"retry-after": value, "date": date}, lambda: EPOCH, 300.0)
    assert wait is None or 0.0 <= wait <= 300.0


@given(
    st.from_regex(r"(Mon|Sat)?,? ?\d{1,3}[ -](Nov|Feb|xyz)[ -]\d{1,5} \d\d?:\d\d?(:\d\d?)? ?(GMT|[+-]\d{1,6}|)"),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)).map(format_datetime),  # noqa: DTZ001 - a date in GMT
)
def test_no_date_crashes_the_judge(value: str, date: str) -> None:
    for now in (EPOCH, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        for headers in ({"retry-after": value, "date": date}, {"retry-after": date, "date": value}):
            wait = retry_after_s(headers, lambda now=now: now)
            assert wait is None or (wait >= 0.0 and math.isfinite(wait))


def test_a_replys_wait_goes_along_with_its_verdict() -> None:
    assert verdict(429, retry_after="9").wait_s == 9.0
    assert verdict(429).wait_s is None
    assert verdict(429, Policy(repeatable=True, max_wait_s=5.0), retry_after="9").wait_s == 5.0
    assert verdict(500, retry_after="9").wait_s == 9.0


@given(st.integers(1, 10**6), st.floats(0.001, 10), st.floats(0.001, 1000), st.integers())
def test_a_delay_doubles_up_to_its_cap_with_full_jitter(attempt: int, base: float, cap: float, seed: int) -> None:
    random.seed(seed)
    ceiling = min(cap, base * 2.0 ** min(attempt - 1, 60))
    assert 0.0 <= delay_s(attempt, base_s=base, cap_s=cap) <= ceiling


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 1.0), (2, 2.0), (4, 8.0), (7, MAX_DELAY_S), (5000, MAX_DELAY_S)])
def test_the_jitter_uses_the_whole_range(monkeypatch: pytest.MonkeyPatch, attempt: int, ceiling: float) -> None:
    drawn = []
    monkeypatch.setattr(random, "uniform", lambda low, high: drawn.append((low, high)) or high)
    assert delay_s(attempt) == ceiling
    assert drawn == [(0.0, ceiling)]
