"""What a journal's rows come to, in figures; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.journal import queries
from batchupdate.model import ErrorGroup, Outcome

if TYPE_CHECKING:
    import sqlite3

    from batchupdate.journal.connection import explained


class FieldCount(NamedTuple):
    """In how many rows a field is set, and in how many of these it is cleared: set to null, or to an empty value."""

    name: str
    rows: int
    cleared: int


class Statistics:
    """Counts in a journal.

    Args:
        connection: to the journal.
        explained: turns SQLite's errors into sentences.
    """

    def __init__(self, connection: sqlite3.Connection, explained: explained) -> None:
        self._connection, self._explained = connection, explained

    def fields_to_send(self) -> list[FieldCount]:
        """The fields that the rows set which are still to be sent, those first that most rows set.

        It takes a few seconds for a million rows.
        """
        with self._explained:
            return [FieldCount(*counted) for counted in self._connection.execute(queries.COUNT_FIELDS)]

    def rows_by_file(self) -> dict[int, int]:
        """How many rows there are of each file, by its index."""
        with self._explained:
            return dict(self._connection.execute(queries.COUNT_BY_FILE).fetchall())

    def first_to_send(self, most: int) -> tuple[int, int, int]:
        """The first rows to be sent: the lowest key, the highest, and how many rows that are; zeros for none."""
        with self._explained:
            first, last, count = self._connection.execute(queries.NTH_TO_SEND, (most,)).fetchone()
        return first or 0, last or 0, count

    def left_until(self, key: int) -> int:
        """How many rows up to this key are still to be sent."""
        with self._explained:
            return int(self._connection.execute(queries.COUNT_LEFT_UNTIL, (key,)).fetchone()[0])

    def outcomes_among(self, first: int, last: int) -> dict[Outcome, int]:
        """The outcomes of the rows that were to be sent, from one key to another, both included."""
        with self._explained:
            found = self._connection.execute(queries.COUNT_AMONG, (first, last)).fetchall()
        return {Outcome(outcome): count for outcome, count in found}

    def errors_among(self, first: int, last: int) -> list[ErrorGroup]:
        """The sentences of rows that failed, from one key to another, both included; the most frequent first."""
        with self._explained:
            return [ErrorGroup(*group) for group in self._connection.execute(queries.ERRORS_AMONG, (first, last))]
