"""Connections to a journal's file, and SQLite's errors as sentences."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from batchupdate.errors import BatchUpdateError, SafetyStop

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CACHE_KIB = 2048
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def connect(path: Path) -> sqlite3.Connection:
    """Opens a file that is there; raises sqlite3.Error if it is no database."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=10
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # reads the file's head, so it fails on what is none
    except sqlite3.Error:
        connection.close()
        raise
    except UnicodeDecodeError as error:  # SQLite's own sentence about a damaged schema quotes bytes of it
        connection.close()
        raise sqlite3.DatabaseError("its schema is damaged") from error
    return connection


class explained:  # noqa: N801 - reads as a phrase: with explained(path)
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
            hint = f"Nothing was sent that the journal does not know. {way_out(self._path, error) or mend}"
            raise SafetyStop(f"The journal {self._path} can't be used: {error}.", hint) from error


def way_out(path: Path, error: sqlite3.Error) -> str:
    """What to do if it is the file itself that is broken; else nothing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits say where it was seen
    return f"The journal is damaged. {how_to_save(path)}" if code in _DAMAGE else ""


def damage(what: str) -> sqlite3.DatabaseError:
    """An error as SQLite raises it for a damaged file."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def how_to_save(path: Path) -> str:
    """The command that saves what can be read of a damaged journal."""
    return f"Save what can be read with: batchupdate report --recover {path.parent.name}"
