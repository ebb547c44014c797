from __future__ import annotations

import pytest

from batchupdate.limiter.balance import Balance, balance
from batchupdate.limiter.history import History
from batchupdate.limiter.told import Told
from batchupdate.model import Allowance


def counted(
    per_s: float, remaining: list[float], *, limit: float = 50, sent_since: int = 0, late_s: float = 0.0
) -> Balance | None:
    """What is counted after two seconds at a rate at which the remaining numbers were told, evenly spread."""
    tank, history = Told(), History(100.0)
    number, requests = 0, round(2 * per_s)
    for number in range(1, requests + 1):
        at = 100 + number / per_s
        history.note(at, number)
        left = remaining[(number - 1) * len(remaining) // requests]
        tank.hear(Allowance(limit, left, 0.1), at, number, 0.1)
    return balance(tank, history, at + late_s, at, number, sent_since, per_s, 0.1)


def test_what_is_let_in_while_as_much_remains_is_what_comes_back() -> None:
    found = counted(20.0, [1.0])
    assert found is not None
    assert found.given == pytest.approx(20.0, rel=0.06)
    assert found.spend == pytest.approx(found.given)  # the last one is not touched


def test_what_remains_more_and_more_comes_back_too() -> None:
    found = counted(20.0, [5.0, 5.0, 5.0, 15.0])
    assert found is not None
    assert found.given == pytest.approx(30.0, rel=0.1)


def test_what_remains_is_spent_within_about_a_second() -> None:
    found = counted(20.0, [21.0])
    assert found is not None
    assert found.given is not None
    assert found.spend == pytest.approx(found.given + 20)


def test_what_left_since_is_not_spent_twice() -> None:
    found = counted(20.0, [21.0], sent_since=10, late_s=0.5)
    assert found is not None
    assert found.given is not None
    assert found.spend == pytest.approx(found.given + 20, rel=0.05)  # ten have left, and ten have come back


def test_a_full_limit_tells_nothing_of_what_it_would_give_back() -> None:
    found = counted(20.0, [49.0])
    assert found is not None
    assert found.given is None
    assert found.spend >= 20


def test_too_short_a_time_tells_nothing() -> None:
    tank, history = Told(), History(100.0)
    tank.hear(Allowance(50, 20, 0.1), 100.0, 1, 0.1)
    assert balance(tank, history, 100.1, 100.0, 1, 0, 20.0, 0.1) is None
    assert balance(Told(), history, 100.1, 100.0, 1, 0, 20.0, 0.1) is None
