from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config.rate import Rate, just_below, parse_rate, rate_in_force


@pytest.mark.parametrize(
    ("text", "per_s"),
    [
        ("5/s", 5),
        (" 600 / MIN ", 10),
        ("1000/h", 1000 / 3600),
        ("2.5/s", 2.5),
        ("7/m", 7 / 60),
        ("5/second", 5),
        ("5/seconds", 5),
        ("60/minutes", 1),
        ("3600/hours", 1),
        ("unlimited", math.inf),
        (" Unlimited", math.inf),
        (Rate(3.0), 3),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: object, per_s: float) -> None:
    assert parse_rate(text).per_s == pytest.approx(per_s)


@pytest.mark.parametrize(
    "text", ["", "5", "5/day", "s", "/s", "5/", "5//s", "5/s\n6/s", "1e3/s", "\u0665/s", "9" * 400 + "/s", 5, 5.0, None]
)
def test_what_is_no_rate_is_refused_with_how_to_write_one(text: object) -> None:
    with pytest.raises(ValueError, match="is not a rate; write it as 5/s, 600/min, 1000/h, auto or unlimited"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0/s", "0.0/min"])
def test_a_rate_that_would_never_send_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="would never send anything"):
        parse_rate(text)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rate("-1/s")


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(5.0), "5/s"),
        (Rate(0.5), "30/min"),
        (Rate(10.0), "10/s"),
        (Rate(1000 / 3600), "1000/h"),
        (Rate(2.5), "150/min"),
        (Rate(math.inf), "unlimited"),
        (Rate(0.1 / 3600), "0.1/h"),
        (Rate(7.31234), "7.31234/s"),
        (Rate(2777777 / 9999), "277.805480548/s"),
        (Rate(278 + 1e-6 / 2), "278.0000005/s"),
        (Rate(2 + 4e-9), "2.000000004/s"),
        (Rate(1 + 4e-10), "1/s"),
        (Rate(0.1 + 1e-13), "6/min"),
        (Rate(1.5 / 3600 * (1 + 1e-12)), "1.5/h"),
    ],
)
def test_a_rate_is_told_in_the_unit_that_makes_it_a_whole_number(rate: Rate, text: str) -> None:
    assert str(rate) == text


@given(st.integers(1, 10**6), st.sampled_from(["s", "min", "h"]), st.integers(0, 99))
def test_a_rate_that_was_told_can_be_read_again(amount: int, unit: str, hundredths: int) -> None:
    rate = parse_rate(f"{amount}.{hundredths:02}/{unit}")
    assert parse_rate(str(rate)).per_s == pytest.approx(rate.per_s, rel=1e-6)


@given(st.text())
def test_no_text_crashes_the_reading_of_a_rate(text: str) -> None:
    try:
        assert parse_rate(text).per_s > 0
    except ValueError as error:
        assert "5/s" in str(error)  # noqa: PT017 - either way is fine


def test_only_an_unlimited_rate_is_not_limited() -> None:
    assert Rate(5.0).limited
    assert not Rate(math.inf).limited


def test_auto_has_no_ceiling_of_its_own_and_says_so() -> None:
    assert parse_rate(" Auto ") == Rate(math.inf, auto=True)
    assert str(parse_rate("auto")) == "auto"
    assert str(Rate(10.0, auto=True)) == "auto, at most 10/s"


@given(per_s=st.floats(1e-6, 1e9))
def test_what_is_advised_lies_below_a_limit_and_not_far_below(per_s: float) -> None:
    assert 0.87 * per_s < just_below(per_s).per_s < per_s


@pytest.mark.parametrize(("per_s", "text"), [(10.0, "9.7/s"), (0.5, "0.48/s"), (240.0, "230/s"), (1000 / 60, "16/s")])
def test_what_is_advised_has_two_digits(per_s: float, text: str) -> None:
    assert just_below(per_s) == parse_rate(text)


AUTO, UNLIMITED = Rate(math.inf, auto=True), Rate(math.inf)


@pytest.mark.parametrize(
    ("told", "told_ceiling", "own", "own_ceiling", "in_force"),
    [
        (None, None, Rate(5.0), None, Rate(5.0)),
        (None, None, AUTO, Rate(10.0), Rate(10.0, auto=True)),
        (None, Rate(50.0), AUTO, Rate(10.0), Rate(50.0, auto=True)),
        (AUTO, None, Rate(5.0), None, AUTO),
        (Rate(30.0), None, AUTO, Rate(10.0), Rate(30.0)),
        (Rate(30.0), Rate(20.0), AUTO, Rate(10.0), Rate(20.0)),
        (UNLIMITED, None, AUTO, Rate(10.0), UNLIMITED),
    ],
)
def test_what_the_user_tells_stands_and_the_targets_ceiling_is_for_auto_alone(
    told: Rate | None, told_ceiling: Rate | None, own: Rate, own_ceiling: Rate | None, in_force: Rate
) -> None:
    assert rate_in_force(told, told_ceiling, own, own_ceiling) == in_force
