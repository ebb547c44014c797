"""What a killed run leaves that had lent its rows to worker processes, each with a map of its own."""

from __future__ import annotations

import random
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.journal import Journal, in_flight
from batchupdate.journal.in_flight import OF_WORKER, InFlightMap
from batchupdate.model import Outcome, Request, Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

ROWS = range(2, 14)
UNKNOWN, UPDATED, NOT_ATTEMPTED = "unknown", "updated", "not_attempted"


@pytest.fixture(autouse=True)
def _one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "boot_id", lambda: "one start")


class Lent:
    """A run whose rows are claimed and lent to processes, and what is true of each row."""

    def __init__(self, folder: Path, *, repeatable: bool = True) -> None:
        self.folder = folder / "run"
        self.folder.mkdir()
        self.open = ExitStack()
        self.journal = self.open.enter_context(Journal.create(self.folder / "journal.sqlite3"))
        self.journal.add_rows([(n, ["x"], f"id-{n}", f"/{n}", {}) for n in ROWS], [])
        self.journal.seal({})
        self.journal.begin_session(1.0, repeatable=repeatable)
        self.upcoming = self.journal.upcoming(0, len(ROWS))
        self.journal.commit([*ROWS], [])
        self.maps: dict[str, InFlightMap] = {}
        self.has: dict[int, str] = {}
        self.true: dict[int, str] = {}

    def join(self, process: str) -> InFlightMap:
        if process not in self.maps:
            made = self.maps[process] = InFlightMap()
            assert made.create(self.folder / OF_WORKER.format(process), process)
            self.open.callback(made.close, remove=False)
        return self.maps[process]

    def lend(self, process: str, *rows: int) -> None:
        self.join(process)
        for row in rows:
            self.journal.in_flight.lends(row, 0, process)
            self.has[row] = process

    def leave(self, row: int) -> None:
        self.maps[self.has[row]].leaves(row, 0)
        self.true[row] = UNKNOWN

    def answer(self, row: int) -> Result:
        result = Result(row, Outcome.UPDATED, 200, 1)
        self.maps[self.has[row]].keep(result, final=True)
        self.true[row] = UPDATED
        return result

    def report(self, result: Result) -> None:
        self.journal.in_flight.keep(result, final=True)
        self.maps[self.has.pop(result.row)].clear([result.row], 1)

    def give_back(self, row: int) -> None:
        del self.has[row]
        self.journal.in_flight.returns(row)

    def killed(self) -> dict[int, str]:
        """What becomes of the rows if everything is killed now."""
        left = shutil.copytree(self.folder, self.folder.with_name("killed"))
        with Journal.take_over(left / "journal.sqlite3") as journal:
            found = {line.number: line.outcome for line in journal.lines()}
        assert [*left.glob("in-flight*")] == []
        return found


@pytest.fixture
def lent(tmp_path: Path) -> Iterator[Lent]:
    made = Lent(tmp_path)
    yield made
    made.open.close()


def of(outcome: str, found: dict[int, str]) -> list[int]:
    return [row for row, one in found.items() if one == outcome]


def test_of_all_rows_that_were_lent_only_those_are_unknown_that_a_process_had_out(lent: Lent) -> None:
    lent.lend("a", 2, 3, 4)
    lent.lend("b", 5, 6, 7)
    for row in (2, 3, 5):
        lent.leave(row)
    lent.answer(3)
    found = lent.killed()
    assert of(UNKNOWN, found) == [2, 5]
    assert of(UPDATED, found) == [3]


def test_what_a_process_without_a_map_had_is_unknown(lent: Lent) -> None:
    lent.lend("a", 2, 3)
    lent.lend("b", 4, 5)
    lent.leave(4)
    (lent.folder / OF_WORKER.format("a")).unlink()
    assert of(UNKNOWN, lent.killed()) == [2, 3, 4]


def test_the_map_of_an_earlier_life_says_nothing_of_rows_that_another_process_has(lent: Lent) -> None:
    lent.join("earlier").leaves(5, 0)
    lent.lend("a", 5, 6)
    lent.leave(6)
    assert of(UNKNOWN, lent.killed()) == [6]


def test_what_was_lent_without_a_name_is_unknown_whatever_a_process_says(lent: Lent) -> None:
    lent.lend("a", 2, 3)
    lent.journal.in_flight.lends(2, 1, "")
    assert of(UNKNOWN, lent.killed()) == [2]


def test_how_often_a_row_was_sent_is_what_its_process_says(lent: Lent) -> None:
    lent.lend("a", 2)
    lent.maps["a"].leaves(2, 3)
    left = shutil.copytree(lent.folder, lent.folder.with_name("killed"))
    with Journal.take_over(left / "journal.sqlite3") as journal:
        journal.begin_session(2.0, repeatable=True)
        assert journal.upcoming(0, 1) == [Request(2, "id-2", "/2", "{}", 1, 3, unanswered=True)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 120))
def test_whatever_has_happened_a_row_is_unknown_if_it_was_out_and_updated_if_it_was_answered(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: int
) -> None:
    chance, lent = random.Random(seed), Lent(tmp_path_factory.mktemp("lent"))  # noqa: S311 - a test's
    answers: dict[int, Result] = {}
    free = [*ROWS]
    for _ in range(steps):
        at_home = [row for row, process in lent.has.items() if row not in lent.true]
        out = [row for row in lent.has if lent.true.get(row) == UNKNOWN]
        done = [row for row in lent.has if row in answers]
        step = chance.choice(["lend", "leave", "answer", "report", "back", "commit"])
        if step == "lend" and free:
            lent.lend(chance.choice("abc"), free.pop(chance.randrange(len(free))))
        elif step == "leave" and at_home:
            lent.leave(chance.choice(at_home))
        elif step == "answer" and out:
            row = chance.choice(out)
            answers[row] = lent.answer(row)
        elif step == "report" and done:
            lent.report(answers[chance.choice(done)])
        elif step == "back" and at_home:
            row = chance.choice(at_home)
            lent.give_back(row)
            free.append(row)
        elif step == "commit":
            lent.journal.commit([], [(result, True) for row, result in answers.items() if row not in lent.has])
    found = lent.killed()
    lent.open.close()
    assert found == {row: lent.true.get(row, NOT_ATTEMPTED) for row in ROWS}
