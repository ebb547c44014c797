from __future__ import annotations

import math

from batchupdate.limiter.send_log import MOST_REQUESTS, SendLog


def log_of(turns: int, gap: float = 0.1) -> SendLog:
    noted = SendLog()
    for number in range(1, turns + 1):
        noted.sent(100.0 + number * gap, 1)
    return noted


def test_what_left_in_a_time_counts_as_let_in_until_it_is_refused() -> None:
    noted = log_of(10)
    assert noted.let_in(100.35, 100.8) == 4  # turns 4 to 7
    noted.refuse(100.0 + 5 * 0.1)
    assert noted.let_in(100.35, 100.8) == 3
    assert noted.refused == 1


def test_a_refusal_outside_the_time_asked_for_changes_nothing() -> None:
    noted = log_of(10)
    noted.refuse(100.0 + 2 * 0.1)
    noted.refuse(100.0 + 9 * 0.1)
    assert noted.let_in(100.35, 100.8) == 4


def test_memory_stays_bounded_and_the_latest_is_kept() -> None:
    noted = log_of(3 * MOST_REQUESTS)
    last = 3 * MOST_REQUESTS
    assert noted.let_in(100.0 + (last - 10) * 0.1 - 0.01, math.inf) == 11


def test_turns_of_one_moment_are_told_apart_and_each_knows_its_crowd() -> None:
    noted = SendLog()
    turns = [noted.sent(100.0, crowd) for crowd in (1, 2, 3)]
    assert len(set(turns)) == 3
    assert [noted.crowd(turn) for turn in turns] == [1, 2, 3]
    assert [noted.sent_since(turn) for turn in turns] == [2, 1, 0]
