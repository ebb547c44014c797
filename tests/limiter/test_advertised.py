from __future__ import annotations

import pytest

from batchupdate.limiter.advertised import AdvertisedLimit
from batchupdate.model import Allowance


def tell(
    limit: AdvertisedLimit, at: float, remaining: float, resets_at: float, number: int = 0, trip_s: float = 0.1
) -> None:
    limit.update(Allowance(100, remaining, resets_at - at), at, number, trip_s)


def minutes(limit: AdvertisedLimit, count: int, *, overtaken: bool = False) -> float:
    """Advertises windows of a minute, each used up by sixty; returns the time at which the last one began."""
    start, number = 0.0, 0
    for window in range(count):
        start = 100.0 + 60 * window
        for second in range(60):
            number += 1
            tell(limit, start + second, 99 - second, start + 60, number)
            if overtaken and window and not second:  # it left later, and still arrived in the window before
                tell(limit, start + 0.01, 39, start + 0.05, number)
    return start


@pytest.mark.parametrize(("trip_s", "rolling"), [(0.01, True), (2.0, False)])
def test_a_little_more_than_before_means_nothing_where_requests_may_have_overtaken_each_other(
    trip_s: float, rolling: bool
) -> None:
    limit = AdvertisedLimit()
    for request in range(40):
        tell(limit, 100 + request / 100, 50 + 2 * (request % 2), 160.0, request, trip_s)
    assert limit.rolling is rolling


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_window_of_a_minute_is_learned_from_its_resets(overtaken: bool) -> None:
    limit = AdvertisedLimit()
    minutes(limit, 5, overtaken=overtaken)
    assert limit.per_s == pytest.approx(100 / 60)


def test_a_learned_window_is_not_forgotten_for_one_sign_to_the_contrary() -> None:
    limit = AdvertisedLimit()
    start = minutes(limit, 5)
    tell(limit, start + 59.5, 43, start + 60, 999)
    assert limit.per_s == pytest.approx(100 / 60)
    for step in range(5):
        tell(limit, start + 59.6 + step / 10, 44 + step, start + 60, 1000 + step)
    assert limit.rolling
