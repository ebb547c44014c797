"""The command in a process that kills itself at the n-th thing that it does to the disk: `python dies.py N run …`.

What counts are the statements that begin or end a transaction of SQLite, and files that are opened for writing, renamed
or removed. With 0 it lives, and says on standard error what it did, one thing a line.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from typing import Any

from batchupdate.__main__ import main

AT = int(sys.argv.pop(1))
_did = 0


def did(what: str) -> None:
    """Counts, and dies when it is time."""
    global _did  # noqa: PLW0603 - one process, one count
    _did += 1
    if not AT:
        os.write(2, f"did {what}\n".encode())
    elif _did == AT:
        os.kill(os.getpid(), signal.SIGKILL)


class Watched(sqlite3.Connection):
    """Tells its transactions, before and after."""

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if not statement.startswith(("BEGIN", "COMMIT")):
            return super().execute(statement, *values)
        did(f"before {statement}")
        cursor = super().execute(statement, *values)
        did(f"after {statement}")
        return cursor


def audited(event: str, values: tuple[Any, ...]) -> None:
    """Tells what is done to files."""
    if event in {"os.rename", "os.remove"} or (event == "open" and values[2] & (os.O_WRONLY | os.O_RDWR)):
        did(f"{event} {values[0]}")


if __name__ == "__main__":
    connect = sqlite3.connect
    sqlite3.connect = lambda *values, **names: connect(*values, factory=Watched, **names)  # type: ignore[assignment,misc]
    sys.addaudithook(audited)
    main()
