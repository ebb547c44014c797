"""What a damaged journal still says, row by row, without ever writing to it.

A copy is read through SQLite, in ranges of keys: a range with a page that can't be read is halved until what is left of
it is what can't be read. A result that is final is never changed again, and so is true wherever it can be read. All
other rows are `unknown`: even one that was never sent looks like one whose entries are lost.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from batchupdate.errors import BatchUpdateError, ConfigError
from batchupdate.journal import queries, schema
from batchupdate.journal.connection import connect
from batchupdate.journal.in_flight import NAME, read_map
from batchupdate.journal.store import Journal
from batchupdate.model import MOST_ROWS, RowLabels, RowRef, files_of, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

FAILED_AT_MOST = 20_000
"""Reads that fail one after the other before the rest of a range is given up."""

FILES_AT_MOST = 100
"""Files that are looked for where the journal does not say any more how many there are."""

FIRST_ROW = 2
SESSIONS_AT_MOST = 1000
HIGHEST = (1 << 63) - 1
PAGE = 4096
LOST = "the journal does not say any more what became of this row; it may or may not have been applied"

Span = tuple[int, int]
"""First and last key, both included."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """A journal of what could be read; a context manager, for it stands in a scratch folder that goes at its end.

    `rows` is how many rows the run has, None if that is lost. `width` is the most cells that a row has, and `labels`
    says how rows are called. `losses` are sentences for the user, empty if nothing is missing.
    """

    journal: Journal
    meta: dict[str, Any]
    rows: int | None
    width: int
    labels: RowLabels
    losses: list[str]
    _scratch: Path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def rescue(path: Path, sessions_begun: int = 0) -> Rescued:
    """Reads what can be read of a journal that nobody is writing to, damaged in whatever way, in constant memory.

    Args:
        path: the journal. It is only read, and so are its `-wal` file and its in-flight map.
        sessions_begun: how many processes are known to have worked on the run; if the journal knows fewer, then its
            last entries are missing.

    Raises:
        ConfigError: nothing at all could be read, or there is no room for a copy.
    """
    scratch: Path | None = None
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".rescue-", dir=path.parent))
        return _rescued(path, scratch, sessions_begun)
    except BaseException as error:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, OSError):
            raise ConfigError(f"The journal {path} can't be read: {error.strerror or error}.", schema.LOST) from error
        if isinstance(error, sqlite3.Error | BatchUpdateError | UnicodeDecodeError):
            raise ConfigError(f"Nothing can be read in the journal {path}.", schema.LOST) from error
        raise


def _rescued(path: Path, scratch: Path, sessions_begun: int) -> Rescued:
    copy = scratch / path.name
    for part in (path, path.with_name(f"{path.name}-wal"), path.with_name(NAME)):
        if part == path or part.exists():
            shutil.copyfile(part, scratch / part.name)
    losses: list[str] = []
    if _is_damaged(copy):
        losses.append("Parts of the journal are damaged.")
        _pad(copy)
        copy = scratch / "salvaged.sqlite3"
        copy.touch()
        with closing(connect(scratch / path.name)) as damaged, closing(connect(copy)) as new:
            damaged.execute("PRAGMA cell_size_check = ON")
            schema.bring_up_to_date(damaged, path)
            new.execute("PRAGMA synchronous = OFF")
            schema.create(new)
            new.execute("BEGIN")
            _Salvage(damaged, new).work()
            new.execute("COMMIT")
        losses += _distrusted(copy)
    elif behind := _behind(path, copy, sessions_begun):
        losses += [behind, *_distrusted(copy)]
    journal = Journal.open(copy)
    try:
        damage = journal.find_damage()
        if not losses:
            journal.settle_in_flight(trusted=not damage.results)
        journal.set_aside(damage, trusted=not losses)
        if damage:
            count = len(damage.rows | damage.results)
            losses.append(f"The entries of {count:,} rows are damaged: they are listed by their numbers, and say so.")
        return _summed_up(journal, copy, losses)
    except BaseException:
        journal.close()
        raise


def _is_damaged(path: Path) -> bool:
    """Whether something of a journal can't be read; brings an older one up to date."""
    try:
        with Journal.open(path) as journal:
            journal.examine()
            journal.meta()
    except BatchUpdateError:
        return True
    return False


def _pad(path: Path) -> None:
    """Gives a file that was cut off its length back: SQLite reads nothing of one that is shorter than its head says."""
    with path.open("r+b") as file:
        head = file.read(32)
        if head[16:18] == PAGE.to_bytes(2, "big"):
            file.truncate(max(PAGE * int.from_bytes(head[28:32], "big"), path.stat().st_size))


def _behind(path: Path, copy: Path, sessions_begun: int) -> str:
    """Why the newest entries may be missing, as a sentence; empty where they can't be.

    A `-wal` file that is gone, or was cut off between two commits, leaves a journal that looks whole. What vouches for
    it is the run's end, for that is the last entry, or an in-flight map that knows of no later commit.
    """
    ahead, shared = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    with closing(connect(copy)) as connection:
        begun, exit_code = connection.execute(queries.COUNT_SESSIONS).fetchone()
        _, token, commits = connection.execute(queries.LAST_SESSION).fetchone() or (0, None, 0)
    left = read_map(path.with_name(NAME), token)
    left_open = shared.exists() and not ahead.exists()
    if begun >= sessions_begun and (left.commits <= commits if left else exit_code is not None and not left_open):
        return ""
    if ahead.exists():
        return f"The run has no end in the journal, and {ahead.name} may have been cut off."
    return f"The run has no end in the journal: if there was a file {ahead.name}, it held the last entries."


def _distrusted(path: Path) -> Iterator[str]:
    """Calls every row without a final result unknown; sentences about what is missing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute(queries.DROP_UNFINISHED)
        connection.execute(queries.CALL_THE_REST_UNKNOWN, (LOST,))
        connection.execute("COMMIT")
        if lost := connection.execute(queries.COUNT_UNKNOWN, (LOST,)).fetchone()[0]:
            yield f"What became of {lost:,} rows can't be read: they are unknown, for they may have been sent."
        if bare := connection.execute(queries.COUNT_BARE).fetchone()[0]:
            yield f"The cells of {bare:,} rows can't be read: they are listed by their numbers."


def _summed_up(journal: Journal, copy: Path, losses: list[str]) -> Rescued:
    meta, listed = journal.meta(), journal.rows()
    rows = meta.get("rows")
    rows = rows if isinstance(rows, int) else None
    if not listed:
        raise ConfigError("No row can be read.")
    if rows is None:
        losses.append("How many rows the run has can't be read.")
    elif rows > listed:
        losses.append(f"{rows - listed:,} rows of {rows:,} are not listed, for nothing of them can be read.")
    elif rows < listed:
        losses.append(f"{listed - rows:,} rows too many are listed: the numbers of some are damaged.")
    if not {"columns", "target", "input"} <= meta.keys():
        losses.append("Some facts about the run, such as its headings or its target, can't be read.")
    files = files_of(meta.get("input"))
    with closing(connect(copy)) as read:
        width, highest = read.execute(queries.WIDTH).fetchone()[0], _highest(read, HIGHEST)
    labels = labels_of(files) if files or highest <= MOST_ROWS else RowLabels(("file 1",))
    return Rescued(journal, meta, rows, width, labels, losses, copy.parent)


def _highest(connection: sqlite3.Connection, most: int) -> int:
    """The highest key up to `most` that can be found; 0 for none."""
    found = [0]
    for query in queries.HIGHEST_KEYS:
        with suppress(sqlite3.DatabaseError):
            found.append(connection.execute(query, (most,)).fetchone()[0] or 0)
    return max(found)


@dataclass(slots=True)
class _Salvage:
    """Carries what can be read of a damaged journal into a new one."""

    damaged: sqlite3.Connection
    new: sqlite3.Connection

    def work(self) -> None:
        self._read_meta()
        meta = {name: json.loads(value) for name, value, _ in self.new.execute(queries.META)}
        rows = meta.get("rows")
        files = [file.rows for file in files_of(meta.get("input"))]
        if not files:
            most = min(RowRef.of(_highest(self.damaged, HIGHEST)).file, FILES_AT_MOST)  # one key may be garbled
            files = [rows if isinstance(rows, int) else 0, *([0] * most)]
        spans = [self._span(index, count) for index, count in enumerate(files)]
        self._read("session", (0, SESSIONS_AT_MOST))
        for table in ("started", "result", "before", "captured", "earlier"):
            for span in spans:
                self._read(table, span)
        gaps = [self._read("row", span) for span in spans]
        self.new.execute(queries.LIST_BY_RESULTS)
        for span, unread, count in zip(spans, gaps, files, strict=True):
            self._list_the_rest(span, unread, count)

    def _span(self, file: int, rows: int) -> Span:
        """Where the rows of a file stand, as far as can be told."""
        first, last = RowRef(file, FIRST_ROW).key, RowRef(file, MOST_ROWS).key
        return first, max(first + rows - 1, _highest(self.damaged, last))

    def _read_meta(self) -> None:
        for query in queries.SALVAGE_META.values():  # from both ends, up to what can't be read
            with suppress(sqlite3.DatabaseError):
                for name, value, is_sound in self.damaged.execute(query):
                    with suppress(ValueError, TypeError):
                        if not is_sound:
                            continue
                        self.new.execute(queries.ADD_META, (name, json.dumps(json.loads(value))))

    def _read(self, table: str, span: Span) -> list[Span]:
        """Carries over the rows of a table with keys in a span; returns the spans that can't be read."""
        gaps: list[Span] = []
        todo, failed = [span], 0
        while todo:
            low, high = todo.pop()
            try:
                for record in self._in_order(table, low, high):
                    self.new.execute(queries.ADD_SALVAGED[table], record)
                    low, failed = record[0] + 1, 0
            except sqlite3.DatabaseError:
                failed += 1
                if low < high and failed <= FAILED_AT_MOST:
                    middle = (low + high) // 2
                    todo += [(middle + 1, high), (low, middle)]
                elif gaps and gaps[-1][1] == low - 1:
                    gaps[-1] = (gaps[-1][0], high)
                else:
                    gaps.append((low, high))
        return gaps

    def _in_order(self, table: str, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        """The records of a table with keys in a span.

        Where a key is not higher than the one before it, one of the two has been garbled, and neither is believed. A
        damaged tree can lead to keys below those that were asked for, and to the same ones again and again.
        """
        before: tuple[Any, ...] | None = None
        for record in self.damaged.execute(queries.SALVAGE[table], (low,)):
            if record[0] < low:
                continue
            if before is not None and record[0] <= before[0]:
                before = None
                continue
            if before is not None:
                if before[0] > high:
                    return
                yield before
            before = record
        if before is not None and before[0] <= high:
            yield before

    def _list_the_rest(self, span: Span, unread: list[Span], rows: int) -> None:
        """Lists rows that are known by the place alone where they should stand, up to how many a file has."""
        missing = rows - self.new.execute(queries.COUNT_LISTED, span).fetchone()[0]
        for low, high in unread:
            for key in range(low, high + 1):
                if missing <= 0:
                    return
                missing -= self.new.execute(queries.LIST_ROW, (key,)).rowcount
