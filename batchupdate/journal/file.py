"""A journal's file: made, opened, examined and closed; and the facts about the run."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self

from batchupdate.errors import ConfigError
from batchupdate.journal import queries, schema
from batchupdate.journal.connection import connect, damage, explained, how_to_save, require_file, way_out
from batchupdate.journal.entries import Damage, find_damage, set_aside
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType


class JournalFile:
    """One run's SQLite file; a context manager. Use from one thread at a time.

    Raises, from every method:
        SafetyStop: the disk is full, the folder is read-only, or the file is damaged.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._reader: sqlite3.Connection | None = None
        self._session = 0
        self._failed = False

    @classmethod
    def create(cls, path: Path) -> Self:
        """Makes a new journal, readable by its owner alone.

        It appears whole or not at all: a process that dies in here leaves no journal that nobody can read.
        """
        beside = path.with_name(f".{path.name}.new")
        try:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            open_new(beside).close()
            with explained(path), closing(connect(beside)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                schema.create(connection)
            beside.rename(path)
        except OSError as error:
            raise ConfigError(f"The journal {path} can't be made: {error.strerror or error}.") from error
        with explained(path):
            connection = connect(path)
            connection.execute("PRAGMA synchronous = NORMAL")  # until the rows are in: nothing was sent yet
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a run's journal to read from it.

        Raises:
            ConfigError: it is none of ours, or of a newer version of this program.
        """
        require_file(path, schema.LOST)
        try:
            connection = connect(path)
            try:
                schema.bring_up_to_date(connection, path)
                connection.execute("PRAGMA synchronous = FULL")
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise ConfigError(f"{path} is no readable journal: {error}.", way_out(path, error)) from error
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

    def _explained(self) -> explained:
        return explained(self._path, begun=bool(self._session))

    def _one(self, query: str, *values: str) -> Any:  # noqa: ANN401 - whatever SQLite has
        with self._explained():
            return self._connection.execute(query, values).fetchone()[0]

    @property
    def _apart(self) -> sqlite3.Connection:
        """A connection of its own for reading, so that another thread may write meanwhile."""
        if self._reader is None:
            self._reader = connect(self._path)
        return self._reader

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._failed = True
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def examine(self) -> None:
        """Looks at every page of the file.

        Raises:
            ConfigError: one is damaged.
        """
        found = self._one(queries.QUICK_CHECK)
        if found != "ok":
            hint = f"Nothing was sent now. {how_to_save(self._path)}"
            raise ConfigError(f"The journal {self._path} is damaged: {' '.join(found.split())}.", hint)

    def find_damage(self) -> Damage:
        """The rows and results that are not as they were written."""
        with self._explained():
            return find_damage(self._connection)

    def set_aside(self, found: Damage, *, trusted: bool = True) -> None:
        """Sets damaged rows aside; `trusted` is whether the journal is known to have its last entries."""
        if found:
            with self._transaction() as connection:
                set_aside(connection, found, trusted=trusted)
            self._checkpoint()

    # What the run is.

    def set_meta(self, values: Mapping[str, Any]) -> None:
        """Keeps facts about the run; each value as JSON."""
        with self._transaction() as connection:
            batch = json.dumps([[name, json.dumps(value)] for name, value in values.items()])
            connection.execute(queries.SET_META, (batch,))

    def meta(self) -> dict[str, Any]:
        """All the facts about the run."""
        with self._explained():
            facts = self._connection.execute(queries.META).fetchall()
            if not all(is_sound for *_, is_sound in facts):
                raise damage("a fact about the run is garbled")
            return {name: json.loads(value) for name, value, _ in facts}

    def _checkpoint(self) -> None:
        """Lets the journal's own file know what stands in its `-wal` file."""
        with self._explained():
            self._connection.execute(queries.CHECKPOINT)
