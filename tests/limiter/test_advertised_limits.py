from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.limiter.advertised import MARGIN
from batchupdate.limiter.advertised_limits import AdvertisedLimits
from batchupdate.model import Allowance

NOTHING = Allowance()
numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 10**15).map(float))
allowances = st.builds(Allowance, numbers, numbers, numbers, numbers)


def hear(  # the number of a request defaults to ten a second
    limits: AdvertisedLimits,
    sent_at: float,
    *told: Allowance,
    sent_since: int = 0,
    now: float | None = None,
    trip_s: float = 0.1,
    number: int | None = None,
) -> None:
    number = round(sent_at * 10) if number is None else number
    limits.update(sent_at if now is None else now, sent_at, told, number, sent_since, trip_s)


def test_a_long_window_is_paced_so_that_what_remains_lasts_until_its_reset() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(600, 300, 50.0, 60.0))
    assert limits.per_s == pytest.approx(300 / 50)


def test_what_left_since_the_request_that_was_answered_is_taken_off() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(600, 300, 50.0, 60.0), sent_since=100)
    assert limits.per_s == pytest.approx(200 / 50)


def test_nobody_goes_before_the_reset_where_nothing_is_left() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(600, 0, 50.0, 60.0))
    assert limits.closed_until == 150.0
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(600, 4, 50.0, 60.0), sent_since=4)  # what is on its way will use it up
    assert limits.closed_until == 150.0


def test_the_reset_counts_from_when_the_request_left_and_not_from_its_late_reply() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(600, 0, 50.0, 60.0), now=110.0)
    assert limits.closed_until == 150.0


def test_of_several_resets_rounded_up_the_nearest_counts() -> None:
    limits = AdvertisedLimits()
    for at, reset_s in ((100.0, 50.0), (100.4, 50.0), (100.9, 49.0)):
        hear(limits, at, Allowance(600, 0, reset_s, 60.0))
    assert limits.closed_until == pytest.approx(149.9)


def test_the_tightest_of_several_limits_counts() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(10, 9, 1.0, 1.0), Allowance(600, 100, 50.0, 60.0))
    assert limits.per_s == pytest.approx(2.0)
    hear(limits, 100.1, Allowance(10, 9, 1.0, 1.0), Allowance(6000, 5000, 49.9, 60.0))
    assert limits.per_s == pytest.approx(10.0 * (1 - MARGIN))


def test_a_short_window_is_paced_by_its_limit_and_not_by_what_is_left_of_it() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(10, 1, 1.0, 1.0))
    assert limits.per_s == pytest.approx(10.0 * (1 - MARGIN))


def test_windows_in_whole_seconds_are_learned_where_they_are_not_told() -> None:
    limits = AdvertisedLimits()
    for window in range(6):
        for request in range(10):
            at = 100 + window + request / 10
            hear(limits, at, Allowance(10, 9 - request, 101.0 + window - at))
    hear(limits, 106.0, Allowance(10, 9, 1.0))
    assert limits.known_per_s == pytest.approx(10.0)


def test_a_window_is_learned_although_its_requests_overtake_each_other_on_a_long_way() -> None:
    chance = random.Random(5)  # noqa: S311 - jitter, no secret
    limits, heard = AdvertisedLimits(), []
    for request in range(1500):  # a hundred a second, in windows of a second, two seconds away
        at = 100 + request / 100
        heard.append((at + chance.uniform(0.32, 0.48), at, request))
    used: dict[int, int] = {}
    for arrived, at, request in sorted(heard):
        window = math.floor(arrived)
        used[window] = used.get(window, 0) + 1
        told = Allowance(100, max(0, 100 - used[window]), window + 1 - arrived)
        hear(limits, at, told, now=at + 2, trip_s=2.0, number=request, sent_since=200)
    assert limits.known_per_s == pytest.approx(100.0)
    assert limits.rolling is None


def test_a_window_that_was_used_up_again_between_two_replies_does_not_seem_to_give_nothing_back() -> None:
    limits = AdvertisedLimits()
    for window in range(6):
        for request in range(10):
            at = 100 + window + request / 10
            hear(limits, at, Allowance(10, 9 - request, 101.0 + window - at), number=window * 10 + request)
    for window in range(6, 12):  # of each only the end is heard
        hear(limits, 100.95 + window, Allowance(10, 0, 0.05), number=window * 10 + 9)
    assert limits.known_per_s == pytest.approx(10.0)


def test_a_short_window_whose_rate_is_known_does_not_close_for_old_news() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(100, 0, 1.0, 1.0), sent_since=5)
    assert limits.closed_until == -math.inf
    assert limits.per_s == pytest.approx(100 * (1 - MARGIN))
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(100, 0, 1.0))  # of which nothing else is known
    assert limits.closed_until == 101.0


def test_a_bucket_that_trickles_is_not_taken_for_a_window() -> None:
    limits = AdvertisedLimits()
    for request in range(200):  # one token comes back for each request: none is ever given back at once
        at = 100 + request / 10
        hear(limits, at, Allowance(10, request % 2, math.ceil(at + 0.1) - at))
    assert limits.known_per_s == math.inf
    assert limits.closed_until == -math.inf  # and so nobody waits for its whole second


def trickle(limits: AdvertisedLimits, remaining: float = 10) -> None:
    for request in range(40):  # one token comes back in the time of two requests
        at = 100 + request / 10
        hear(limits, at, Allowance(20, remaining + request % 2, 0.2, 1.0))


def test_a_told_rate_at_which_much_stays_left_is_doubted_and_what_is_given_back_decides() -> None:
    limits = AdvertisedLimits()
    trickle(limits, remaining=15)
    assert limits.rolling is None
    limits.refute_if_much_is_left()
    trickle(limits, remaining=15)
    assert limits.rolling is not None
    limits.rolling.compare(20.0)  # it was right after all
    trickle(limits, remaining=15)
    assert limits.rolling is None


def test_a_limit_of_which_next_to_nothing_was_left_is_tight() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(50, 1, 0.5, 1.0))
    assert limits.nearly_empty
    limits = AdvertisedLimits()
    hear(limits, 100.0, Allowance(50, 20, 0.5, 1.0))
    assert not limits.nearly_empty


def test_nothing_told_changes_nothing() -> None:
    limits = AdvertisedLimits()
    hear(limits, 100.0, NOTHING)
    assert (limits.per_s, limits.closed_until, limits.rolling) == (math.inf, -math.inf, None)


@given(st.lists(st.tuples(st.floats(0, 100), st.lists(allowances, max_size=12)), max_size=20))
def test_no_nonsense_ever_makes_a_rate_that_is_no_rate(replies: list[tuple[float, list[Allowance]]]) -> None:
    limits, at = AdvertisedLimits(), 1000.0
    for gap, told in replies:
        at += gap
        hear(limits, at, *told)
        assert limits.per_s > 0  # infinite, or a number; never NaN
        assert not math.isnan(limits.closed_until)
