from __future__ import annotations

import pytest

from batchupdate.limiter.advertised_limits import AdvertisedLimits
from batchupdate.limiter.trust import LEAST, REFUSED, REGAINED_PER_S, Trust
from batchupdate.model import Allowance


def limits(*remaining: float) -> AdvertisedLimits:
    """A sliding window of seven a second, and what the replies to the last requests advertised."""
    limits = AdvertisedLimits()
    for request in range(40):
        left = remaining[request % len(remaining)]
        limits.update(100 + request / 7, 100 + request / 7, [Allowance(7, left, 0.2, 1.0)], request, 0, 0.1)
    limits.update(106.0, 106.0, [Allowance(7, remaining[-1], 0.2, 1.0)], 42, 0, 0.1)
    return limits


def test_trust_comes_back_by_an_amount_a_second_as_long_as_something_is_left() -> None:
    trust = Trust(100.0)
    trust.refused(100.0, limits(3), 1.0)
    assert trust.share == pytest.approx(REFUSED)
    trust.step(102.0, limits(3), 1.0)
    assert trust.share == pytest.approx(REFUSED + 2 * REGAINED_PER_S)
    trust.step(104.0, limits(1), 1.0)
    assert trust.share == pytest.approx(REFUSED + 2 * REGAINED_PER_S)


def test_a_refusal_at_the_full_rate_is_of_a_few_that_came_a_little_early() -> None:
    trust = Trust(100.0)
    trust.refused(101.0, limits(3), 6.9)
    assert trust.share == 1.0


def test_trust_is_never_lost_altogether() -> None:
    trust = Trust(100.0)
    for step in range(200):
        trust.refused(101.0 + step, limits(0), 1.0)
    assert trust.share == LEAST
