"""What is written within a transaction of the journal: results, what a killed process left, and what damage leaves."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.journal import queries
from batchupdate.journal.checksum import of_fact, of_result, of_row
from batchupdate.model import Outcome, Result
from batchupdate.util.sqlite import bulk_insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchupdate.journal.in_flight import LeftInFlight

_NEVER = 1e11
_OUTCOMES = frozenset(map(str, Outcome))
DAMAGED_CELLS = "the journal's entry of its cells is damaged"
DAMAGED_UNSENT = "the journal's entry of this row is damaged, so the row was not sent; send it from the input again"
DAMAGED = (
    "the journal's entry of this row is damaged, and the change may or may not have been applied; compare its record "
    "with the input"
)


def keep(
    connection: sqlite3.Connection, results: Iterable[tuple[Result, bool]], into: str = queries.ADD_RESULTS
) -> None:
    """Keeps results, each with whether it is final."""
    rows = []
    captured: list[tuple[int, str, int]] = []
    for (
        key,
        outcome,
        status,
        attempts,
        error,
        request_id,
        location,
        finished_at,
        duration_ms,
        found,
    ), final in results:
        # An outcome that is no plain text would be looked at twice by the sqlite3 module.
        entry = (key, str(outcome), status, attempts, error, request_id, location, int(final))
        rows.append((*entry, finished_at, duration_ms, of_result(*entry)))
        if found:
            captured.append((key, found, of_fact(str(key), found)))
    bulk_insert(connection, into, rows)
    if captured:
        new = into == queries.ADD_RESULTS
        bulk_insert(connection, queries.ADD_CAPTURED if new else queries.ADD_LEFT_CAPTURED, captured)


def sign(connection: sqlite3.Connection) -> None:
    """Gives a checksum to what statements alone have written, and to what an older version of this program has."""
    for statement in queries.SIGN:
        connection.execute(statement)


def settle(connection: sqlite3.Connection, left: LeftInFlight, *, trusted: bool) -> None:
    """Keeps results that the journal lacks, and the marks of the rows that were out.

    Theirs alone, where the results are `trusted`: of all other claimed rows, none has left.
    """
    keep(connection, left.results, queries.ADD_LEFT_RESULTS)
    out = json.dumps(left.unanswered)
    others = (queries.FORGET_UNSENT, queries.UNCLAIM_UNSENT) if trusted else ()
    for statement in (queries.CLAIM_IN_FLIGHT, queries.SENT_IN_FLIGHT, *others):
        connection.execute(statement, (out,))


class Damage(NamedTuple):
    """The keys of the rows, and of the results, that are not as they were written."""

    rows: set[int]
    results: set[int]

    def __bool__(self) -> bool:
        return bool(self.rows or self.results)


def find_damage(connection: sqlite3.Connection) -> Damage:
    """Looks at every checksum; where there is none, at whether the entry can be what was written."""
    try:
        return _find_damage(connection)
    except sqlite3.OperationalError:  # one is no text, which is rare, and is not worth a slower look at all others
        connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        try:
            return _find_damage(connection)
        finally:
            connection.text_factory = str


def _find_damage(connection: sqlite3.Connection) -> Damage:
    rows = {row[0] for expected, *row in connection.execute(queries.ROWS) if not _is_row(expected, row)}
    results = {
        result[0]
        for expected, finished_at, duration_ms, *result in connection.execute(queries.RESULTS)
        if not (_is_time(finished_at) and _is_time(duration_ms) and _is_result(expected, result))
    }
    return Damage(rows, results)


def _is_row(expected: int | None, row: Sequence[Any]) -> bool:
    try:
        found = of_row(*row)
        return found == expected if expected is not None else isinstance(json.loads(row[1]), list)
    except (ValueError, TypeError):  # no text, no JSON
        return False


def _is_result(expected: int | None, result: Sequence[Any]) -> bool:
    try:
        found = of_result(*result)
        return found == expected if expected is not None else result[1] in _OUTCOMES
    except (ValueError, TypeError):  # no text, no number
        return False


def _is_time(value: object) -> bool:
    """Whether a number of seconds or milliseconds can be one: the checksum does not cover it."""
    return value is None or (isinstance(value, float) and 0 <= value < _NEVER)


def set_aside(connection: sqlite3.Connection, damage: Damage, *, trusted: bool) -> None:
    """Gives rows whose entries, or whose results, are damaged an outcome for good, so that they are never sent.

    Nothing of a damaged row is believed but its number, and a result that is final. Without one it is `unknown` if a
    request of it may have left, which the journal says where it is `trusted` to have its last entries.
    """
    for key in sorted(damage.rows | damage.results):
        if connection.execute(queries.DROP_STRAY, (key,)).rowcount:
            continue
        (left,) = connection.execute(queries.MAY_HAVE_LEFT, (key,)).fetchone()
        if key in damage.rows:
            connection.execute(queries.EMPTY_ROW, (key,))
        if key not in damage.results and connection.execute(queries.NOTE_DAMAGE, (key, DAMAGED_CELLS)).rowcount:
            continue
        outcome, why = (Outcome.UNKNOWN, DAMAGED) if left or not trusted else (Outcome.FAILED, DAMAGED_UNSENT)
        keep(connection, [(Result(key, outcome, error=why), True)])
    sign(connection)
