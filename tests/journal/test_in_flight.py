"""What a killed process leaves in its in-flight map, and what the next one makes of it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.errors import ConfigError, RunLocked, SafetyStop
from batchupdate.journal import Journal, Session, in_flight
from batchupdate.journal.in_flight import SEGMENT, SLOT, LeftInFlight, read_map
from batchupdate.model import Outcome, Request, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.slow

AT = 1_795_000_000.25


@pytest.fixture(autouse=True)
def _one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run also where the system does not tell its starts apart."""
    started_anew(monkeypatch, "one start")


def started_anew(monkeypatch: pytest.MonkeyPatch, boot: str) -> None:
    monkeypatch.setattr(in_flight, "boot_id", lambda: boot)


class Run:
    """A run of ten rows, 2 to 11, whose folder can be looked at as a kill at this moment would leave it."""

    def __init__(self, folder: Path, *, repeatable: bool = True) -> None:
        self.folder, self.repeatable, self.kills = folder / "run", repeatable, 0
        self.folder.mkdir()
        self.journal = Journal.create(self.folder / "journal.sqlite3")
        self.journal.add_rows([(n, ["x"], f"id-{n}", f"/{n}", {}) for n in range(2, 12)], [])
        self.journal.seal({})
        self.journal.begin_session(1.0, repeatable=repeatable)
        self.requests: dict[int, Request] = {}

    def claim(self, count: int) -> None:
        after = max(self.requests, default=0)
        taken = self.journal.upcoming(after, count)
        self.journal.commit([request.row for request in taken], [])
        self.requests |= {request.row: request for request in taken}

    def leave(self, *rows: int) -> None:
        for row in rows:
            self.journal.in_flight.leaves(row, self.requests[row].sent)

    def answered(self, *rows: int) -> list[tuple[Result, bool]]:
        results = [(Result(row, Outcome.UPDATED, 200, 1, "", "r-1", "", AT, 12.5), True) for row in rows]
        for result, final in results:
            self.journal.in_flight.keep(result, final=final)
        return results

    def kill(self) -> Path:
        """A copy of everything that a killed process leaves on the disk and in the system's pages."""
        self.kills += 1
        return shutil.copytree(self.folder, self.folder.with_name(f"killed-{self.kills}")) / "journal.sqlite3"

    def close(self) -> None:
        self.journal.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


def outcomes(path: Path) -> dict[int, str]:
    with Journal.take_over(path) as journal:
        return {line.number: line.outcome for line in journal.lines()}


def of(outcome: str, outcomes: dict[int, str]) -> list[int]:
    return [row for row, one in outcomes.items() if one == outcome]


def test_only_rows_that_were_out_are_unknown_and_answers_that_were_not_committed_count(run: Run) -> None:
    run.claim(8)
    run.leave(2, 3, 4)
    run.answered(3)
    found = outcomes(run.kill())
    assert of("unknown", found) == [2, 4]
    assert of("updated", found) == [3]
    assert of("not_attempted", found) == [5, 6, 7, 8, 9, 10, 11]


def test_an_answer_is_kept_with_all_that_is_known_of_it(run: Run) -> None:
    run.claim(1)
    run.leave(2)
    result = Result(2, Outcome.ACCEPTED, 202, 3, "späť \0 \n", "r-ü", "/jobs/1", AT, 12.5)
    run.journal.in_flight.keep(result, final=True)
    with Journal.take_over(run.kill()) as journal:
        (line,) = journal.lines(Outcome.ACCEPTED)
    assert (line.http_status, line.attempts, line.error) == (202, 3, "späť \0 \n")
    assert (line.request_id, line.location, line.finished_at, line.duration_ms) == ("r-ü", "/jobs/1", AT, 12.5)


def test_a_sentence_that_does_not_fit_is_cut_off_and_its_row_keeps_its_outcome(run: Run) -> None:
    run.claim(1)
    run.leave(2)
    run.journal.in_flight.keep(Result(2, Outcome.FAILED, 400, 1, "é" * 9000, "r" * 9000, "/" * 9000), final=True)
    with Journal.take_over(run.kill()) as journal:
        (line,) = journal.lines(Outcome.FAILED)
    assert 100 < len(line.error) < 9000
    assert set(line.error) == {"é"}


def test_a_row_that_waits_for_its_next_try_is_no_more_unknown_than_its_last_answer(run: Run) -> None:
    run.claim(3)
    run.leave(2, 3, 4)
    run.journal.in_flight.keep(Result(2, Outcome.NOT_ATTEMPTED, 429, 1, "429; the run stopped"), final=False)
    run.journal.in_flight.keep(Result(3, Outcome.NOT_ATTEMPTED, 429, 1, "429; the run stopped"), final=False)
    run.leave(3)
    with Journal.take_over(run.kill()) as journal:
        found = {line.number: line.outcome for line in journal.lines()}
        assert of("unknown", found) == [3, 4]
        journal.begin_session(2.0, repeatable=True)
        requests = {request.row: request for request in journal.upcoming(0, 99)}
    assert [row for row, request in requests.items() if request.unanswered] == [3, 4]
    assert requests[2].sent == requests[3].sent == 1


def test_where_repeating_is_not_safe_only_rows_that_were_out_stay_unknown_and_none_goes_out_again(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path, repeatable=False)
    run.claim(8)
    run.leave(2, 3, 4)
    run.answered(4)
    with Journal.take_over(run.kill()) as journal:
        journal.begin_session(2.0, repeatable=False)
        found = {line.number: line.outcome for line in journal.lines()}
        assert of("unknown", found) == [2, 3]
        assert [request.row for request in journal.upcoming(0, 99)] == [5, 6, 7, 8, 9, 10, 11]
    run.close()


def test_a_row_of_an_earlier_run_that_was_claimed_and_never_left_may_still_be_sent(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.add_copies([(row, "[]", "a", f"/{row}", "{}", None, None, None, 1) for row in (2, 3)])
        journal.seal({})
        journal.begin_session(1.0, repeatable=False)
        journal.commit([2, 3], [])
        journal.in_flight.leaves(2, 1)
        killed = shutil.copytree(tmp_path, tmp_path / "killed") / "journal.sqlite3"
    with Journal.take_over(killed) as journal:
        assert set(outcomes(killed).values()) == {"unknown"}
        journal.begin_session(2.0, repeatable=False)
        assert [(request.row, request.unanswered) for request in journal.upcoming(0, 9)] == [(3, True)]


def test_a_row_of_an_earlier_run_that_was_claimed_and_given_back_may_still_be_sent(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.add_copies([(2, "[]", "a", "/2", "{}", None, None, None, 1)])
        journal.seal({})
        journal.begin_session(1.0, repeatable=False)
        journal.commit([2], [])
        journal.release([2])
    with Journal.take_over(tmp_path / "journal.sqlite3") as journal:
        journal.begin_session(2.0, repeatable=False)
        assert [request.row for request in journal.upcoming(0, 9)] == [2]


def test_a_new_session_has_claimed_nothing_yet(run: Run) -> None:
    run.claim(3)
    run.leave(2, 3)
    with Journal.take_over(run.kill()) as journal:
        journal.begin_session(2.0, repeatable=True)
        claimed = journal._connection.execute("SELECT key FROM started WHERE claimed").fetchall()
    assert claimed == []


def test_a_slot_is_free_once_its_result_stands_in_the_journal(run: Run) -> None:
    run.claim(3)
    run.leave(2, 3, 4)
    run.journal.commit([], run.answered(2, 3))
    (_, token, _) = run.journal._connection.execute("SELECT id, in_flight, commits FROM session").fetchone()
    left = read_map(run.folder / in_flight.NAME, token)
    assert left == LeftInFlight([(4, 0)], [], 2)


def test_what_the_map_says_is_taken_over_once_whenever_the_next_process_dies(run: Run) -> None:
    run.claim(8)
    run.leave(2, 3)
    run.answered(3)
    killed = run.kill()
    first = outcomes(killed)
    assert not (killed.parent / in_flight.NAME).exists()
    assert outcomes(killed) == first
    with Journal.take_over(killed) as journal:
        journal.begin_session(2.0, repeatable=True)
        journal.commit([4, 5], [])
        shutil.copytree(killed.parent, killed.parent / "again")
    again = outcomes(killed.parent / "again" / "journal.sqlite3")
    assert again == first, "nothing had left"


@pytest.mark.parametrize("rows", [0, 1, 2000])
def test_a_row_is_cleared_with_the_commit_that_holds_its_result_and_at_the_end_the_file_is_gone(
    tmp_path: Path, rows: int
) -> None:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.add_rows([(n, ["x"], "i", f"/{n}", {}) for n in range(2, rows + 2)], [])
        journal.seal({})
        journal.begin_session(1.0, repeatable=True)
        keys = [request.row for request in journal.upcoming(0, rows)]
        journal.commit(keys, [])
        for key in keys:
            journal.in_flight.leaves(key, 0)
        results = [(Result(key, Outcome.UPDATED, 200, 1), True) for key in keys]
        for result, final in results:
            journal.in_flight.keep(result, final=final)
        assert (tmp_path / in_flight.NAME).exists()
        journal.commit([], results)
        journal.end_session(Session(1, 2.0), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.sqlite3"]


def test_results_that_could_not_be_committed_outlive_the_process_in_the_map(run: Run) -> None:
    run.claim(2)
    run.leave(2, 3)
    results = run.answered(2, 3)
    run.journal._connection.execute("CREATE TRIGGER no BEFORE INSERT ON result BEGIN SELECT raise(ABORT, 'full'); END")
    with pytest.raises(SafetyStop, match="full"):
        run.journal.commit([], results)
    run.journal._connection.execute("DROP TRIGGER no")
    run.close()
    assert of("updated", outcomes(run.folder / "journal.sqlite3")) == [2, 3]


def test_rows_that_could_not_be_given_back_never_left_all_the_same(run: Run) -> None:
    run.claim(4)
    run.journal._connection.execute("CREATE TRIGGER no BEFORE DELETE ON started BEGIN SELECT raise(ABORT, 'full'); END")
    with pytest.raises(SafetyStop, match="full"):
        run.journal.release([2, 3, 4, 5])
    run.journal._connection.execute("DROP TRIGGER no")
    run.journal.end_session(Session(1, 2.0), 3)
    run.close()
    assert of("unknown", outcomes(run.folder / "journal.sqlite3")) == []


def test_only_its_owner_can_read_it(run: Run) -> None:
    mode = stat.S_IMODE((run.folder / in_flight.NAME).stat().st_mode)
    assert mode == 0o600 or sys.platform == "win32"


# A map that says nothing: then all claimed rows without a result are unknown.


def claimed_alone(run: Run) -> Path:
    run.claim(4)
    run.leave(2, 3)
    run.answered(2)
    return run.kill()


def test_after_a_power_cut_the_claims_count(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = claimed_alone(run)
    started_anew(monkeypatch, "another start")
    assert of("unknown", outcomes(killed)) == [2, 3, 4, 5]


def test_where_starts_of_the_machine_can_not_be_told_apart_the_claims_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_anew(monkeypatch, "")
    run = Run(tmp_path)
    killed = claimed_alone(run)
    assert not (killed.parent / in_flight.NAME).exists()
    assert of("unknown", outcomes(killed)) == [2, 3, 4, 5]
    run.close()


def test_without_its_map_a_run_that_has_no_end_is_refused_for_the_journal_may_be_an_older_copy(run: Run) -> None:
    killed = claimed_alone(run)
    (killed.parent / in_flight.NAME).unlink()
    with pytest.raises(ConfigError, match=r"no in-flight.map that says how much is missing.*--recover"):
        Journal.take_over(killed)


def test_with_the_map_of_another_session_a_run_that_has_no_end_is_refused(run: Run, tmp_path: Path) -> None:
    killed = claimed_alone(run)
    (tmp_path / "other").mkdir()
    other = Run(tmp_path / "other")
    shutil.copy(other.folder / in_flight.NAME, killed.parent)
    other.close()
    with pytest.raises(ConfigError, match=r"no in-flight\.map"):
        Journal.take_over(killed)


def test_an_older_copy_of_the_journal_is_refused_whatever_became_of_the_map(run: Run) -> None:
    older = claimed_alone(run).parent
    run.journal.commit([], run.answered(2, 3))
    run.claim(4)
    for lay in ("newer", "older", "none", "empty"):
        killed = run.kill()
        for part in older.glob("journal*"):
            shutil.copy(part, killed.parent)
        place = killed.parent / in_flight.NAME
        if lay == "none":
            place.unlink()
        elif lay == "empty":
            place.write_bytes(b"")
        elif lay == "older":
            shutil.copy(older / in_flight.NAME, place)
            continue  # all of it is as it was: from within, nobody can tell
        with pytest.raises(ConfigError, match="lacks its last entries"):
            Journal.take_over(killed)


def test_a_journal_that_knows_fewer_sessions_than_the_log_of_the_run_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.journal.end_session(Session(1, 2.0), 3)
    run.close()
    path = run.folder / "journal.sqlite3"
    Journal.take_over(path, 1).close()
    with pytest.raises(ConfigError, match="it knows of 1 processes that worked on the run, and its log of 2"):
        Journal.take_over(path, 2)


@pytest.mark.parametrize("size", [0, 1])
def test_a_map_without_its_head_is_none(run: Run, size: int) -> None:
    killed = claimed_alone(run)
    os.truncate(killed.parent / in_flight.NAME, size)
    with pytest.raises(ConfigError, match=r"no in-flight\.map"):
        Journal.take_over(killed)


@pytest.mark.parametrize("size", [SLOT, SLOT + 1, SEGMENT - 1, SEGMENT + SLOT])
def test_a_map_of_another_length_is_not_believed(run: Run, size: int) -> None:
    killed = claimed_alone(run)
    data = (killed.parent / in_flight.NAME).read_bytes()
    assert len(data) == SEGMENT
    (killed.parent / in_flight.NAME).write_bytes((data + bytes(SEGMENT))[:size])
    assert of("unknown", outcomes(killed)) == [2, 3, 4, 5]


@pytest.mark.parametrize("noise", [b"\xff", b"\x02" + bytes(60), b"\x02" + b"\xff" * 900])
def test_a_map_with_a_slot_that_makes_no_sense_is_not_believed(run: Run, noise: bytes) -> None:
    killed = claimed_alone(run)
    with (killed.parent / in_flight.NAME).open("r+b") as file:
        file.seek(7 * SLOT)
        file.write(noise)
    assert of("unknown", outcomes(killed)) == [2, 3, 4, 5]


def test_where_there_is_no_room_for_more_slots_the_claims_count(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    run.claim(10)
    monkeypatch.setattr("batchupdate.journal.in_flight.SEGMENT", SLOT)
    run.journal.in_flight._free.clear()
    monkeypatch.setattr("os.write", full)
    run.leave(2, 3)
    monkeypatch.undo()
    started_anew(monkeypatch, "one start")
    assert of("unknown", outcomes(run.kill())) == list(range(2, 12))


# A journal that is older than its map, or has got another owner.


def test_a_journal_that_has_lost_its_last_commits_is_refused(run: Run) -> None:
    run.claim(4)
    older = run.kill().parent
    run.leave(2, 3)
    run.journal.commit([], run.answered(2, 3))
    newer = run.kill().parent
    for part in newer.glob("journal.sqlite3*"):
        part.unlink()
    for part in older.glob("journal.sqlite3*"):
        shutil.copy(part, newer)
    with pytest.raises(ConfigError, match="lacks its last entries: it has 1 commits of 2"):
        Journal.take_over(newer / "journal.sqlite3")


def test_a_journal_without_its_wal_file_is_refused_even_if_it_has_lost_the_whole_session(run: Run) -> None:
    run.claim(4)
    run.leave(2, 3)
    run.journal.commit([], run.answered(2, 3))
    killed = run.kill()
    for part in ("journal.sqlite3-wal", "journal.sqlite3-shm"):
        (killed.parent / part).unlink()
    with pytest.raises(ConfigError, match="lacks its last entries: it has 0 commits of 2") as error:
        Journal.take_over(killed)
    assert f"report --recover {killed.parent}" in error.value.hint


def test_a_journal_that_knows_nothing_of_its_session_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    before = run.kill()
    run.close()
    with Journal.open(run.folder / "journal.sqlite3") as journal:
        journal.begin_session(2.0, repeatable=True)
        journal.commit([2], [])
        journal.in_flight.leaves(2, 0)
        shutil.copy(run.folder / in_flight.NAME, before.parent)
    with pytest.raises(ConfigError, match="it knows nothing of the last 1 commits"):
        Journal.take_over(before)


def test_a_copy_of_the_journal_alone_is_refused_while_its_run_has_no_end(run: Run, tmp_path: Path) -> None:
    run.claim(4)
    alone = tmp_path / "journal.sqlite3"
    shutil.copy(run.folder / "journal.sqlite3", alone)
    with pytest.raises(ConfigError, match=r"no end in it, and there is no in-flight\.map"):
        Journal.take_over(alone)


def test_after_another_start_of_the_machine_lost_commits_are_noticed_all_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.claim(4)
    run.leave(2)
    killed = run.kill()
    for part in ("journal.sqlite3-wal", "journal.sqlite3-shm"):
        (killed.parent / part).unlink()
    started_anew(monkeypatch, "another start")
    with pytest.raises(ConfigError, match="it has 0 commits of 1"):
        Journal.take_over(killed)


def test_a_killed_run_that_was_looked_at_is_taken_over(run: Run) -> None:
    run.claim(4)
    run.leave(2)
    killed = run.kill()
    with Journal.open(killed) as journal:  # SQLite puts the -wal file away when the last one closes
        assert journal.rows() == 10
    assert of("unknown", outcomes(killed)) == [2]
    assert of("unknown", outcomes(killed)) == [2]


def test_a_session_that_ended_with_an_error_of_ours_is_taken_over(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.claim(2)
    run.leave(2, 3)
    run.journal.commit([], run.answered(2, 3))
    run.close()  # without an end of the session
    assert of("updated", outcomes(run.folder / "journal.sqlite3")) == [2, 3]


def test_a_process_that_was_overtaken_by_another_one_claims_nothing_more(run: Run) -> None:
    run.claim(2)
    with Journal.open(run.folder / "journal.sqlite3") as other:
        other.begin_session(2.0, repeatable=True)
    with pytest.raises(SafetyStop, match="Another process has begun to work on this run"):
        run.claim(2)


def test_a_process_that_was_overtaken_by_another_one_takes_no_marks_back(run: Run) -> None:
    run.claim(3)
    with Journal.open(run.folder / "journal.sqlite3") as other:
        other.begin_session(2.0, repeatable=True)
        other.commit([2, 3], [])
        with pytest.raises(SafetyStop, match="Another process has begun to work on this run"):
            run.journal.release([2, 3])
        assert [line.number for line in other.lines(Outcome.UNKNOWN)] == [2, 3, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no maps")
def test_a_run_whose_process_is_alive_is_not_taken_over_although_its_lock_file_is_gone(run: Run) -> None:
    run.claim(3)
    with pytest.raises(RunLocked, match="Another process is working on the run run, although its lock file is gone"):
        Journal.take_over(run.folder / "journal.sqlite3")
    run.close()
    Journal.take_over(run.folder / "journal.sqlite3").close()


# Against a plain model.


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["claim", "leave", "answer", "commit"]), st.integers(1, 3)), max_size=30)
)
def test_whenever_it_is_killed_every_row_is_what_it_was(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, int]]
) -> None:
    run = Run(tmp_path_factory.mktemp("model"))
    claimed: list[int] = []
    out: list[int] = []
    pending: list[tuple[Result, bool]] = []
    done: list[int] = []
    for step, count in steps:
        if step == "claim":
            before = set(run.requests)
            run.claim(count)
            claimed += sorted(set(run.requests) - before)
        elif step == "leave":
            run.leave(*claimed[:count])
            out, claimed = out + claimed[:count], claimed[count:]
        elif step == "answer":
            pending += run.answered(*out[:count])
            done, out = done + out[:count], out[count:]
        else:
            run.journal.commit([], pending)
            pending = []
    found = outcomes(run.kill())
    assert of("unknown", found) == sorted(out)
    assert of("updated", found) == sorted(done)
    run.close()
