from __future__ import annotations

import math
import random

from batchupdate.limiter.in_flight import EPISODES, GROW_EVERY_S, TRIAL_S, InFlight


def in_flight(most: float = 100) -> InFlight:
    return InFlight(most, adaptive=True)


def pass_many(counter: InFlight, start: float, crowds: list[int], gap: float = 0.05, latency_s: float = 0.2) -> float:
    for crowd in crowds:
        start += gap
        counter.passed(start, crowd, latency_s)
    return start


def blame(counter: InFlight, crowd: int = 5) -> float:
    now = 0.0
    for _ in range(EPISODES):
        now = pass_many(counter, now, [1, 2, 3, 4] * 25)
        counter.refused(now, crowd)
    return now


def test_refusals_at_a_crowding_that_nothing_survives_cap_it_one_below() -> None:
    counter = in_flight()
    blame(counter, crowd=5)
    assert counter.learned == 4


def test_refusals_at_a_crowding_that_others_survive_are_blamed_on_the_rate() -> None:
    counter, now = in_flight(), 0.0
    for _ in range(20):
        now = pass_many(counter, now, [1, 2, 3, 4, 5, 6] * 10)
        assert not counter.refused(now, 5)
    assert counter.learned == 100


def test_a_refusal_of_a_request_that_was_alone_is_blamed_on_the_rate() -> None:
    counter = in_flight()
    assert not counter.refused(1.0, 1)


def test_a_cap_that_lets_less_through_than_before_is_taken_back() -> None:
    counter = in_flight()
    now = blame(counter)
    pass_many(counter, now, [1, 2, 3, 4] * 100, gap=4 * TRIAL_S / 100)
    assert counter.learned == 100


def test_a_cap_that_lets_as_much_through_stays_and_is_tried_one_higher_after_a_while() -> None:
    counter = in_flight()
    now = blame(counter)
    steps = round((GROW_EVERY_S - 1) / 0.05)
    now = pass_many(counter, now, [4] * steps)
    assert counter.learned == 4
    now = pass_many(counter, now, [4] * 40)
    assert counter.learned == 5
    assert counter.refused(now, 5)
    assert counter.learned == 4


def test_a_refusal_below_the_cap_shows_that_it_was_the_rate_after_all() -> None:
    counter = in_flight()
    now = blame(counter)
    assert not counter.refused(now + 1, 3)
    assert counter.learned == 100
    assert not counter.refused(now + 2, 5)  # and the crowding is not blamed again so soon
    assert counter.learned == 100


def test_replies_that_take_longer_and_longer_lower_the_crowd_and_quick_ones_raise_it_again() -> None:
    counter, now = in_flight(), 0.0
    now = pass_many(counter, now, [10] * 200, latency_s=0.1)
    assert counter.learned == 100
    now = pass_many(counter, now, [60] * 200, latency_s=0.6)
    low = counter.learned
    assert low < 60
    pass_many(counter, now, [round(low)] * 3000, latency_s=0.1)
    assert counter.learned > low


def test_replies_whose_time_merely_varies_change_nothing() -> None:
    counter, chance = in_flight(), random.Random(1)  # noqa: S311 - no secret
    for step in range(5000):
        counter.passed(step / 20, 50, 0.2 * chance.uniform(0.5, 1.5))
    assert counter.learned == 100


def test_where_nothing_is_to_be_learned_the_users_number_stays() -> None:
    counter = InFlight(8, adaptive=False)
    blame(counter)
    assert counter.learned == 8
    assert InFlight(math.inf, adaptive=True).learned == math.inf
