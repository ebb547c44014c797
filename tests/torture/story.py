"""A run that is killed again and again, then finished: what happened, for `truth` to judge.

The run is the real command in a process of its own. The sandbox that it talks to lives in the teller's process, so it
outlives every kill and knows the truth. Everything about a story follows from its seed but the machine's own timing.
"""

from __future__ import annotations

import csv
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import psutil

from batchupdate.model import RowRef
from batchupdate.sandbox import LANGDOCK_KEY, Faults, make_records, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from batchupdate.sandbox import Records, Sandbox, Seen

CONCURRENCY = 8
LONG = 2000
"""Rows of a long story: several claims and commits, so that the bound on rows sent twice means something."""

INVALID_EVERY = 40
LIFE_AT_MOST_S = 120.0
ENDED_AT_MOST_S = 30.0
"""Worker processes end so soon after the command."""

COMMANDS_KILLED = 0.4
"""Share of the kills of a run on worker processes that meet the command and not one of them."""

POLL_S = 0.0005
SETTLED_S, ROUND_TRIPS = 0.05, 5
JOURNALS = "runs/2*/journal.sqlite3"

FAULTS = (
    "reset-before=0.02,reset-after=0.03,500=0.01,500-after=0.02,garbage=0.01,garbage-body=0.01,"
    "hang=0.004,hang-after=0.004,503-retry-after=0.001"
)


class Stage(StrEnum):
    """What a process was doing when it was killed."""

    ANYTHING = "anything"
    """Whatever a random time after its start brings: imports too."""
    READING = "reading"
    """Its journal was being made and filled; nothing was sent."""
    SENDING = "sending"
    """Some request had just arrived."""
    REPORTING = "reporting"
    """A report was being written."""


@dataclass(frozen=True, slots=True)
class Kill:
    """When to kill: at the stage, or for `SENDING` once this `share` of what was left has arrived; then a delay.

    `worker` says which of its worker processes is killed, as a share of their number; None for the command itself.
    """

    stage: Stage
    share: float
    delay_s: float
    worker: float | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What one seed stands for: a file or several, an API with its faults, and the moments of the kills."""

    name: str
    seed: int
    rows: int
    kills: tuple[Kill, ...]
    repeatable: bool = True
    readable: bool = True
    faults: str = ""
    limit: str = "unlimited"
    timeout_s: float = 20.0
    workers: int | None = None

    def __str__(self) -> str:
        return f"{self.name}-{self.seed}"

    @property
    def target(self) -> str:
        """The built-in target, or a file of one that can't be read, or whose requests must not be repeated."""
        if self.readable and self.repeatable:
            return "langdock-integration"
        return f"{'readable' if self.readable else 'blind'}-{'repeatable' if self.repeatable else 'once-only'}.yaml"

    @property
    def files(self) -> list[str]:
        """The names of the input's files, which share the rows out in order: one, or with every third seed three."""
        return ["changes 1.csv", "changes 2.csv", "changes 10.csv"] if self.seed % 3 == 2 else ["changes.csv"]


@dataclass(frozen=True, slots=True)
class Life:
    """One process. `before` counts the requests that the sandbox had seen when it started.

    `workers_killed` counts its worker processes that were killed, and `orphans` those that did not end with it.
    """

    before: int
    killed: Stage | None
    exit_code: int
    said: str
    workers_killed: int = 0
    orphans: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What stood on the disk when a process had been killed, and how many requests had been seen."""

    folder: Path
    seen: int


@dataclass(frozen=True, slots=True)
class Story:
    """All that can be known of a run: its processes, the journals after each kill, and every request."""

    world: World
    folder: Path
    lives: tuple[Life, ...]
    snapshots: tuple[Snapshot, ...]
    requests: Sequence[Seen]
    seconds: float

    @property
    def runs_dir(self) -> Path:
        return self.folder / "runs"


# What a seed stands for.


def plain(seed: int, rows: int | None = None) -> World:
    """No faults: every valid row must end `updated`."""
    chance = random.Random(f"plain {seed}")  # noqa: S311 - moments and sizes, no secrets
    kills = _kills(chance)
    return World("plain", seed, rows or _rows(chance), kills)


def faulty(seed: int, *, repeatable: bool, rows: int | None = None) -> World:
    """An API that breaks connections, hangs, lies about what it applied, and turns requests away."""
    name = "faulty" if repeatable else "unrepeatable"
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - as above
    kills, rows = _kills(chance), rows or _rows(chance)
    return World(name, seed, rows, kills, repeatable, True, FAULTS, f"{max(rows // 2, 150)}/s", timeout_s=0.4)


def blind(seed: int, *, repeatable: bool, rows: int | None = None) -> World:
    """No faults, and one kill while it sends at full speed; but what was out can't be looked up."""
    name = "blind" if repeatable else "blind-once-only"
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - as above
    kill = Kill(Stage.SENDING, 0.9 * chance.random(), chance.random() * 0.03)
    return World(name, seed, rows or _rows(chance), (kill,), repeatable, readable=False)


def on_workers(world: World, workers: int | None = None) -> World:
    """The same on so many worker processes, or two to four, of which some are killed, and maybe the command."""
    chance = random.Random(f"{world} on workers")  # noqa: S311 - as above
    count = chance.choices((1, 2, 3), (4, 4, 2))[0]
    victims = [None if chance.random() < COMMANDS_KILLED else chance.random() for _ in range(count)]
    kills = tuple(Kill(Stage.SENDING, 0.6 * chance.random(), chance.random() * 0.03, victim) for victim in victims)
    rows = max(world.rows, 300)
    workers = workers or chance.choice((2, 2, 3, 4))
    return replace(world, name=f"{world.name}-on-workers", rows=rows, kills=kills, workers=workers)


def _rows(chance: random.Random) -> int:
    return chance.choice((1, 40, 200, 300, 400, 600))


def _kills(chance: random.Random) -> tuple[Kill, ...]:
    """One to five kills, in the order of the stages: a run that sends does not read again."""
    count = chance.choices((1, 2, 3, 4, 5), (50, 28, 12, 6, 4))[0]
    stages = sorted(chance.choices(tuple(Stage), (1, 2, 5, 2), k=count), key=tuple(Stage).index)
    longest = {Stage.ANYTHING: 1.0, Stage.READING: 0.04, Stage.SENDING: 0.03, Stage.REPORTING: 0.01}
    return tuple(Kill(stage, chance.random(), chance.random() * longest[stage]) for stage in stages)


@lru_cache(maxsize=1)
def records() -> Records:
    """What the sandbox holds: a record for every row of the longest story."""
    return make_records(langdock=LONG, nairi=0)


def changes(world: World) -> list[tuple[int, str, str]]:
    """The input's rows: number, record id, and the name to set. Some names are too long, and must never be sent."""
    each = math.ceil(world.rows / len(world.files))
    return [
        (
            RowRef(place // each, place % each + 2).key,
            record.id,
            f"{world} row {place + 2}" + ("!" * 41 if (place + 2) % INVALID_EVERY == 0 else ""),
        )
        for place, record in enumerate(records().langdock[: world.rows])
    ]


def is_valid(name: str) -> bool:
    """Whether the API takes such a name."""
    return not name.endswith("!")


# Telling it.


def command(world: World, folder: Path, url: str) -> list[str]:
    """What a person types, the first time and after every kill: the same again, or, with odd seeds, `resume`.

    A run on worker processes goes on without them where the same is typed again, for it may.
    """
    again = (folder / "runs" / "latest").exists()
    if world.seed % 2 and again:
        return [sys.executable, "-m", "batchupdate", "resume", "--runs-dir", "runs", "--quiet"]
    return [
        *(sys.executable, "-m", "batchupdate", "run", "changes*.csv", "--yes", "--quiet"),
        *("--target", world.target),
        *("--base-url", url, "--runs-dir", "runs", "--rate", "unlimited"),
        *("--concurrency", str(CONCURRENCY), "--timeout", str(world.timeout_s)),
        *(() if world.workers is None or again else ("--workers", str(world.workers))),
    ]


def tell(world: World, folder: Path) -> Story:
    """Lets a run live through its kills and come to its end.

    Args:
        world: what is to happen.
        folder: an empty folder for the input, the runs, and the copies of journals.
    """
    started = time.monotonic()
    write_input(world, folder)
    faults = Faults.parse(world.faults, world.seed)
    with run_in_thread(records=records(), faults=faults, limit=world.limit) as sandbox:
        lives: list[Life] = []
        snapshots: list[Snapshot] = []
        for kills in _lives(world.kills):
            life = _live(world, kills, folder, sandbox)
            lives.append(life)
            if life.killed is None:
                break
            let_settle(sandbox)
            snapshots.append(snapshot(folder, len(snapshots), sandbox))
            if any(folder.glob("runs/2*/summary.json")):
                break  # the kill came when all was done and told: once more would be another run
        requests = sandbox.requests
    return Story(world, folder, tuple(lives), tuple(snapshots), requests, time.monotonic() - started)


def write_input(world: World, folder: Path) -> None:
    """Writes the files of changes, and a target that is the built-in one but for reading and repeating."""
    for index, name_of_file in enumerate(world.files):
        with (folder / name_of_file).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "name"])
            writer.writerows(
                (record, name) for number, record, name in changes(world) if RowRef.of(number).file == index
            )
    built_in = resources.files("batchupdate.targets").joinpath("langdock-integration.yaml").read_text("utf-8")
    if not world.repeatable:
        built_in = built_in.replace("repeatable: true", "repeatable: false")
    if not world.readable:
        before, _, rest = built_in.partition("\nread:")
        built_in = before + "\n" + rest.partition("\n\n")[2]
    if world.target.endswith(".yaml"):
        (folder / world.target).write_text(built_in, "utf-8")


def start(world: World, folder: Path, url: str) -> subprocess.Popen[str]:
    """Starts the command."""
    return subprocess.Popen(
        command(world, folder, url),
        cwd=folder,
        env={**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _lives(kills: Sequence[Kill]) -> Iterator[list[Kill]]:
    """The kills of each process, one after the other: of its workers, and then of itself, but for the last one."""
    life: list[Kill] = []
    for kill in kills:
        life.append(kill)
        if kill.worker is None:
            yield life
            life = []
    yield life


def _live(world: World, kills: Sequence[Kill], folder: Path, sandbox: Sandbox) -> Life:
    before, killed, workers_killed = sandbox.counts.requests, None, 0
    helpers: list[psutil.Process] = []
    first = _moment(world, kills[0], folder, sandbox) if kills else None
    with start(world, folder, sandbox.url) as process:
        for kill in kills:
            has_come, first = first or _moment(world, kill, folder, sandbox), None
            if world.workers:  # they are looked for before the moment, for that takes a while
                came_in_time(lambda: sandbox.counts.requests > before, process)
                helpers = _workers_of(process)
            if not came_in_time(has_come, process):
                break
            time.sleep(kill.delay_s)
            if kill.worker is None:
                process.kill()
                killed = kill.stage
            elif helpers:
                with suppress(psutil.NoSuchProcess):  # all is sent
                    helpers[int(kill.worker * len(helpers))].kill()
                    workers_killed += 1
        try:
            _, said = process.communicate(timeout=LIFE_AT_MOST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    killed = killed if process.returncode == -signal.SIGKILL else None
    _, orphans = psutil.wait_procs(helpers, ENDED_AT_MOST_S)
    return Life(before, killed, process.returncode, said, workers_killed, len(orphans))


def _workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it was killed before
                if any("spawn_main" in word for word in child.cmdline()):
                    found.append(child)
    return found


def _moment(world: World, kill: Kill, folder: Path, sandbox: Sandbox) -> Callable[[], bool]:
    """Tells whether the stage of a kill has come, in the process that is to be started next."""
    before, journals = sandbox.counts.requests, set(folder.glob(JOURNALS))
    left = sum(is_valid(name) for *_, name in changes(world)) - len({change.id for change in sandbox.applied})
    enough = before + 1 + int(kill.share * left)

    def sends() -> bool:
        return sandbox.counts.requests > before

    moments: dict[Stage, Callable[[], bool]] = {
        Stage.ANYTHING: lambda: True,
        Stage.READING: lambda: sends() or not journals.issuperset(folder.glob(JOURNALS)),
        Stage.SENDING: lambda: sandbox.counts.requests >= enough,
        Stage.REPORTING: lambda: any(folder.glob("runs/2*/.*.csv.*")),
    }
    return moments[kill.stage]


def came_in_time(has_come: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Waits for a moment; False if the process ended before it came."""
    deadline = time.monotonic() + LIFE_AT_MOST_S
    while not has_come():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def let_settle(sandbox: Sandbox) -> None:
    """Waits until the sandbox has read what a killed process had put into its connections.

    All of it is in the system's buffers by then. The sandbox may get little of the processor, so time alone says
    nothing: it reads all that is there before it answers connections that come later.
    """
    host, _, port = sandbox.url.removeprefix("http://").rpartition(":")
    before = -1
    while before < (before := sandbox.counts.requests):
        time.sleep(SETTLED_S)
        for _ in range(ROUND_TRIPS):
            with socket.create_connection((host, int(port)), LIFE_AT_MOST_S) as connection:
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b"", "it was asked nothing"


def snapshot(folder: Path, number: int, sandbox: Sandbox) -> Snapshot:
    """Copies every journal with its log of writes and its map, as the kill left them; a look at them changes them."""
    copies = folder / f"after-kill-{number}"
    for journal in folder.glob(JOURNALS):
        copy = copies / journal.parent.name
        copy.mkdir(parents=True)
        for file in (journal, journal.with_name("journal.sqlite3-wal"), *journal.parent.glob("in-flight*.map")):
            if file.exists():
                shutil.copy(file, copy)
    return Snapshot(copies, sandbox.counts.requests)
