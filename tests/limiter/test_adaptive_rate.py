from __future__ import annotations

import math

import pytest

from batchupdate.limiter.adaptive_rate import DIP, REGROW, START_PER_S, AdaptiveRate


class Line:
    """An adaptive rate and its turns, given at the rate in force; replies come back after `trip_s`."""

    def __init__(self, ceiling: float = math.inf, trip_s: float = 0.1) -> None:
        self.now, self.trip_s = 100.0, trip_s
        self.adaptive = AdaptiveRate(self.now, ceiling, math.inf, 300.0)

    def turn(self) -> float:
        self.now = max(self.now + 1 / self.adaptive.per_s, self.adaptive.opens_at + 1e-9)
        assert self.adaptive.take(self.now)
        self.now = self.adaptive.sent(self.now, 1)
        return self.now

    def let_in(self, requests: int, *, roomy: bool = True) -> None:
        for _ in range(requests):
            sent_at = self.turn()
            self.adaptive.passed(sent_at + self.trip_s, sent_at, [], roomy=roomy)

    def refuse(self, sent_at: float, wait_s: float | None = None, *, still_full: bool = False) -> None:
        self.adaptive.log.refuse(sent_at)
        self.adaptive.refused(sent_at + self.trip_s, sent_at, wait_s, [], still_full=still_full)


def test_a_rate_that_is_used_up_grows_and_one_that_is_not_does_not() -> None:
    line = Line()
    line.let_in(20, roomy=False)
    assert line.adaptive.per_s == START_PER_S
    line.let_in(20)
    assert line.adaptive.per_s > 2 * START_PER_S


def test_the_ceiling_is_never_exceeded() -> None:
    line = Line(ceiling=10.0)
    line.let_in(500)
    assert line.adaptive.per_s == 10.0


def test_a_refusal_brings_the_rate_below_what_was_let_in() -> None:
    line = Line()
    line.let_in(100)
    line.refuse(line.turn())
    limit = line.adaptive.limit
    assert limit is not None
    assert line.adaptive.per_s == pytest.approx(limit * (1 - DIP))


def test_refusals_go_on_lowering_the_rate_as_long_as_some_requests_in_between_are_let_in() -> None:
    line = Line()
    line.let_in(100)
    line.refuse(line.turn())
    rate = line.adaptive.per_s
    line.now += 1
    for _ in range(30):  # on their way: nothing is known of them yet, as with an API that refuses faster than it works
        sent_at = line.turn()
    line.refuse(sent_at)
    assert line.adaptive.per_s < rate


def test_refusals_of_an_api_that_is_still_full_lower_the_rate_no_further() -> None:
    line = Line()
    line.let_in(100)
    line.refuse(line.turn())
    rate = line.adaptive.per_s
    for _ in range(5):
        line.now += 1.0
        line.refuse(line.turn(), still_full=True)
    assert line.adaptive.per_s == rate


def test_a_known_limit_is_tried_again_the_later_the_more_refusals_that_cost() -> None:
    cheap, dear = Line(), Line()
    for line, refusals in ((cheap, 1), (dear, 20)):
        for _ in range(8):
            line.let_in(60)
            sent_at = line.turn()
            line.refuse(sent_at)
            for _ in range(refusals - 1):
                line.adaptive.log.refuse(sent_at)
    assert dear.adaptive._period() * dear.adaptive.per_s > cheap.adaptive._period() * cheap.adaptive.per_s


def found(line: Line) -> float:
    assert line.adaptive.limit is not None
    return line.adaptive.per_s / line.adaptive.limit


def refuse_again(line: Line, after_s: float) -> None:
    line.now += 1.0  # the hold
    line.let_in(round(after_s * line.adaptive.per_s))
    line.refuse(line.turn())


def test_each_refusal_soon_after_another_brings_the_rate_further_down() -> None:
    line = Line()
    line.let_in(200)
    line.refuse(line.turn())
    assert found(line) == pytest.approx(1 - DIP)
    refuse_again(line, 0.5)
    assert found(line) == pytest.approx(1 - 2 * DIP)
    refuse_again(line, 0.5)
    assert found(line) == pytest.approx(1 - 4 * DIP)
    refuse_again(line, 5.0)
    assert found(line) == pytest.approx(1 - DIP)


def test_a_larger_limit_is_sought_more_gently_than_the_first() -> None:
    line = Line()
    line.let_in(100)
    first = line.now - 100.0
    start = line.adaptive.per_s
    line.refuse(line.turn())
    while not line.adaptive.searching:
        line.let_in(1)
    before, since = line.adaptive.per_s, line.now
    while line.adaptive.per_s < 2 * before:
        line.let_in(1)
    doublings = math.log2(start / START_PER_S)
    assert line.now - since > 0.8 * REGROW * first / doublings
