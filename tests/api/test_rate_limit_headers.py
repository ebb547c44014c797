from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from fakes import EPOCH
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from batchupdate.api.rate_limit_headers import MAX_AMOUNT, MAX_PLANS, MAX_SPAN_S, Signals
from batchupdate.model import Allowance
from batchupdate.targets import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOW_S = EPOCH.timestamp()
DATE = format_datetime(EPOCH, usegmt=True)
USUAL = Signals()


def never() -> datetime:
    raise AssertionError("the reply tells the time itself")


def told(headers: Mapping[str, str], signals: Signals = USUAL, now: Callable[[], datetime] = never) -> list[Allowance]:
    return list(signals.allowances(headers if isinstance(headers, CIMultiDict) else CIMultiDict(headers), now))


def retry_after_s(headers: Mapping[str, str], now: Callable[[], datetime], max_wait_s: float = 300.0) -> float | None:
    return Signals(max_wait_s=max_wait_s).wait_s(headers, now)


def declared(**limits: Any) -> Signals:
    return Signals(Limits.model_validate(limits))


# ---- what replies tell ----


@pytest.mark.parametrize(
    ("headers", "allowances"),
    [
        pytest.param(
            {"RateLimit-Policy": '"burst";q=100;w=60', "RateLimit": '"burst";r=50;t=30'},
            [Allowance(100, 50, 30, 60)],
            id="draft-11",
        ),
        pytest.param(
            {
                "RateLimit-Policy": '"permin";q=50;w=60,"perhr";q=1000;w=3600, "perday";q=5000;w=86400',
                "RateLimit": '"perhr";r=399;t=2402, "permin";r=20;t=23',
            },
            [Allowance(1000, 399, 2402, 3600), Allowance(50, 20, 23, 60), Allowance(5000, None, None, 86400)],
            id="draft-11 with several policies",
        ),
        pytest.param(
            {"RateLimit-Policy": "x;q=9;w=1;pk=:YQ==:, x;q=7;w=1;pk=:Yg==:", "RateLimit": "x;r=3;t=1;pk=:Yg==:"},
            [Allowance(7, 3, 1, 1), Allowance(9, None, None, 1)],
            id="draft-11 with partitions",
        ),
        pytest.param(
            {
                "RateLimit-Policy": '"a";q=9;qu="content-bytes", "b";q=8;qu="concurrent-requests", "c";q=7;qu=requests',
                "RateLimit": '"a";r=1, "b";r=2;t=3, "c";r=4',
            },
            [Allowance(7, 4)],
            id="draft-11 with other units than requests",
        ),
        pytest.param({"RateLimit": '"gone";r=0'}, [Allowance(None, 0)], id="draft-11 without a policy"),
        pytest.param(
            {"RateLimit": "limit=100, remaining=50, reset=30", "RateLimit-Policy": "100;w=60, 1000;w=3600"},
            [Allowance(100, 50, 30, 60), Allowance(1000, None, None, 3600)],
            id="draft-07",
        ),
        pytest.param({"RateLimit": "remaining=0,reset=4"}, [Allowance(None, 0, 4)], id="draft-07 without a limit"),
        pytest.param(
            {
                "RateLimit-Limit": "100",
                "RateLimit-Remaining": "50",
                "RateLimit-Reset": "30",
                "RateLimit-Policy": "100;w=60;comment=x",
            },
            [Allowance(100, 50, 30, 60)],
            id="draft-06",
        ),
        pytest.param(
            {"RateLimit-Limit": "10, 10;w=1;burst=5, 1000;w=3600", "RateLimit-Remaining": "9", "RateLimit-Reset": "1"},
            [Allowance(10, 9, 1, 1), Allowance(1000, None, None, 3600)],
            id="draft-03",
        ),
        pytest.param(
            {
                "RateLimit-Limit": "60",
                "RateLimit-Remaining": "59",
                "RateLimit-Reset": str(int(NOW_S) + 20),
                "Date": DATE,
            },
            [Allowance(60, 59, 20)],
            id="GitLab",
        ),
        pytest.param(
            {
                "x-ratelimit-limit": "5000",
                "x-ratelimit-remaining": "4999",
                "x-ratelimit-reset": str(int(NOW_S) + 3600),
                "x-ratelimit-used": "1",
                "x-ratelimit-resource": "core",
                "date": DATE,
            },
            [Allowance(5000, 4999, 3600)],
            id="GitHub",
        ),
        pytest.param(
            {
                "X-RateLimit-Limit": "5",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(NOW_S + 1.5),
                "X-RateLimit-Reset-After": "1.372",
                "X-RateLimit-Bucket": "abcd1234",
                "Date": DATE,
            },
            [Allowance(5, 0, 1.372)],
            id="Discord",
        ),
        pytest.param(
            {"X-RateLimit-Limit": "350", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-21T18:46Z"}
            | {"Date": DATE, "RateLimit-Reason": "jira-burst-based"},
            [Allowance(350, 0, 60)],
            id="Jira",
        ),
        pytest.param(
            {"X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "599", "X-Rate-Limit-Reset": str(int(NOW_S) + 9)}
            | {"Date": DATE},
            [Allowance(600, 599, 9)],
            id="Okta",
        ),
        pytest.param(
            {"x-rate-limit": "700", "x-rate-limit-remaining": "699", "ratelimit-reset": "41"},
            [Allowance(700, 699, 41)],
            id="Zendesk",
        ),
        pytest.param(
            {"x-rate-limit": "700", "ratelimit-limit": "700", "x-rate-limit-remaining": "699"}
            | {"ratelimit-remaining": "699", "ratelimit-reset": "41"},
            [Allowance(700, 699, 41)],
            id="Zendesk with both sets",
        ),
        pytest.param(
            {
                "X-HubSpot-RateLimit-Max": "190",
                "X-HubSpot-RateLimit-Remaining": "188",
                "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
                "X-HubSpot-RateLimit-Daily": "650000",
                "X-HubSpot-RateLimit-Daily-Remaining": "649990",
            },
            [Allowance(190, 188, None, 10), Allowance(650000, 649990, None, 86400)],
            id="HubSpot",
        ),
        pytest.param({"X-Shopify-Shop-Api-Call-Limit": "32/40"}, [Allowance(40, 8)], id="Shopify"),
        pytest.param({"X-Shopify-Shop-Api-Call-Limit": "41 / 40"}, [Allowance(40, 0)], id="Shopify, over"),
        pytest.param(
            {"RateLimit": '"a";r=4;t=7', "X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4"}
            | {"X-RateLimit-Reset": "9"},
            [Allowance(5, 4, 7)],
            id="the standard beside custom",
        ),
        pytest.param(
            {"RateLimit": '"a";r=0;t=7, "b";r=0;t=60'},
            [Allowance(None, 0, 7), Allowance(None, 0, 60)],
            id="two limits that look alike",
        ),
        pytest.param({"Content-Type": "application/json", "Date": DATE, "Server": "x"}, [], id="nothing"),
        pytest.param({}, [], id="no header at all"),
    ],
)
def test_what_each_api_tells_is_read(headers: dict[str, str], allowances: list[Allowance]) -> None:
    assert told(headers) == allowances
    lower = {name.lower(): value for name, value in headers.items()}
    assert list(USUAL.allowances(lower, never)) == allowances


@pytest.mark.parametrize(
    ("value", "reset_s"),
    [
        ("30", 30.0),
        (" 30 ", 30.0),
        ("0.25", 0.25),
        ("86400", 86_400.0),
        (str(int(NOW_S) + 90), 90.0),
        (str(int(NOW_S) - 90), 0.0),
        (str(int(NOW_S + 90) * 1000 + 500), 90.5),
        ("1000000000", 0.0),
        ("2026-11-21T18:45:30Z", 30.0),
        ("2026-11-21T18:46Z", 60.0),
        ("2026-11-21T20:45:30.5+02:00", 30.5),
        ("2026-11-21 18:45:30", 30.0),
        ("2026-11-21T18:44:00Z", 0.0),
        ("Sat, 21 Nov 2026 18:46:00 GMT", 60.0),
        ("30, 60", 30.0),
        ("999999999", None),  # a delta beyond any quota
        ("9999999999", None),
        ("9" * 500, None),
        ("3000-01-01T00:00:00Z", None),
        *[(value, None) for value in ("", "-1", "nan", "inf", "1e3", "0x1f", "soon", "٣", "2026-13-45")],
    ],
)
def test_a_reset_of_unknown_unit_is_told_by_its_size_and_form(value: str, reset_s: float | None) -> None:
    headers = {"x-ratelimit-remaining": "1", "x-ratelimit-reset": value, "date": DATE}
    assert told(headers) == [Allowance(None, 1, reset_s)]


def test_a_point_in_time_is_held_against_the_replys_clock_and_else_ours() -> None:
    slow = format_datetime(EPOCH - timedelta(hours=1), usegmt=True)
    headers = {"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(int(NOW_S) - 3540)}
    assert told(headers | {"date": slow}) == [Allowance(None, 1, 60)]
    assert told(headers, now=lambda: EPOCH) == [Allowance(None, 1, 0)]
    assert told(headers | {"date": "?"}, now=lambda: EPOCH - timedelta(hours=1)) == [Allowance(None, 1, 60)]


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit": '"a";r=-1'},
        {"RateLimit": '"a";r="5"'},
        {"RateLimit": '"a";r=?1'},
        {"RateLimit": '"a";t=5'},
        {"RateLimit": '("a" "b");r=1'},
        {"RateLimit": '"a;r=1'},
        {"RateLimit": "limit=-1, remaining=x"},
        {"RateLimit": "limit=(1 2), remaining"},
        {"RateLimit": "limit=10, remaining=,"},
        {"RateLimit-Policy": '"a";w=60'},
        {"RateLimit-Policy": '"a";q=0;w=60'},
        {"RateLimit-Policy": '"a";q=10;w=60,'},
        {"RateLimit-Limit": "0", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"},
        {"RateLimit": "limit=0, remaining=0"},
        {"X-RateLimit-Limit": "-1", "X-RateLimit-Remaining": "-1"},
        {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "nan"},
        {"X-RateLimit-Limit": "9" * 400},
        {"X-RateLimit-Limit": "5,000", "X-RateLimit-Remaining": "4,999", "X-RateLimit-Reset": "3,600"},
        {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"},
        {"X-Shopify-Shop-Api-Call-Limit": "32"},
        {"X-Shopify-Shop-Api-Call-Limit": "1/0"},
        {"X-Shopify-Shop-Api-Call-Limit": "-1/40"},
        {"X-Shopify-Shop-Api-Call-Limit": "1/" + "9" * 30},
    ],
)
def test_what_is_malformed_or_no_limit_is_ignored(headers: dict[str, str]) -> None:
    assert told(headers) == []


def test_one_malformed_number_leaves_the_others() -> None:
    headers = {"x-ratelimit-limit": "x", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "99999999"}
    assert told(headers) == [Allowance(None, 7)]
    assert told({"ratelimit": '"a";r=7;t=x;x', "ratelimit-policy": '"a";q=9;w=0'}) == [Allowance(9, 7)]


def test_a_header_on_several_lines_is_one_list() -> None:
    headers = CIMultiDict(
        [("RateLimit", '"a";r=1'), ("ratelimit", '"b";r=2'), ("X-Rate-Limit", "5"), ("X-Rate-Limit-Remaining", "4")]
    )
    headers.add("X-Rate-Limit-Remaining", "3")
    headers.add("X-Rate-Limit", "50")
    assert told(headers) == [Allowance(None, 1), Allowance(None, 2), Allowance(5, 4)]


# ---- what the target declares ----

OWN = {"limit": "Calls-Max", "remaining": "Calls-Left", "reset": "Calls-Renewed"}


@pytest.mark.parametrize(
    ("unit", "value", "reset_s"),
    [
        ("auto", "30", 30),
        ("s", "1000000", 1_000_000),
        ("s", "2026-11-21T18:46Z", None),
        ("ms", "1500", 1.5),
        ("epoch_s", str(int(NOW_S) + 5), 5),
        ("epoch_s", "30", 0),
        ("epoch_ms", str(int(NOW_S) * 1000 + 250), 0.25),
    ],
)
def test_a_target_can_name_its_own_headers_and_the_unit_of_their_reset(
    unit: str, value: str, reset_s: float | None
) -> None:
    signals = declared(headers=[OWN | {"reset_unit": unit}])
    headers = {"calls-max": "10", "calls-left": "9", "calls-renewed": value, "date": DATE}
    assert told(headers, signals) == [Allowance(10, 9, reset_s)]


@pytest.mark.parametrize(
    ("window", "window_s"),
    [
        ({"window_s": 60}, 60),
        ({"window": "Calls-Window"}, 5000),
        ({"window": "Calls-Window", "window_unit": "ms"}, 5),
        ({"window": "Not-There"}, None),
    ],
)
def test_a_target_can_say_how_its_window_is_told(window: dict[str, Any], window_s: float | None) -> None:
    signals = declared(headers=[{"limit": "Calls-Max"} | window])
    assert told({"calls-max": "10", "calls-window": "5000"}, signals) == [Allowance(10, window_s=window_s)]


def test_a_window_of_a_day_can_be_told_in_milliseconds() -> None:
    signals = declared(headers=[{"limit": "Calls-Max", "window": "Calls-Window", "window_unit": "ms"}])
    assert told({"calls-max": "10", "calls-window": "86400000"}, signals) == [Allowance(10, window_s=86_400)]


USUAL_SET = {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "9000"}


@pytest.mark.parametrize(
    ("own", "allowances"),
    [
        ({"remaining": "X-RateLimit-Remaining", "reset": "X-RateLimit-Reset", "reset_unit": "ms"}, [(5, 1, 9, None)]),
        ({"reset": "X-RateLimit-Reset", "reset_unit": "ms"}, [(None, None, 9, None), (5, 1, None, None)]),
        ({"limit": "X-RateLimit-Limit", "window_s": 60}, [(5, 1, 9000, 60)]),
    ],
)
def test_what_a_target_says_of_usual_headers_counts_and_the_rest_is_read_as_ever(
    own: dict[str, Any], allowances: list[tuple[float | None, ...]]
) -> None:
    assert told(USUAL_SET, declared(headers=[own])) == allowances


def test_a_target_can_have_several_limits_of_its_own() -> None:
    signals = declared(
        headers=[
            {"limit": "X-RateLimit-Limit-Minute", "remaining": "X-RateLimit-Remaining-Minute", "window_s": 60},
            {"limit": "X-RateLimit-Limit-Hour", "remaining": "X-RateLimit-Remaining-Hour", "window_s": 3600},
        ]
    )
    headers = {"X-RateLimit-Limit-Minute": "5", "X-RateLimit-Remaining-Minute": "4"}
    headers |= {"X-RateLimit-Limit-Hour": "9", "X-RateLimit-Remaining-Hour": "4"}
    assert told(headers, signals) == [Allowance(5, 4, None, 60), Allowance(9, 4, None, 3600)]


def test_what_a_target_ignores_is_not_read() -> None:
    signals = declared(ignore=["X-RateLimit-Reset", "RateLimit", "retry-after"])
    headers = {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "9", "ratelimit": '"a";r=0;t=7', "retry-after": "3"}
    assert told(headers, signals) == [Allowance(None, 1)]
    assert signals.wait_s(headers, never) is None
    assert USUAL.wait_s(headers, never) == 3.0


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2.0),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "9999999"}, 300.0),
        ({}, None),
    ],
)
def test_a_targets_own_way_to_name_a_wait_comes_before_retry_after(
    headers: dict[str, str], wait_s: float | None
) -> None:
    signals = declared(wait={"name": "Retry-After-Ms", "unit": "ms"})
    assert signals.wait_s(headers, never) == wait_s


# ---- waits ----


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
        (str(int(NOW_S) + 8), 8.0),
        ("99999999999999999999", 300.0),
        ("9" * 5000, 300.0),
        (format_datetime(EPOCH + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(EPOCH + timedelta(days=30), usegmt=True), 300.0),
        (format_datetime(EPOCH - timedelta(days=30), usegmt=True), 0.0),
        ("Saturday, 21-Nov-26 18:45:20 GMT", 20.0),
        ("Sat Nov 21 18:45:10 2026", 10.0),
        ("Sat, 21 Nov 2026 20:45:10 +0200", 10.0),
        ("Sat, 21 Nov 2026 18:45:10 -0000", 10.0),
        ("2026-11-21T18:45:10Z", 10.0),
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
    assert retry_after_s({}, never) is None


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


@pytest.mark.parametrize(
    ("headers", "renewal_s"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, 9.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999"}, 300.0),
        ({"x-ratelimit-remaining": "0.5", "x-ratelimit-reset": "9"}, 9.0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "9"}, None),
        ({"x-ratelimit-reset": "9"}, 9.0),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"ratelimit": '"a";r=0;t=5, "b";r=0;t=9, "c";r=1;t=60'}, 9.0),
        ({}, None),
    ],
)
def test_what_is_used_up_renews_at_the_latest_reset(headers: dict[str, str], renewal_s: float | None) -> None:
    assert USUAL.renewal_s(headers, never) == renewal_s


# ---- whatever is sent ----

NAMES = [
    *("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Date"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Reset-After", "Retry-After"),
    *("X-Rate-Limit", "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset", "Own", "Own-Reset"),
    *("X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining", "X-HubSpot-RateLimit-Interval-Milliseconds"),
    *("X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining", "X-Shopify-Shop-Api-Call-Limit"),
]
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str), st.floats().map(str), st.decimals().map(str), st.just("9" * 5000)
)
PARAMETER = st.tuples(st.sampled_from(["q", "w", "r", "t", "qu", "pk", "x"]), NUMBERS | st.sampled_from(["x", '"x"']))
ITEM = st.tuples(
    st.sampled_from(['"a"', "b", "100", "(1 2)", "@1", "@99999999999999", "?1", ":YQ==:", '%"a"', "limit=5"]),
    st.lists(PARAMETER, max_size=4),
).map(lambda item: item[0] + "".join(f";{name}={value}" for name, value in item[1]))
DATES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001 - a date in GMT
VALUES = st.one_of(
    st.text(max_size=40),
    NUMBERS,
    st.lists(ITEM, max_size=3).map(", ".join),
    DATES.map(lambda date: date.isoformat() + "+14:00"),
    DATES.map(format_datetime),
    st.from_regex(r"(Mon|Sat)?,? ?\d{1,3}[ -](Nov|Feb|xyz)[ -]\d{1,5} \d\d?:\d\d?(:\d\d?)? ?(GMT|[+-]\d{1,6}|)"),
    st.from_regex(r"\d{1,4}/\d{1,4}"),
)
TIMES = st.sampled_from([EPOCH, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
FUZZED = Signals(
    Limits.model_validate(
        {"headers": [{"limit": "Own", "reset": "Own-Reset", "reset_unit": "ms"}], "wait": {"name": "Own-Reset"}}
    )
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8), TIMES)
def test_no_headers_crash_the_reading_or_give_a_number_out_of_bounds(
    pairs: list[tuple[str, str]], time: datetime
) -> None:
    headers = CIMultiDict(pairs)
    for allowance in FUZZED.allowances(headers, lambda: time):
        assert any(number is not None for number in allowance)
        for number, most in zip(allowance, (MAX_AMOUNT, MAX_AMOUNT, MAX_SPAN_S, MAX_SPAN_S), strict=True):
            assert number is None or (type(number) is float and math.isfinite(number) and 0.0 <= number <= most)
        assert allowance.limit != 0
        assert allowance.window_s != 0
    for wait in (FUZZED.wait_s(headers, lambda: time), FUZZED.renewal_s(headers, lambda: time)):
        assert wait is None or 0.0 <= wait <= 300.0


@given(st.lists(st.tuples(st.text(), st.text())))
def test_no_names_crash_the_reading(pairs: list[tuple[str, str]]) -> None:
    assert told(CIMultiDict(pairs)) == []


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_every_form_of_one_limit_says_the_same(limit: int, remaining: int, reset: int, window: int) -> None:
    expected = [Allowance(limit, remaining, reset, window)]
    state = {"ratelimit": f'"x";r={remaining};t={reset}', "ratelimit-policy": f'"x";q={limit};w={window}'}
    draft_07 = {"ratelimit": f"limit={limit}, remaining={remaining}, reset={reset}"}
    policy = {"ratelimit-policy": f"{limit};w={window}"}
    three = {"ratelimit-limit": f"{limit}", "ratelimit-remaining": f"{remaining}", "ratelimit-reset": f"{reset}"}
    draft_03 = three | {"ratelimit-limit": f"{limit}, {limit};w={window}"}
    for headers in (state, draft_07 | policy, three | policy, draft_03, state | three, state | draft_03):
        assert told(headers) == expected
    since_1970 = {"x-ratelimit-reset": str(int(NOW_S) + reset), "date": DATE}
    epoch = {"x-ratelimit-limit": f"{limit}", "x-ratelimit-remaining": f"{remaining}"} | since_1970
    assert told(epoch) == [Allowance(limit, remaining, reset)]
    assert told(state | epoch) == expected


def test_what_to_read_is_remembered_by_the_headers_names() -> None:
    signals = Signals()
    headers = CIMultiDict({"Date": DATE, "Server": "x"})
    assert signals.allowances(headers, never) is signals.allowances(headers.copy(), never)
    assert len(signals._plans) == 1


def test_a_server_that_keeps_changing_its_headers_names_fills_no_memory() -> None:
    signals = Signals()
    for number in range(3 * MAX_PLANS):
        headers = {f"X-{number}": "1", "X-RateLimit-Remaining": "7"}
        assert told(headers, signals) == [Allowance(None, 7)]
    assert len(signals._plans) <= MAX_PLANS
    told({f"X-{number}": "" for number in range(1000)}, signals)
    assert max(map(len, signals._plans)) < 1000
