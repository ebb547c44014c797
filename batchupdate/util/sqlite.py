"""Many rows into SQLite, a few statements at a time.

`executemany` gives up and takes back Python's interpreter lock at every row. One statement that holds many rows does so
once, and the thread beside it works on. The numbers of rows are powers of two, so that few different statements exist
and each is compiled once. With `executemany`, `check` needs 7 % more instructions (`benchmarks/instructions.py
--without bulk_insert`).
"""

from __future__ import annotations

import sqlite3
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_AT_ONCE = 512


def bulk_insert(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
    """Inserts rows, all of the same width, within the caller's transaction.

    Args:
        connection: to the database.
        into: the statement's head, such as `INSERT INTO row (number, cells)`; never made from input.
        rows: the values.
    """
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)  # 32,766 in today's versions
    done = 0
    while done < len(rows):
        width = len(rows[done])
        count = min(len(rows) - done, most // width, ROWS_AT_ONCE)
        count = 1 << (count.bit_length() - 1)
        values = ",".join(["(" + ",".join("?" * width) + ")"] * count)
        connection.execute(f"{into} VALUES {values}", tuple(chain.from_iterable(rows[done : done + count])))
        done += count
