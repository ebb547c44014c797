from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock, settle

from batchupdate.errors import SafetyStop
from batchupdate.journal import Journal
from batchupdate.journal.queue import FLUSH_AFTER_S, Queue
from batchupdate.model import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.create(path) as journal:
        journal.add_rows([(number, ["x"], f"id-{number}", f"/{number}", {}) for number in range(2, 12)], [])
        journal.seal({})
        yield journal


def updated(row: int) -> Result:
    return Result(row, Outcome.UPDATED)


def asked_from_outside(path: Path, query: str) -> list[int]:
    other = sqlite3.connect(path)
    try:
        return [row[0] for row in other.execute(query)]
    finally:
        other.close()


async def thread_is_done(queue: Queue) -> None:
    await asyncio.wrap_future(queue._thread.submit(lambda: None))
    await settle()


async def test_rows_are_marked_on_the_disk_before_they_are_handed_over(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    async with Queue(journal, clock) as queue:
        assert [request.row for request in await queue.claim(3)] == [2, 3, 4]
        assert asked_from_outside(path, "SELECT key FROM started") == [2, 3, 4]
        assert [request.row for request in await queue.claim(100)] == list(range(5, 12))
        assert await queue.claim(5) == []


async def test_results_go_out_with_the_next_claim(journal: Journal, path: Path, clock: FakeClock) -> None:
    async with Queue(journal, clock) as queue:
        await queue.claim(3)
        queue.finish(updated(2))
        queue.finish(updated(3))
        assert asked_from_outside(path, "SELECT key FROM result") == []
        await queue.claim(1)
        assert asked_from_outside(path, "SELECT key FROM result") == [2, 3]


async def test_results_are_written_soon_even_if_nothing_more_is_claimed(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    async with Queue(journal, clock) as queue:
        await queue.claim(100)
        for row in (2, 3):
            queue.finish(updated(row))
            await clock.advance(FLUSH_AFTER_S + 0.01)
            await thread_is_done(queue)
            assert asked_from_outside(path, "SELECT max(key) FROM result") == [row]


async def test_a_result_that_comes_while_others_are_being_written_is_written_soon_as_well(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    disk_is_done = threading.Event()
    async with Queue(journal, clock) as queue:
        await queue.claim(100)
        queue.finish(updated(2))
        queue._thread.submit(disk_is_done.wait)
        await clock.advance(FLUSH_AFTER_S + 0.01)  # the write waits for the disk
        queue.finish(updated(3))
        disk_is_done.set()
        await thread_is_done(queue)
        assert asked_from_outside(path, "SELECT key FROM result") == [2]
        await clock.advance(FLUSH_AFTER_S + 0.01)
        await thread_is_done(queue)
        assert asked_from_outside(path, "SELECT key FROM result") == [2, 3]
        queue.finish(updated(4))  # nothing is left of that
        await clock.advance(FLUSH_AFTER_S + 0.01)
        await thread_is_done(queue)
        assert asked_from_outside(path, "SELECT key FROM result") == [2, 3, 4]


async def test_a_result_waits_no_longer_because_the_write_before_it_was_slow(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    disk_is_done = threading.Event()
    async with Queue(journal, clock) as queue:
        await queue.claim(100)
        queue.finish(updated(2))
        queue._thread.submit(disk_is_done.wait)
        await clock.advance(FLUSH_AFTER_S + 0.01)
        queue.finish(updated(3))
        await clock.advance(FLUSH_AFTER_S)
        disk_is_done.set()
        await thread_is_done(queue)
        await thread_is_done(queue)
        assert asked_from_outside(path, "SELECT key FROM result") == [2, 3]


async def test_a_write_that_fails_while_another_result_comes_stops_the_next_claim(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    disk_is_done = threading.Event()
    async with Queue(journal, clock) as queue:
        await queue.claim(2)
        queue.finish(updated(2))
        queue._thread.submit(disk_is_done.wait)
        break_(journal)
        await clock.advance(FLUSH_AFTER_S + 0.01)
        queue.finish(updated(3))
        disk_is_done.set()
        await thread_is_done(queue)
        with pytest.raises(SafetyStop, match="full"):
            await queue.claim(1)
        mend(journal)
    assert asked_from_outside(path, "SELECT key FROM result") == [2, 3]


async def test_what_is_left_is_written_at_the_end(journal: Journal, path: Path, clock: FakeClock) -> None:
    async with Queue(journal, clock) as queue:
        await queue.claim(2)
        queue.finish(updated(2))
        queue.finish(updated(3), final=False)
    assert asked_from_outside(path, "SELECT final FROM result ORDER BY key") == [1, 0]


async def test_released_rows_are_unmarked(journal: Journal, path: Path, clock: FakeClock) -> None:
    async with Queue(journal, clock) as queue:
        await queue.claim(4)
        await queue.release([3, 4])
        await queue.release([])
    assert asked_from_outside(path, "SELECT key FROM started") == [2, 5]


async def test_a_flush_that_fails_stops_the_next_claim_and_is_tried_again_with_nothing_lost(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    async with Queue(journal, clock) as queue:
        await queue.claim(2)
        queue.finish(updated(2))
        break_(journal)
        await clock.advance(FLUSH_AFTER_S + 0.01)
        await thread_is_done(queue)
        with pytest.raises(SafetyStop, match="full"):
            await queue.claim(1)
        mend(journal)
    assert asked_from_outside(path, "SELECT key FROM result") == [2]


async def test_a_flush_that_fails_after_the_last_claim_is_tried_again_at_the_end(
    journal: Journal, path: Path, clock: FakeClock
) -> None:
    async with Queue(journal, clock) as queue:
        await queue.claim(100)
        queue.finish(updated(2))
        break_(journal)
        await clock.advance(FLUSH_AFTER_S + 0.01)
        await thread_is_done(queue)
        queue.finish(updated(3))
        mend(journal)
    assert asked_from_outside(path, "SELECT key FROM result") == [2, 3]


async def test_results_that_can_not_be_written_at_all_are_told(journal: Journal, clock: FakeClock) -> None:
    queue = await Queue(journal, clock).__aenter__()
    await queue.claim(100)
    queue.finish(updated(2))
    break_(journal)
    with pytest.raises(SafetyStop, match="full"):
        await queue.__aexit__(None, None, None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("journal")]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_waits_for_the_write_that_is_under_way(
    journal: Journal, path: Path, clock: FakeClock, *, fails: bool
) -> None:
    go_on = threading.Event()
    async with Queue(journal, clock) as queue:
        await queue.claim(2)
        queue.finish(updated(2))
        queue._thread.submit(go_on.wait)
        releasing = asyncio.create_task(queue.release([3]))
        claiming = asyncio.create_task(queue.claim(1))
        await settle()
        releasing.cancel()
        claiming.cancel()
        await settle()
        assert not releasing.done()
        assert not claiming.done()
        if fails:
            break_(journal)
        go_on.set()
        await asyncio.wait([releasing, claiming])
        assert releasing.cancelled()
        assert claiming.cancelled() is not fails
        if fails:
            assert isinstance(claiming.exception(), SafetyStop)
            mend(journal)
    assert asked_from_outside(path, "SELECT key FROM result") == [2]
    assert 3 not in asked_from_outside(path, "SELECT key FROM started")


def break_(journal: Journal) -> None:
    journal._connection.execute("CREATE TRIGGER no BEFORE INSERT ON result BEGIN SELECT raise(ABORT, 'full'); END")


def mend(journal: Journal) -> None:
    journal._connection.execute("DROP TRIGGER no")
