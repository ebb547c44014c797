from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from batchupdate.limiter.controller import DIP, START_PER_S, Controller

if TYPE_CHECKING:
    from batchupdate.model import Allowance


class Line:
    """A controller and its turns, given at the rate in force; replies come back after `trip_s`."""

    def __init__(self, ceiling: float = math.inf, trip_s: float = 0.1) -> None:
        self.now, self.number, self.trip_s = 100.0, 0, trip_s
        self.controller = Controller(self.now, ceiling)

    def turn(self) -> float:
        self.now += 1 / self.controller.rate
        self.number += 1
        if self.now >= self.controller.history.next_slot:
            self.controller.history.note(self.now, self.number)
        return self.now

    def let_in(self, requests: int, allowance: Allowance | None = None, *, eager: bool = True) -> None:
        told = [] if allowance is None else [allowance]
        for _ in range(requests):
            sent_at = self.turn()
            self.controller.passed(sent_at + self.trip_s, sent_at, told, self.number, 0, eager=eager)

    def refuse(self, sent_at: float, wait_s: float | None = None) -> None:
        self.controller.history.refuse(sent_at)
        self.controller.throttled(sent_at + self.trip_s, sent_at, wait_s, [], self.number, 0)


def test_a_rate_that_is_used_up_grows_and_one_that_is_not_does_not() -> None:
    line = Line()
    line.let_in(20, eager=False)
    assert line.controller.rate == START_PER_S
    line.let_in(20)
    assert line.controller.rate > 2 * START_PER_S


def test_the_ceiling_is_never_exceeded() -> None:
    line = Line(ceiling=10.0)
    line.let_in(500)
    assert line.controller.rate == 10.0


def test_a_refusal_brings_the_rate_below_what_was_let_in() -> None:
    line = Line()
    line.let_in(100)
    line.refuse(line.turn())
    limit = line.controller.limit
    assert limit is not None
    assert line.controller.rate == pytest.approx(limit * (1 - DIP))


def test_a_refusal_of_what_left_before_the_cut_changes_nothing() -> None:
    line = Line()
    line.let_in(100)
    early, late = line.turn(), line.turn()
    line.refuse(late)
    rate = line.controller.rate
    line.refuse(early)
    assert line.controller.rate == rate


def test_refusals_go_on_lowering_the_rate_as_long_as_some_requests_in_between_are_let_in() -> None:
    line = Line()
    line.let_in(100)
    line.refuse(line.turn())
    rate = line.controller.rate
    line.now += 1
    for _ in range(30):  # on their way: nothing is known of them yet, as with an API that refuses faster than it works
        sent_at = line.turn()
    line.refuse(sent_at)
    assert line.controller.rate < rate


def test_a_known_limit_is_tried_again_the_later_the_more_refusals_that_cost() -> None:
    cheap, dear = Line(), Line()
    for line, refusals in ((cheap, 1), (dear, 20)):
        for _ in range(8):
            line.let_in(60)
            sent_at = line.turn()
            line.refuse(sent_at)
            for _ in range(refusals - 1):
                line.controller.history.refuse(sent_at)
    assert dear.controller._period() * dear.controller.rate > cheap.controller._period() * cheap.controller.rate
