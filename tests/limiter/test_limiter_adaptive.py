"""The limiter in adaptive mode against small servers, in virtual time; benchmarks/limiter_sim.py does far more."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import pytest
from fakes import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from limiter_servers import FixedWindow

from batchupdate.config.rate import Rate
from batchupdate.limiter import Limiter
from batchupdate.model import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer: TypeAlias = "tuple[bool, float | None, Sequence[Allowance]]"
TINY = 1e-6


@dataclass
class Bucket:
    """Lets `per_s` requests a second in, and `burst` at once."""

    per_s: float
    burst: float = 5.0
    tells: bool = False
    _tokens: float = 5.0
    _at: float = 0.0

    def __call__(self, now: float) -> Answer:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        allowed = self._tokens >= 1
        self._tokens -= allowed
        told = [Allowance(self.burst, math.floor(self._tokens), 1.0, self.burst / self.per_s)] if self.tells else []
        return allowed, None, told


@dataclass
class Window:
    """Lets `amount` in, in each minute, and tells what remains."""

    amount: int
    used: int = 0
    _number: int = -1

    def __call__(self, now: float) -> Answer:
        if (number := math.floor(now / 60)) != self._number:
            self._number, self.used = number, 0
        allowed = self.used < self.amount
        self.used += allowed
        left_s = (number + 1) * 60 - now
        return allowed, None if allowed else left_s, [Allowance(self.amount, self.amount - self.used, left_s, 60.0)]


@dataclass
class Drive:
    """Sends as fast as the limiter lets it, and keeps what became of it."""

    limiter: Limiter
    clock: FakeClock
    server: Callable[[float], Answer]
    latency_s: float = 0.1
    let_in: list[float] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    _out: list[tuple[float, float, Answer]] = field(default_factory=list)

    def until(self, end: float, *, eager: bool = True) -> None:
        while self.clock.time < end:
            due = self.limiter.next_turn_at if eager else math.inf
            back = self._out[0][0] if self._out else math.inf
            self.clock.time = max(self.clock.time, min(end, due, back))
            if back <= self.clock.time:
                self._hear()
            elif due <= self.clock.time and (turn := self.limiter.try_turn()) is not None:
                self._send(turn)
            else:
                self.clock.time += 1e-6

    def _send(self, turn: float) -> None:
        self.turns.append(turn)
        answer = self.server(self.clock.time)
        (self.let_in if answer[0] else self.away).append(self.clock.time)
        heapq.heappush(self._out, (self.clock.time + self.latency_s, turn, answer))

    def _hear(self) -> None:
        _, turn, (allowed, wait_s, told) = heapq.heappop(self._out)
        if allowed:
            self.limiter.passed(turn, told)
        else:
            self.limiter.hold(turn, wait_s, told)

    def rate(self, since: float, until: float) -> float:
        return sum(since <= at < until for at in self.let_in) / (until - since)


def drive(server: Callable[[float], Answer], *, ceiling: float = math.inf, burst: int = 1, **more: float) -> Drive:
    clock, chance = FakeClock(1200.0), random.Random(7)  # noqa: S311 - jitter, no secret

    def delay(strikes: int) -> float:
        return chance.uniform(0.0, min(60.0, 2.0 ** (strikes - 1)))

    limiter = Limiter(Rate(ceiling, auto=True), burst, clock, delay, concurrency=1000)
    return Drive(limiter, clock, server, **more)


def test_it_starts_low_finds_a_limit_that_nobody_told_and_holds_close_below_it() -> None:
    run = drive(Bucket(50.0))
    assert run.limiter.rate_per_s <= 5
    run.until(1320.0)
    assert run.rate(1215.0, 1320.0) >= 0.93 * 50
    assert len(run.away) <= 0.01 * len(run.turns)
    assert run.limiter.allowed_per_s == pytest.approx(50.0, rel=0.1)


def test_a_refusal_brings_the_rate_down_at_once() -> None:
    run = drive(Bucket(50.0))
    while not run.away:
        run.until(run.clock.time + 0.01)
    before = run.limiter.rate_per_s
    run.until(run.clock.time + 0.2)
    assert run.limiter.rate_per_s < 0.8 * before


def test_a_refusal_of_what_left_before_the_last_one_changes_nothing() -> None:
    run = drive(Bucket(50.0))
    run.until(1230.0)
    turns = []
    for _ in range(2):
        run.clock.time = max(run.clock.time, run.limiter.next_turn_at) + TINY
        turns.append(run.limiter.try_turn())
    early, late = turns
    assert early is not None
    assert late is not None
    run.limiter.hold(late, None)
    rate = run.limiter.rate_per_s
    run.limiter.hold(early, None)
    assert run.limiter.rate_per_s == rate


def test_it_follows_a_limit_that_halves_and_doubles_again() -> None:
    server = Bucket(40.0)
    run = drive(server)
    run.until(1300.0)
    server.per_s = 20.0
    run.until(1400.0)
    assert run.rate(1310.0, 1400.0) >= 0.9 * 20
    server.per_s = 40.0
    run.until(1560.0)
    assert run.rate(1500.0, 1560.0) >= 0.9 * 40


def test_a_limit_over_windows_is_followed_however_long_it_was_not_refused_before() -> None:
    window = FixedWindow(25, 10)
    run = drive(lambda now: (window.take(now), None, ()))
    run.until(1200.0 + 3000)
    window.scale = 0.5
    run.until(1200.0 + 4500)
    window.scale = 2.0
    run.until(1200.0 + 5100)
    assert run.rate(1200.0 + 4800, 1200.0 + 5100) >= 0.9 * 5


def test_a_window_that_tells_what_remains_is_used_up_without_one_refusal() -> None:
    run = drive(Window(600))
    run.until(1800.0)
    assert run.away == []
    assert run.rate(1200.0, 1800.0) >= 0.97 * 10


def test_a_window_that_somebody_else_used_up_is_waited_for() -> None:
    server = Window(600)
    run = drive(server)
    run.until(1210.0)
    server.used = 600
    run.until(1259.9)
    assert len(run.away) <= 2  # what was on its way, and the one that learned of it
    run.until(1262.0)
    assert run.rate(1260.0, 1262.0) >= 5


def test_a_rate_that_is_not_used_up_does_not_grow() -> None:
    run = drive(Bucket(1e6, burst=1e6))
    for step in range(300):  # one request a second, where many more might go
        run.clock.time = 1200.0 + step
        if (turn := run.limiter.try_turn()) is not None:
            run.limiter.passed(turn)
    assert run.limiter.rate_per_s <= 10


def test_a_crowd_limit_is_found_and_kept() -> None:
    class Crowd:
        busy: ClassVar[deque[float]] = deque()

        def __call__(self, now: float) -> Answer:
            while self.busy and self.busy[0] <= now:
                self.busy.popleft()
            allowed = len(self.busy) < 4
            if allowed:
                self.busy.append(now + 0.2)
            return allowed, None, ()

    run = drive(Crowd(), latency_s=0.2)
    run.until(1400.0)
    assert run.limiter.concurrency in {4, 5}
    assert run.rate(1300.0, 1400.0) >= 0.95 * 20
    assert sum(at > 1300.0 for at in run.away) <= 5


def test_a_wait_that_is_absurd_is_capped_and_telling_nonsense_stops_nobody() -> None:
    run = drive(lambda _: (True, None, [Allowance(-1.0, math.nan, 1e30, 0.0)]))
    run.until(1205.0)
    assert len(run.let_in) > 100
    turn = run.limiter.try_turn() or run.clock.time
    run.limiter.hold(turn, 1e9)
    assert run.limiter.holding_s == pytest.approx(300.0)


@settings(max_examples=30, deadline=None)
@given(
    ceiling=st.floats(0.5, 50.0),
    burst=st.integers(1, 5),
    limit=st.floats(0.3, 200.0),
    tells=st.booleans(),
    latency_s=st.floats(0.001, 2.0),
    pauses=st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(0.0, 10.0)), max_size=4),
)
def test_no_window_ever_holds_more_than_the_ceiling_whatever_the_rate_does(
    ceiling: float, burst: int, limit: float, tells: bool, latency_s: float, pauses: list[tuple[float, float]]
) -> None:
    run = drive(Bucket(limit, tells=tells), ceiling=ceiling, burst=burst, latency_s=latency_s)
    for busy_s, quiet_s in [*pauses, (5.0, 0.0)]:
        run.until(run.clock.time + busy_s)
        run.until(run.clock.time + quiet_s, eager=False)
    level, before = 0.0, run.turns[0]
    for turn in run.turns:  # a bucket that leaks `ceiling` a second never holds more than the burst
        level, before = max(0.0, level - ceiling * (turn - before)) + 1, turn
        assert level <= burst + TINY


def test_a_limit_that_somebody_else_had_used_up_at_the_start_is_sought_all_the_same(clock: FakeClock) -> None:
    limiter = Limiter(Rate(math.inf, auto=True), 1, clock, lambda _: 1.0, concurrency=8)
    clock.time = limiter.next_turn_at + TINY
    first = limiter.try_turn()
    assert first is not None
    clock.time += 0.05
    limiter.hold(first, 2.0)
    end = clock.time + 12
    while clock.time < end:
        clock.time = min(end, max(clock.time + 0.001, limiter.next_turn_at))
        if (turn := limiter.try_turn()) is not None:
            clock.time += 0.05
            limiter.passed(turn)
    assert limiter.rate_per_s > 5
    assert limiter.allowed_per_s is None or limiter.allowed_per_s > 1


def test_a_reply_that_closes_the_api_for_a_day_is_tried_after_the_longest_wait_and_told_meanwhile(
    clock: FakeClock,
) -> None:
    limiter = Limiter(Rate(math.inf, auto=True), 1, clock, lambda _: 1.0, concurrency=8, max_wait_s=30.0)
    clock.time = limiter.next_turn_at + TINY
    turn = limiter.try_turn()
    assert turn is not None
    limiter.passed(turn, [Allowance(100.0, 0.0, 86_400.0)])
    assert limiter.holding_s == pytest.approx(30.0)
    assert limiter.try_turn() is None
    clock.time = limiter.next_turn_at + TINY
    assert limiter.try_turn() is not None


def test_a_second_refusal_before_anything_can_have_come_back_does_not_leave_one_request_at_a_time() -> None:
    run = drive(Bucket(50.0))
    run.until(1320.0)
    limiter, clock = run.limiter, run.clock
    for _ in range(2):  # the second leaves after the first one's pause, which is shorter than a round trip
        clock.time = max(clock.time, limiter.next_turn_at) + TINY
        turn = limiter.try_turn()
        assert turn is not None
        limiter.hold(turn, None)
    assert limiter.concurrency > 1


def test_an_outage_halves_the_rate_once_and_never_raises_it() -> None:
    for found_per_s in (1.0, 50.0):
        run = drive(Bucket(found_per_s))
        run.until(1400.0)
        run.until(1410.0, eager=False)
        limiter, clock, before = run.limiter, run.clock, run.limiter.rate_per_s
        for _ in range(10):
            clock.time = max(clock.time, limiter.next_turn_at) + TINY
            turn = limiter.try_turn()
            assert turn is not None
            limiter.failed(turn)
        assert limiter.rate_per_s == pytest.approx(min(before, max(4.0, before / 2)))


def test_an_api_that_refuses_for_ten_minutes_is_asked_by_single_requests_that_are_never_far_apart() -> None:
    run = drive(Bucket(50.0))
    run.until(1300.0)
    run.server = lambda _: (False, None, ())
    run.away.clear()
    run.until(1900.0)
    late = [at for at in run.away if at > 1400.0]
    assert run.limiter.concurrency == 1
    assert 30 <= len(late) <= 60
    assert max(after - before for before, after in pairwise(late)) <= 16.0
