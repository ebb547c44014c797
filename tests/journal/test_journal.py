from __future__ import annotations

import json
import os
import sqlite3
import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from fakes import claim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from batchupdate.api.error_group import Example
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.journal import Journal, Session, schema
from batchupdate.model import Outcome, Request, Result, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 21, 18, 45, 0, 123000, tzinfo=UTC).timestamp()
UPDATED = Outcome.UPDATED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.create(path) as journal:
        yield journal


def fill(journal: Journal, count: int = 5) -> None:
    journal.add_rows(
        [(number, [f"id-{number}", "new"], f"id-{number}", f"/{number}", {"name": "new"}) for number in rows(count)], []
    )
    journal.seal({"rows": count})


def rows(count: int) -> range:
    return range(2, count + 2)


def done(row: int, outcome: Outcome = UPDATED, *, final: bool = True, **facts: Any) -> tuple[Result, bool]:
    return Result(row, outcome, **facts), final


def outcomes(journal: Journal) -> dict[int, str]:
    return {line.number: line.outcome for line in journal.lines()}


# What goes in comes out.


def test_a_row_becomes_a_request_and_its_result_a_line(journal: Journal) -> None:
    journal.add_rows([(2, ["a", "b"], "id-2", "/things/id-2", {"name": "b", "note": None})], [])
    journal.seal({})
    assert claim(journal, 0, 10, []) == [Request(2, "id-2", "/things/id-2", '{"name":"b","note":null}')]
    result = Result(2, Outcome.ACCEPTED, 202, 3, "why", "req-1", "/jobs/1", NOW, 12.5)
    claim(journal, 2, 0, [(result, True)])
    (line,) = journal.lines()
    assert line == (2, '["a","b"]', "id-2", "accepted", 202, 3, "why", "req-1", "/jobs/1", NOW, 12.5, "")


texts = st.text(max_size=40) | st.sampled_from(
    [
        "",
        "\0",
        "a\0b",
        "👩\u200d🚀",
        '{"a": [1]}',
        "[]",
        "null",
        "1e5",
        "007",
        "'--",
        "\u2028",
        "\ufeff",
        "\\u0041",
        '"',
        "x" * 70_000,
    ]
)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(table=st.lists(st.lists(texts, max_size=4), min_size=1, max_size=5))
def test_any_cell_and_any_field_survives_unchanged(tmp_path: Path, table: list[list[str]]) -> None:
    path = tmp_path / "journal.sqlite3"
    path.unlink(missing_ok=True)
    with Journal.create(path) as journal:
        fields = [{str(place): cell for place, cell in enumerate(cells)} for cells in table]
        journal.add_rows(
            [(n, cells, "id", "/", fields[n - 2]) for n, cells in enumerate(table, 2)],
            [],
        )
        journal.seal({"columns": table[0]})
        assert [json.loads(line.cells) for line in journal.lines()] == table
        assert [json.loads(request.fields) for request in claim(journal, 0, 100, [])] == fields
        assert journal.fields_of([*range(2, len(table) + 2)]) == fields
        assert journal.meta()["columns"] == table[0]


@pytest.mark.parametrize(
    "text", ["1", "1.0", "true", "null", "[1]", '{"a":1}', "007", "é👍", "'; DROP TABLE row; --", ""]
)
def test_a_text_that_looks_like_something_else_stays_that_text(journal: Journal, text: str) -> None:
    journal.add_rows([(2, [text], text, f"/{text}", {"f": text})], [])
    journal.seal({"name": text})
    (request,) = claim(journal, 0, 1, [])
    assert (request.record_id, request.path) == (text, f"/{text}")
    claim(journal, 2, 0, [(Result(2, Outcome.FAILED, error=text, request_id=text, location=text), True)])
    (line,) = journal.lines()
    assert (line.record_id, line.error, line.request_id, line.location) == (text, text, text, text)
    assert journal.meta()["name"] == text


def test_rows_come_out_in_input_order_and_never_more_than_asked_for(journal: Journal) -> None:
    fill(journal, 10)
    first = claim(journal, 0, 4, [])
    second = claim(journal, first[-1].row, 100, [])
    assert [request.row for request in first + second] == list(rows(10))
    assert claim(journal, 11, 5, []) == []


def test_invalid_and_withdrawn_rows_are_never_handed_over(journal: Journal) -> None:
    journal.add_rows([(2, ["x"], None, None, None)], [Result(2, Outcome.INVALID, error="no id")])
    journal.add_rows([(3, ["y"], "y", "/y", {}), (4, ["z"], "z", "/z", {})], [])
    journal.withdraw([Result(3, Outcome.INVALID, error="twice")])
    journal.seal({})
    assert journal.to_send() == 1
    assert [request.row for request in claim(journal, 0, 9, [])] == [4]
    assert journal.fields_of([3, 4]) == [None, {}]
    assert [line.error for line in journal.lines(Outcome.INVALID)] == ["no id", "twice"]


def test_lines_can_be_asked_for_by_outcome(journal: Journal) -> None:
    fill(journal, 4)
    claim(journal, 0, 3, [done(2), done(3, Outcome.FAILED)])
    assert [line.number for line in journal.lines(Outcome.UPDATED, Outcome.UNKNOWN)] == [2, 4]


def test_examples_are_the_first_rows_to_be_sent(journal: Journal) -> None:
    journal.add_rows([(2, ["x"], None, None, None)], [Result(2, Outcome.INVALID)])
    journal.add_rows([(n, ["y"], f"id-{n}", "/y", {"a": 1}) for n in (3, 4, 5)], [])
    assert journal.examples(2) == [(3, "id-3", '{"a":1}'), (4, "id-4", '{"a":1}')]


def test_facts_about_the_run_are_kept_and_replaced(journal: Journal) -> None:
    journal.set_meta({"a": {"b": [1, None]}, "c": "x"})
    journal.set_meta({"c": "y"})
    assert journal.meta() == {"a": {"b": [1, None]}, "c": "y"}


# Carried rows (on_duplicate: merge).


def test_a_carried_row_shares_the_fate_of_the_row_that_carries_it(journal: Journal) -> None:
    fill(journal, 3)
    journal.carry([2], 4, {"name": "joined"})
    assert journal.to_send() == 2
    assert outcomes(journal) == dict.fromkeys((2, 3, 4), "not_attempted")
    assert [line.error for line in journal.lines()] == ["", "", ""]
    requests = claim(journal, 0, 9, [])
    assert [(request.row, request.fields) for request in requests] == [(3, '{"name":"new"}'), (4, '{"name":"joined"}')]
    assert outcomes(journal) == dict.fromkeys((2, 3, 4), "unknown")
    claim(journal, 9, 0, [done(4, http_status=200), done(3)])
    two, _, four = journal.lines()
    assert (two.outcome, two.http_status, two.error) == ("updated", 200, "sent together with row 4")
    assert (four.outcome, four.error) == ("updated", "")
    assert journal.counts()[UPDATED] == 3


def test_a_carried_row_tells_the_error_of_the_request_that_carried_it(journal: Journal) -> None:
    fill(journal, 2)
    journal.carry([2], 3, {})
    claim(journal, 0, 9, [done(3, Outcome.FAILED, error="400 no")])
    assert [line.error for line in journal.lines()] == ["400 no", "400 no"]


# What the errors come to.


def test_errors_are_grouped_by_sentence_whatever_the_id_in_it(journal: Journal) -> None:
    fill(journal, 9)
    said = [done(n, Outcome.FAILED, error=f"404 there is no id-{n} here") for n in (2, 3, 4)]
    claim(journal, 0, 9, [*said, done(5, Outcome.FAILED, error="400 no"), done(6)])
    groups = journal.error_groups()
    assert [group.message for group in groups if group.example_row == 5] == ["400 no"]
    assert groups[0].count == 4  # unanswered
    claim(journal, 9, 0, [done(n) for n in (7, 8, 9, 10)])


@pytest.mark.parametrize("record_id", [None, "", "4", "no id"])
def test_a_short_or_missing_id_blots_nothing_out_of_a_sentence(journal: Journal, record_id: str | None) -> None:
    journal.add_rows([(2, ["x"], record_id, None, None)], [Result(2, Outcome.INVALID, error="404 there is no id")])
    assert [group.message for group in journal.error_groups()] == ["404 there is no id"]


def test_a_long_id_shows_as_id_in_a_group(journal: Journal) -> None:
    journal.add_rows(
        [(n, ["x"], f"record-{n}", None, None) for n in (2, 3)],
        [Result(n, Outcome.INVALID, error=f"record-{n} is bad") for n in (2, 3)],
    )
    [group] = journal.error_groups()
    assert (group.message, group.count, group.example_row) == ("<id> is bad", 2, 2)
    assert group.examples == (Example(2, "record-2"), Example(3, "record-3"))


# Sessions.


def test_sessions_add_up(journal: Journal) -> None:
    fill(journal)
    assert journal.sessions().started_at is None
    first = journal.begin_session(100.0, repeatable=True)
    journal.end_session(Session.at(first, 110.0, Traffic(5, 1, 2, 3.0)), 3)
    second = journal.begin_session(200.0, repeatable=True)
    journal.end_session(Session.at(second, 203.0, Traffic(2, 0, 0, 0.0)), 0)
    total = journal.sessions()
    assert total.traffic == Traffic(7, 1, 2, 3.0)
    assert (total.started_at, total.finished_at, total.duration_s, total.exit_code) == (100.0, 203.0, 13.0, 0)


def test_a_session_that_dies_leaves_the_requests_that_its_last_commit_told_of(journal: Journal) -> None:
    fill(journal)
    number = journal.begin_session(100.0, repeatable=True)
    journal.commit([2, 3], [], Session.at(number, 104.0, Traffic(2, 0, 0, 0.0)))
    journal.commit([], [done(2)], Session.at(number, 107.0, Traffic(3, 1, 1, 1.5)))
    total = journal.sessions()
    assert (total.traffic, total.duration_s, total.exit_code) == (Traffic(3, 1, 1, 1.5), 7.0, None)


def test_requests_of_an_earlier_session_count_when_a_row_is_tried_again(journal: Journal) -> None:
    fill(journal, 2)
    journal.begin_session(1.0, repeatable=True)
    claim(journal, 0, 2, [])
    journal.commit([], [done(2, Outcome.FAILED, final=False, attempts=3), done(3, attempts=1)])
    journal.begin_session(2.0, repeatable=True)
    assert [(request.row, request.sent, request.unanswered) for request in claim(journal, 0, 9, [])] == [(2, 3, False)]


def test_a_session_that_died_has_no_exit_code(journal: Journal) -> None:
    fill(journal)
    journal.begin_session(100.0, repeatable=True)
    assert journal.sessions().exit_code is None


def test_what_was_not_final_is_handed_over_again_and_what_was_is_not(journal: Journal) -> None:
    fill(journal, 4)
    journal.begin_session(1.0, repeatable=True)
    claim(
        journal,
        0,
        4,
        [
            done(2),
            done(3, Outcome.FAILED, final=False),
            done(4, Outcome.FAILED),
            done(5, Outcome.NOT_ATTEMPTED, final=False),
        ],
    )
    assert journal.to_send() == 2
    journal.begin_session(2.0, repeatable=True)
    assert outcomes(journal) == {2: "updated", 3: "not_attempted", 4: "failed", 5: "not_attempted"}
    again = claim(journal, 0, 9, [])
    assert [(request.row, request.unanswered) for request in again] == [(3, False), (5, False)]


def test_an_unanswered_row_stays_unknown_until_it_has_an_answer_even_if_it_is_released(journal: Journal) -> None:
    fill(journal, 3)
    journal.begin_session(1.0, repeatable=True)
    claim(journal, 0, 2, [done(3, Outcome.UNKNOWN, final=False, attempts=2)])  # row 2 was in flight at the kill
    journal.begin_session(2.0, repeatable=True)
    expected = {2: "unknown", 3: "unknown", 4: "not_attempted"}
    assert outcomes(journal) == expected
    again = claim(journal, 0, 9, [])
    assert [(request.row, request.unanswered, request.sent) for request in again] == [
        (2, True, 0),
        (3, True, 2),
        (4, False, 0),
    ]
    journal.release([2, 3, 4])
    assert outcomes(journal) == expected
    assert [line.attempts for line in journal.lines()] == [0, 2, 0]
    journal.begin_session(3.0, repeatable=True)
    assert outcomes(journal) == expected
    assert [request.unanswered for request in claim(journal, 0, 9, [done(2)])] == [True, True, False]


def test_where_repeating_is_not_safe_a_row_left_in_flight_is_unknown_for_good(journal: Journal) -> None:
    fill(journal, 4)
    journal.begin_session(1.0, repeatable=False)
    claim(journal, 0, 3, [done(2), done(3, Outcome.UNKNOWN, final=False)])
    journal.begin_session(2.0, repeatable=False)
    assert [request.row for request in claim(journal, 0, 9, [])] == [5]
    two, three, four, _ = journal.lines()
    assert (two.outcome, three.outcome, four.outcome, four.attempts) == ("updated", "unknown", "unknown", 1)
    assert "repeating is not safe here" in four.error


FAILED_500 = Result(3, Outcome.FAILED, 500, 1, "500")
REFUSED_404 = Result(4, Outcome.FAILED, 404, 1, "404")


def test_a_row_that_may_have_been_applied_in_spite_of_its_error_is_sent_again_as_such(journal: Journal) -> None:
    fill(journal, 4)
    journal.begin_session(1.0, repeatable=True)
    claim(journal, 0, 3, [(FAILED_500, False), (REFUSED_404, False)])
    journal.begin_session(2.0, repeatable=True)
    looked_up = [(request.row, request.unanswered, request.unsure) for request in journal.unanswered(0, 9)]
    assert looked_up == [(2, True, False), (3, False, True)], "only a refusal is an answer for good"
    sent = {request.row: (request.unanswered, request.unsure) for request in claim(journal, 0, 9, [])}
    assert sent == {2: (True, False), 3: (False, True), 4: (False, False), 5: (False, False)}


def test_a_row_with_such_an_error_that_is_not_reached_any_more_is_unknown_and_no_longer_unsent(
    journal: Journal,
) -> None:
    fill(journal, 4)
    journal.begin_session(1.0, repeatable=True)
    claim(journal, 0, 3, [done(2), (FAILED_500, False), (REFUSED_404, False)])
    journal.begin_session(2.0, repeatable=True)
    assert outcomes(journal) == {2: "updated", 3: "unknown", 4: "not_attempted", 5: "not_attempted"}
    journal.begin_session(3.0, repeatable=True)
    assert outcomes(journal)[3] == "unknown"


def test_a_row_with_such_an_error_is_not_sent_again_once_its_key_is_forgotten(journal: Journal) -> None:
    fill(journal, 4)
    journal.begin_session(1.0, repeatable=True)
    claim(journal, 0, 3, [done(2), (FAILED_500, False), (REFUSED_404, False)])
    journal.begin_session(2.0, repeatable=False)
    assert [request.row for request in claim(journal, 0, 9, [])] == [4, 5]
    assert outcomes(journal)[3] == "unknown"


@pytest.mark.parametrize(
    ("status", "in_doubt", "unsure"), [(507, None, False), (500, [502], False), (507, [507], True), (600, None, True)]
)
def test_which_errors_leave_that_open_is_said_by_one_table_and_the_target(
    journal: Journal, status: int, in_doubt: list[int] | None, *, unsure: bool
) -> None:
    fill(journal, 2)
    journal.begin_session(1.0, repeatable=True)
    claim(journal, 0, 1, [(Result(2, Outcome.FAILED, status, 1, "no"), False)])
    assert [*journal.may_have_changed(in_doubt=in_doubt)] == [2] * unsure
    ((first, _),) = journal.copies([2, 3], in_doubt=in_doubt)
    assert first[-1] == (2 if unsure else 0)
    journal.begin_session(2.0, repeatable=True, in_doubt=in_doubt)
    assert [request.unsure for request in journal.upcoming(0, 1)] == [unsure]


@pytest.mark.parametrize(("in_doubt", "rows"), [(None, [2, 3]), ([507], [3])])
def test_a_row_that_was_refused_is_sent_again_also_where_repeating_is_not_safe(
    journal: Journal, in_doubt: list[int] | None, rows: list[int]
) -> None:
    fill(journal, 2)
    journal.begin_session(1.0, repeatable=False)
    claim(journal, 0, 1, [(Result(2, Outcome.FAILED, 507, 1, "no"), False)])
    journal.begin_session(2.0, repeatable=False, in_doubt=in_doubt)
    assert [request.row for request in journal.upcoming(0, 9)] == rows


def test_what_may_have_been_changed_is_more_than_what_succeeded(journal: Journal) -> None:
    fill(journal, 6)
    journal.begin_session(1.0, repeatable=True)
    read = Result(6, Outcome.FAILED, 500, 0, "its record can't be read")
    told = Result(5, Outcome.UPDATED, 200, 1)
    claim(journal, 0, 6, [done(2), (FAILED_500, True), (REFUSED_404, True), (told, True), (read, True)])
    journal.deny([(5, "the API answered 200, but the record still has it (read back)")])
    assert [*journal.may_have_changed()] == [2, 3, 5, 7]
    assert [*journal.may_have_changed([(3, 4)])] == [3]


def test_released_rows_were_never_attempted(journal: Journal) -> None:
    fill(journal, 3)
    claim(journal, 0, 3, [])
    assert journal.counts()[Outcome.UNKNOWN] == 3
    journal.release([3, 4])
    assert outcomes(journal) == {2: "unknown", 3: "not_attempted", 4: "not_attempted"}


class Story(RuleBasedStateMachine):
    """A journal through claims, results, releases, kills and new sessions, against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path = self.base
        self.path = self.folder / f"{id(self)}.sqlite3"
        self.path.unlink(missing_ok=True)

    base: Path

    @initialize(count=st.integers(0, 12), repeatable=st.booleans())
    def make(self, count: int, repeatable: bool) -> None:
        self.count, self.repeatable = count, repeatable
        self.journal = Journal.create(self.path)
        fill(self.journal, count)
        self.hurry()
        self.final: dict[int, Outcome] = {}
        self.loose: dict[int, Outcome] = {}
        self.unanswered: set[int] = set()
        self.claimed: set[int] = set()
        self.begin()

    def begin(self) -> None:
        self.journal.begin_session(1.0, repeatable=self.repeatable)
        unsure = self.claimed | {row for row, outcome in self.loose.items() if outcome is Outcome.UNKNOWN}
        if self.repeatable:
            self.unanswered |= unsure
        else:
            self.final |= dict.fromkeys(unsure, Outcome.UNKNOWN)
        self.loose, self.claimed, self.after = {}, set(), 0

    @rule(count=st.integers(1, 5))
    def claim(self, count: int) -> None:
        left = [row for row in rows(self.count) if row > self.after and row not in self.final and row not in self.loose]
        got = claim(self.journal, self.after, count, [])
        assert [request.row for request in got] == left[:count]
        assert [request.row for request in got if request.unanswered] == [
            row for row in left[:count] if row in self.unanswered
        ]
        self.claimed |= {request.row for request in got}
        self.after = got[-1].row if got else self.after

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), outcome=st.sampled_from([UPDATED, Outcome.FAILED, Outcome.UNKNOWN]), final=st.booleans())
    def finish(self, data: st.DataObject, outcome: Outcome, final: bool) -> None:
        row = data.draw(st.sampled_from(sorted(self.claimed)))
        if row in self.unanswered and not final:
            outcome = Outcome.UNKNOWN  # as the workers settle it
        claim(self.journal, self.after, 0, [(Result(row, outcome), final)])
        (self.final if final else self.loose)[row] = outcome
        self.claimed.discard(row)

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        back = data.draw(st.sets(st.sampled_from(sorted(self.claimed))))
        self.journal.release(sorted(back))
        self.claimed -= back

    @rule()
    def kill(self) -> None:
        self.journal.close()
        self.journal = Journal.open(self.path)
        self.hurry()
        self.begin()

    def hurry(self) -> None:
        self.journal._connection.execute("PRAGMA synchronous = OFF")

    @invariant()
    def tells_the_truth(self) -> None:
        if not hasattr(self, "journal"):
            return
        expected = dict.fromkeys(rows(self.count), Outcome.NOT_ATTEMPTED)
        expected |= dict.fromkeys(self.unanswered | self.claimed, Outcome.UNKNOWN) | self.loose | self.final
        assert outcomes(self.journal) == expected
        counts = self.journal.counts()
        assert sum(counts.values()) == self.count == self.journal.rows()
        assert self.journal.to_send() == self.count - len(self.final)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()


@pytest.mark.slow
def test_the_journal_tells_the_truth_through_any_story(tmp_path: Path) -> None:
    Story.base = tmp_path
    run_state_machine_as_test(Story, settings=settings(max_examples=40, stateful_step_count=12, deadline=None))


# What is on the disk.


def test_a_claim_is_on_the_disk_before_it_is_handed_over(journal: Journal, path: Path) -> None:
    fill(journal)
    claim(journal, 0, 3, [])
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT key FROM started ORDER BY 1").fetchall() == [(2,), (3,), (4,)]
    other.close()


@pytest.mark.parametrize("reopened", [False, True])
def test_every_commit_of_the_work_waits_for_the_disk(journal: Journal, path: Path, *, reopened: bool) -> None:
    fill(journal)
    if reopened:
        journal.close()
        journal = Journal.open(path)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_the_journal_is_for_its_owner_alone(journal: Journal, path: Path) -> None:
    fill(journal)
    claim(journal, 0, 1, [])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("table", ["started", "result"])
def test_a_commit_that_fails_halfway_leaves_nothing_behind(journal: Journal, table: str) -> None:
    fill(journal, 3)
    claim(journal, 0, 1, [])
    no = f"CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'full'); END"
    journal._connection.execute(no)
    with pytest.raises(SafetyStop, match=r"can't be used: full"):
        claim(journal, 2, 2, [done(2)])
    journal._connection.execute("DROP TRIGGER no")
    assert outcomes(journal) == {2: "unknown", 3: "not_attempted", 4: "not_attempted"}
    assert len(claim(journal, 2, 2, [done(2)])) == 2


def test_a_run_can_be_read_while_it_is_being_written(journal: Journal, path: Path) -> None:
    fill(journal)
    journal.begin_session(1.0, repeatable=True)
    with Journal.open(path) as other:
        claim(journal, 0, 2, [done(2)])
        assert other.counts()[UPDATED] == 1


# Files that are none of ours, and places where nothing can be written.


def test_a_journal_is_never_written_over_another(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ConfigError, match="can't be made"):
        Journal.create(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no journal of this program"),
        (b"id,name\n1,a\n" * 500, "no readable journal: file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "no readable journal"),
    ],
)
def test_a_file_that_is_no_journal_is_refused_with_a_sentence(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        Journal.open(path)


def test_another_programs_database_is_refused_untouched(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE cookies (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="no journal of this program"):
        Journal.open(path)
    assert path.read_bytes() == before


def test_a_missing_journal_is_told_and_not_made(path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        Journal.open(path)
    assert not path.exists()


def test_a_journal_of_a_newer_version_is_refused(journal: Journal, path: Path) -> None:
    journal._connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(ConfigError, match=r"newer version.*Update batchupdate"):
        Journal.open(path)


def test_a_damaged_journal_gives_a_sentence_from_every_method(journal: Journal, path: Path) -> None:
    fill(journal, 3000)
    journal.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with Journal.open(path) as damaged:
        for call in (
            damaged.meta,
            damaged.rows,
            damaged.counts,
            damaged.to_send,
            damaged.error_groups,
            damaged.sessions,
            lambda: damaged.examples(3),
            lambda: damaged.fields_of([2]),
            lambda: list(damaged.lines()),
            lambda: damaged.set_meta({"a": 1}),
            lambda: damaged.begin_session(1.0, repeatable=True),
            lambda: damaged.begin_session(1.0, repeatable=False),
            lambda: damaged.end_session(Session.at(1, 1.0, Traffic()), 0),
            lambda: claim(damaged, 0, 5, [done(2)]),
            lambda: damaged.release([2]),
            lambda: damaged.seal({}),
        ):
            with pytest.raises(ConfigError, match=r"journal.sqlite3 can't be read: .* report --recover"):
                call()


def test_a_truncated_journal_gives_a_sentence(journal: Journal, path: Path) -> None:
    fill(journal, 3000)
    journal.close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ConfigError, match="no readable journal"):
        Journal.open(path)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a run in it, where nothing may be written; for root too, who is somebody else meanwhile."""
    if sys.platform == "win32":
        pytest.skip("Windows has no folder modes")
    folder = tmp_path / "closed"
    folder.mkdir()
    with Journal.create(folder / "journal.sqlite3") as journal:
        fill(journal)
    (folder / "journal.sqlite3").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        for above in [tmp_path, *tmp_path.parents][:3]:
            above.chmod(0o755)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)


def test_a_folder_that_cant_be_written_to_gives_a_sentence(closed_folder: Path) -> None:
    with pytest.raises(ConfigError, match="can't be made: Permission denied"):
        Journal.create(closed_folder / "another.sqlite3")


def test_a_journal_that_cant_be_written_to_gives_a_sentence(closed_folder: Path) -> None:
    with (
        pytest.raises((ConfigError, SafetyStop), match=r"no readable journal|can't be used"),
        Journal.open(closed_folder / "journal.sqlite3") as journal,
    ):
        journal.begin_session(1.0, repeatable=True)
