from __future__ import annotations

import pytest

from batchupdate.limiter.advertised import AdvertisedLimit
from batchupdate.limiter.refill import Refill, count_refill
from batchupdate.limiter.send_log import SendLog
from batchupdate.model import Allowance


def counted(
    per_s: float, remaining: list[float], *, most: float = 50, sent_since: int = 0, late_s: float = 0.0
) -> Refill | None:
    """What is counted after two seconds at a rate at which these numbers were said to remain, evenly spread."""
    limit, log = AdvertisedLimit(), SendLog(100.0)
    number, requests = 0, round(2 * per_s)
    for number in range(1, requests + 1):
        at = 100 + number / per_s
        log.sent(at, number)
        left = remaining[(number - 1) * len(remaining) // requests]
        limit.update(Allowance(most, left, 0.1), at, number, 0.1)
    return count_refill(limit, log, at + late_s, at, number, sent_since, per_s)


def test_what_is_let_in_while_as_much_remains_is_what_comes_back() -> None:
    found = counted(20.0, [1.0])
    assert found is not None
    assert found.per_s == pytest.approx(20.0, rel=0.06)
    assert found.spend_per_s == pytest.approx(found.per_s)  # the last one is not touched


def test_what_remains_more_and_more_comes_back_too() -> None:
    found = counted(20.0, [5.0, 5.0, 5.0, 15.0])
    assert found is not None
    assert found.per_s == pytest.approx(30.0, rel=0.1)


def test_what_remains_is_spent_within_about_a_second() -> None:
    found = counted(20.0, [21.0])
    assert found is not None
    assert found.per_s is not None
    assert found.spend_per_s == pytest.approx(found.per_s + 20)


def test_what_left_since_is_not_spent_twice() -> None:
    found = counted(20.0, [21.0], sent_since=10, late_s=0.5)
    assert found is not None
    assert found.per_s is not None
    assert found.spend_per_s == pytest.approx(found.per_s + 20, rel=0.05)  # ten have left, and ten have come back


def test_a_full_limit_tells_nothing_of_what_it_would_give_back() -> None:
    found = counted(20.0, [49.0])
    assert found is not None
    assert found.per_s is None
    assert found.spend_per_s >= 20


def test_too_short_a_time_tells_nothing() -> None:
    limit, log = AdvertisedLimit(), SendLog(100.0)
    limit.update(Allowance(50, 20, 0.1), 100.0, 1, 0.1)
    assert count_refill(limit, log, 100.1, 100.0, 1, 0, 20.0) is None
    assert count_refill(AdvertisedLimit(), log, 100.1, 100.0, 1, 0, 20.0) is None
