"""What a damaged journal still tells, row by row, without ever writing to it.

Three facts make that honest. A result that is final is never changed again, and so is true wherever a whole one is
found, be it in a page that nothing leads to any more. The other results, and a row's *not* having been sent, are only
true of a journal's newest state; so they are believed where that state can be seen to be there, and such a row is
`unknown` where it can't. And a row that was sent stands in `started` before that.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic_core import from_json

from batchupdate.errors import ConfigError
from batchupdate.journal.pages import HIGHEST, Pages
from batchupdate.model import (
    MOST_ROWS,
    ErrorGroup,
    Line,
    Outcome,
    RowLabels,
    RowRef,
    Sessions,
    Traffic,
    files_of,
    labels_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from batchupdate.journal.pages import Leaf, Record
    from batchupdate.model import InputFile

ROOTS = {"row": 3, "started": 4, "result": 5, "session": 6, "earlier": 7}
"""Where each table begins: SQLite hands pages out in the order in which schema.sql makes the tables, and keeps them."""

CACHE_KIB = 8192
FIRST_ROW = 2
MOST = 1e11
"""No count, duration in ms or Unix time in s of ours is larger."""
_OUTCOMES = frozenset(Outcome)
RESULT_LOST = "its result stood in a damaged part of the journal; it may or may not have been applied"
MAYBE_SENT = "the journal does not tell whether this row was sent any more; it may or may not have been applied"
IN_FLIGHT = "the run ended before this row's answer came; it may or may not have been applied"
CELLS_LOST = "its cells stood in a damaged part of the journal; see the input file"

_SCRATCH = """
    CREATE TABLE row (number INTEGER PRIMARY KEY, cells, record_id, sends, carrier, sound);
    CREATE TABLE started (number INTEGER PRIMARY KEY);
    CREATE TABLE earlier (number INTEGER PRIMARY KEY, sent);
    CREATE TABLE result (
        number INTEGER PRIMARY KEY, final, outcome, http_status, attempts, error, request_id, location, finished_at,
        duration_ms
    );
    CREATE TABLE session (
        id INTEGER PRIMARY KEY, started_at, finished_at, sent, retried, throttled, waited_s, exit_code, allowed_per_s
    );
"""
_OUTCOME = """
    CREATE VIEW outcome AS
    SELECT
        row.number, coalesce(row.cells, '[]') AS cells, coalesce(row.record_id, '') AS record_id,
        coalesce(result.outcome, CASE
            WHEN row.sound AND row.sends AND started.number IS NULL AND NOT doubtful(coalesce(row.carrier, row.number))
                THEN 'not_attempted'
            ELSE 'unknown'
        END) AS outcome,
        result.http_status, coalesce(result.attempts, earlier.sent, 0) AS attempts,
        CASE
            WHEN result.number IS NULL THEN why(
                row.cells IS NULL, row.sound AND row.sends, started.number, coalesce(row.carrier, row.number)
            )
            WHEN row.cells IS NULL THEN trim(result.error || '; ' || bare(), '; ')
            WHEN row.carrier IS NOT NULL AND result.error = '' THEN 'sent together with ' || place(row.carrier)
            ELSE result.error
        END AS error,
        coalesce(result.request_id, '') AS request_id, coalesce(result.location, '') AS location,
        result.finished_at, result.duration_ms
    FROM row
    LEFT JOIN result ON result.number = coalesce(row.carrier, row.number)
    LEFT JOIN started ON started.number = coalesce(row.carrier, row.number)
    LEFT JOIN earlier ON earlier.number = coalesce(row.carrier, row.number)
"""
_ERROR_GROUPS = """
    SELECT CASE WHEN length(record_id) < 6 THEN error ELSE replace(error, record_id, '<id>') END AS message,
           count(*), min(number)
    FROM outcome WHERE outcome IN ('failed', 'unknown', 'conflict', 'invalid', 'not_attempted') AND error <> ''
    GROUP BY message ORDER BY count(*) DESC, min(number) LIMIT 20
"""
_SESSIONS = """
    SELECT coalesce(sum(sent), 0), coalesce(sum(retried), 0), coalesce(sum(throttled), 0),
           coalesce(sum(waited_s), 0.0),
           (SELECT allowed_per_s FROM session WHERE allowed_per_s IS NOT NULL ORDER BY id DESC LIMIT 1),
           min(started_at), max(finished_at), coalesce(sum(finished_at - started_at), 0.0),
           (SELECT exit_code FROM session ORDER BY id DESC LIMIT 1)
    FROM session
"""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What could be read of a journal; a context manager, for the rows wait in a scratch file that is gone at its end.

    `meta` are the facts about the run that could be read. `rows` is how many rows the run has, None if that is lost,
    and `listed` how many are told of here: others would have no number. `width` is the most cells that a row has.
    `counts` are those of the rows that are listed, and `labels` says how they are called. `losses` are sentences for
    the user, empty if nothing is missing.
    """

    meta: dict[str, Any]
    rows: int | None
    listed: int
    width: int
    counts: dict[Outcome, int]
    errors: list[ErrorGroup]
    sessions: Sessions
    losses: list[str]
    labels: RowLabels
    _scratch: sqlite3.Connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def lines(self) -> Iterator[Line]:
        """The rows in input order; streamed."""
        yield from map(Line._make, self._scratch.execute("SELECT * FROM outcome ORDER BY number"))


def recover(path: Path, sessions_begun: int = 0) -> Recovered:
    """Reads what can be read of a journal that nobody is writing to, damaged in whatever way, in constant memory.

    Args:
        path: the journal. It is only read, and so is its `-wal` file.
        sessions_begun: how many processes are known to have worked on the run; if the journal knows fewer, then its
            last entries are missing.

    Raises:
        ConfigError: nothing at all could be read.
    """
    try:
        with Pages(path) as pages:
            return _Salvage(pages).recovered(path, sessions_begun)
    except OSError as error:
        raise ConfigError(f"The journal {path} can't be read: {error.strerror or error}.") from error


class _Ranges:
    """Ranges of row numbers, low < number <= high."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, low: int, high: int) -> None:
        """Adds a range; joined with those it touches, so that a table that is all damage costs no memory."""
        first = bisect_left(self._found, low, key=lambda known: known[1])
        last = first
        while last < len(self._found) and self._found[last][0] <= high:
            low, high = min(low, self._found[last][0]), max(high, self._found[last][1])
            last += 1
        self._found[first:last] = [(low, high)]

    def __contains__(self, number: int) -> bool:
        place = bisect_left(self._found, number, key=lambda known: known[1])
        return place < len(self._found) and self._found[place][0] < number


class _Salvage:
    """Carries what is found into a scratch database that SQLite keeps on the disk and removes by itself."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._gaps = {table: _Ranges() for table in ROOTS}
        self._strays = 0
        self._width = 0
        self._scratch = sqlite3.connect("", isolation_level=None)

    def recovered(self, path: Path, sessions_begun: int) -> Recovered:
        try:
            self._scratch.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -{CACHE_KIB}; {_SCRATCH}")
            self._scratch.execute("BEGIN")
            self._read_tables()
            meta = dict(_facts(self._pages.index()))
            self._read_strays()
            return self._joined(path, meta, sessions_begun)
        except BaseException:
            self._scratch.close()
            raise

    # From the pages into the scratch.

    def _read_tables(self) -> None:
        for table, root in ROOTS.items():
            for leaf in self._pages.table(root):
                sound = leaf.sound and all(number > 0 and _IS_OF[table](record) for number, record in leaf.rows)
                if not sound:
                    self._gaps[table].add(leaf.low, leaf.high)
                self._keep(leaf, table if sound else None)

    def _read_strays(self) -> None:
        for leaf in self._pages.strays():
            if any(_table_of(record) for _, record in leaf.rows):
                self._strays += 1
                self._keep(leaf, None)

    def _keep(self, leaf: Leaf, table: str | None) -> None:
        """Keeps a leaf's rows: of a table's own sound page, or what they look like and no better than that."""
        for number, record in leaf.rows:
            kind = table or (_table_of(record) if number > 0 else None)
            if kind == "row":
                self._keep_row(number, record, sound=table is not None)
            elif kind == "result" and (table or record[1] == 1):
                self._put("result", table, (number, *record[1:10]))
            elif kind == "started":
                self._put("started", table, (number,))
            elif kind == "session":
                self._put("session", table, (number, *(*record[1:], None)[:8]))
            elif kind == "earlier":
                self._put("earlier", table, (number, record[1]))

    def _keep_row(self, number: int, record: Record, *, sound: bool) -> None:
        _, cells, record_id, path, _, carrier, *_ = record
        self._width = max(self._width, len(_cells(cells)))
        values = (number, cells, record_id, path is not None or carrier is not None, carrier, sound)
        self._put("row", "row" if sound else None, values)

    def _put(self, name: str, table: str | None, values: Sequence[object]) -> None:
        verb = "REPLACE" if table else "IGNORE"  # what a sound page says stands above everything else
        marks = ", ".join("?" * len(values))
        self._scratch.execute(f"INSERT OR {verb} INTO {name} VALUES ({marks})", values)  # noqa: S608 - our own names

    # From the scratch to the report.

    def _joined(self, path: Path, meta: dict[str, Any], sessions_begun: int) -> Recovered:
        rows = _count(meta.get("rows"))
        behind = self._behind(path, sessions_begun)
        found = self._one("SELECT count(*) FROM row WHERE sound")
        whole = found == rows and not self._gaps["row"]
        files = files_of(meta.get("input"))
        if not whole:
            self._list_the_rest([(file, one.rows) for file, one in enumerate(files)] or [(None, rows or 0)])
        listed = self._one("SELECT count(*) FROM row")
        if not listed:
            raise ConfigError(f"Nothing can be read in the journal {path}.", "Look for a copy of the run's folder.")
        doubt = self._drop_contradictions() or bool(behind or not whole or self._strays)
        if behind:
            self._forget_what_is_not_final()
        labels = self._labels(files)
        self._make_view(labels, in_doubt=doubt)
        losses = [*behind, *self._losses(rows, listed, meta)]
        counts = dict.fromkeys(Outcome, 0)
        for outcome, count in self._scratch.execute("SELECT outcome, count(*) FROM outcome GROUP BY outcome"):
            counts[Outcome(outcome)] = count
        errors = [ErrorGroup(*group) for group in self._scratch.execute(_ERROR_GROUPS)]
        *traffic, started, finished, duration, exit_code = self._scratch.execute(_SESSIONS).fetchone()
        sessions = Sessions(Traffic(*traffic), started, finished, duration, exit_code)
        return Recovered(meta, rows, listed, self._width, counts, errors, sessions, losses, labels, self._scratch)

    def _labels(self, files: Sequence[InputFile]) -> RowLabels:
        """How the rows are called; files whose names are lost have numbers."""
        several = files or self._one("SELECT coalesce(max(number), 0) FROM row") > MOST_ROWS
        return labels_of(files) if files or not several else RowLabels(("file 1",))

    def _one(self, query: str) -> int:
        return int(self._scratch.execute(query).fetchone()[0])

    def _behind(self, path: Path, sessions_begun: int) -> list[str]:
        """Why the newest entries may be missing, as sentences; none where they can't be.

        A `-wal` file that is gone, or was cut off between two commits, leaves a journal that looks whole. What tells is
        that a run's end is the last entry of all, and that SQLite removes the file itself when a journal is closed.
        """
        ahead, shared = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
        if self._pages.ahead.damaged:
            return [f"{ahead.name}, where the last entries stand, is damaged."]
        last = self._scratch.execute("SELECT exit_code FROM session ORDER BY id DESC LIMIT 1").fetchone()
        ended = last is not None and last[0] is not None and not self._gaps["session"]
        left_open = shared.exists() and not ahead.exists()
        if ended and not left_open and self._one("SELECT count(*) FROM session") >= sessions_begun:
            return []
        if ahead.exists():
            return [f"The run has no end in the journal, and {ahead.name} may have been cut off."]
        return [f"The run has no end in the journal: if there was a file {ahead.name}, it held the last entries."]

    def _drop_contradictions(self) -> bool:
        """Drops results that no row, or no request, can have led to: they are those of other rows."""
        self._scratch.create_function("unmarked", 1, lambda number: number not in self._gaps["started"])
        query = """
            DELETE FROM result WHERE number IN (
                SELECT number FROM result LEFT JOIN row USING (number) LEFT JOIN started USING (number)
                WHERE row.number IS NULL OR attempts > 0 AND started.number IS NULL AND unmarked(result.number)
            )
        """
        return self._scratch.execute(query).rowcount > 0

    def _forget_what_is_not_final(self) -> None:
        """A later entry, which is missing, may have put another result in its place."""
        self._scratch.execute("INSERT OR IGNORE INTO started SELECT number FROM result WHERE NOT final AND attempts")
        self._scratch.execute("DELETE FROM result WHERE NOT final")

    def _list_the_rest(self, files: Sequence[tuple[int | None, int]]) -> None:
        """Lists rows that are known by their results alone, or by the place where they should stand.

        Args:
            files: the index of each file, None for the only one, and how many rows it has.
        """
        for table in ("result", "started"):
            self._scratch.execute(f"INSERT OR IGNORE INTO row (number) SELECT number FROM {table}")  # noqa: S608 - ours
        for file, rows in files:
            base, top = (0, HIGHEST) if file is None else (RowRef(file, 0).key, RowRef(file, MOST_ROWS).key)
            self._list_the_rest_of(base, top, rows)

    def _list_the_rest_of(self, base: int, top: int, rows: int) -> None:
        """Lists the rows of a file, whose numbers lie from `base` to `top`."""
        query = f"SELECT count(*), coalesce(max(number), {base + 1}) FROM row WHERE number BETWEEN {base} AND {top}"  # noqa: S608 - numbers
        found, highest = self._scratch.execute(query).fetchone()
        missing = rows - found
        for begins, ends in self._gaps["row"]:
            low, high = max(begins, base + FIRST_ROW - 1), min(ends, top)  # what is above the headings is no row
            numbers = range(low + 1, min(highest + max(missing, 0), top) + 1)
            if high <= highest:
                numbers = range(high, low, -1)
            for number in numbers:
                if missing <= 0:
                    return
                missing -= self._scratch.execute("INSERT OR IGNORE INTO row (number) VALUES (?)", (number,)).rowcount

    def _make_view(self, labels: RowLabels, *, in_doubt: bool) -> None:
        results, started = self._gaps["result"], self._gaps["started"]

        def doubtful(number: int) -> bool:
            return in_doubt or number in results or number in started

        def why(bare: int, sendable: int, begun: int | None, number: int) -> str:
            """What to say of a row that has no result."""
            if bare:
                return f"{MAYBE_SENT}; {CELLS_LOST}"
            if number in results or not sendable:
                return RESULT_LOST
            if begun is not None:
                return IN_FLIGHT
            return MAYBE_SENT if doubtful(number) else ""

        self._scratch.create_function("doubtful", 1, doubtful)
        self._scratch.create_function("place", 1, labels.label)
        self._scratch.create_function("why", 4, why)
        self._scratch.create_function("bare", 0, lambda: CELLS_LOST)
        self._scratch.execute(_OUTCOME)

    def _losses(self, rows: int | None, listed: int, meta: dict[str, Any]) -> Iterator[str]:
        """Sentences about what is missing."""
        if any(self._gaps.values()) or self._strays:
            yield "Parts of the journal are damaged."
        query = f"SELECT count(*) FROM outcome WHERE error GLOB '{RESULT_LOST}*' OR error GLOB '{MAYBE_SENT}*'"  # noqa: S608 - our own sentences
        if lost := self._one(query):
            yield f"What became of {lost:,} rows can't be read: they are told as unknown, for they may have been sent."
        if bare := self._one("SELECT count(*) FROM row WHERE cells IS NULL"):
            yield f"The cells of {bare:,} rows can't be read: they are listed by their numbers."
        if rows is None:
            yield "How many rows the run has can't be read."
        elif rows > listed:
            yield f"{rows - listed:,} rows of {rows:,} are not listed, for nothing of them can be read."
        elif rows < listed:
            yield f"{listed - rows:,} rows too many are listed: the numbers of some are damaged."
        if not {"columns", "target", "input"} <= meta.keys():
            yield "Some facts about the run, such as its headings or its target, can't be read."


# What a record looks like.


def _cells(text: object) -> list[str]:
    """The cells of a row; raises ValueError if it is none."""
    cells = from_json(text) if isinstance(text, str) else None
    if not isinstance(cells, list) or not all(isinstance(cell, str) for cell in cells):
        raise ValueError
    return cells


def _is_row(record: Record) -> bool:
    try:
        nothing, cells, record_id, path, fields, carrier, *_ = record
        _cells(cells)
    except ValueError:
        return False
    texts = all(text is None or isinstance(text, str) for text in (record_id, path, fields))
    return nothing is None and texts and (carrier is None or (isinstance(carrier, int) and carrier > 0))


def _is_result(record: Record) -> bool:
    try:
        nothing, final, outcome, status, attempts, error, request_id, location, finished_at, duration, *_ = record
    except ValueError:
        return False
    return (
        nothing is None
        and final in {0, 1}
        and outcome in _OUTCOMES
        and (status is None or _is_whole(status))
        and _is_whole(attempts)
        and isinstance(error, str)
        and isinstance(request_id, str)
        and isinstance(location, str)
        and (finished_at is None or _is_number(finished_at))
        and (duration is None or _is_number(duration))
    )


def _is_session(record: Record) -> bool:
    try:
        nothing, began, ended, sent, retried, throttled, waited, exit_code, *more = record
    except ValueError:
        return False
    return (
        nothing is None
        and _is_number(began)
        and (ended is None or _is_number(ended))
        and all(map(_is_whole, (sent, retried, throttled)))
        and _is_number(waited)
        and (exit_code is None or _is_whole(exit_code))
        and all(value is None or _is_number(value) for value in more[:1])
    )


def _is_started(record: Record) -> bool:
    return len(record) == 2 and record[0] is None and record[1] in {0, 1}  # noqa: PLR2004 - its columns


def _is_earlier(record: Record) -> bool:
    return len(record) == 2 and record[0] is None and _is_whole(record[1])  # noqa: PLR2004 - its columns


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < MOST


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < MOST


_IS_OF: Mapping[str, Callable[[Record], bool]] = {
    "result": _is_result,
    "row": _is_row,
    "session": _is_session,
    "started": _is_started,
    "earlier": _is_earlier,
}


def _table_of(record: Record) -> str | None:
    """The table that a record looks like a row of; None for none."""
    return next((table for table, is_of in _IS_OF.items() if is_of(record)), None)


def _facts(records: Iterable[Record]) -> Iterator[tuple[str, Any]]:
    """The facts about the run that can be read."""
    for record in records:
        match record:
            case (str(name), str(value)):
                with suppress(ValueError):
                    yield name, json.loads(value)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < MOST else None
