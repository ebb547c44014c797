"""The run's truth: one SQLite file, written in group commits, with intent before action.

Ingest writes rows, the workers claim them and write results, the reporter reads. One process writes at a time (it
holds the run's lock), and each method is one transaction. Batches go in by statements that hold many rows (see
`bulk_insert`), so that SQLite works without Python's interpreter lock instead of taking it at every row.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from batchupdate.errors import BatchUpdateError, ConfigError, SafetyStop
from batchupdate.journal import schema
from batchupdate.model import ErrorGroup, Line, Outcome, Request, Result, Sessions, Traffic
from batchupdate.util import json as exact_json
from batchupdate.util.sqlite import bulk_insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


CACHE_KIB = 2048
COPIED_AT_ONCE = 3000

_ADD_ROWS = "INSERT INTO row (number, cells, record_id, path, fields)"
_ADD_RESULTS = (
    "INSERT OR REPLACE INTO result (number, outcome, http_status, attempts, error, request_id, location, finished_at, "
    "duration_ms, final)"
)
_SET_META = """
    INSERT OR REPLACE INTO meta SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)
"""
_CARRY = """
    UPDATE row SET carrier = json_extract(?1, '$[0]')
    WHERE number IN (SELECT value FROM json_each(?1, '$[1]'))
"""
_SET_FIELDS = "UPDATE row SET fields = json_extract(?1, '$[1]') WHERE number = json_extract(?1, '$[0]')"
_LEFT_IN_FLIGHT = """
    INSERT INTO result
    SELECT started.number, 1, 'unknown', NULL, coalesce(sent, 0) + 1, ?, '', '', NULL, NULL
    FROM started LEFT JOIN earlier ON earlier.number = started.number
    WHERE started.number NOT IN (SELECT number FROM result) AND doubt <> 2
"""
_IN_DOUBT = """
    UPDATE started SET doubt = 1
    WHERE number NOT IN (SELECT number FROM result WHERE final OR outcome <> 'unknown')
"""  # what was unknown stays so until there is an answer, and is told to the workers
_RELEASE = "DELETE FROM started WHERE NOT doubt AND number IN (SELECT value FROM json_each(?))"
_HEARD = """
    UPDATE session SET finished_at = ?2, sent = ?3, retried = ?4, throttled = ?5, waited_s = ?6,
        allowed_per_s = coalesce(?7, allowed_per_s) WHERE id = ?1
"""
_EXAMPLES = """
    SELECT number, record_id, fields FROM row WHERE path IS NOT NULL AND carrier IS NULL ORDER BY number LIMIT ?
"""
_START = """
    INSERT INTO started (number) SELECT value FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET doubt = 1 WHERE doubt = 2
"""
_DOUBTFUL = """
    SELECT row.number, record_id, path, fields, coalesce(attempts, sent, 0)
    FROM row
    LEFT JOIN started ON started.number = row.number
    LEFT JOIN earlier ON earlier.number = row.number
    LEFT JOIN result ON result.number = row.number
    WHERE row.number > ? AND path IS NOT NULL AND carrier IS NULL
      AND (outcome = 'unknown' OR (outcome IS NULL AND doubt))
    ORDER BY row.number LIMIT ?
"""
_UPCOMING = """
    SELECT row.number, record_id, path, fields, coalesce(sent, 0), coalesce(doubt, 0)
    FROM row LEFT JOIN started ON started.number = row.number LEFT JOIN earlier ON earlier.number = row.number
    WHERE row.number > ? AND path IS NOT NULL AND carrier IS NULL
      AND NOT EXISTS (SELECT 1 FROM result WHERE result.number = row.number)
    ORDER BY row.number LIMIT ?
"""
_ERROR_GROUPS = """
    SELECT CASE WHEN length(record_id) < 6 THEN error ELSE replace(error, record_id, '<id>') END AS message,
           count(*), min(number)
    FROM outcome WHERE outcome IN ('failed', 'unknown', 'conflict', 'invalid', 'not_attempted') AND error <> ''
    GROUP BY message ORDER BY count(*) DESC, min(number) LIMIT ?
"""


_NUMBERS = """
    WITH wanted AS (
        SELECT coalesce(row.carrier, row.number) AS leader
        FROM outcome JOIN row ON row.number = outcome.number
        WHERE row.fields IS NOT NULL AND row.number NOT IN (SELECT number FROM given)
          AND outcome.outcome IN (SELECT value FROM json_each(?1))
          AND (?2 = '[]' OR EXISTS (
              SELECT 1 FROM json_each(?2)
              WHERE http_status BETWEEN json_extract(value, '$[0]') AND json_extract(value, '$[1]')))
          AND (?3 = '[]' OR EXISTS (
              SELECT 1 FROM json_each(?3)
              WHERE row.number BETWEEN json_extract(value, '$[0]') AND json_extract(value, '$[1]')))
    )
    SELECT number FROM row WHERE coalesce(carrier, number) IN (SELECT leader FROM wanted) ORDER BY number
"""
_COPIES = """
    SELECT row.number, cells, record_id, path, fields, carrier,
           carrier IS NULL AND (SELECT outcome FROM outcome WHERE outcome.number = row.number) = 'unknown'
    FROM row WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number
"""
_ADD_COPIES = "INSERT INTO row (number, cells, record_id, path, fields, carrier)"
_GIVE_AWAY = """
    INSERT OR REPLACE INTO result
    SELECT row.number, 1, outcome.outcome, outcome.http_status, outcome.attempts,
           outcome.error || CASE WHEN outcome.error = '' THEN '' ELSE '; ' END || ?2,
           outcome.request_id, outcome.location, outcome.finished_at, outcome.duration_ms
    FROM row JOIN outcome ON outcome.number = row.number LEFT JOIN result ON result.number = row.number
    WHERE row.number IN (SELECT value FROM json_each(?1))
      AND row.path IS NOT NULL AND row.carrier IS NULL AND NOT coalesce(result.final, 0)
"""
Copy = tuple[int, str, str | None, str | None, str | None, int | None, int]
"""A row of the table `row`, and whether its request may have been applied."""


class Session(NamedTuple):
    """How far one process's work on a run is: its number, the Unix time, and its requests so far; see `Traffic`."""

    number: int
    now: float
    sent: int = 0
    retried: int = 0
    throttled: int = 0
    waited_s: float = 0.0
    allowed_per_s: float | None = None

    @classmethod
    def at(cls, number: int, now: float, traffic: Traffic) -> Session:
        """The session's state at a time."""
        return cls(number, now, *traffic)


Entry = tuple[int, "Sequence[str]", str | None, str | None, "Mapping[str, Any] | None"]
"""One input row as the ingest writes it: number, cells, id, and path and fields if it is to be sent."""


class Journal:
    """One run's journal; a context manager. Use from one thread at a time.

    Raises, from every method:
        SafetyStop: the disk is full, the folder is read-only, or the file is damaged.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._reader: sqlite3.Connection | None = None

    @classmethod
    def create(cls, path: Path) -> Self:
        """Makes a new journal, readable by its owner alone.

        It appears whole or not at all: a process that dies in here leaves no journal that nobody can read.
        """
        beside = path.with_name(f".{path.name}.new")
        try:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with _told(path), closing(_connect(beside)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                schema.create(connection)
            beside.rename(path)
        except OSError as error:
            raise ConfigError(f"The journal {path} can't be made: {error.strerror or error}.") from error
        with _told(path):
            connection = _connect(path)
            connection.execute("PRAGMA synchronous = NORMAL")  # until the rows are in: nothing was sent yet
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a run's journal to go on with it, or to report from it.

        Raises:
            ConfigError: it is none of ours, or of a newer version of this program.
        """
        try:
            connection = _connect(path)
            try:
                schema.bring_up_to_date(connection, path)
                connection.execute("PRAGMA synchronous = FULL")
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise ConfigError(f"{path} is no readable journal: {error}.", _way_out(path, error)) from error
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._reader is not None:
            self._reader.close()
        self._connection.close()

    def _read(self, query: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        """Reads through a connection of its own, so that another thread may write meanwhile."""
        with _told(self._path):
            if self._reader is None:
                self._reader = _connect(self._path)
            return self._reader.execute(query, values).fetchall()

    def _write(self, *statements: tuple[str, str], results: Iterable[tuple[Result, bool]] = ()) -> None:
        """Runs statements, each over one JSON batch, and keeps results, as one transaction."""
        with self._transaction() as connection:
            for statement, batch in statements:
                connection.execute(statement, (batch,))
            _keep(connection, results)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _told(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def examine(self) -> None:
        """Looks at every page of the file: nothing is sent on the word of a damaged journal.

        Takes about a second for a million rows.

        Raises:
            ConfigError: it is damaged.
        """
        with _told(self._path):
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            hint = f"Nothing was sent now. {_save(self._path)}"
            raise ConfigError(f"The journal {self._path} is damaged: {' '.join(found.split())}.", hint)

    # What the run is.

    def set_meta(self, values: Mapping[str, Any]) -> None:
        """Keeps facts about the run; each value as JSON."""
        self._write((_SET_META, json.dumps([[name, json.dumps(value)] for name, value in values.items()])))

    def meta(self) -> dict[str, Any]:
        """All the facts about the run."""
        with _told(self._path):
            return {name: json.loads(value) for name, value in self._connection.execute("SELECT * FROM meta")}

    # Ingest.

    def add_rows(self, entries: Iterable[Entry], results: Sequence[Result]) -> None:
        """Writes a batch of input rows, and the results of those that will never be sent."""
        rows = [
            (number, _json(cells), record_id, path, None if fields is None else _json(fields))
            for number, cells, record_id, path, fields in entries
        ]
        with self._transaction() as connection:
            bulk_insert(connection, _ADD_ROWS, rows)
            _keep(connection, ((result, True) for result in results))

    def withdraw(self, results: Sequence[Result]) -> None:
        """Takes rows out of what is to be sent, and keeps why."""
        numbers = json.dumps([result.row for result in results])
        self._write(
            ("UPDATE row SET path = NULL WHERE number IN (SELECT value FROM json_each(?))", numbers),
            results=[(result, True) for result in results],
        )

    def fields_of(self, numbers: Sequence[int]) -> list[dict[str, Any] | None]:
        """The fields of some rows, None for a row that is not to be sent; in the order of their numbers."""
        query = (
            "SELECT CASE WHEN path IS NOT NULL THEN fields END FROM row "
            "WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number"
        )
        with _told(self._path):
            found = self._connection.execute(query, (json.dumps(sorted(numbers)),)).fetchall()
        return [exact_json.loads(fields) if fields else None for (fields,) in found]

    def carry(self, numbers: Sequence[int], carrier: int, fields: Mapping[str, Any]) -> None:
        """Lets one row's request carry the fields of others for the same record."""
        self._write(
            (_CARRY, json.dumps([carrier, list(numbers)])),
            (_SET_FIELDS, _json([carrier, fields])),
        )

    def numbers_of(
        self, outcomes: Sequence[Outcome], statuses: Sequence[tuple[int, int]], rows: Sequence[tuple[int, int]]
    ) -> list[int]:
        """The numbers of the rows with one of some outcomes, statuses and numbers (spans, both ends included).

        No statuses or rows mean all. Rows that one request carries belong together: all come along if one does.
        """
        with _told(self._path):
            found = self._connection.execute(_NUMBERS, (json.dumps(outcomes), json.dumps(statuses), json.dumps(rows)))
            return [number for (number,) in found]

    def copies(self, numbers: Sequence[int]) -> Iterator[list[Copy]]:
        """Some rows as they stand, in batches, for another journal; each with whether it may have been applied."""
        with _told(self._path):
            for start in range(0, len(numbers), COPIED_AT_ONCE):
                chosen = json.dumps(numbers[start : start + COPIED_AT_ONCE])
                yield self._connection.execute(_COPIES, (chosen,)).fetchall()

    def add_copies(self, rows: Sequence[Copy]) -> None:
        """Writes rows of another journal; what may have been applied stays in doubt until there is an answer."""
        with self._transaction() as connection:
            bulk_insert(connection, _ADD_COPIES, [row[:-1] for row in rows])
            bulk_insert(connection, "INSERT INTO started (number, doubt)", [(row[0], 2) for row in rows if row[-1]])

    def give_away(self, numbers: Sequence[int], run_id: str) -> None:
        """Leaves rows to another run: this one does not send them any more, and no third one may."""
        chosen = json.dumps(numbers)
        with self._transaction() as connection:
            connection.execute(_GIVE_AWAY, (chosen, f"sent again by the run {run_id}"))
            connection.execute("INSERT OR REPLACE INTO given SELECT value, ? FROM json_each(?)", (run_id, chosen))

    def given_to(self) -> list[str]:
        """The runs that have sent rows of this one again, the latest first."""
        with _told(self._path):
            return [run for (run,) in self._connection.execute("SELECT DISTINCT run FROM given ORDER BY run DESC")]

    def seal(self, values: Mapping[str, Any]) -> None:
        """Ends the ingest: from here on the rows stand, and every commit is on the disk before it returns."""
        with _told(self._path):
            self._connection.execute("PRAGMA synchronous = FULL")
        self.set_meta({**values, "sealed": True})
        with _told(self._path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # The work.

    def begin_session(self, now: float, *, repeatable: bool) -> int:
        """Starts a process's work: what was not final is to be tried again, and returns the session's number.

        A row that was in flight when the last process died is sent again where repeating is safe, and else `unknown`.
        One that is sent again stays `unknown` until it has an answer.
        """
        with self._transaction() as connection:
            if repeatable:
                connection.execute(_IN_DOUBT)
            else:
                connection.execute("UPDATE result SET final = 1 WHERE outcome = 'unknown'")
                why = (
                    "the run ended before this row's answer came, or just before it was sent; repeating is not safe "
                    "here, so check this record"
                )
                connection.execute(_LEFT_IN_FLIGHT, (why,))
            connection.execute(
                "DELETE FROM started WHERE NOT doubt AND number IN (SELECT number FROM result WHERE NOT final)"
            )
            connection.execute("INSERT OR REPLACE INTO earlier SELECT number, attempts FROM result WHERE NOT final")
            connection.execute("DELETE FROM result WHERE NOT final")
            cursor = connection.execute("INSERT INTO session (started_at) VALUES (?)", (now,))
        return int(cursor.lastrowid or 0)

    def end_session(self, session: Session, exit_code: int) -> None:
        """Keeps what a process's work came to."""
        with self._transaction() as connection:
            connection.execute(_HEARD, session)
            connection.execute("UPDATE session SET exit_code = ? WHERE id = ?", (exit_code, session.number))

    def upcoming(self, after: int, count: int) -> list[Request]:
        """The next rows to send after the one numbered `after`, at most `count`; they are not claimed by that.

        May be called while another thread hands over.
        """
        rows = self._read(_UPCOMING, (after, count))
        return [
            Request(number, record_id, path, fields, sent=sent, unanswered=bool(doubt))
            for number, record_id, path, fields, sent, doubt in rows
        ]

    def doubtful(self, after: int, count: int) -> list[Request]:
        """The next rows after the one numbered `after` of which nobody knows whether they were applied.

        May be called while another thread hands over.
        """
        rows = self._read(_DOUBTFUL, (after, count))
        return [
            Request(number, record_id, path, fields, sent=sent, unanswered=True)
            for number, record_id, path, fields, sent in rows
        ]

    def hand_over(
        self, started: Sequence[int], results: Sequence[tuple[Result, bool]], session: Session | None = None
    ) -> None:
        """Marks rows as started and keeps results, in one durable commit.

        No request may leave before this has returned for its row: then none leaves that the journal does not know.

        Args:
            started: the numbers of rows that are claimed.
            results: what became of earlier rows, each with whether that is final.
            session: how far the session is; kept too, so that a kill does not make its requests unheard of.
        """
        with self._transaction() as connection:
            if started:
                connection.execute(_START, (json.dumps(started),))
            _keep(connection, results)
            if session is not None:
                connection.execute(_HEARD, session)

    def release(self, numbers: Sequence[int]) -> None:
        """Takes back the mark of rows that were claimed but not sent."""
        self._write((_RELEASE, json.dumps(numbers)))

    # Reading.

    def rows(self) -> int:
        """How many input rows there are."""
        with _told(self._path):
            return int(self._connection.execute("SELECT count(*) FROM row").fetchone()[0])

    def counts(self) -> dict[Outcome, int]:
        """How many rows ended in each outcome; every outcome is there."""
        counts = dict.fromkeys(Outcome, 0)
        with _told(self._path):
            for outcome, count in self._connection.execute("SELECT outcome, count(*) FROM outcome GROUP BY outcome"):
                counts[Outcome(outcome)] = count
        return counts

    def to_send(self) -> int:
        """How many rows are still to be sent."""
        query = (
            "SELECT count(*) FROM row WHERE path IS NOT NULL AND carrier IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM result WHERE result.number = row.number AND final)"
        )
        with _told(self._path):
            return int(self._connection.execute(query).fetchone()[0])

    def lines(self, *outcomes: Outcome) -> Iterator[Line]:
        """The rows in input order, all of them or those with some outcomes; streamed."""
        only = f" WHERE outcome IN ({', '.join('?' * len(outcomes))})" if outcomes else ""
        query = f"SELECT * FROM outcome{only} ORDER BY number"  # noqa: S608 - only placeholders go in
        with _told(self._path):
            yield from map(Line._make, self._connection.execute(query, outcomes))

    def examples(self, count: int) -> list[tuple[int, str, str]]:
        """The first rows that are to be sent: number, id, and fields as JSON."""
        with _told(self._path):
            return self._connection.execute(_EXAMPLES, (count,)).fetchall()

    def error_groups(self, most: int = 20) -> list[ErrorGroup]:
        """The sentences of rows that need attention, the most frequent first."""
        with _told(self._path):
            return [ErrorGroup(*group) for group in self._connection.execute(_ERROR_GROUPS, (most,))]

    def sessions(self) -> Sessions:
        """What all the work on this run came to."""
        query = (
            "SELECT coalesce(sum(sent), 0), coalesce(sum(retried), 0), coalesce(sum(throttled), 0), "
            "coalesce(sum(waited_s), 0.0), "
            "(SELECT allowed_per_s FROM session WHERE allowed_per_s IS NOT NULL ORDER BY id DESC LIMIT 1), "
            "min(started_at), max(finished_at), "
            "coalesce(sum(finished_at - started_at), 0.0) FROM session"
        )
        with _told(self._path):
            *traffic, started, finished, duration = self._connection.execute(query).fetchone()
            last = self._connection.execute("SELECT exit_code FROM session ORDER BY id DESC LIMIT 1").fetchone()
        return Sessions(Traffic(*traffic), started, finished, duration, last[0] if last else None)


def _json(value: object) -> str:
    return exact_json.dumps(value)


def _keep(connection: sqlite3.Connection, results: Iterable[tuple[Result, bool]]) -> None:
    """Keeps results, each with whether it is final, within the caller's transaction."""
    # An outcome that is no plain text would be looked at twice by the sqlite3 module.
    bulk_insert(connection, _ADD_RESULTS, [(one[0], str(one[1]), *one[2:], final) for one, final in results])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=10
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # reads the file's head, so it fails on what is none
    except sqlite3.Error:
        connection.close()
        raise
    return connection


_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _way_out(path: Path, error: sqlite3.Error) -> str:
    """What to do if it is the file itself that is broken; else nothing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits say where it was seen
    return f"The journal is damaged. {_save(path)}" if code in _DAMAGE else ""


def _save(path: Path) -> str:
    return f"Save what can be read with: batchupdate report --recover {path.parent.name}"


class _told:  # noqa: N801 - reads as a phrase: with told(path)
    """Turns SQLite's errors into a sentence with the journal's place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.Error) and not isinstance(error, BatchUpdateError):
            mend = "Make room or mend the folder, then run it again."
            hint = f"Nothing was sent that the journal does not know. {_way_out(self._path, error) or mend}"
            raise SafetyStop(f"The journal {self._path} can't be used: {error}.", hint) from error
