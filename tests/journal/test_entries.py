"""Entries of a journal that are not as they were written: never sent, and reported as what they are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.journal import Journal
from batchupdate.model import Line, Outcome, Result

if TYPE_CHECKING:
    from pathlib import Path

CELLS = "UPDATE row SET cells = replace(cells, 'name', 'nama') WHERE key = "
FIELDS = "UPDATE row SET fields = replace(fields, 'name', 'nama') WHERE key = "
AT = 1764369000.5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run of 2 to 9: 2 is invalid, 3 updated, 4 failed for now, 5 in flight, and the others wait."""
    path = tmp_path / "journal.sqlite3"
    with Journal.create(path) as journal:
        journal.add_rows(
            [
                (n, [f"id-{n}", f"name {n}"], f"id-{n}", f"/{n}" if n > 2 else None, {"x": f"name {n}"})
                for n in range(2, 10)
            ],
            [Result(2, Outcome.INVALID, error="too long")],
        )
        journal.seal({"rows": 8})
        journal.begin_session(1.0, repeatable=True)
        journal.commit([3, 4, 5], [])
        journal.in_flight.leaves(5, 0)
        journal.commit([], [(Result(3, Outcome.UPDATED, 200, 1, "", "r-3", "", AT, 1.5), True)])
        journal.commit([], [(Result(4, Outcome.FAILED, 503, 1, "503", "r-4", "", AT, 1.5), False)])
    return path


def damaged(path: Path, *statements: str) -> None:
    """Changes values as flipped bits do."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for statement in statements:
            connection.execute(statement)


def taken_over(path: Path) -> dict[int, Line]:
    """The rows as the next process has them; what it would send is what was written, and no row of those damaged."""
    with Journal.take_over(path) as journal:
        lines = {line.number: line for line in journal.lines()}
        journal.begin_session(2.0, repeatable=True)
        for request in journal.upcoming(0, 99):
            assert (request.path, request.fields) == (f"/{request.row}", f'{{"x":"name {request.row}"}}')
            assert "damaged" not in lines[request.row].error
        assert sum(journal.counts().values()) == 8
    with Journal.take_over(path) as journal:  # what was set aside is as it was written from then on
        assert not journal.find_damage()
    return lines


@pytest.mark.parametrize(
    ("row", "outcome"),
    [(2, "invalid"), (3, "updated"), (4, "unknown"), (5, "unknown"), (6, "failed"), (9, "failed")],
)
@pytest.mark.parametrize(
    "damage",
    [
        CELLS,
        FIELDS,
        "UPDATE row SET path = coalesce(path, '/') || '0' WHERE key = ",
        "UPDATE row SET record_id = 'other' WHERE key = ",
        "UPDATE row SET carrier = 0 WHERE key = ",
        "UPDATE row SET cells = CAST(x'5b22ff225d' AS TEXT) WHERE key = ",
    ],
)
def test_a_row_that_was_changed_is_never_sent_and_its_cells_are_not_believed(
    path: Path, damage: str, row: int, outcome: str
) -> None:
    damaged(path, f"{damage}{row}")
    lines = taken_over(path)
    if "carrier" in damage and outcome == "failed":
        outcome = "unknown"  # the request of another row may have carried it
    assert (lines[row].outcome, lines[row].cells, lines[row].record_id) == (outcome, "[]", "")
    assert "damaged" in lines[row].error
    assert sum("damaged" in line.error for line in lines.values()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "outcome = 'hpdated'",
        "outcome = CAST(x'ff' AS TEXT)",
        "final = 0",
        "http_status = 201",
        "attempts = 3",
        "error = 'e'",
        "request_id = 'r-1'",
        "finished_at = 1e300",
        "duration_ms = -2.0",
        "key = 12",
    ],
)
def test_a_result_that_was_changed_is_not_reported_and_its_row_is_not_sent(path: Path, damage: str) -> None:
    damaged(path, f"UPDATE result SET {damage} WHERE key = 3")  # noqa: S608 - our own words
    lines = taken_over(path)
    assert lines[3].outcome == "unknown"
    assert "key" in damage or "damaged" in lines[3].error


def test_a_row_is_looked_at_once_more_just_before_it_is_sent(path: Path) -> None:
    with Journal.take_over(path) as journal:
        journal.begin_session(2.0, repeatable=True)
        damaged(path, f"{FIELDS}8")
        assert [request.row for request in journal.upcoming(5, 2)] == [6, 7]
        with pytest.raises(SafetyStop, match=r"row 8 is not as it was written.*report --recover"):
            journal.upcoming(7, 2)


def test_an_unanswered_row_is_looked_at_before_it_is_looked_up(path: Path) -> None:
    with Journal.take_over(path) as journal:
        journal.begin_session(2.0, repeatable=True)
        damaged(path, f"{FIELDS}5")
        with pytest.raises(SafetyStop, match=r"row 5 is not as it was written"):
            journal.unanswered(0, 9)


def test_where_a_mark_has_lost_its_bits_its_row_is_in_flight(path: Path) -> None:
    damaged(path, "UPDATE started SET claimed = 0 WHERE key = 5")
    with Journal.take_over(path) as journal:
        journal.begin_session(2.0, repeatable=False)
        assert [request.row for request in journal.upcoming(0, 99)] == [6, 7, 8, 9]
        assert {line.number: line.outcome for line in journal.lines()}[4] == "unknown", "503 says nothing of it"


@pytest.mark.parametrize("damage", ["value = '9'", "name = 'rowr'", "value = 'no JSON'", "value = x'ff'"])
def test_a_fact_about_the_run_that_was_changed_ends_in_a_sentence(path: Path, damage: str) -> None:
    damaged(path, f"UPDATE meta SET {damage} WHERE name = 'rows'")  # noqa: S608 - our own words
    with Journal.open(path) as journal, pytest.raises(ConfigError, match=r"journal.sqlite3 can't be read.*--recover"):
        journal.meta()


def test_an_outcome_that_is_none_ends_in_a_sentence(path: Path) -> None:
    damaged(path, "UPDATE result SET outcome = 'hnvalid' WHERE key = 2")
    with Journal.open(path) as journal, pytest.raises(ConfigError, match=r"a value in it is garbled.*--recover"):
        journal.counts()


def test_an_older_journal_has_no_checksums_until_it_is_taken_over(path: Path) -> None:
    unsigned = [f"UPDATE {table} SET checksum = NULL" for table in ("meta", "row", "result")]  # noqa: S608 - our own words
    damaged(
        path,
        *unsigned,
        "UPDATE result SET outcome = 'hpdated' WHERE key = 3",
        "UPDATE row SET cells = '[' WHERE key = 6",
    )
    lines = taken_over(path)
    assert (lines[3].outcome, lines[6].outcome) == ("unknown", "failed")
    damaged(path, f"{FIELDS}7")
    assert taken_over(path)[7].outcome == "failed"
