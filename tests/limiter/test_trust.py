from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.limiter.ledger import Ledger
from batchupdate.limiter.trust import LEAST, LESS_REMAINS, REFUSED, REGAINED, Trust
from batchupdate.model import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable


def told(*remaining: float) -> Ledger:
    """A sliding window of seven a second, and what the replies to the last requests said of it."""
    ledger = Ledger()
    for request in range(40):
        left = remaining[request % len(remaining)]
        ledger.hear(100 + request / 7, 100 + request / 7, [Allowance(7, left, 0.2, 1.0)], request, 0, 0.1)
    ledger._limits[0].rolling = True
    ledger.hear(106.0, 106.0, [Allowance(7, remaining[-1], 0.2, 1.0)], 42, 0, 0.1)
    return ledger


def test_that_nothing_is_left_is_normal_where_all_of_it_went_to_us() -> None:
    trust = Trust(100.0)
    trust.step(101.0, told(1, 0), 6.8)
    assert trust.share == 1.0


def test_that_nothing_is_left_although_we_got_less_means_that_others_use_it_too() -> None:
    trust = Trust(100.0)
    trust.step(101.0, told(1, 0), 3.5)
    assert trust.share == pytest.approx(LESS_REMAINS)


def test_trust_comes_back_by_an_amount_a_second_as_long_as_something_is_left() -> None:
    trust = Trust(100.0)
    trust.refused(100.0, told(3), 1.0)
    assert trust.share == pytest.approx(REFUSED)
    trust.step(102.0, told(3), 1.0)
    assert trust.share == pytest.approx(REFUSED + 2 * REGAINED)
    trust.step(104.0, told(1), 1.0)
    assert trust.share == pytest.approx(REFUSED + 2 * REGAINED)


def test_a_refusal_at_the_full_rate_is_of_a_few_that_came_a_little_early() -> None:
    trust = Trust(100.0)
    trust.refused(101.0, told(3), 6.9)
    assert trust.share == 1.0


@pytest.mark.parametrize(
    "lose",
    [
        lambda trust, at: trust.refused(at, told(0), 1.0),
        lambda trust, at: trust.step(at, told(0), 1.0),
    ],
)
def test_trust_is_never_lost_altogether(lose: Callable[[Trust, float], None]) -> None:
    trust = Trust(100.0)
    for step in range(200):
        lose(trust, 101.0 + step)
    assert trust.share == LEAST
