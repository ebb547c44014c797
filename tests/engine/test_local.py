from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from fakes import QuickClock
from pydantic import SecretStr
from structlog.testing import LogCapture

from batchupdate.api.credentials import Credentials
from batchupdate.config import Secrets, Settings
from batchupdate.config.rate import Rate
from batchupdate.engine import Stop, work_off
from batchupdate.engine.pools import _Watch
from batchupdate.errors import Interrupted, SafetyStop
from batchupdate.journal import Journal
from batchupdate.limiter import Limiter
from batchupdate.model import Outcome, Progress, Traffic
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.job import Job
from batchupdate.sandbox import LANGDOCK_KEY, Faults, Sandbox
from batchupdate.targets import find_target
from batchupdate.targets.auth import KeyInHeader
from batchupdate.util.clock import SystemClock
from batchupdate.validator.checkup import Checkup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fakes import FakeClock

    from batchupdate.errors import BatchUpdateError

pytestmark = pytest.mark.slow

TARGET = find_target("langdock-integration")
FAST = {"rate": "unlimited", "concurrency": 4, "timeout": 5.0, "read_timeout": 5.0}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        yield journal


def fill(journal: Journal, ids: list[str]) -> None:
    journal.add_rows(
        [
            (row, [record_id], record_id, TARGET.expand((record_id,)), {"name": f"new {row}"})
            for row, record_id in enumerate(ids, 2)
        ],
        [],
    )
    journal.seal({})
    journal.begin_session(1.0, repeatable=True)


class Work:
    """Everything that `work_off` needs, on the real clock."""

    def __init__(self, base_url: str, key: str = LANGDOCK_KEY, **settings: Any) -> None:
        self.log, self.stop = LogCapture(), Stop()
        self.seen: list[Progress] = []
        secret = SecretStr(key)
        self.job: Job = Job(
            RunFolder(Path("20261121-184500-x-abcd")),
            None,  # type: ignore[arg-type] # it comes with `off`
            TARGET,
            Settings.model_validate({**FAST, **settings}),
            base_url,
            Credentials([KeyInHeader(secret)], Secrets([secret]), place="the environment variable LANGDOCK_API_KEY"),
            SystemClock(),
            Checkup("renames.csv", TARGET.name),
        )
        self.then: Callable[[], None] = lambda: None

    def on_progress(self, progress: Progress) -> None:
        self.seen.append(progress)
        self.then()

    async def off(self, journal: Journal) -> tuple[Traffic, BatchUpdateError | None]:
        job = replace(self.job, journal=journal)
        log = structlog.wrap_logger(None, processors=[self.log])
        return await work_off(job, 1, job.to_send, log, self.stop, self.on_progress)


@asynccontextmanager
async def prepared(journal: Journal, rows: int = 20, **options: Any) -> AsyncIterator[Sandbox]:
    async with Sandbox(langdock=rows, **options) as sandbox:
        fill(journal, [record.id for record in sandbox.records("langdock")[:rows]])
        yield sandbox


def outcomes(journal: Journal) -> list[str]:
    return [line.outcome for line in journal.lines()]


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the sandbox has no event for it
        await asyncio.sleep(0.002)


async def test_every_row_is_sent_applied_and_written_down(journal: Journal) -> None:
    async with prepared(journal) as sandbox:
        work = Work(sandbox.url)
        traffic, ended = await work.off(journal)
        assert [change.fields["name"] for change in sandbox.applied] != []
        assert {change.id: change.fields for change in sandbox.applied} == {
            line.record_id: {"name": f"new {line.number}"} for line in journal.lines()
        }
    assert ended is None
    assert traffic == Traffic(20, 0, 0, 0.0)
    assert outcomes(journal) == ["updated"] * 20
    assert all(line.request_id.startswith("sandbox-") for line in journal.lines())
    assert (work.seen[0].stage, work.seen[0].total) == ("sending", 20)


async def test_what_the_settings_leave_open_is_the_targets_own() -> None:
    job = Work("http://127.0.0.1:1").job
    assert (job.rate, job.concurrency) == (Rate(float("inf")), 4)
    open_job = Work("http://127.0.0.1:1", rate=None, concurrency=None).job
    assert (open_job.rate, open_job.concurrency) == (Rate(10.0, auto=True), 8)


async def test_a_stop_lets_what_is_in_flight_finish_and_leaves_the_rest(journal: Journal) -> None:
    async with prepared(journal, faults="slow=1@0.2") as sandbox:
        work = Work(sandbox.url)
        running = asyncio.create_task(work.off(journal))
        await until(lambda: sandbox.counts.requests >= 4)
        work.stop.request(signal.SIGTERM)
        work.stop.request(signal.SIGINT)
        traffic, ended = await running
    assert isinstance(ended, Interrupted)
    assert ended.signal_number == signal.SIGTERM
    assert traffic.sent == 4
    assert outcomes(journal) == ["updated"] * 4 + ["not_attempted"] * 16
    assert [event["in_flight"] for event in work.log.entries if event["event"] == "stopping"] == [4]


async def test_a_stop_that_was_asked_for_before_the_start_sends_nothing(journal: Journal) -> None:
    async with prepared(journal, faults="slow=1@0.2") as sandbox:
        work = Work(sandbox.url)
        work.stop.request(signal.SIGINT)
        _, ended = await work.off(journal)
        assert sandbox.counts.requests == 0
    assert isinstance(ended, Interrupted)
    assert outcomes(journal) == ["not_attempted"] * 20


async def test_a_stop_is_heeded_while_the_first_request_has_to_wait_for_its_turn(journal: Journal) -> None:
    async with prepared(journal) as sandbox:
        work = Work(sandbox.url)
        work.job = replace(work.job, not_before=work.job.clock.monotonic() + 3600)
        asyncio.get_running_loop().call_later(0.05, work.stop.request, signal.SIGTERM)
        _, ended = await asyncio.wait_for(work.off(journal), 60)
        assert sandbox.counts.requests == 0
    assert isinstance(ended, Interrupted)


def test_a_stop_is_heeded_on_every_loop_whether_it_was_asked_for_before_or_meanwhile() -> None:
    stop, begun = Stop(), list[int]()

    async def for_ever(number: int) -> None:
        begun.append(number)
        await asyncio.Event().wait()

    async def waits(number: int) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.requested(), 0.01)
        asyncio.get_running_loop().call_soon(stop.request, signal.SIGTERM)
        with pytest.raises(Interrupted):
            await stop.interrupts(for_ever(number))

    asyncio.run(waits(1))
    asyncio.run(waits(2))
    assert begun == [1], "after a stop, nothing is begun"


async def test_what_a_stop_does_not_interrupt_returns_and_raises_as_usual() -> None:
    stop = Stop()
    assert await stop.interrupts(asyncio.sleep(0, "read")) == "read"
    with pytest.raises(SafetyStop):
        await stop.interrupts(_refused())


async def _refused() -> None:
    raise SafetyStop("no")


async def test_what_does_not_finish_within_the_drain_is_unknown(journal: Journal) -> None:
    async with prepared(journal, faults="hang=1") as sandbox:
        work = Work(sandbox.url, drain_timeout=0.1)
        running = asyncio.create_task(work.off(journal))
        await until(lambda: sandbox.counts.requests >= 4)
        work.stop.request(signal.SIGINT)
        _, ended = await running
    assert isinstance(ended, Interrupted)
    assert outcomes(journal) == ["unknown"] * 4 + ["not_attempted"] * 16
    assert "drain_timeout" in [event["event"] for event in work.log.entries]


async def test_a_cancellation_leaves_a_journal_that_tells_what_is_unknown(journal: Journal) -> None:
    async with prepared(journal, faults="hang=1") as sandbox:
        running = asyncio.create_task(Work(sandbox.url).off(journal))
        await until(lambda: sandbox.counts.requests >= 4)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert outcomes(journal) == ["unknown"] * 4 + ["not_attempted"] * 16
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("journal")]


async def test_a_refused_key_is_why_the_run_ended(journal: Journal) -> None:
    async with prepared(journal) as sandbox:
        work = Work(sandbox.url, "sk-ld-wrong")
        _, ended = await work.off(journal)
    assert isinstance(ended, SafetyStop)
    assert "401" in ended.message
    assert journal.to_send() == 20
    assert [event["why"] for event in work.log.entries if event["event"] == "stopped"] == [ended.message]
    assert not sandbox.applied


async def test_lost_answers_are_asked_for_again_and_end_well(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchupdate.engine.pools.delay_s", lambda _: 0.01)
    faults = Faults.in_order("reset-after", "500", "garbage", "503", "reset-before")
    async with prepared(journal, faults=faults) as sandbox:
        traffic, ended = await Work(sandbox.url).off(journal)
    assert ended is None
    assert outcomes(journal) == ["updated"] * 20
    assert traffic.sent == sandbox.counts.requests == 25
    assert traffic.throttled == 1


async def test_a_journal_that_fails_stops_the_run_and_nothing_leaves_that_it_does_not_know(journal: Journal) -> None:
    async with prepared(journal) as sandbox:
        journal._connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON started WHEN NEW.key > 9 BEGIN SELECT raise(ABORT, 'disk full'); END"
        )
        work = Work(sandbox.url, rate="40/s")
        _, ended = await work.off(journal)
        sent = {change.id for change in sandbox.applied}
    assert isinstance(ended, SafetyStop)
    assert "disk full" in ended.message
    assert 0 < len(sent) <= 8
    assert outcomes(journal) == ["updated"] * len(sent) + ["not_attempted"] * (20 - len(sent))
    assert sent == {line.record_id for line in journal.lines(Outcome.UPDATED)}


async def test_a_bug_is_raised_and_leaves_its_row_unknown(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("batchupdate.engine.sending.judge", broken)
    async with prepared(journal) as sandbox:
        with pytest.raises(ZeroDivisionError):
            await Work(sandbox.url, concurrency=1).off(journal)
    assert outcomes(journal) == ["unknown"] + ["not_attempted"] * 19


async def test_a_progress_hook_that_fails_does_not_stop_the_run(journal: Journal) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async with prepared(journal) as sandbox:
        work = Work(sandbox.url)
        work.then = fail
        _, ended = await work.off(journal)
    assert ended is None
    assert outcomes(journal) == ["updated"] * 20
    assert [event["why"] for event in work.log.entries if event["event"] == "progress"] == ["ZeroDivisionError()"]


async def test_a_key_that_comes_back_in_another_spelling_is_not_written_down(journal: Journal, tmp_path: Path) -> None:
    key = "sk-ld/with/slashes"
    body = json.dumps({"message": f"bad key {key}"}).replace("/", "\\/").encode()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    fill(journal, ["550e8400-e29b-41d4-a716-446655440000"])
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        work = Work(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", key)
        await work.off(journal)
    (line,) = journal.lines()
    assert "bad key [redacted]" in line.error
    assert key not in repr(work.log.entries)
    assert not is_written_in(tmp_path, key)


def is_written_in(folder: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in folder.iterdir())


class PoolOf:
    """As much of a pool as the watch looks at."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Outcome, 0)
        self.traffic = Traffic()
        self.trouble = ""


async def test_the_progress_tells_the_rate_of_the_last_seconds_and_the_time_left_with_known_waits(
    clock: FakeClock,
) -> None:
    pool, limiter = PoolOf(), Limiter(Rate(5.0), 1, clock, lambda _: 1.0)
    watch = _Watch(pool, limiter, clock, lambda _: None, 100, "sending", deque())  # type: ignore[arg-type]
    first = watch.snapshot()
    assert (first.done, first.rate, first.eta_s, first.holding_s) == (0, 0.0, None, 0.0)
    for second in range(1, 21):
        clock.time += 1
        pool.counts[Outcome.UPDATED] += 5 if second <= 10 else 2
        told = watch.snapshot()
    assert told.done == 70
    assert told.rate == pytest.approx(2.0)
    assert told.eta_s == pytest.approx(15.0)
    limiter.hold(clock.time, 30.0)
    assert watch.snapshot().eta_s == pytest.approx(45.0)
    assert watch.snapshot().holding_s == pytest.approx(30.0)
    assert told.counts[Outcome.UPDATED] == 70


@pytest.mark.parametrize(("repeatable", "at_most"), [(False, 8), (True, 40)])
async def test_where_repeating_is_not_safe_few_rows_are_claimed_at_a_time(
    journal: Journal, repeatable: bool, at_most: int
) -> None:
    async with prepared(journal, rows=40, faults="hang=1") as sandbox:
        work = Work(sandbox.url)
        work.job = replace(work.job, target=TARGET.model_copy(update={"repeatable": repeatable}))
        working = asyncio.create_task(work.off(journal))
        await until(lambda: len(sandbox.requests) == 4)
        marked = journal._connection.execute("SELECT count(*) FROM started").fetchone()[0]
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert 4 <= marked <= at_most
    assert (marked == 40) is repeatable


@pytest.mark.parametrize("bad_records", ["429=2", "429=2@1", "503=2", "500=2"])
async def test_records_that_never_get_through_end_failed_and_keep_no_other_from_it(
    journal: Journal, bad_records: str
) -> None:
    async with prepared(journal, rows=60, bad_records=bad_records, seed=3) as sandbox:
        work = Work(sandbox.url)
        work.job = replace(work.job, clock=QuickClock(20))
        _, ended = await work.off(journal)
    assert ended is None
    assert sorted(outcomes(journal)) == ["failed"] * 2 + ["updated"] * 58
    assert journal.to_send() == 0


async def test_a_dead_address_is_named_at_the_first_attempt_and_the_patience_is_kept(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchupdate.engine.pools.delay_s", lambda _: 50.0)
    fill(journal, [f"550e8400-e29b-41d4-a716-44665544{number:04}" for number in range(20)])
    work = Work("http://127.0.0.1:9", max_attempts=100, give_up_after=60.0)
    clock = QuickClock(20)
    work.job = replace(work.job, clock=clock)
    began = clock.monotonic()
    said: list[float] = []
    work.then = lambda: said.append(clock.monotonic() - began) if work.seen[-1].trouble else None
    _, ended = await work.off(journal)
    took = clock.monotonic() - began
    sentence = "No connection to 127.0.0.1:9: connection refused; trying again, for up to 60 s (--give-up-after)."
    assert {progress.trouble for progress in work.seen} - {""} == {sentence}
    assert said[0] < 60  # long before the patience ends
    assert isinstance(ended, SafetyStop)
    assert 60 <= took < 120
    assert set(outcomes(journal)) == {"not_attempted"}
