"""Checksums of a journal's entries, so that a bit that flipped on the disk is noticed before it is sent or reported.

SQLite notices damage to the structure of its file, but no value in which one letter has become another. The two times
of a result are left out, for they cost as much as all the rest. The values are not kept apart: one that has grown at
the cost of its neighbour is noticed by the end of the record, which moves as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import sqlite3

_PRIME = (1 << 32) - 5
"""The highest prime of 32 bits: a number in which one bit has flipped leaves another remainder."""


def of_row(
    key: int,
    cells: str,
    record_id: str | None,
    path: str | None,
    fields: str | None,
    carrier: int | None = None,
    pulled: str | None = None,
) -> int:
    """The checksum of an input row, in the order of `ROW`."""
    text = f"{cells}{record_id or ''}{path or ''}{fields or ''}{'' if carrier is None else carrier}{pulled or ''}"
    return crc32(text.encode(), key % _PRIME)


def of_result(
    key: int,
    outcome: str,
    http_status: int | None,
    attempts: int,
    error: str,
    request_id: str,
    location: str,
    final: int,
) -> int:
    """The checksum of a result, in the order of `RESULT`."""
    numbers = ((key * 1000 + (-1 if http_status is None else http_status)) * 1000 + attempts) * 2 + final
    return crc32(f"{outcome}{error}{request_id}{location}".encode(), numbers % _PRIME)


def of_fact(name: str | int, value: str) -> int:
    """The checksum of a fact: about the run by its name, about a record by the key of its row."""
    return crc32(f"{name}{value}".encode())


ROW = "key, cells, record_id, path, fields, carrier, pulled"
RESULT = "key, outcome, http_status, attempts, error, request_id, location, final"


def add_to_sql(connection: sqlite3.Connection) -> None:
    """Makes the checksums functions of a connection's SQL."""
    for name, function, count in (("of_row", of_row, 7), ("of_result", of_result, 8), ("of_fact", of_fact, 2)):
        connection.create_function(name, count, function, deterministic=True)
