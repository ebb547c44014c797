from __future__ import annotations

import math

from batchupdate.limiter.concurrency import EPISODES, RAISE_S, Concurrency


def learning(most: float = 100) -> Concurrency:
    return Concurrency(most)


def pass_many(counter: Concurrency, start: float, crowds: list[int], gap: float = 0.05) -> float:
    for crowd in crowds:
        start += gap
        counter.passed(start, crowd)
    return start


def blame(counter: Concurrency, crowd: int = 5) -> float:
    now = 0.0
    for _ in range(EPISODES):
        now = pass_many(counter, now, [1, 2, 3, 4] * 25)
        counter.refused(now, crowd)
    return now


def test_refusals_at_a_crowding_that_nothing_survives_cap_it_one_below() -> None:
    counter = learning()
    blame(counter, crowd=5)
    assert counter.cap == 4


def test_refusals_at_a_crowding_that_others_survive_are_blamed_on_the_rate() -> None:
    counter, now = learning(), 0.0
    for _ in range(20):
        now = pass_many(counter, now, [1, 2, 3, 4, 5, 6] * 10)
        assert not counter.refused(now, 5)
    assert counter.cap == 100


def test_a_refusal_of_a_request_that_was_alone_is_blamed_on_the_rate() -> None:
    counter = learning()
    assert not counter.refused(1.0, 1)


def test_a_cap_stays_and_is_tried_one_higher_after_a_while() -> None:
    counter = learning()
    now = blame(counter)
    steps = round((RAISE_S - 1) / 0.05)
    now = pass_many(counter, now, [4] * steps)
    assert counter.cap == 4
    now = pass_many(counter, now, [4] * 40)
    assert counter.cap == 5
    assert counter.refused(now, 5)
    assert counter.cap == 4


def test_a_refusal_below_the_cap_shows_that_it_was_the_rate_after_all() -> None:
    counter = learning()
    now = blame(counter)
    assert not counter.refused(now + 1, 3)
    assert counter.cap == 100
    assert not counter.refused(now + 2, 5)  # and the crowding is not blamed again so soon
    assert counter.cap == 100


def test_a_refusal_at_the_cap_makes_it_one_fewer_but_one_alone_is_always_let_out() -> None:
    counter = learning()
    now = blame(counter)
    for cap in (4, 3, 2):
        assert counter.cap == cap
        assert counter.refused(now, cap)
    assert counter.cap == 1
    assert not counter.refused(now, 1)
    assert counter.cap == 100


def test_the_users_number_is_never_exceeded() -> None:
    counter = learning(5)
    now = blame(counter, crowd=5)
    assert counter.cap == 4
    pass_many(counter, now, [4, 5] * 2000)
    assert counter.cap == 5
    assert Concurrency(math.inf).cap == math.inf
