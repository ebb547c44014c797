"""The journal's tables: made anew, or brought up to date where an older version of this program made them."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VERSION = 10
LOST = "Look for a copy of the run's folder."
"""The way out where there is nothing to read."""
APPLICATION_ID = 0x62617570  # "baup", so that `file` and we know the file

_COMMENT = re.compile("[ ]*--.*")
_OF_ROWS = ("row", "started", "result", "earlier", "given")
_STEPS: Mapping[int, Sequence[str]] = {
    1: [
        "ALTER TABLE session ADD COLUMN allowed_per_s REAL",
        "CREATE TABLE given (number INTEGER PRIMARY KEY, run TEXT NOT NULL)",
    ],
    2: [],  # rows of several files; the view alone says more than before
    3: [
        *(f"ALTER TABLE {table} RENAME COLUMN number TO key" for table in _OF_ROWS),
        "ALTER TABLE row ADD COLUMN file INTEGER GENERATED ALWAYS AS (key >> 32) VIRTUAL",
        "ALTER TABLE row ADD COLUMN number INTEGER GENERATED ALWAYS AS (key & 4294967295) VIRTUAL",
        "ALTER TABLE started RENAME COLUMN doubt TO unanswered",
        "ALTER TABLE started ADD COLUMN claimed INTEGER NOT NULL DEFAULT 1",
        "UPDATE started SET claimed = unanswered <> 2, unanswered = unanswered <> 0",  # 2: not claimed by this run yet
        "ALTER TABLE session ADD COLUMN in_flight TEXT",
        "ALTER TABLE session ADD COLUMN commits INTEGER NOT NULL DEFAULT 0",
    ],
    4: [f"ALTER TABLE {table} ADD COLUMN checksum INTEGER" for table in ("meta", "row", "result")],
    5: ["ALTER TABLE row ADD COLUMN pulled TEXT"],
    6: ["CREATE TABLE before (key INTEGER PRIMARY KEY, state TEXT NOT NULL, checksum INTEGER)"],
    7: [
        """
        CREATE TABLE pace (session INTEGER NOT NULL, at REAL NOT NULL, sent INTEGER NOT NULL,
            throttled INTEGER NOT NULL, waited_s REAL NOT NULL, limit_per_s REAL)
        """
    ],
    8: ["CREATE TABLE captured (key INTEGER PRIMARY KEY, found TEXT NOT NULL, checksum INTEGER)"],
    9: ["CREATE TABLE wanted (key INTEGER PRIMARY KEY, fields TEXT NOT NULL, checksum INTEGER)"],
}
"""What makes the tables of the next version out of those of each one; the view is made anew after that."""


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty database."""
    connection.execute("BEGIN")
    for statement in _statements():
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    """Looks whether this is a journal of ours, and changes the tables of an older one in a single transaction.

    Raises:
        ConfigError: it is none of ours, or of a newer version of this program, or can't be changed.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise ConfigError(f"{path} is no journal of this program.", LOST)
    version = _version(connection)
    if version < 1:
        raise ConfigError(f"{path} is no readable journal: it has no version of its tables.", LOST)
    if version > VERSION:
        raise ConfigError(f"{path} is of a newer version of this program.", "Update batchupdate.")
    if version == VERSION:
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DROP VIEW outcome")
        for step in range(_version(connection), VERSION):  # asked again: another process may just have done it
            for statement in _STEPS[step]:
                connection.execute(statement)
        connection.execute(next(statement for statement in _statements() if "CREATE VIEW outcome" in statement))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        hint = "It was made by an older version of batchupdate, and has to be writable once to be read by this one."
        raise ConfigError(f"The journal {path} can't be brought up to date: {error}.", hint) from error


def _statements() -> list[str]:
    """What makes the tables, without comments: SQLite keeps the text, for which there is little room."""
    return _COMMENT.sub("", resources.files(__package__).joinpath("schema.sql").read_text("utf-8")).split(";\n")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
