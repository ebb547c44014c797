from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal, schema
from batchupdate.model import Outcome, RowRef, Traffic

VERSIONS = Path(__file__).parent / "versions"
OLD = sorted(int(path.stem) for path in VERSIONS.glob("*.sql"))


def old_journal(path: Path, version: int) -> None:
    """A journal as that version made it: two rows, one of them sent, by a session that was killed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((VERSIONS / f"{version}.sql").read_text("utf-8"))
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        key = "number" if version < 4 else "key"
        connection.executescript(f"""
            INSERT INTO meta (name, value) VALUES ('rows', '2'), ('sealed', 'true');
            INSERT INTO row ({key}, cells, record_id, path, fields)
            VALUES (2, '["a"]', 'a', '/a', '{{}}'), (3, '["b"]', 'b', '/b', '{{}}');
            INSERT INTO started ({key}) VALUES (2);
            INSERT INTO result ({key}, final, outcome, http_status, attempts, error, request_id, location, finished_at,
                duration_ms) VALUES (2, 1, 'updated', 200, 1, '', '', '', 1.0, 2.0);
            INSERT INTO session (started_at, finished_at, sent) VALUES (1.0, 2.0, 1);
        """)  # noqa: S608 - our own words


def columns(path: Path) -> dict[str, set[tuple[str, str]]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: {(name, kind) for _, name, kind, *_ in connection.execute(f"PRAGMA table_xinfo({table})")}
            for table in tables
        }


def views(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))


def test_every_older_version_is_tried_here() -> None:
    assert list(range(1, schema.VERSION)) == OLD


@pytest.mark.parametrize("version", OLD)
def test_a_journal_of_an_older_version_is_brought_up_to_date_and_loses_nothing(tmp_path: Path, version: int) -> None:
    path = tmp_path / "journal.sqlite3"
    old_journal(path, version)
    with Journal.open(path) as journal:
        assert journal.counts()[Outcome.UPDATED] == 1
        assert journal.to_send() == 1
        assert journal.sessions().traffic == Traffic(1, 0, 0, 0.0, None)
        assert [request.row for request in journal.upcoming(0, 9)] == [3]
    with Journal.create(tmp_path / "new.sqlite3"):
        pass
    assert columns(path) == columns(tmp_path / "new.sqlite3")
    assert views(path) == views(tmp_path / "new.sqlite3")
    with Journal.open(path) as journal:  # once more: it is of today's version now
        assert journal.rows() == 2


@pytest.mark.parametrize("version", OLD)
def test_a_change_of_tables_that_fails_changes_nothing(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite3"
    old_journal(path, version)
    before = columns(path)
    monkeypatch.setitem(schema._STEPS, schema.VERSION - 1, ["CREATE TABLE half (a)", "no such statement"])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=re.escape(f"{path} can't be brought up to date")):
        Journal.open(path)
    assert columns(path) == before


def test_rows_of_a_retry_that_were_never_claimed_stay_so_in_a_journal_of_version_3(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    old_journal(path, 3)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DELETE FROM result; INSERT INTO started VALUES (3, 2);")  # 2 is claimed, 3 is not
    with Journal.open(path) as journal:
        journal.begin_session(1.0, repeatable=False)
        assert [(request.row, request.unanswered) for request in journal.upcoming(0, 9)] == [(3, True)]
        assert [line.number for line in journal.lines(Outcome.UNKNOWN)] == [2, 3]


def test_whoever_reads_the_journal_sees_a_rows_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    old_journal(path, 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE row SET number = ? WHERE number = 3", (RowRef(2, 7).key,))
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        for table in ("row", "outcome"):
            assert connection.execute(f"SELECT file, number FROM {table} ORDER BY key").fetchall() == [(0, 2), (2, 7)]  # noqa: S608 - our own words


@pytest.mark.parametrize("version", [0, -1])
def test_a_journal_without_a_version_gives_a_sentence(tmp_path: Path, version: int) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal.create(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(ConfigError, match="is no readable journal: it has no version"):
        Journal.open(path)
