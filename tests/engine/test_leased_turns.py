from __future__ import annotations

import asyncio
import math
import random
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock, settle
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config.rate import Rate
from batchupdate.engine.leased_turns import AHEAD_S, LATE_S, LEASE_MOST, LeasedTurns, TurnDesk
from batchupdate.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.engine.leased_turns import Granted, Heard


class House:
    """A limiter and processes that lease turns from it; messages take a while."""

    def __init__(
        self,
        per_s: float,
        processes: int,
        delay_s: Callable[[int], float] = lambda _: 0.0,
        *,
        auto: bool = False,
        each: int = 100,
    ) -> None:
        self.clock, self.each = FakeClock(), each
        self.limiter = Limiter(Rate(per_s, auto=auto), 1, self.clock, lambda strikes: 2.0**strikes, concurrency=100)
        self.desk = TurnDesk(self.limiter, self.recall)
        self.delay_s = delay_s
        self.urgent: list[int] = []
        self.turns = [self.process(number) for number in range(processes)]
        self.given: list[float] = []

    def process(self, number: int) -> LeasedTurns:
        async def ask(most: int, heard: Sequence[Heard]) -> Granted:
            granted = await self.desk.lease(str(number), most, heard)
            await self.clock.sleep_until(self.clock.time + self.delay_s(number))
            return granted

        return LeasedTurns(ask, self.clock, lambda: self.urgent.append(number), self.each)

    def recall(self, number: int) -> None:
        for turns in self.turns:
            turns.recall(number)

    async def take(self, number: int, count: int, busy_s: Callable[[], float] = lambda: 0.0) -> None:
        for _ in range(count):
            at = await self.turns[number].turn()
            self.given.append(self.clock.time)
            await self.clock.sleep_until(self.clock.time + busy_s())
            self.turns[number].passed(at)


@given(
    per_s=st.floats(0.5, 5000),
    delays=st.lists(st.floats(0, 0.02), min_size=1, max_size=4),
    busy=st.lists(st.floats(0, 0.3), min_size=1, max_size=5),
)
def test_all_processes_together_keep_the_rate(per_s: float, delays: list[float], busy: list[float]) -> None:
    async def scenario() -> None:
        house = House(per_s, len(delays), lambda number: delays[number])
        pauses = iter(busy * 1000)
        work = [house.take(number, 40, lambda: next(pauses)) for number in range(len(delays))]
        await house.clock.run(asyncio.wait_for(_all(work), None))
        given = sorted(house.given)
        assert len(given) == 40 * len(delays)
        for span_s in (0.5, 1.0, 10.0):
            most = per_s * (span_s + LATE_S + max(delays)) + 1 + 1e-6
            for at, since in enumerate(given):
                assert bisect_left(given, since + span_s) - at <= most

    asyncio.run(scenario())


async def _all(work: Sequence[object]) -> None:
    await asyncio.gather(*work)  # type: ignore[call-overload]


async def test_leases_that_are_long_on_their_way_do_not_make_turns_of_two_processes_coincide() -> None:
    sent = Counter[int]()

    def delay_s(number: int) -> float:
        sent[number] += 1
        return 0.1 if number and sent[number] > 1 else 0.0

    house = House(200, 2, delay_s)
    await house.clock.run(_all([house.take(0, 300), house.take(1, 300)]))
    given = sorted(house.given)
    for at, since in enumerate(given):
        assert bisect_left(given, since + 0.5) - at <= 200 * (0.5 + LATE_S) + 1


async def test_nearly_the_whole_rate_is_used() -> None:
    assert await share_used(House(1000, 2, each=4), 4.0, [0.0, 0.0]) > 0.99


async def test_turns_come_many_at_a_time_where_the_rate_is_high() -> None:
    house, asked = House(10_000, 2), 0
    lease = house.desk.lease

    async def counted(process: str, most: int, heard: Sequence[Heard]) -> Granted:
        nonlocal asked
        asked += 1
        return await lease(process, most, heard)

    house.desk.lease = counted  # type: ignore[method-assign]
    await house.clock.run(_all([house.take(0, 5000), house.take(1, 5000)]))
    assert asked < 10_000 / LEASE_MOST * 4


async def test_a_refusal_voids_what_others_have_leased_and_nobody_goes_until_the_wait_is_over() -> None:
    house = House(100, 2)
    first, second = house.turns
    at = await house.turns[0].turn()
    house_clock = house.clock
    await house_clock.run(second.turn())  # has some more now
    assert first.hold(at, 7.0)
    house.desk.hear("0", first.take_heard())  # as a report brings it
    refused_at = house_clock.time
    waiting = [asyncio.ensure_future(one.turn()) for one in house.turns]
    await house_clock.advance(6.9)
    assert not any(one.done() for one in waiting)
    await house_clock.advance(0.5)
    assert all(one.done() and one.result() >= refused_at + 7.0 for one in waiting)


async def test_a_lease_that_crosses_a_recall_is_void() -> None:
    house = House(100, 2, lambda number: 0.5 * number)
    slow = asyncio.ensure_future(house.turns[1].turn())
    await house.clock.advance(0.01)  # its lease is on its way
    at = await house.clock.run(house.turns[0].turn())
    house.turns[0].hold(at, 3.0)
    house.desk.hear("0", house.turns[0].take_heard())
    await house.clock.advance(2.0)
    assert not slow.done()
    await house.clock.advance(2.0)
    assert slow.done()


async def test_another_rate_holds_from_the_moment_on_although_turns_were_leased() -> None:
    house = House(1000, 1)
    await house.clock.run(house.take(0, 10))
    house.limiter.set_limits(Rate(1.0), 1, 60.0)
    changed_at = house.clock.time
    await house.clock.run(house.take(0, 3))
    assert house.given[-3] >= changed_at + 0.9
    assert house.given[-1] - house.given[-3] == pytest.approx(2.0, abs=0.01)


async def test_a_person_who_pauses_the_run_pauses_every_process() -> None:
    house = House(float("inf"), 2)
    await house.clock.run(_all([house.take(0, 5), house.take(1, 5)]))
    house.limiter.halt()
    waiting = [asyncio.ensure_future(one.turn()) for one in house.turns]
    await house.clock.advance(100.0)
    assert not any(one.done() for one in waiting)
    house.limiter.go_on()
    await house.clock.advance(1.0)
    assert all(one.done() for one in waiting)


async def test_after_an_outage_a_single_request_of_all_processes_asks_whether_the_api_is_back() -> None:
    house = House(float("inf"), 2)
    turns = house.turns[0]
    for _ in range(5):
        at = await house.clock.run(turns.turn())
        down = turns.failed(at)
        house.desk.hear("0", turns.take_heard())
    assert down
    waiting = [asyncio.ensure_future(one.turn()) for one in house.turns]
    await house.clock.advance(100.0)
    (probe,) = [one for one in waiting if one.done()]
    asked = house.turns[waiting.index(probe)]
    assert asked.probing
    assert asked.down_for_s > 0
    asked.passed(probe.result())
    house.desk.hear(str(waiting.index(probe)), asked.take_heard())
    await house.clock.advance(1.0)
    assert all(one.done() for one in waiting)


async def test_what_a_dead_process_had_leased_does_not_keep_others_waiting() -> None:
    house = House(100, 2)
    await house.clock.run(house.turns[0].turn())
    house.desk.gone("0")
    before = house.clock.time
    await house.clock.run(house.turns[1].turn())
    assert house.clock.time - before <= AHEAD_S + 0.01 + 1e-6
    house.desk.hear("0", [])  # what it said comes late
    assert house.limiter.rate_per_s == 100


async def test_a_process_that_was_held_up_does_not_make_good_for_it() -> None:
    house = House(100, 1)
    await house.clock.run(house.turns[0].turn())
    house.clock.time += 0.2
    await settle()
    at_once = 0
    while house.turns[0].try_turn() is not None:
        at_once += 1
    assert at_once <= 1 + 100 * LATE_S


class HeldUp:
    """The clock of a process that gets the processor for a tenth of the time only."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.monotonic, self.now, self.unix = clock.monotonic, clock.now, clock.unix

    async def awake(self) -> None:
        """Waits until it has the processor."""
        passed, in_turn = divmod(self._clock.time + 1e-9, 0.1)
        if in_turn > 0.01:
            await self._clock.sleep_until((passed + 1) * 0.1)

    async def sleep_until(self, due: float, *, precise: bool = False) -> None:
        await self._clock.sleep_until(due, precise=precise)
        await self.awake()


async def share_used(house: House, seconds: float, busy_s: Sequence[float]) -> float:
    """Which share of the rate is used in such a time by processes whose requests take so long each."""
    until = house.clock.time + seconds

    async def work(number: int) -> None:
        while house.clock.time < until:
            await house.take(number, 1, lambda: busy_s[number])

    await house.clock.run(_all([work(number) for number in range(len(busy_s)) for _ in range(house.each)]))
    used = sum(at < until for at in house.given)
    return used / (seconds * house.limiter.rate.per_s)


@pytest.mark.parametrize(("per_s", "busy_s"), [(400, 0.01), (1000, 0.01), (1000, 0.03)])
async def test_a_process_whose_requests_take_ten_times_as_long_costs_next_to_nothing_of_the_rate(
    per_s: float, busy_s: float
) -> None:
    house = House(per_s, 2, lambda _: 0.002, each=32)
    assert await share_used(house, 10.0, [busy_s, 10 * busy_s]) > 0.95


async def test_a_process_that_is_held_up_nine_tenths_of_the_time_costs_next_to_nothing_of_the_rate() -> None:
    house = House(1000, 2, lambda _: 0.003, each=32)
    held, turns = HeldUp(house.clock), house.turns[1]
    ask = turns._ask

    async def late(most: int, heard: list[Heard]) -> Granted:
        granted = await ask(most, heard)
        await held.awake()
        return granted

    house.turns[1] = LeasedTurns(late, held, lambda: None, house.each)
    assert await share_used(house, 10.0, [0.01, 0.01]) > 0.95


async def test_messages_that_take_long_at_times_cost_next_to_nothing_of_the_rate() -> None:
    chance = random.Random(1)  # noqa: S311 - no secrets
    house = House(1000, 2, lambda _: 0.002 + 0.05 * chance.random(), each=32)
    assert await share_used(house, 10.0, [0.01, 0.01]) > 0.97


@pytest.mark.parametrize("on_its_way", [True, False])
async def test_turns_that_come_too_late_for_a_process_keep_no_other_one_waiting(on_its_way: bool) -> None:
    house = House(math.inf, 2, lambda _: 0.1)
    first, second = house.turns
    asking = asyncio.ensure_future(first.turn())
    await house.clock.advance(0.2)
    first.hold(await asking, 1.0)
    house.desk.hear("0", first.take_heard())  # from here on, there is one request at a time
    asking = asyncio.ensure_future(first.turn())
    await house.clock.advance(1.05 if on_its_way else 0.5)
    asking.cancel()
    first.close()
    house.desk.hear("0", first.take_heard())
    house.desk.ended("0")
    other = asyncio.ensure_future(second.turn())
    await house.clock.advance(2.0)
    assert other.done()
    second.passed(await other)
    second.close()
    house.desk.hear("1", second.take_heard())
    house.desk.ended("1")
    asking = asyncio.ensure_future(first.turn())
    await house.clock.advance(1.0)
    assert asking.done(), "it works again"
