"""What a target can say of throttling, limits and idempotency; the examples are those of docs/targets.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fakes import EPOCH
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from pydantic import ValidationError

from batchupdate.api.verdict import Policy, judge
from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError
from batchupdate.model import Action, Allowance, Reply, Verdict
from batchupdate.targets import Limits, Target, ThrottleRule

PLAIN = """\
name: mine
title: My API
path: /a/{id}
auth: {env: MY_KEY}
id: {id: {}}
fields: {name: {}}
"""
PAGE = (Path(__file__).parents[2] / "docs" / "targets.md").read_text("utf-8")
EXAMPLES = {match[1]: match[2] for match in re.finditer(r"```yaml\n# ([\w ]+?)[:.,] [^\n]*\n(.*?)```", PAGE, re.DOTALL)}


def read(text: str) -> Target:
    return parse((PLAIN + text).encode(), Target, "target", "t.yaml")


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.message


def verdict(target: Target, status: int, body: Any = "", **headers: str) -> Verdict:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Reply(status, named, raw), Policy.of(target, 300.0), lambda: EPOCH)


def allowances(target: Target, **headers: str) -> list[Allowance]:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return list(Policy.of(target, 300.0).signals.allowances(named, lambda: EPOCH))


def google(reason: str) -> dict[str, Any]:
    return {"error": {"code": 403, "errors": [{"reason": reason, "message": "no"}]}}


# ---- the examples in the docs ----


def test_every_example_in_the_docs_is_valid() -> None:
    for example in EXAMPLES.values():
        read(example)
    assert len(EXAMPLES) == PAGE.count("```yaml\n# ")


EPOCH_IN_20_S = str(int(EPOCH.timestamp()) + 20)


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "wait_s"),
    [
        ("GitHub", 403, "", {"x_ratelimit_remaining": "0", "x_ratelimit_reset": EPOCH_IN_20_S}, 20.0),
        ("GitHub", 429, "", {"x_ratelimit_remaining": "0", "x_ratelimit_reset": EPOCH_IN_20_S}, 20.0),
        ("GitHub", 403, "", {"x_ratelimit_remaining": "70", "retry_after": "9"}, 9.0),
        ("GitHub", 403, {"message": "You have exceeded a secondary rate limit."}, {}, 60.0),
        ("GitHub", 429, {"message": "You have exceeded a secondary rate limit."}, {}, 60.0),
        ("Google Directory", 403, google("userRateLimitExceeded"), {}, None),
        ("Airtable", 429, "", {}, 30.0),
        ("Airtable", 429, "", {"retry_after": "2"}, 2.0),
        ("Notion", 529, "", {"retry_after": "4"}, 4.0),
    ],
)
def test_a_reply_that_throttles_in_the_apis_own_way_holds_everybody(
    name: str, status: int, body: Any, headers: dict[str, str], wait_s: float | None
) -> None:
    found = verdict(read(EXAMPLES[name]), status, body, **headers)
    assert (found.action, found.wait_s) == (Action.HOLD, wait_s)


@pytest.mark.parametrize(
    ("name", "status", "body", "headers"),
    [
        ("GitHub", 403, {"message": "Must have admin rights"}, {"x_ratelimit_remaining": "4999"}),
        ("GitHub", 404, {"message": "secondary rate limit"}, {}),
        ("Google Directory", 403, google("forbidden"), {}),
        ("Airtable", 403, "", {}),
        ("Notion", 520, "", {}),
    ],
)
def test_a_reply_that_only_looks_like_it_is_an_answer(
    name: str, status: int, body: Any, headers: dict[str, str]
) -> None:
    assert verdict(read(EXAMPLES[name]), status, body, **headers).action is Action.DONE


def test_kong_tells_a_limit_for_each_window() -> None:
    headers = {"x_ratelimit_limit_minute": "20", "x_ratelimit_remaining_minute": "7"}
    headers |= {"x_ratelimit_limit_hour": "900", "x_ratelimit_remaining_hour": "887"}
    assert allowances(read(EXAMPLES["Kong"]), **headers) == [
        Allowance(20, 7, None, 60),
        Allowance(900, 887, None, 3600),
    ]


def test_usual_headers_can_mean_something_else() -> None:
    target = read(EXAMPLES["An API whose usual headers mean something else"])
    usual = {"x_ratelimit_limit": "9", "x_ratelimit_remaining": "0", "x_ratelimit_reset": "2500", "ratelimit": "x;r=5"}
    assert allowances(target, **usual) == [Allowance(9, 0, 2.5)]
    assert verdict(target, 429, **usual).wait_s == 2.5
    assert verdict(target, 429, retry_after_ms="1500", **usual).wait_s == 1.5


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x_shopify_shop_api_call_limit": "32/40"}, [Allowance(40, 8)]),
        (
            {"x_hubspot_ratelimit_max": "190", "x_hubspot_ratelimit_interval_milliseconds": "10000"},
            [Allowance(190, None, None, 10)],
        ),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset_after": "1.25"}, [Allowance(None, 0, 1.25)]),
    ],
    ids=["Shopify", "HubSpot", "Discord"],
)
def test_the_apis_that_are_said_to_need_nothing_do(headers: dict[str, str], found: list[Allowance]) -> None:
    assert allowances(read(""), **headers) == found


# ---- mistakes ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("throttle: [{}]", "t.yaml:7: throttle.0.status: this setting is missing; add it."),
        ("throttle: [{status: 200}]", "t.yaml:7: throttle.0.status: this must be at least 400."),
        ("throttle: [{status: []}]", "t.yaml:7: throttle.0.status: name at least one status."),
        ("throttle: [{status: yes}]", "t.yaml:7: throttle.0.status: this must be a whole number."),
        ("throttle: [{status: '403'}]", "t.yaml:7: throttle.0.status: "),
        (
            "throttle:\n  - status: 403\n    body: '(?=a)b'",
            "t.yaml:9: throttle.0.body: '(?=a)b' can't be used as a pattern: look-around",
        ),
        ("throttle: [{status: 403, body: '['}]", "can't be used as a pattern: unclosed character class."),
        ("throttle: [{status: 403, wait_s: 0}]", "throttle.0.wait_s: this must be more than 0."),
        ("throttle: [{status: 403, wait_s: .inf}]", "throttle.0.wait_s: this must be a finite number."),
        ("throttle: [{status: 403, headers: {A: 0}}]", "throttle.0.headers.A: this must be text; put quotes around it"),
        ("throttle: [{status: 403, headers: {'A b': x}}]", "'A b' is not a header name."),
        (
            "throttle: [{status: 403, header: {A: x}}]",
            "there is no setting 'throttle.0.header'. Did you mean 'headers'?",
        ),
        ("limits: {headers: [{}]}", "t.yaml:7: limits.headers.0: name at least one header: limit, remaining or reset."),
        ("limits: {headers: [{window_s: 3}]}", "name at least one header: limit, remaining or reset."),
        (
            "limits: {headers: [{limit: A, reset_unit: min}]}",
            "reset_unit: this must be 'auto', 's', 'ms', 'epoch_s'",
        ),
        (
            "limits:\n  headers:\n    - limit: A\n      window: B\n      window_s: 3",
            "t.yaml:11: limits.headers.0.window_s: window already names the header with the window's length; remove wi",
        ),
        ("limits: {headers: [{limit: A, window_s: -1}]}", "limits.headers.0.window_s: this must be more than 0."),
        (
            "limits:\n  headers: [{limit: A, reset: B}]\n  ignore: [b]",
            "t.yaml:8: limits.headers.0.reset: this header is under ignore, too; keep one.",
        ),
        (
            "limits: {wait: {name: Retry-After}, ignore: [retry-after]}",
            "limits.wait.name: this header is under ignore, too; keep one.",
        ),
        ("limits: {wait: {name: Retry-After, unit: min}}", "limits.wait.unit: this must be 'auto', 's', 'ms'"),
        (
            "idempotency: {header: Idempotency Key}",
            "idempotency.header: 'Idempotency Key' is not a header name.",
        ),
        (
            "idempotency: {header: authorization}",
            "t.yaml:7: idempotency.header: authorization is already used",
        ),
        (
            "idempotency: {header: Content-Type}",
            "t.yaml:7: idempotency.header: Content-Type is already used",
        ),
        ("idempotency: {quoted: true}", "t.yaml:7: idempotency.header: this setting is missing; add it"),
        (
            "idempotency: {header: K, lifetime: a day}",
            "idempotency.lifetime: 'a day' is not a time such as 24h",
        ),
        ("idempotency: {header: K, lifetime: 0}", "idempotency.lifetime: this must be more than 0"),
        ("idempotency: {header: K, in_progress: 200}", "idempotency.in_progress: this must be at least 400"),
        (
            "idempotency: {header: A-Key}\nheaders:\n  a-key: x",
            "t.yaml:9: headers.a-key: idempotency.header sets this header, to another value in every row; remove it he",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_and_way_out(text: str, said: str) -> None:
    assert said in complaint(text + "\n")


def test_the_header_of_the_key_is_not_for_idempotency() -> None:
    text = (
        PLAIN.replace("{env: MY_KEY}", "{env: MY_KEY, scheme: header, name: X-Token}")
        + "idempotency: {header: x-token}\n"
    )
    with pytest.raises(ConfigError, match="x-token is already used for something else"):
        parse(text.encode(), Target, "target", "t.yaml")


def test_a_target_with_all_of_it_survives_being_written_down() -> None:
    target = read("".join(EXAMPLES[name] for name in ("GitHub", "Kong")) + "idempotency: {header: K, lifetime: 24h}\n")
    again = Target.model_validate_json(target.model_dump_json())
    assert again == target
    assert verdict(again, 403, {"message": "secondary rate limit"}).wait_s == 60


def test_one_status_is_as_good_as_a_list_of_one() -> None:
    assert ThrottleRule.model_validate({"status": 403}) == ThrottleRule.model_validate({"status": [403]})


@given(st.text(), st.binary(max_size=200))
def test_no_pattern_and_no_body_crash_the_judge(pattern: str, body: bytes) -> None:
    try:
        rule = ThrottleRule.model_validate({"status": 403, "body": pattern})
    except ValidationError:
        return
    judge(Reply(403, {}, body), Policy(repeatable=True, throttle=[rule]), lambda: EPOCH)


def test_a_pattern_cannot_be_made_to_take_forever() -> None:
    rule = ThrottleRule.model_validate({"status": 403, "body": "(a+)+$"})
    assert not rule.matches(Reply(403, {}, b"a" * 65_000 + b"b" * 100_000))


def test_what_is_left_out_declares_nothing() -> None:
    target = read("")
    assert (target.throttle, target.limits, target.idempotency) == ((), Limits(), None)
