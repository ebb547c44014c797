"""Every path of a row through the journal, with a crash at every commit, against a plain model of what must hold.

A crash is what stands on the disk: the database and its write-ahead log are copied, and the story goes on with the
copies. It strikes before a commit, after it, or in its middle, where the log ends at any of its bytes.
"""

from __future__ import annotations

import copy
import shutil
import sqlite3
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from batchupdate.engine.final_outcome import settle
from batchupdate.journal import Journal, Session
from batchupdate.model import Action, Outcome, Request, Result, Traffic, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNSENT = frozenset({Outcome.NOT_ATTEMPTED, Outcome.INVALID, Outcome.UNCHANGED})
ANSWERS = [Outcome.UNKNOWN, Outcome.UPDATED, Outcome.FAILED, Outcome.CONFLICT, Outcome.NOT_ATTEMPTED]


class Fate(StrEnum):
    """What happens to the process at a commit."""

    LIVES = "lives"
    BEFORE = "dies before it"
    WITHIN = "dies within it"
    AFTER = "dies after it"


fates = st.sampled_from([Fate.LIVES] * 9 + [Fate.BEFORE, Fate.WITHIN, Fate.AFTER])


@dataclass
class Model:
    """What must be true of a run, in plain words.

    `rows` are the rows that were read. `settled` have an outcome for good; `loose` one for this session. `claimed`
    are those of which a request may be out. `unanswered` may have been applied by an earlier process that nobody heard
    of again. `carried` maps a row to the one whose request sets its fields too.
    """

    rows: set[int] = field(default_factory=set)
    settled: dict[int, Outcome] = field(default_factory=dict)
    loose: dict[int, Outcome] = field(default_factory=dict)
    claimed: set[int] = field(default_factory=set)
    unanswered: set[int] = field(default_factory=set)
    carried: dict[int, int] = field(default_factory=dict)
    sealed: bool = False
    in_session: bool = False
    after: int = 0
    sent: int = 0
    sent_by_session: int = 0

    def outcome(self, row: int) -> Outcome:
        """What the journal must say of a row."""
        row = self.carried.get(row, row)
        for known in (self.settled, self.loose):
            if row in known:
                return known[row]
        return Outcome.UNKNOWN if row in self.claimed | self.unanswered else Outcome.NOT_ATTEMPTED

    def left(self) -> list[int]:
        """The rows that are still to be sent."""
        return sorted(self.rows - self.settled.keys() - self.carried.keys())

    def begin(self, *, repeatable: bool) -> None:
        """A process starts: what was in flight, or stayed unknown, is unanswered; or is unknown for good."""
        unsure = self.claimed | {row for row, outcome in self.loose.items() if outcome is Outcome.UNKNOWN}
        if repeatable:
            self.unanswered |= unsure
        else:
            self.settled |= dict.fromkeys(unsure, Outcome.UNKNOWN)
        self.loose, self.claimed = {}, set()
        self.in_session, self.after, self.sent_by_session = True, 0, 0


def seen(journal: Journal) -> tuple[Any, ...]:
    """All that a journal tells."""
    outcomes = {line.number: Outcome(line.outcome) for line in journal.lines()}
    return outcomes, journal.meta().get("sealed", False), journal.to_send(), journal.sessions().traffic.sent


def expected(model: Model) -> tuple[Any, ...]:
    """All that it must tell."""
    outcomes = {row: model.outcome(row) for row in sorted(model.rows)}
    return outcomes, model.sealed, len(model.left()), model.sent


class Disk:
    """The files of a journal, and copies of them as they stood before and after its last commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal.create(folder / "journal.sqlite3")
        self._watch()

    @classmethod
    def crashed(cls, folder: Path) -> Self:
        """Goes on with what a crash left in a folder."""
        disk = cls.__new__(cls)
        disk.folder = folder
        disk.journal = Journal.open(folder / "journal.sqlite3")
        disk._watch()
        return disk

    def _watch(self) -> None:
        self.hurry()
        self.journal._connection.set_trace_callback(self._traced)

    def hurry(self) -> None:
        """Copies are taken of what was written, whether or not it was waited for."""
        self.journal._connection.execute("PRAGMA synchronous = OFF")

    def _traced(self, statement: str) -> None:
        if statement == "COMMIT":
            self.copy("before")

    def copy(self, name: str) -> Path:
        """Copies the database and its log, as a crash at this moment leaves them."""
        copies = self.folder.with_name(f"{self.folder.name}-{name}")
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for file in self.folder.glob("journal.sqlite3*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copies)
        return copies

    def torn(self, share: float) -> Path:
        """The state after the last commit, but of what it added to the log only a share is there."""
        copies, log = self.copy("torn"), "journal.sqlite3-wal"
        before = self.folder.with_name(f"{self.folder.name}-before") / log
        start = before.stat().st_size if before.exists() else 0
        end = (copies / log).stat().st_size
        with (copies / log).open("r+b") as file:
            file.truncate(start + int(share * max(end - start, 0)))
        return copies


def told_by(folder: Path) -> tuple[Any, ...]:
    """All that the journal in a folder tells; in a copy, so that reading mends nothing."""
    looked_at = folder.with_name(f"{folder.name}-looked-at")
    shutil.rmtree(looked_at, ignore_errors=True)
    shutil.copytree(folder, looked_at)
    with Journal.open(looked_at / "journal.sqlite3") as journal:
        return seen(journal)


class Crashes(RuleBasedStateMachine):
    """A run's journal through reading, claims, answers, releases, sessions, and a crash at any of its commits."""

    base: Path
    stories = 0

    @initialize(repeatable=st.booleans(), ready=st.integers(0, 8))
    def make(self, repeatable: bool, ready: int) -> None:
        """Begins with nothing; or, so that stories get far, with some rows that are ready to be sent."""
        Crashes.stories += 1
        self.repeatable = repeatable
        self.place, self.crashes = self.base / str(Crashes.stories), 0
        self.place.mkdir()
        (self.place / "0").mkdir()
        self.disk, self.model = Disk(self.place / "0"), Model()
        if ready:
            self.add_rows(Fate.LIVES, 1.0, ready, 0)
            self.seal(Fate.LIVES)
            self.begin_session(Fate.LIVES, 1.0)

    @property
    def journal(self) -> Journal:
        return self.disk.journal

    def commit(self, fate: Fate, share: float, act: Callable[[], object], change: Callable[[Model], object]) -> bool:
        """Does one thing to the journal and the same to the model, or dies at its commit; whether it lives on."""
        before, after = self.model, copy.deepcopy(self.model)
        change(after)
        act()
        self.model = after
        if fate is Fate.LIVES:
            return True
        if fate is Fate.BEFORE:
            self.crash(self.disk.folder.with_name(f"{self.disk.folder.name}-before"), before)
        elif fate is Fate.AFTER:
            self.crash(self.disk.copy("after"), after)
        else:
            torn = self.disk.torn(share)
            whole = told_by(torn)
            assert whole in (expected(before), expected(after)), "half of a commit stands"
            self.crash(torn, before if whole == expected(before) else after)
        return False

    def crash(self, left: Path, model: Model) -> None:
        """Goes on in a new process, with what is left on the disk."""
        self.journal._connection.set_trace_callback(None)  # what a close commits came after the crash
        self.journal.close()
        self.crashes += 1
        shutil.rmtree(self.place / str(self.crashes), ignore_errors=True)
        left.rename(self.place / str(self.crashes))
        self.disk, self.model = Disk.crashed(self.place / str(self.crashes)), copy.deepcopy(model)
        self.model.in_session = False

    # Reading: nothing can be sent yet.

    @precondition(lambda self: not self.model.sealed)
    @rule(fate=fates, share=st.floats(0, 1), valid=st.integers(0, 5), invalid=st.integers(0, 2))
    def add_rows(self, fate: Fate, share: float, valid: int, invalid: int) -> None:
        first = max(self.model.rows, default=1) + 1
        good = range(first, first + valid)
        bad = range(first + valid, first + valid + invalid)
        entries = [(row, [f"id-{row}"], f"id-{row}", f"/{row}", {"name": "new"}) for row in good]
        refused = [(row, ["?"], None, None, None) for row in bad]

        def change(model: Model) -> None:
            model.rows |= {*good, *bad}
            model.settled |= dict.fromkeys(bad, Outcome.INVALID)

        results = [Result(row, Outcome.INVALID, error="no id") for row in bad]
        self.commit(fate, share, lambda: self.journal.add_rows([*entries, *refused], results), change)

    @precondition(lambda self: not self.model.sealed and self.model.left())
    @rule(fate=fates, share=st.floats(0, 1), data=st.data())
    def withdraw(self, fate: Fate, share: float, data: st.DataObject) -> None:
        free = sorted(set(self.model.left()) - set(self.model.carried.values()))
        rows = data.draw(st.sets(st.sampled_from(free), max_size=3)) if free else set()
        outcome = data.draw(st.sampled_from([Outcome.INVALID, Outcome.UNCHANGED]))
        results = [Result(row, outcome, error="another row takes its place") for row in sorted(rows)]
        self.commit(
            fate,
            share,
            lambda: self.journal.withdraw(results),
            lambda model: model.settled.update(dict.fromkeys(rows, outcome)),
        )

    @precondition(lambda self: not self.model.sealed and len(self.model.left()) > 1)
    @rule(fate=fates, share=st.floats(0, 1), data=st.data())
    def carry(self, fate: Fate, share: float, data: st.DataObject) -> None:
        *others, carrier = self.model.left()
        free = sorted(set(others) - set(self.model.carried.values()))
        rows = sorted(data.draw(st.sets(st.sampled_from(free), max_size=3))) if free else []
        self.commit(
            fate,
            share,
            lambda: self.journal.carry(rows, carrier, {"name": "joined"}),
            lambda model: model.carried.update(dict.fromkeys(rows, carrier)),
        )

    @precondition(lambda self: not self.model.sealed and self.model.rows)
    @rule(fate=fates)
    def seal(self, fate: Fate) -> None:
        # It empties its log at once, so a crash within it is one before or after.
        fate = Fate.AFTER if fate is Fate.WITHIN else fate
        self.commit(fate, 1.0, lambda: self.journal.seal({}), lambda model: setattr(model, "sealed", True))
        self.disk.hurry()

    # The work.

    @precondition(lambda self: self.model.sealed and not self.model.in_session)
    @rule(fate=fates, share=st.floats(0, 1))
    def begin_session(self, fate: Fate, share: float) -> None:
        def act() -> None:
            self.session = self.journal.begin_session(1.0, repeatable=self.repeatable)

        self.requests: dict[int, Request] = {}
        self.commit(fate, share, act, lambda model: model.begin(repeatable=self.repeatable))

    @precondition(lambda self: self.model.in_session)
    @rule(fate=fates, share=st.floats(0, 1), count=st.sampled_from([3, 1, 5, 0]), data=st.data())
    def commit_some(self, fate: Fate, share: float, count: int, data: st.DataObject) -> None:
        offered = self.journal.upcoming(self.model.after, count) if count else []
        self.check_offer(offered, count)
        results = self.answers(data)
        session = Session(self.session, 2.0, sent=self.model.sent_by_session + len(results))

        def change(model: Model) -> None:
            model.claimed |= {request.row for request in offered}
            model.after = max((request.row for request in offered), default=model.after)
            for result, final in results:
                (model.settled if final else model.loose)[result.row] = result.outcome
                model.claimed.discard(result.row)
            model.sent += len(results)
            model.sent_by_session += len(results)

        claimed = [request.row for request in offered]
        if self.commit(fate, share, lambda: self.journal.commit(claimed, results, session), change):
            self.requests |= {request.row: request for request in offered}

    def check_offer(self, offered: list[Request], count: int) -> None:
        """What may be sent next: nothing settled, nothing that is out, and where repeating is unsafe nothing again."""
        model = self.model
        rows = [request.row for request in offered]
        assert rows == [row for row in model.left() if row > model.after and row not in model.loose][:count]
        assert not set(rows) & (model.settled.keys() | model.claimed | model.carried.keys())
        assert [request.row for request in offered if request.unanswered] == [
            row for row in rows if row in model.unanswered
        ]
        assert self.repeatable or not set(rows) & model.unanswered

    def answers(self, data: st.DataObject) -> list[tuple[Result, bool]]:
        """What became of some of the rows that are out, as the workers settle it."""
        out = sorted(self.model.claimed & self.requests.keys())
        rows = sorted(data.draw(st.sets(st.sampled_from(out)))) if out else []
        results = []
        for row in rows:
            answer = data.draw(st.sampled_from(ANSWERS))
            final = answer is not Outcome.NOT_ATTEMPTED and data.draw(st.booleans())
            outcome, why = settle(self.requests[row], Verdict(Action.DONE, answer, "because"))
            results.append((Result(row, outcome, attempts=1, error=why), final))
        return results

    @precondition(lambda self: self.model.in_session and self.model.claimed)
    @rule(fate=fates, share=st.floats(0, 1), data=st.data())
    def release(self, fate: Fate, share: float, data: st.DataObject) -> None:
        rows = sorted(data.draw(st.sets(st.sampled_from(sorted(self.model.claimed)), min_size=1)))
        self.commit(
            fate, share, lambda: self.journal.release(rows), lambda model: model.claimed.difference_update(rows)
        )

    @precondition(lambda self: self.model.in_session)
    @rule(fate=fates, share=st.floats(0, 1))
    def end_session(self, fate: Fate, share: float) -> None:
        ended = Session.at(self.session, 3.0, Traffic(self.model.sent_by_session))
        self.commit(
            fate,
            share,
            lambda: self.journal.end_session(ended, 0),
            lambda model: setattr(model, "in_session", False),
        )

    @rule()
    def die_between(self) -> None:
        self.crash(self.disk.copy("between"), self.model)
        if self.model.sealed:
            self.begin_session(Fate.LIVES, 1.0)

    # What always holds.

    @invariant()
    def every_row_has_one_outcome_and_the_counts_add_up(self) -> None:
        assert seen(self.journal) == expected(self.model)
        counts = self.journal.counts()
        assert sum(counts.values()) == self.journal.rows() == len(self.model.rows)

    @invariant()
    def what_may_have_been_applied_is_never_said_to_be_unsent_or_failed(self) -> None:
        told = {line.number: Outcome(line.outcome) for line in self.journal.lines()}
        for row in self.model.claimed | self.model.unanswered:
            assert told[row] not in UNSENT | {Outcome.FAILED, Outcome.CONFLICT}

    def teardown(self) -> None:
        if hasattr(self, "disk"):
            self.journal.close()
            shutil.rmtree(self.place)


@pytest.mark.counted("nothing")
@pytest.mark.slow
def test_no_crash_at_any_commit_makes_the_journal_lie(tmp_path: Path) -> None:
    Crashes.base = tmp_path
    run_state_machine_as_test(Crashes, settings=settings(max_examples=100, stateful_step_count=25, deadline=None))


def test_a_journal_that_is_being_made_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.sqlite3"
    there: list[tuple[str, bool]] = []

    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            there.append((statement, path.exists()))
            return super().execute(statement, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=Watched, **kwargs))
    Journal.create(path).close()
    made = [statement for statement, _ in there].index("COMMIT")
    assert not any(exists for _, exists in there[: made + 1])
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.sqlite3"]
