"""Records by their keys, in a temporary database, so that memory stays flat however many there are."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from batchupdate.util.nearest import nearest
from batchupdate.util.sqlite import bulk_insert
from batchupdate.util.text import encodable
from batchupdate.validator.matches import CANDIDATES_AT_MOST, Candidate, Match, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchupdate.validator.matches import Key

COMPARED_AT_MOST = 2000
"""Keys with which one that nothing has is compared: all of a small list, else those with the same beginning."""

BEGINNING = 3
"""Characters of such a beginning."""

SLIPS_AT_MOST = 20
"""Keys for which a near one is looked for, at up to 0.2 s each; for the others, only another letter case is."""


class RecordIndex:
    """Records by what they are compared by; to be closed.

    The database has no name, so only this process can read it, and it is gone with its connection.
    """

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute(
            "CREATE TABLE record (id TEXT PRIMARY KEY, ids TEXT, key TEXT, near TEXT, locked TEXT)"
        )
        self._connection.execute("CREATE TABLE asked (key TEXT PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute("BEGIN")
        self._indexed = False
        self._slips = 0

    def close(self) -> None:
        """Forgets everything."""
        self._connection.close()

    def add(self, records: Iterable[tuple[str, Candidate]]) -> None:
        """Keeps records, each with a text that is equal for two spellings of its id: one that comes twice is one."""
        rows = [
            (spelling, json.dumps(one.ids), json.dumps(one.key), encodable(near(one.key)), one.locked)
            for spelling, one in records
        ]
        bulk_insert(self._connection, "INSERT OR REPLACE INTO record (id, ids, key, near, locked)", rows)

    def first_time(self, key: Sequence[str]) -> bool:
        """Whether this is asked of these values for the first time."""
        return self._connection.execute("INSERT OR IGNORE INTO asked VALUES (?)", (json.dumps(key),)).rowcount == 1

    def match(self, key: Key) -> Match:
        """The records that have a key."""
        if not self._indexed:
            self._connection.execute("CREATE INDEX by_key ON record (key)")
            self._connection.execute("CREATE INDEX by_near ON record (near)")
            self._indexed = True
        text = json.dumps(key)
        found = self._candidates("key = ? ORDER BY rowid", text, CANDIDATES_AT_MOST)
        if len(found) < CANDIDATES_AT_MOST:
            return Match(len(found), found) if found else Match(0, (), self._nearest(key))
        ((count,),) = self._connection.execute("SELECT count(*) FROM record WHERE key = ?", (text,))
        return Match(count, found)

    def _nearest(self, key: Key) -> Candidate | None:
        """A record whose key is nearly this one: but for letter case and blanks, or as a slip of the pen has it."""
        text = near(key)
        if same := self._candidates("near = ?", text, 1):
            return same[0]
        self._slips += 1
        if self._slips > SLIPS_AT_MOST:
            return None
        rows = self._connection.execute("SELECT DISTINCT near FROM record LIMIT ?", (COMPARED_AT_MOST + 1,)).fetchall()
        if len(rows) > COMPARED_AT_MOST:
            begin = text[: len('["') + BEGINNING]
            sql = "SELECT DISTINCT near FROM record WHERE near >= ? AND near < ? LIMIT ?"
            rows = self._connection.execute(sql, (begin, f"{begin}\x7f", COMPARED_AT_MOST)).fetchall()
        alike = nearest(text, [near_text for (near_text,) in rows])
        return next(iter(self._candidates("near = ?", alike[0], 1)), None) if alike else None

    def _candidates(self, condition: str, text: str, most: int) -> list[Candidate]:
        sql = f"SELECT ids, key, locked FROM record WHERE {condition} LIMIT ?"  # noqa: S608 - of our own
        rows = self._connection.execute(sql, (text, most))
        return [Candidate(tuple(json.loads(ids)), tuple(json.loads(key)), locked) for ids, key, locked in rows]
