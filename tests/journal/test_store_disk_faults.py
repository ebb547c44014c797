"""A disk that fills up, fails or is locked while a run is sending: the run stops, and nothing left unheard of.

A disk fault is one more way to die, so each of these is judged like a run that was killed; see `torture`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from torture.story import (
    CONCURRENCY,
    LONG,
    Life,
    Story,
    World,
    changes,
    is_valid,
    let_settle,
    records,
    snapshot,
    start,
    write_input,
)
from torture.truth import judge

from batchupdate import Settings
from batchupdate.config.rate import parse_rate
from batchupdate.errors import SafetyStop
from batchupdate.run import execute, prepare
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchupdate.reporter import Summary

pytestmark = [pytest.mark.slow, pytest.mark.counted("nothing")]

SENT_BEFORE = 300
"""Requests before the disk fails: after the first claims, and well before the last."""

ROWS = 45
COMMITS_AT_LEAST = 5
"""A session, its settings, a claim, what came of it, its end, and that it was told; more where claims are small."""


# A whole process, and a disk that really has no room.


def finish(world: World, folder: Path, sandbox: Sandbox) -> tuple[int, str]:
    """Lets a process come to its end."""
    with start(world, folder, sandbox.url) as process:
        _, said = process.communicate(timeout=120)
    return process.returncode, said


@contextmanager
def answering_no_more_than(count: int, sandbox: Sandbox) -> Iterator[Callable[[], None]]:
    """Lets an API hold its answers back from so many requests on, until what this gives is called.

    On a busy machine, the process would otherwise be through before its disk is spoilt.
    """
    meet, may_go_on = sandbox.meet, threading.Event()

    def held_back(*args: Any, **more: Any) -> Any:
        if sandbox.counts.requests >= count:
            assert may_go_on.wait(60)
        return meet(*args, **more)

    sandbox.meet = held_back  # type: ignore[method-assign]
    yield may_go_on.set
    may_go_on.set()
    sandbox.meet = meet  # type: ignore[method-assign]


def spoilt(world: World, folder: Path, sandbox: Sandbox, spoil: Callable[[int], None]) -> Life:
    """A process whose disk is spoilt once some requests have arrived; `spoil` is told its id."""
    with start(world, folder, sandbox.url) as process, answering_no_more_than(SENT_BEFORE, sandbox) as go_on:
        deadline = time.monotonic() + 120
        while sandbox.counts.requests < SENT_BEFORE:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.0005)
        process.send_signal(signal.SIGSTOP)
        spoil(process.pid)
        go_on()
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=120)
    let_settle(sandbox)
    return Life(0, None, process.returncode, said)


def check_both_lives(
    world: World, folder: Path, spoil: Callable[[int], None], mend: Callable[[], None] = lambda: None
) -> None:
    """The first process stops with a sentence, and the second, with room again, finishes and tells the truth."""
    write_input(world, folder)
    with run_in_thread(records=records()) as sandbox:
        first = spoilt(world, folder, sandbox, spoil)
        left_behind = snapshot(folder, 1, sandbox)
        assert first.exit_code == SafetyStop.exit_code
        assert "can't be used: " in first.said
        assert "Make room or mend the folder" in first.said
        assert left_behind.seen < sum(is_valid(name) for *_, name in changes(world))
        mend()
        second = Life(sandbox.counts.requests, None, *finish(world, folder, sandbox))
        requests = sandbox.requests
    assert judge(Story(world, folder, (first, second), (left_behind,), requests, 0.0)).broken == []


WORLDS = [World("disk", 1, LONG, ()), World("disk-once-only", 1, LONG, (), repeatable=False)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process that already runs")
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_a_journal_that_may_not_grow_stops_the_run_and_goes_on_later(tmp_path: Path, world: World) -> None:
    import resource  # noqa: PLC0415 - Windows has none

    def spoil(pid: int) -> None:
        (log,) = tmp_path.glob("runs/2*/journal.sqlite3-wal")
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, hard))

    check_both_lives(world, tmp_path, spoil)


@pytest.fixture
def small_disk(tmp_path: Path, cannot: Callable[[str], None]) -> Iterator[Path]:
    """A folder whose runs have a disk of 8 MiB for themselves, where mounting one is permitted."""
    if sys.platform != "linux":
        pytest.skip("only Linux has tmpfs")
    disk = tmp_path / "runs"
    disk.mkdir()
    # Nobody's own machine is asked for more rights than the tests were started with.
    as_root = ["sudo", "-n"] if os.environ.get("CI") and os.geteuid() else []
    mounting = [*as_root, "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    try:
        subprocess.run(mounting, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        cannot("needs the right to mount a small disk")
    yield tmp_path
    subprocess.run([*as_root, "umount", str(disk)], check=True)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_a_full_disk_stops_the_run_and_with_room_again_it_goes_on(small_disk: Path, world: World) -> None:
    filler = small_disk / "runs" / "filler"

    def spoil(_pid: int) -> None:
        file = os.open(filler, os.O_CREAT | os.O_WRONLY)
        with suppress(OSError):
            while True:
                os.write(file, bytes(4096))
        os.close(file)

    check_both_lives(world, small_disk, spoil, filler.unlink)


# One commit that goes wrong, whichever it is.


class Wrong(StrEnum):
    """What goes wrong with a commit."""

    LOST = "lost"
    """An I/O error; nothing of it stands."""
    DONE = "done"
    """An I/O error, and yet all of it stands."""
    LOCKED = "locked"
    """Another program holds the database and does not let go."""


class FailingConnection:
    """A connection to SQLite of which the n-th commit goes wrong, and from then on every one if it is `for_good`."""

    def __init__(self, real: sqlite3.Connection, path: Path, wrong: Wrong, at: int, *, for_good: bool) -> None:
        self._real, self._path = real, path
        self._wrong, self._at, self._for_good = wrong, at, for_good
        self._commits = 0
        self._holder: sqlite3.Connection | None = None
        real.execute("PRAGMA busy_timeout = 20")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def close(self) -> None:
        if self._holder is not None:
            self._holder.close()
        self._real.close()

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "BEGIN IMMEDIATE":
            self._commits += 1
            if self._wrong is Wrong.LOCKED:
                self._hold(locked=self._is_its_turn())
        if statement == "COMMIT" and self._wrong is not Wrong.LOCKED and self._is_its_turn():
            if self._wrong is Wrong.DONE:
                self._real.execute(statement)
            raise sqlite3.OperationalError("disk I/O error")
        return self._real.execute(statement, *values)

    def _is_its_turn(self) -> bool:
        return self._commits == self._at or (self._for_good and self._commits > self._at)

    def _hold(self, *, locked: bool) -> None:
        if self._holder is not None and not locked:
            self._holder.close()
            self._holder = None
        elif self._holder is None and locked:
            self._holder = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._holder.execute("BEGIN IMMEDIATE")


async def apply(
    world: World, folder: Path, sandbox: Sandbox, wrong: Wrong | None = None, at: int = 0, *, for_good: bool = False
) -> Summary:
    """Runs in this process; with a commit that goes wrong if one is named."""
    chosen = Settings(
        target="langdock-integration" if world.repeatable else str(folder / world.target),
        base_url=sandbox.url,
        runs_dir=folder / "runs",
        rate=parse_rate("unlimited"),
        concurrency=CONCURRENCY,
    )
    sources = [folder / name for name in world.files]
    with prepare(sources, chosen, environ={"LANGDOCK_API_KEY": LANGDOCK_KEY}) as prepared:
        if wrong is not None:
            journal = prepared.journal
            failing = FailingConnection(journal._connection, prepared.folder.journal, wrong, at, for_good=for_good)
            journal._connection = failing  # type: ignore[assignment]
        return await execute(prepared)


def is_finished(folder: Path) -> bool:
    """Whether a run there has come to its own end, and its reports stand."""
    summaries = [json.loads(path.read_text("utf-8")) for path in folder.glob("runs/2*/summary.json")]
    return any(summary["exit_code"] < SafetyStop.exit_code for summary in summaries)


async def live_twice(world: World, folder: Path, wrong: Wrong, at: int, *, for_good: bool) -> Story | None:
    """The story of a run with a commit that goes wrong, and then of going on; None if all was done and told before."""
    async with Sandbox(records=records()) as sandbox:
        with suppress(SafetyStop):
            await apply(world, folder, sandbox, wrong, at, for_good=for_good)
        if is_finished(folder):
            return None
        left_behind = snapshot(folder, 1, sandbox)
        before = sandbox.counts.requests
        summary = await apply(world, folder, sandbox)
        lives = Life(0, None, SafetyStop.exit_code, ""), Life(before, None, summary.exit_code, "")
        return Story(world, folder, lives, (left_behind,), sandbox.requests, 0.0)


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize(
    ("wrong", "for_good"), [(Wrong.LOST, True), (Wrong.LOST, False), (Wrong.DONE, False), (Wrong.LOCKED, True)]
)
def test_whichever_commit_goes_wrong_no_request_left_unheard_of_and_going_on_tells_the_truth(
    tmp_path: Path, wrong: Wrong, for_good: bool, repeatable: bool
) -> None:
    for at in count(1):
        folder = tmp_path / str(at)
        folder.mkdir()
        world = World("commit", at, ROWS, (), repeatable)
        write_input(world, folder)
        story = asyncio.run(live_twice(world, folder, wrong, at, for_good=for_good))
        if story is None:
            break
        assert judge(story).broken == [], f"commit {at}"
    assert at > COMMITS_AT_LEAST
