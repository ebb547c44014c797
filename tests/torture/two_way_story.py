"""Plans, runs of plans, undos, read-backs and matches that are killed again and again, then finished.

As in `story`, the commands are the real ones, each in a process of its own, and the sandbox outlives every kill. Here
it has a second writer as well, who changes records at random: none of those changes may be overwritten.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from batchupdate.config import Settings
from batchupdate.config.loading import with_kept
from batchupdate.errors import UsageError
from batchupdate.reporter.plan_files import JSON
from batchupdate.run import plan_run_job
from batchupdate.runs.folder import RunFolder, all_runs
from batchupdate.runs.history import summary_of
from batchupdate.runs.plan_folder import PlanFolder
from batchupdate.sandbox import CONTACTS_KEY, Faults, Records, make_records, run_in_thread
from torture.story import CONCURRENCY, LIFE_AT_MOST_S, POLL_S, came_in_time, let_settle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from batchupdate.sandbox import Sandbox, Seen
    from batchupdate.sandbox.ledger import Applied

LONG = 300
"""Rows of a long story."""
KEYS = {"CONTACTS_API_KEY": CONTACTS_KEY}
PAGE = 20
GONE = "c99999"
SECOND_WRITER = 0.06
"""The chance of a foreign change after each request; a run of 100 rows meets about ten."""
FAULTS = (
    "reset-before=0.02,reset-after=0.02,500=0.02,500-after=0.02,garbage=0.01,garbage-body=0.01,503-retry-after=0.001"
)
TARGET = f"""\
name: guarded
title: "Contacts that are read before they are changed"
path: /contacts/{{id}}
auth: {{env: CONTACTS_API_KEY}}
id: {{id: {{}}}}
fields: {{name: {{nullable: false}}, labels: {{type: list}}}}
read: {{}}
list:
  path: /contacts?limit={PAGE}
  records: contacts
  pagination: {{style: cursor, next: next, parameter: after}}
  version: "join('', ['\\"', id, '-', to_string(version), '\\"'])"
precondition: {{from: etag}}
repeatable: true
rate: unlimited
"""


class Moment(StrEnum):
    """What a process was doing when it was killed."""

    ANYTHING = "anything"
    """Whatever a random time after its start brings."""
    BEGINNING = "beginning"
    """Its journal had just appeared."""
    ASKING = "asking"
    """A share of the requests that it should take had arrived."""
    SENDING = "sending"
    """A share of the changes had been applied."""
    READING_BACK = "reading back"
    """All had been applied, and records were read again."""
    REPORTING = "reporting"
    """A report was being written."""


@dataclass(frozen=True, slots=True)
class Blow:
    """When a process is ended, and how; see `story.Kill`."""

    moment: Moment
    share: float = 0.0
    delay_s: float = 0.0
    by: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Tale:
    """What one seed stands for: an input, an API, and one command after the other, each with the blows that it meets.

    `etag` is whether the API takes a version with a change, `readable` whether its records can be read at all, and
    `singly` whether that is possible only one by one. `elsewhere` is the chance of a foreign change after each request.
    """

    kind: str
    seed: int
    rows: int
    blows: tuple[Blow, ...]
    first_blows: tuple[Blow, ...] = ()
    etag: bool = True
    readable: bool = True
    singly: bool = False
    faults: str = ""
    limit: str = "unlimited"
    elsewhere: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}-{self.seed}"

    @property
    def resumes(self) -> bool:
        """Whether a person types `resume` after a kill, and not the same command."""
        return self.kind not in {"plan", "match"} and self.seed % 2 == 1


@dataclass(frozen=True, slots=True)
class Life:
    """One process: what it was, the requests seen and changes applied before it, how it was ended, what it said."""

    command: str
    before: int
    after: int
    blow: Blow | None
    exit_code: int
    said: str


@dataclass(slots=True)
class Told:
    """All that can be known of a tale."""

    tale: Tale
    folder: Path
    start: Records
    lives: list[Life] = field(default_factory=list)
    accepted: list[tuple[str, bool, str]] = field(default_factory=list)
    """After each kill, every plan's folder, whether its three files stand, and why it can't be run ('' if it can)."""
    said_after_kill: list[tuple[int, str]] = field(default_factory=list)
    """After each kill, the exit code that the newest run would have, and its notices."""
    plan: Path | None = None
    first_run: Path | None = None
    requests: Sequence[Seen] = ()
    applied: Sequence[Applied] = ()
    elsewhere: Sequence[Applied] = ()
    seconds: float = 0.0

    @property
    def runs_dir(self) -> Path:
        return self.folder / "runs"

    def began(self, command: str) -> int:
        """How many requests had been seen when a command was first given."""
        return next(life.before for life in self.lives if life.command == command)


# What a seed stands for.


def _chance(kind: str, seed: int) -> random.Random:
    return random.Random(f"{kind} {seed}")  # noqa: S311 - moments and sizes, no secrets


def _blows(chance: random.Random, most: int, *moments: Moment) -> tuple[Blow, ...]:
    count = chance.randint(1, most)
    longest = {Moment.ANYTHING: 1.0, Moment.BEGINNING: 0.05, Moment.REPORTING: 0.01}
    chosen = sorted(chance.choices(moments, k=count), key=tuple(Moment).index)
    return tuple(Blow(one, chance.random(), chance.random() * longest.get(one, 0.03)) for one in chosen)


def _weather(seed: int, rows: int) -> dict[str, Any]:
    """Every other seed has faults and a limit."""
    return {"faults": FAULTS, "limit": f"{max(rows, 100)}/s"} if seed % 4 >= 2 else {}


def plan_tale(seed: int, rows: int | None = None) -> Tale:
    """A plan that is killed; the same command makes another."""
    chance = _chance("plan", seed)
    count = rows or chance.choice((40, 90, 150))
    moments = (Moment.ANYTHING, Moment.BEGINNING, Moment.ASKING, Moment.ASKING, Moment.REPORTING)
    return Tale(
        "plan", seed, count, _blows(chance, 4, *moments), singly=seed % 3 == 0, elsewhere=SECOND_WRITER * (seed % 2),
        **_weather(seed, count),
    )  # fmt: skip


def plan_run_tale(seed: int, rows: int | None = None) -> Tale:
    """A run of a plan that is killed; every fifth one can't read any record, every third one has no versions."""
    chance = _chance("plan-run", seed)
    count = rows or chance.choice((40, 90, 150))
    blows = _blows(chance, 4, Moment.ANYTHING, Moment.BEGINNING, Moment.SENDING, Moment.SENDING, Moment.REPORTING)
    readable = seed % 5 != 4
    weather = _weather(seed, count) if readable else {}
    elsewhere = SECOND_WRITER if readable else 0.0
    return Tale("plan-run", seed, count, blows, etag=seed % 3 != 2, readable=readable, elsewhere=elsewhere, **weather)


def undo_tale(seed: int, rows: int | None = None) -> Tale:
    """An undo that is killed; with every third seed it is that of half a run, which was killed as well.

    With every fifth one the API takes no versions, so the run compares all rows first, and is killed while it does so.
    """
    chance = _chance("undo", seed)
    count = rows or chance.choice((40, 90, 150))
    first = (Blow(Moment.SENDING, 0.3 + 0.5 * chance.random(), chance.random() * 0.03),) if seed % 3 == 1 else ()
    if seed % 5 == 4:
        first = (Blow(Moment.ASKING, chance.random(), chance.random() * 0.03),)
    blows = _blows(chance, 4, Moment.ANYTHING, Moment.BEGINNING, Moment.SENDING, Moment.SENDING, Moment.REPORTING)
    return Tale(
        "undo", seed, count, blows, first, etag=seed % 5 != 4, elsewhere=SECOND_WRITER,
        **_weather(seed, count),
    )  # fmt: skip


def verify_tale(seed: int, rows: int | None = None) -> Tale:
    """A run that reads its records back, and is killed while it does so."""
    chance = _chance("verify", seed)
    count = rows or chance.choice((40, 90, 150))
    blows = _blows(chance, 3, Moment.SENDING, Moment.READING_BACK, Moment.READING_BACK)
    return Tale(
        "verify", seed, count, blows, etag=seed % 3 != 2, singly=seed % 2 == 0, elsewhere=SECOND_WRITER,
        **_weather(seed, count),
    )  # fmt: skip


def match_tale(seed: int, rows: int | None = None) -> Tale:
    """A run whose ids are found by names, and which is killed, or ended by Ctrl-C, while it looks for them."""
    chance = _chance("match", seed)
    count = rows or chance.choice((40, 90, 150))
    blows = list(_blows(chance, 3, Moment.ASKING, Moment.ASKING, Moment.SENDING))
    if seed % 2:
        blows.insert(0, Blow(Moment.ASKING, 0.9 * chance.random(), chance.random() * 0.02, signal.SIGINT))
    return Tale("match", seed, count, tuple(blows), etag=False, **_weather(seed, count))


TALES: dict[str, Callable[[int, int | None], Tale]] = {
    "plan": plan_tale,
    "plan-run": plan_run_tale,
    "undo": undo_tale,
    "verify": verify_tale,
    "match": match_tale,
}


@lru_cache(maxsize=99)
def records(rows: int) -> Records:
    """What the sandbox holds: no more than the input names, so that the second writer meets its rows."""
    return Records(contacts=make_records(langdock=0, nairi=0, contacts=rows).contacts)


def wanted(tale: Tale) -> dict[str, dict[str, Any]]:
    """By id what the input sets. Every ninth row sets what is so already, and the last one names nobody."""
    found: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(records(tale.rows).contacts[:-1]):
        fields: dict[str, Any] = {"name": record.fields["name"] if number % 9 == 0 else f"{tale} row {number + 2}"}
        if number % 4 == 1:
            fields["labels"] = ["a", str(number)]
        found[record.id] = fields
    if tale.kind != "match":
        found[GONE] = {"name": "Nobody"}
    return found


# Telling it.


def command(tale: Tale, told: Told, url: str, name: str, *, again: bool) -> list[str]:
    """What a person types; after a kill the same again, or `resume`."""
    runs = ("--runs-dir", "runs")
    if again and tale.resumes and (told.runs_dir / "latest").exists() and _is_begun(told, name):
        return ["resume", "latest", *runs, "--quiet"]
    pace = ("--rate", "unlimited", "--concurrency", str(CONCURRENCY), "--timeout", "10", *runs, "--quiet")
    fresh = ("in.csv", "--target", "guarded.yaml", "--base-url", url, *pace)
    return {
        "plan": ["plan", *fresh],
        "run --plan": ["run", "--plan", str(told.plan), "--yes", *pace],
        "undo": ["undo", str(told.first_run), "--yes", *pace],
        "run": ["run", *fresh, "--yes", "--diff", "never" if tale.etag else "always"],
        "run --verify": ["run", *fresh, "--yes", "--verify"],
        "run --match": ["run", *fresh, "--yes", "--match", "name"],
    }[name]


def _is_begun(told: Told, name: str) -> bool:
    """Whether the newest run is one of the command that was given, which has begun to send."""
    latest = (told.runs_dir / "latest").resolve()
    return name != "undo" or latest != told.first_run


def tell(tale: Tale, folder: Path) -> Told:
    """Lets the commands of a tale live through their blows and come to their ends.

    Args:
        tale: what is to happen.
        folder: an empty folder for the input and the runs.
    """
    started = time.monotonic()
    told = Told(tale, folder, records(tale.rows))
    _write_input(tale, folder)
    faults = Faults.parse(tale.faults, tale.seed)
    sandbox = run_in_thread(
        records=records(tale.rows), faults=faults, limit=tale.limit, versions=tale.etag, second_writer=tale.elsewhere,
        seed=tale.seed,
    )  # fmt: skip
    with sandbox as api:
        match tale.kind:
            case "plan":
                _live_through(told, api, "plan", tale.blows)
            case "plan-run":
                _live_through(told, api, "plan", ())
                told.plan = _plans(folder)[-1].path
                _live_through(told, api, "run --plan", tale.blows)
            case "undo":
                _live_through(told, api, "run", tale.first_blows, finish=not (tale.first_blows and tale.etag))
                told.first_run = (told.runs_dir / "latest").resolve()
                _live_through(told, api, "undo", tale.blows)
            case "verify":
                _live_through(told, api, "run --verify", tale.blows)
            case _:
                _live_through(told, api, "run --match", tale.blows)
        told.requests, told.applied, told.elsewhere = api.requests, api.applied, api.changed_elsewhere
    told.seconds = time.monotonic() - started
    return told


def _write_input(tale: Tale, folder: Path) -> None:
    target = TARGET
    if not tale.etag:
        target = target[: target.index("  version:")] + target[target.index("repeatable:") :]
    if tale.singly:
        after = "precondition:" if tale.etag else "repeatable:"
        target = target[: target.index("list:")] + target[target.index(after) :]
    if not tale.readable:
        target = target[: target.index("read:")] + target[target.index("repeatable:") :]
    (folder / "guarded.yaml").write_text(target, "utf-8")
    rows = []
    for record_id, fields in wanted(tale).items():
        labels = ", ".join(fields.get("labels", []))
        known = records(tale.rows).contacts[len(rows)].fields["name"] if tale.kind == "match" else record_id
        rows.append([known, fields["name"], labels])
    headings = ["old name", "new name", "labels"] if tale.kind == "match" else ["id", "name", "labels"]
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])


def _live_through(told: Told, api: Sandbox, name: str, blows: Sequence[Blow], *, finish: bool = True) -> None:
    for number, blow in enumerate((*blows, None)):
        if blow is None and not finish and number:
            return
        life = _live(told, api, name, blow, again=number > 0)
        told.lives.append(life)
        if life.blow is None or life.blow.by is not signal.SIGKILL:
            if life.blow is None:
                return
            continue
        let_settle(api)
        if name == "plan":
            told.accepted += map(_is_accepted, _plans(told.folder))
            if any(not why for _, _, why in told.accepted):
                return  # it was killed when all was done
        else:
            newest = next(all_runs(told.runs_dir), None)
            if newest is not None and _look(told, newest):
                return  # likewise: once more would be another run


def _look(told: Told, run: RunFolder) -> bool:
    """Notes what `show` would say of a killed run; whether it had come to its end."""
    try:
        summary = summary_of(run)
    except UsageError:
        return False
    told.said_after_kill.append((summary.exit_code, " ".join(summary.notices)))
    return (run.path / "summary.json").exists() and run.path != told.first_run


def _plans(folder: Path) -> list[PlanFolder]:
    found = sorted(folder.glob("runs/2*/plan.sqlite3"))
    return [PlanFolder(path.parent) for path in found]


def _is_accepted(plan: PlanFolder) -> tuple[str, bool, str]:
    """Whether `run --plan` would take a plan."""
    whole = all((plan.path / name).exists() for name in (JSON, "plan.csv", "plan.xlsx"))
    settings = Settings(runs_dir=plan.path.parent)
    try:
        with plan_run_job(plan, partial(with_kept, settings), keyless=True):
            return str(plan.path), whole, ""
    except UsageError as error:
        return str(plan.path), whole, error.message


def _live(told: Told, api: Sandbox, name: str, blow: Blow | None, *, again: bool) -> Life:
    before = api.counts.requests
    has_come = _moment(told, api, blow) if blow else None
    words = [sys.executable, "-m", "batchupdate", *command(told.tale, told, api.url, name, again=again)]
    with subprocess.Popen(
        words,
        cwd=told.folder,
        env={**os.environ, **KEYS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if blow and has_come and came_in_time(has_come, process):
            time.sleep(blow.delay_s)
            process.send_signal(blow.by)
        try:
            _, said = process.communicate(timeout=LIFE_AT_MOST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    struck = blow is not None and process.returncode in {-blow.by, 128 + blow.by}
    return Life(name, before, api.counts.requests, blow if struck else None, process.returncode, said)


def _moment(told: Told, api: Sandbox, blow: Blow) -> Callable[[], bool]:
    """Tells whether the moment of a blow has come, in the process that is to be started next."""
    before, journals = api.counts, set(told.folder.glob("runs/2*/*.sqlite3"))
    rows = told.tale.rows
    asks = rows if told.tale.singly or not told.tale.readable else rows // PAGE + 1
    left = max(1, rows - (before.applied if told.tale.kind != "undo" else 0))
    at_last: list[int] = []

    def reads_back() -> bool:
        if api.counts.applied - before.applied >= min(left, 0.8 * rows) or before.applied >= 0.8 * rows:
            at_last.append(api.counts.requests)
        return bool(at_last) and api.counts.requests >= at_last[0] + 1 + blow.share * asks

    moments: dict[Moment, Callable[[], bool]] = {
        Moment.ANYTHING: lambda: True,
        Moment.BEGINNING: lambda: not journals.issuperset(told.folder.glob("runs/2*/*.sqlite3")),
        Moment.ASKING: lambda: api.counts.requests >= before.requests + 1 + int(blow.share * asks),
        Moment.SENDING: lambda: api.counts.applied >= before.applied + 1 + int(0.8 * blow.share * left),
        Moment.READING_BACK: reads_back,
        Moment.REPORTING: lambda: any(told.folder.glob("runs/2*/.*.csv.*")) or any(told.folder.glob("runs/2*/.plan.*")),
    }
    return moments[blow.moment]


__all__ = ["POLL_S", "TALES", "Blow", "Life", "Moment", "Tale", "Told", "records", "tell", "wanted"]
