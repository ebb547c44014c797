"""Rows of a SQL query; SQLite is the database that every machine has."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions
from batchupdate.reader.sources import local_copies
from batchupdate.spreadsheet.typed_text import FloatText

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.model import Row


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "people.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """
            CREATE TABLE people (id TEXT, n INTEGER, f REAL, b BLOB);
            INSERT INTO people VALUES ('007', 1, 7.0, NULL);
            INSERT INTO people VALUES ('NA', NULL, NULL, x'00'), ('9', 9007199254740993, 1e300, NULL);
            """
        )
    return f"sql+sqlite:///{path}"


def rows_of(url: str, query: str | None = "SELECT * FROM people", **options: int) -> list[Row]:
    with local_copies(url, query) as (source,), source.open(ReadOptions(**options)) as table:  # type: ignore[arg-type] # as named
        return [row for batch in table.batches(2) for row in batch]


def refused(url: str, query: str | None = "SELECT * FROM people") -> str:
    with pytest.raises(InputError) as caught, local_copies(url, query):
        pass
    return f"{caught.value.message} {caught.value.hint}"


def test_every_value_is_as_the_database_has_it(url: str) -> None:
    rows = rows_of(url, "SELECT id, n, f FROM people")
    assert rows == [(1, ("007", "1", "7")), (2, ("NA", "", "")), (3, ("9", "9007199254740993", "1e+300"))]
    assert [type(cell) is FloatText for cell in rows[0].cells] == [False, False, True]


def test_the_names_of_the_columns_are_the_headings(url: str) -> None:
    with local_copies(url, "SELECT id AS key, n FROM people") as (source,), source.open(ReadOptions()) as table:
        assert table.columns == ("key", "n")
        assert [len(batch) for batch in table.batches(2)] == [2, 1]
        assert [len(batch) for batch in table.batches(2)] == [2, 1]


def test_a_value_without_a_text_is_a_problem_of_its_row(url: str) -> None:
    with local_copies(url, "SELECT id, b FROM people") as (source,), source.open(ReadOptions()) as table:
        problems = [problem for batch in table.batches() for problem in batch.problems]
    assert [(problem.code, problem.row, problem.column) for problem in problems] == [("unreadable_value", 2, "b")]


def test_the_rows_are_those_of_the_moment_when_the_query_ran(url: str) -> None:
    with local_copies(url, "SELECT id FROM people") as (source,):
        with closing(sqlite3.connect(url.removeprefix("sql+sqlite:///"))) as database, database:
            database.execute("DELETE FROM people")
        with source.open(ReadOptions()) as table:
            assert sum(len(batch) for batch in table.batches()) == 3


def test_the_digest_is_that_of_the_rows(url: str) -> None:
    def digest(query: str) -> str:
        with local_copies(url, query) as (source,):
            return source.digest()

    assert digest("SELECT id FROM people") == digest("SELECT id FROM people WHERE id LIKE '%'")
    assert digest("SELECT id FROM people") != digest("SELECT id FROM people ORDER BY id DESC")
    assert digest("SELECT id FROM people") != digest("SELECT id AS name FROM people")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (None, '--query "SELECT'),
        ("DELETE FROM people", "begins with 'DELETE', and only a SELECT is run"),
        ("/* SELECT */ DROP TABLE people", "begins with 'DROP'"),
        ("SELECT 1; DELETE FROM people", "several statements"),
        ("WITH x AS (SELECT 1) DELETE FROM people", "readonly database"),
        ("SELECT nobody FROM people", "no such column: nobody"),
        ("", "begins with 'nothing'"),
    ],
)
def test_what_is_not_one_query_is_refused_and_changes_nothing(url: str, query: str | None, sentence: str) -> None:
    assert sentence in refused(url, query)
    assert len(rows_of(url, "SELECT id FROM people")) == 3


@pytest.mark.parametrize("query", ["SELECT ';' AS id", "select id from people -- ; all\n", "SELECT id FROM people;"])
def test_a_semicolon_that_ends_nothing_is_none(url: str, query: str) -> None:
    assert rows_of(url, query)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "There is no file" in refused(f"sql+sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sql+postgresql://ann:s3cret@127.0.0.1:1/x?sslpassword=s4cret", "the driver psycopg"),
        ("sql+nonsense://ann:s3cret@127.0.0.1/x", "no database that SQLAlchemy knows"),
        ("sql+", "no database that SQLAlchemy knows"),
    ],
)
def test_a_database_that_cannot_be_reached_is_said_without_its_password(url: str, sentence: str) -> None:
    message = refused(url)
    assert sentence in message
    assert "s3cret" not in message
    assert "s4cret" not in message


def test_the_password_is_no_part_of_the_place_that_the_journal_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    from batchupdate.reader.database import QuerySource  # noqa: PLC0415 - with what it reads taken out

    monkeypatch.setattr(QuerySource, "_read", lambda *_: None)
    with local_copies("sql+postgresql://ann:s3cret@host/people?sslpassword=s4cret", "SELECT  1") as (source,):
        assert source.place == "sql+postgresql://host/people: SELECT 1"


def test_without_sqlalchemy_the_extra_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert "pip install 'batchupdate[sql]'" in refused(url)


def test_a_query_without_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    assert "--query means nothing" in refused(str(tmp_path / "a.csv"), "SELECT 1")
