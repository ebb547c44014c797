"""The rows of a run whose records are read again, and what was found of each.

It is a database of its own that spills to disk and vanishes with its connection: the run's journal is only read.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from typing import TYPE_CHECKING, NamedTuple, Self

from batchupdate.model import Outcome, Request
from batchupdate.util.sqlite import bulk_insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchupdate.journal.reading import JournalReader

COPIED_AT_ONCE = 3000

_TABLE = """
    CREATE TABLE row (
        key INTEGER PRIMARY KEY, record_id TEXT, path TEXT, fields TEXT, outcome TEXT, http_status INTEGER, found TEXT
    )
"""
_UNSEEN = "SELECT key, record_id, path, fields FROM row WHERE found IS NULL"


class Checked(NamedTuple):
    """A row of a checklist; `found` is what `keep` was given, None where nothing was found."""

    key: int
    record_id: str
    outcome: str
    found: str | None


class Checklist:
    """Rows of a run, each with what was found of its record; see `engine.record_reader.Rows`."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._connection.close)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute(_TABLE)

    @classmethod
    def of(cls, journal: JournalReader, *outcomes: Outcome) -> Self:
        """The rows of a run that ended with one of some outcomes, and whose record can be read.

        Of merged rows, it is the one whose request carried them all.
        """
        return cls._with(journal.sent_changes(*outcomes))

    @classmethod
    def unseen_since_the_plan(cls, journal: JournalReader) -> Self:
        """The rows of a plan's run that the plan has called unchanged, and at whose records nobody has looked since."""
        return cls._with(journal.unchanged_in_the_plan())

    @classmethod
    def _with(cls, rows: Iterable[tuple[int, str, str, str, str, int | None]]) -> Self:
        checklist, portion = cls(), []
        for row in rows:
            portion.append((*row, None))
            if len(portion) >= COPIED_AT_ONCE:
                bulk_insert(checklist._connection, "INSERT INTO row", portion)
                portion = []
        bulk_insert(checklist._connection, "INSERT INTO row", portion)
        return checklist

    def unseen(self, after: int, count: int) -> list[Request]:
        """The next rows of which nothing was found yet, after the one with the key `after`."""
        return self._requests(f"{_UNSEEN} AND key > ? ORDER BY key LIMIT ?", after, count)

    def unseen_at(self, paths: Iterable[str]) -> list[Request]:
        """Those of them whose requests go to some paths."""
        query = f"{_UNSEEN} AND path IN (SELECT value FROM json_each(?)) ORDER BY key"  # noqa: S608 - our words
        return self._requests(query, json.dumps(list(paths)))

    def _requests(self, query: str, *values: object) -> list[Request]:
        return [Request(*row) for row in self._connection.execute(query, values)]

    def count_unseen(self) -> int:
        """How many of them there are."""
        (count,) = self._connection.execute(f"SELECT count(*) FROM ({_UNSEEN})").fetchone()  # noqa: S608 - our words
        return int(count)

    def fields_set(self) -> set[str]:
        """The names of all fields that some row has set."""
        found = self._connection.execute("SELECT DISTINCT each.key FROM row, json_each(row.fields) AS each")
        return {name for (name,) in found}

    def index_paths(self, *, drop: bool = False) -> None:
        """Makes rows quick to find by their paths, for as long as that is needed."""
        self._connection.execute("DROP INDEX row_path" if drop else "CREATE INDEX row_path ON row (path)")

    def ended(self, keys: Sequence[int]) -> dict[int, tuple[Outcome, int | None]]:
        """How some rows ended in the run: outcome and HTTP status."""
        query = "SELECT key, outcome, http_status FROM row WHERE key IN (SELECT value FROM json_each(?))"
        rows = self._connection.execute(query, (json.dumps(keys),))
        return {key: (Outcome(outcome), status) for key, outcome, status in rows}

    def keep(self, found: Sequence[tuple[int, str]]) -> None:
        """Keeps what was found of some rows."""
        self._connection.executemany("UPDATE row SET found = ?2 WHERE key = ?1", found)

    def rows(self) -> Iterator[Checked]:
        """All rows in input order; streamed."""
        query = "SELECT key, coalesce(record_id, ''), outcome, found FROM row ORDER BY key"
        yield from map(Checked._make, self._connection.execute(query))
