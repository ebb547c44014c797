"""`--sample N`: which rows are drawn.

Each row gets a number that depends on the seed and on where the row stands, and the lowest N are drawn. So the same
seed draws the same rows of the same file, and memory stays flat, for it is SQLite that sorts.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from batchupdate.journal import queries

if TYPE_CHECKING:
    import sqlite3


def _drawn(seed: int, key: int) -> int:
    """A number from 0 to 2^63 - 1 for a row, which looks random."""
    return int.from_bytes(blake2b(f"{seed} {key}".encode(), digest_size=8).digest()) >> 1


def draw(connection: sqlite3.Connection, count: int, seed: int) -> None:
    """Leaves only a sample of the rows that can be sent, within a transaction."""
    connection.create_function("drawn", 2, _drawn, deterministic=True)
    connection.execute(queries.DRAW, (seed, count))
    connection.execute(queries.DROP_RESULTS_WITHOUT_ROW)
