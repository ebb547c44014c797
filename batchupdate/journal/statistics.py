"""What a journal's rows come to, in figures; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.api.causes import MOST_CAUSES, Causes
from batchupdate.journal import queries
from batchupdate.model import Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from batchupdate.api.error_group import ErrorGroup
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

    def durations(self) -> tuple[int, Iterator[tuple[float, int]]]:
        """How long the last request of each row took, in milliseconds: how many that are, and a stream.

        The stream has each duration with how often it occurs, the shortest first.
        """
        with self._explained:
            (count,) = self._connection.execute(queries.COUNT_DURATIONS).fetchone()
        return count, self._durations()

    def _durations(self) -> Iterator[tuple[float, int]]:
        with self._explained:
            yield from self._connection.execute(queries.DURATIONS)

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
        """The causes for which rows failed, from one key to another, both included; the most frequent first."""
        causes = Causes()
        with self._explained:
            for row in self._connection.execute(queries.ERRORS_AMONG, (first, last)):
                causes.add(*row)
        return causes.groups(MOST_CAUSES)
