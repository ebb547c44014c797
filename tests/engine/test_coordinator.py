from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
import structlog
from fakes import FakeClock, settle
from pools import Rows

from batchupdate.config import MaxFailures
from batchupdate.config.rate import Rate
from batchupdate.engine.coordinator import (
    DEATHS_AT_MOST,
    DYING_S,
    LOST_IN_A_ROW,
    Coordinator,
    Report,
    State,
    map_path,
)
from batchupdate.engine.pool_limits import PoolLimits
from batchupdate.errors import RunLocked, SafetyStop
from batchupdate.journal import Journal, Session
from batchupdate.journal.in_flight import InFlightMap
from batchupdate.journal.queue import Queue
from batchupdate.limiter import Limiter
from batchupdate.model import Outcome, Result, Traffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from batchupdate.model import Request


class House:
    """A coordinator, and worker processes that a test plays."""

    def __init__(
        self,
        folder: Path,
        count: int,
        *,
        repeatable: bool = True,
        applied: set[int] | None = None,
        foreign: set[int] | None = None,
        hold_to: Callable[[Request, str], Request] | None = None,
        how_to_join: str = "",
        books: Queue | None = None,
        **rules: object,
    ) -> None:
        self.clock = FakeClock()
        self.rows, self.folder = Rows(count, self.clock), folder
        self.said: list[str] = []
        self.on_exit: Callable[[], None] = lambda: None

        async def look_up(request: Request) -> tuple[Outcome, str] | None:
            if request.row in (foreign or set()):
                return Outcome.UNKNOWN, "somebody else has changed it"
            return (Outcome.UPDATED, "found") if request.row in (applied or set()) else None

        self.coordinator = Coordinator(
            source=books or self.rows,
            sink=books or self.rows,
            limiter=Limiter(Rate(math.inf), 1, self.clock, float, concurrency=8),
            start=self._start,
            maps=folder,
            rules=PoolLimits(**rules),  # type: ignore[arg-type]
            repeatable=repeatable,
            in_doubt={500, 503},
            look_up=look_up if applied is not None else None,
            hold_to=hold_to,
            clock=self.clock,
            log=structlog.wrap_logger(None, processors=[_drop]),
            how_to_join=how_to_join,
        )
        self.running = asyncio.ensure_future(self.coordinator.run(8))

    @asynccontextmanager
    async def _start(self, _coordinator: Coordinator) -> AsyncIterator[House]:
        yield self
        self.on_exit()

    def tell(self, what: str, number: int = 0) -> None:
        self.said.append(what if what == "stop" else f"{what} {number}")

    def end(self, process: str) -> None:
        self.said.append(f"end {process}")

    async def join(self, process: str, count: int) -> list[int]:
        await settle()  # it has begun
        self.coordinator.joined(process)
        return [request.row for request in await self.coordinator.claim(process, count)]

    def report(self, process: str, rows: Iterable[int], outcome: Outcome = Outcome.UPDATED) -> None:
        self.coordinator.report(process, Report([(Result(row, outcome, 200, 1), True) for row in rows]))

    async def dies(self, process: str, out: Iterable[int] = (), answered: Iterable[int] = ()) -> None:
        """A process dies: its map has some rows as out, and results of others that it has not reported."""
        left = InFlightMap()
        assert left.create(map_path(self.folder, process), process)
        for row in (*out, *answered):
            left.leaves(row, 0)
        for row in answered:
            left.keep(Result(row, Outcome.UPDATED, 200, 1), final=True)
        left.close(remove=False)
        self.coordinator.lost(process)
        await self.clock.advance(0.1)

    async def ended(self) -> None:
        self.coordinator.ended("a", None)
        await self.clock.advance(1.0)
        await self.running


@contextmanager
def closing_map(path: Path, process: str) -> Iterator[InFlightMap]:
    """The map of a process that is alive until this ends."""
    made = InFlightMap()
    assert made.create(path, process)
    try:
        yield made
    finally:
        made.close(remove=False)


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


async def test_a_row_is_leased_to_one_process_alone_and_its_result_counts_once(tmp_path: Path) -> None:
    house = House(tmp_path, 4)
    assert await house.join("a", 2) == [2, 3]
    assert await house.join("b", 9) == [4, 5]
    house.report("b", [2, 4, 5])  # 2 is not its own
    house.report("a", [2, 3])
    house.report("a", [2], Outcome.FAILED)
    await house.ended()
    assert [result.row for result, _ in house.rows.results] == [4, 5, 2, 3]
    assert house.coordinator.counts[Outcome.UPDATED] == 4


async def test_rows_that_had_not_left_a_dead_process_go_to_another_as_if_nothing_had_happened(tmp_path: Path) -> None:
    house = House(tmp_path, 6)
    await house.join("a", 4)
    await house.dies("a", out=[3], answered=[2])
    house.coordinator.joined("b")
    requests = {request.row: request for request in await house.coordinator.claim("b", 9)}
    assert sorted(requests) == [3, 4, 5, 6, 7]
    assert {row for row, request in requests.items() if request.unanswered} == {3}
    assert (requests[3].sent, requests[4].sent) == (1, 0)
    assert house.rows.outcomes == {2: Outcome.UPDATED}
    house.report("a", [4])  # what it said comes late: the row is another's by now
    assert 4 not in house.rows.outcomes
    house.report("b", requests)
    await house.ended()


async def test_without_a_map_every_row_of_a_dead_process_may_have_been_applied(tmp_path: Path) -> None:
    house = House(tmp_path, 3)
    await house.join("a", 3)
    house.coordinator.lost("a")
    await house.clock.advance(0.1)
    house.coordinator.joined("b")
    assert all(request.unanswered for request in await house.coordinator.claim("b", 9))
    house.report("b", [2, 3, 4])
    await house.ended()


async def test_where_repeating_is_not_safe_what_was_out_is_unknown_for_good(tmp_path: Path) -> None:
    house = House(tmp_path, 3, repeatable=False)
    await house.join("a", 3)
    await house.dies("a", out=[2])
    assert house.rows.outcomes == {2: Outcome.UNKNOWN}
    assert house.rows.final(2)
    assert await house.join("b", 9) == [3, 4]
    house.report("b", [3, 4])
    await house.ended()


async def test_a_dead_process_whose_row_waited_after_an_error_leaves_it_in_doubt_as_the_error_does(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, 2, repeatable=False)
    await house.join("a", 2)
    with closing_map(map_path(tmp_path, "a"), "a") as left:
        for row, status in ((2, 500), (3, 507)):
            left.leaves(row, 0)
            left.keep(Result(row, Outcome.FAILED, status, 1, "no"), final=False)
    house.coordinator.lost("a")
    await house.clock.advance(0.1)
    assert house.rows.outcomes == {2: Outcome.UNKNOWN}
    assert await house.join("b", 9) == [3]
    house.report("b", [3])
    await house.ended()


async def test_what_is_found_applied_is_not_sent_again(tmp_path: Path) -> None:
    house = House(tmp_path, 3, applied={3})
    await house.join("a", 3)
    await house.dies("a", out=[2, 3])
    assert house.rows.outcomes == {3: Outcome.UPDATED}
    assert sorted(await house.join("b", 9)) == [2, 4]
    house.report("b", [2, 4])
    await house.ended()


async def test_a_record_that_somebody_else_has_changed_since_its_process_died_is_left_alone(tmp_path: Path) -> None:
    house = House(tmp_path, 2, applied=set(), foreign={3})
    await house.join("a", 2)
    await house.dies("a", out=[2, 3])
    assert house.rows.outcomes == {3: Outcome.UNKNOWN}
    assert house.rows.final(3)
    assert await house.join("b", 9) == [2]
    house.report("b", [2])
    await house.ended()


async def test_a_row_with_which_process_after_process_dies_is_left_unknown(tmp_path: Path) -> None:
    house = House(tmp_path, 1)
    for number in range(DEATHS_AT_MOST):
        assert await house.join(f"p{number}", 9) == [2]
        await house.dies(f"p{number}", out=[2])
    assert house.rows.outcomes == {2: Outcome.UNKNOWN}
    assert not house.rows.final(2)  # a later session may try again
    await house.ended()


async def test_processes_that_keep_dying_stop_the_run(tmp_path: Path) -> None:
    house = House(tmp_path, 1000)
    for number in range(LOST_IN_A_ROW):
        await house.join(f"p{number}", 1)
        await house.dies(f"p{number}")
    with pytest.raises(SafetyStop, match="have died"):
        await house.ended()


async def test_a_process_that_was_lost_and_is_still_there_is_ended_before_its_rows_go_on(tmp_path: Path) -> None:
    house = House(tmp_path, 2)
    await house.join("a", 2)
    alive = InFlightMap()
    assert alive.create(map_path(tmp_path, "a"), "a")
    alive.leaves(2, 0)
    house.coordinator.lost("a")
    await house.clock.advance(0.5)
    assert await house.join("b", 9) == []
    assert house.said == []
    await house.clock.advance(1.0)
    assert house.said == ["end a"]
    alive.close(remove=False)
    await house.clock.advance(0.1)
    assert sorted(await house.join("b", 9)) == [2, 3]
    house.report("b", [2, 3])
    await house.ended()


async def test_what_a_lost_process_has_that_does_not_end_is_not_given_back_and_its_map_stays(tmp_path: Path) -> None:
    house = House(tmp_path, 3, repeatable=False)
    await house.join("a", 3)
    with closing_map(map_path(tmp_path, "a"), "a") as alive:
        alive.leaves(2, 0)
        house.coordinator.lost("a")
        await house.clock.advance(DYING_S + 1.0)
        with pytest.raises(SafetyStop, match="does not end"):
            await house.running
    assert house.rows.released == []
    assert house.rows.results == []
    assert house.rows.out == {2, 3, 4}
    assert map_path(tmp_path, "a").exists()  # for whatever resumes the run


async def test_a_lost_process_that_ends_with_its_run_after_all_says_what_was_out(tmp_path: Path) -> None:
    house = House(tmp_path, 3, repeatable=False)
    await house.join("b", 0)
    with closing_map(map_path(tmp_path, "a"), "a") as alive:
        await house.join("a", 3)
        alive.leaves(2, 0)
        house.on_exit = lambda: alive.close(remove=False)
        house.coordinator.lost("a")
        await house.clock.advance(DYING_S + 1.0)
    with pytest.raises(SafetyStop, match="does not end"):
        await house.running
    assert house.rows.outcomes == {2: Outcome.UNKNOWN}
    assert sorted(house.rows.released) == [3, 4]
    assert not map_path(tmp_path, "a").exists()


async def test_where_a_lost_process_does_not_end_only_what_was_out_is_in_doubt_once_the_run_is_resumed(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "journal.sqlite3"
    with closing_map(map_path(tmp_path, "a"), "a") as alive:
        with Journal.create(path) as journal:
            journal.add_rows([(row, ["x"], f"id-{row}", f"/{row}", {}) for row in (2, 3, 4)], [])
            journal.seal({})
            session = journal.begin_session(1.0, repeatable=False)
            async with Queue(journal, clock) as queue:
                house = House(tmp_path, 0, repeatable=False, books=queue)
                assert await house.join("a", 2) == [2, 3]
                alive.leaves(2, 0)
                house.coordinator.lost("a")
                await house.clock.advance(DYING_S + 1.0)
                with pytest.raises(SafetyStop, match="does not end"):
                    await house.running
            journal.end_session(Session.at(session, 2.0, Traffic()), 3)
            assert {line.number: line.outcome for line in journal.lines()} == {
                2: Outcome.UNKNOWN,
                3: Outcome.UNKNOWN,  # as long as the process may still send it
                4: Outcome.NOT_ATTEMPTED,
            }
        with pytest.raises(RunLocked):
            Journal.take_over(path)
    with Journal.take_over(path) as journal:
        journal.begin_session(3.0, repeatable=False)
        assert [(request.row, request.unanswered) for request in journal.upcoming(0, 9)] == [(3, False), (4, False)]
        assert {line.outcome for line in journal.lines() if line.number == 2} == {Outcome.UNKNOWN}


async def test_a_process_that_leaves_is_none_that_died_and_one_that_leaves_rows_behind_is(tmp_path: Path) -> None:
    house = House(tmp_path, 3)
    for number in range(LOST_IN_A_ROW + 1):
        await house.join(f"p{number}", 0)
        house.coordinator.left(f"p{number}")
    assert await house.join("a", 3) == [2, 3, 4]
    house.coordinator.left("a")
    await house.clock.advance(0.1)
    house.coordinator.joined("b")
    requests = await house.coordinator.claim("b", 9)
    assert [request.unanswered for request in requests] == [True] * 3
    house.report("b", [2, 3, 4])
    await house.ended()


async def test_a_run_without_any_process_says_how_one_comes_and_stops_after_a_while(tmp_path: Path) -> None:
    house = House(tmp_path, 3, how_to_join="Start one.", give_up_after_s=30.0)
    await house.clock.advance(20.0)
    assert house.coordinator.trouble == "There is no worker process. Start one."
    assert await house.join("a", 1) == [2]
    assert house.coordinator.trouble == ""
    house.report("a", [2])
    await house.clock.advance(100.0)
    house.coordinator.left("a")
    await house.clock.advance(29.0)
    assert not house.running.done()
    await house.clock.advance(2.0)
    with pytest.raises(SafetyStop, match="no worker process for 3"):
        await house.running


async def test_processes_of_this_machine_may_take_a_while_to_begin_before_anybody_is_told(tmp_path: Path) -> None:
    house = House(tmp_path, 3)
    await house.clock.advance(5.0)
    assert house.coordinator.trouble == ""
    await house.clock.advance(15.0)
    assert house.coordinator.trouble == "There is no worker process."
    assert await house.join("a", 9) == [2, 3, 4]
    assert house.coordinator.trouble == ""
    house.report("a", [2, 3, 4])
    await house.ended()


async def test_a_stop_tells_all_processes_and_gives_back_what_was_not_sent(tmp_path: Path) -> None:
    house = House(tmp_path, 9)
    await house.join("a", 4)
    house.coordinator.stop()
    assert house.said == ["stop"]
    assert await house.coordinator.claim("a", 4) == []
    house.report("a", [2])
    house.coordinator.release("a", [3, 4, 5])
    await house.ended()
    assert sorted(house.rows.released) == [3, 4, 5]


async def test_failures_of_all_processes_count_together(tmp_path: Path) -> None:
    house = House(tmp_path, 9, max_failures=MaxFailures(count=3))
    for process in ("a", "b"):
        house.report(process, await house.join(process, 2), Outcome.FAILED)
    with pytest.raises(SafetyStop, match="4 of 4 rows failed"):
        await house.ended()
    assert "stop" in house.said


async def test_a_journal_that_cannot_be_written_stops_the_run_and_leases_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, 9)
    house.rows.fail_after = 0
    assert await house.join("a", 4) == []
    with pytest.raises(SafetyStop, match="can't be written"):
        await house.ended()
    assert not house.rows.out


async def test_a_run_that_is_cancelled_leaves_what_was_out_unknown_and_gives_the_rest_back(tmp_path: Path) -> None:
    house = House(tmp_path, 3)
    await house.join("a", 3)
    left = InFlightMap()
    assert left.create(map_path(tmp_path, "a"), "a")
    left.leaves(2, 0)
    left.close(remove=False)
    house.running.cancel()
    await house.clock.advance(1.0)
    assert house.rows.outcomes == {2: Outcome.UNKNOWN}
    assert not house.rows.final(2)
    assert sorted(house.rows.released) == [3, 4]
    assert not map_path(tmp_path, "a").exists()


# ---- what records were before their changes ----


async def test_what_a_record_was_is_kept_for_the_process_that_has_its_row_and_for_no_other(tmp_path: Path) -> None:
    house = House(tmp_path, 2)
    await house.join("a", 1)
    await house.join("b", 9)
    assert await house.coordinator.keep("a", [State(2, "{}")])
    assert await house.coordinator.keep("a", [State(2, '{"absent":["x"]}', amends=True)])
    assert not await house.coordinator.keep("a", [State(3, "{}")])
    assert not await house.coordinator.keep("b", [State(3, "{}"), State(2, "{}")])
    assert not await house.coordinator.keep("nobody", [State(2, "{}")])
    assert house.rows.past == {2: '{} amended by {"absent":["x"]}'}
    house.report("a", [2])
    house.report("b", [3])
    await house.ended()


async def test_a_row_that_a_dead_process_may_have_sent_goes_on_to_the_record_as_that_one_has_read_it(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, 3, hold_to=lambda request, state: request._replace(pulled=state))
    await house.join("a", 9)
    await house.coordinator.keep("a", [State(row, f"read {row}") for row in (2, 3)])
    await house.dies("a", out=[2, 4])
    house.coordinator.joined("b")
    requests = {request.row: request.pulled for request in await house.coordinator.claim("b", 9)}
    assert requests == {2: "read 2", 3: "", 4: ""}  # 3 had not left, and is read again; nobody has read 4
    house.report("b", requests)
    await house.ended()


async def test_what_was_not_sent_is_not_lent_any_more_and_what_may_be_applied_is_out_whatever_its_process_says(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, 3)
    await house.join("a", 9)
    assert house.rows.lent == {2: "a", 3: "a", 4: "a"}
    house.coordinator.release("a", [4])
    assert house.rows.out == {2, 3}
    await house.dies("a", out=[2])
    assert house.rows.out == {2}
    assert sorted(await house.join("b", 9)) == [2, 3, 4]
    assert house.rows.lent == {2: "", 3: "b", 4: "b"}
    house.coordinator.release("b", [2, 3, 4])
    assert house.rows.out == {2}
    await house.join("c", 9)
    house.report("c", [2, 3, 4])
    await house.ended()


async def test_where_repeating_is_not_safe_what_is_found_applied_is_updated_and_the_rest_unknown(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, 2, repeatable=False, applied={3})
    await house.join("a", 9)
    await house.dies("a", out=[2, 3])
    assert house.rows.outcomes == {2: Outcome.UNKNOWN, 3: Outcome.UPDATED}
    await house.ended()
