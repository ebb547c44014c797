from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.limiter.told import MARGIN, Ledger
from batchupdate.model import Allowance

NOTHING = Allowance()
numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 10**15).map(float))
allowances = st.builds(Allowance, numbers, numbers, numbers, numbers)


def hear(ledger: Ledger, sent_at: float, *told: Allowance, sent_since: int = 0, now: float | None = None) -> None:
    ledger.hear(sent_at if now is None else now, sent_at, told, sent_since, 0.1)


def test_a_long_window_is_paced_so_that_what_remains_lasts_until_its_reset() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(600, 300, 50.0, 60.0))
    assert ledger.per_s == pytest.approx(300 / 50)


def test_what_left_since_the_request_that_was_answered_is_taken_off() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(600, 300, 50.0, 60.0), sent_since=100)
    assert ledger.per_s == pytest.approx(200 / 50)


def test_nobody_goes_before_the_reset_where_nothing_is_left() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(600, 0, 50.0, 60.0))
    assert ledger.closed_until == 150.0
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(600, 4, 50.0, 60.0), sent_since=4)  # what is on its way will use it up
    assert ledger.closed_until == 150.0


def test_the_reset_counts_from_when_the_request_left_and_not_from_its_late_reply() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(600, 0, 50.0, 60.0), now=110.0)
    assert ledger.closed_until == 150.0


def test_of_several_resets_rounded_up_the_nearest_counts() -> None:
    ledger = Ledger()
    for at, reset_s in ((100.0, 50.0), (100.4, 50.0), (100.9, 49.0)):
        hear(ledger, at, Allowance(600, 0, reset_s, 60.0))
    assert ledger.closed_until == pytest.approx(149.9)


def test_the_tightest_of_several_limits_counts() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(10, 9, 1.0, 1.0), Allowance(600, 100, 50.0, 60.0))
    assert ledger.per_s == pytest.approx(2.0)
    hear(ledger, 100.1, Allowance(10, 9, 1.0, 1.0), Allowance(6000, 5000, 49.9, 60.0))
    assert ledger.per_s == pytest.approx(10.0 * (1 - MARGIN))


def test_a_short_window_is_paced_by_its_limit_and_not_by_what_is_left_of_it() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(10, 1, 1.0, 1.0))
    assert ledger.per_s == pytest.approx(10.0 * (1 - MARGIN))


def test_windows_in_whole_seconds_are_learned_where_they_are_not_told() -> None:
    ledger = Ledger()
    for window in range(6):
        for request in range(10):
            at = 100 + window + request / 10
            hear(ledger, at, Allowance(10, 9 - request, 101.0 + window - at))
    hear(ledger, 106.0, Allowance(10, 9, 1.0))
    assert ledger.known_per_s == pytest.approx(10.0)


def test_a_bucket_that_trickles_is_not_taken_for_a_window() -> None:
    ledger = Ledger()
    for request in range(200):  # one token comes back for each request: none is ever given back at once
        at = 100 + request / 10
        hear(ledger, at, Allowance(10, request % 2, math.ceil(at + 0.1) - at))
    assert ledger.known_per_s == math.inf
    assert ledger.closed_until == -math.inf  # and so nobody waits for its whole second


def trickle(ledger: Ledger, remaining: float = 10) -> None:
    for request in range(40):  # one token comes back in the time of two requests
        at = 100 + request / 10
        hear(ledger, at, Allowance(20, remaining + request % 2, 0.2, 1.0))


def test_a_told_rate_at_which_much_stays_left_is_doubted_and_what_is_given_back_decides() -> None:
    ledger = Ledger()
    trickle(ledger, remaining=15)
    assert ledger.tank is None
    ledger.doubt()
    trickle(ledger, remaining=15)
    assert ledger.tank is not None
    ledger.tank.compare(20.0)  # it was right after all
    trickle(ledger, remaining=15)
    assert ledger.tank is None


def test_a_limit_of_which_next_to_nothing_was_left_is_tight() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(50, 1, 0.5, 1.0))
    assert ledger.tight
    ledger = Ledger()
    hear(ledger, 100.0, Allowance(50, 20, 0.5, 1.0))
    assert not ledger.tight


def test_nothing_told_changes_nothing() -> None:
    ledger = Ledger()
    hear(ledger, 100.0, NOTHING)
    assert (ledger.per_s, ledger.closed_until, ledger.tank) == (math.inf, -math.inf, None)


@given(st.lists(st.tuples(st.floats(0, 100), st.lists(allowances, max_size=12)), max_size=20))
def test_no_nonsense_ever_makes_a_rate_that_is_no_rate(replies: list[tuple[float, list[Allowance]]]) -> None:
    ledger, at = Ledger(), 1000.0
    for gap, told in replies:
        at += gap
        hear(ledger, at, *told)
        assert ledger.per_s > 0  # infinite, or a number; never NaN
        assert not math.isnan(ledger.closed_until)
