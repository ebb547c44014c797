"""Connections to a journal's file, and SQLite's errors as sentences."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from batchupdate.config.run_name import name_in_command
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.journal import checksum

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CACHE_KIB = 2048
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # our statements fit our tables, unless a name in the file is another one now
    }
)
_NOT_UTF8 = "Could not decode to UTF-8"  # what the sqlite3 module, and not SQLite, says of a text


def uri_of(path: Path) -> str:
    """By which SQLite opens a file that is there.

    To read a journal, SQLite needs files beside it, unless it knows that nobody writes: in a folder where nothing can
    be written, and nothing is left over of a writer.
    """
    closed = not os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    log = path.with_name(f"{path.name}-wal")
    is_whole = closed and not (log.exists() and log.stat().st_size)
    return f"{path.resolve().as_uri()}?{'mode=ro&immutable=1' if is_whole else 'mode=rw'}"


def connect(path: Path) -> sqlite3.Connection:
    """Opens a file that is there; raises sqlite3.Error if it is no database."""
    connection = sqlite3.connect(uri_of(path), uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # reads the file's head, so it fails on what is none
        checksum.add_to_sql(connection)
    except sqlite3.Error:
        connection.close()
        raise
    except UnicodeDecodeError as error:  # SQLite's own sentence about a damaged schema quotes bytes of it
        connection.close()
        raise sqlite3.DatabaseError("its schema is damaged") from error
    return connection


class explained:  # noqa: N801 - reads as a phrase: with explained(path)
    """Turns SQLite's errors, and values that none of our statements wrote, into a sentence with the journal's place.

    Raises:
        SafetyStop: it can't be used.
        ConfigError: it is damaged, and this process has sent nothing on its word.
    """

    def __init__(self, path: Path, *, begun: bool = False) -> None:
        self._path, self._begun = path, begun

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ValueError):  # also a text that is not UTF-8, which SQLite quotes in a sentence of its own
            error = damage("a value in it is garbled")
        if not isinstance(error, sqlite3.Error):
            return
        hint = way_out(self._path, error)
        if hint and not self._begun:
            raise ConfigError(f"The journal {self._path} can't be read: {error}.", hint) from error
        hint = hint or "Make room or mend the folder, then run it again."
        said = f"Nothing was sent that the journal does not know. {hint}"
        raise SafetyStop(f"The journal {self._path} can't be used: {error}.", said) from error


def way_out(path: Path, error: sqlite3.Error) -> str:
    """What to do if it is the file itself that is broken; else nothing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits say where it was seen
    broken = code in _DAMAGE or str(error).startswith(_NOT_UTF8)
    return f"The journal is damaged. {how_to_save(path)}" if broken else ""


def damage(what: str) -> sqlite3.DatabaseError:
    """An error as SQLite raises it for a damaged file."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def how_to_save(path: Path) -> str:
    """The command that saves what can be read of a damaged journal."""
    return f"Save what can be read with: batchupdate report --recover {name_in_command(path.parent)}"


def require_file(path: Path, hint: str) -> None:
    """Refuses a journal that is not there; `hint` is the way out.

    Raises:
        ConfigError: it is missing, a folder, or in a folder that can't be read.
    """
    try:
        if path.is_file():
            return
        what = "is a folder, and no journal" if path.is_dir() else "is missing"
    except OSError as error:
        raise ConfigError(f"{path} is no readable journal: {error.strerror or error}.") from error
    raise ConfigError(f"The journal {path} {what}.", hint)
