"""How far a session was from time to time: for the charts of a report, in a table that stays small."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchupdate.journal import queries

if TYPE_CHECKING:
    import sqlite3

    from batchupdate.journal.records import Session

EVERY_S = 1.0
"""The shortest time between two samples, in seconds."""

MOST_SAMPLES = 600
"""So many samples of a session are kept: then every second one goes, and there is twice the time between two."""


class Pace:
    """Keeps samples of one session in the transactions that are made anyway.

    A sample has the requests since the session's beginning, so that nothing is lost by those that go.
    """

    def __init__(self) -> None:
        self._next_at, self._every_s, self._count = -math.inf, EVERY_S, 0
        self._limit_per_s: float | None = None

    def note(self, connection: sqlite3.Connection, session: Session, *, last: bool = False) -> None:
        """Keeps how far a session is, unless that was done a moment ago; the last time in any case."""
        if session.now < self._next_at and not last:
            return
        self._limit_per_s = self._limit_per_s if last else session.limit_per_s
        sample = (session.number, session.now, session.sent, session.throttled, session.waited_s, self._limit_per_s)
        connection.execute(queries.ADD_PACE, sample)
        self._count += 1
        if self._count >= MOST_SAMPLES:
            connection.execute(queries.THIN_PACE, (session.number,))
            self._every_s, self._count = 2 * self._every_s, math.ceil(self._count / 2)
        self._next_at = session.now + self._every_s
