"""The command in processes that kill themselves at the n-th thing that they do to the disk.

What counts are the statements that end a transaction of SQLite, and files that are opened for writing, renamed or
removed. With 0 a process lives, and says on standard error what it did, one thing a line.

Each line of standard input is a JSON object that asks for one process: the `folder` to work in, `at`, the command's
`words`, and the file for what it `says`. It is a fork of this one, which has loaded everything, so that it takes a
third of the time. The answer is a line with its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from batchupdate.__main__ import main

LOADED = (
    "api.client",
    "cli.inbox",
    "cli.run",
    "engine.local",
    "reporter.report_html",
    "runs.inbox",
    "runs.results_xlsx",
)
TEMPORARY, WRITES = Path(tempfile.gettempdir()), os.O_WRONLY | os.O_RDWR
_at = _did = 0


def did(what: str) -> None:
    """Counts, and dies when it is time."""
    global _did  # noqa: PLW0603 - one process, one count
    _did += 1
    if not _at:
        os.write(2, f"did {what}\n".encode())
    elif _did == _at:
        os.kill(os.getpid(), signal.SIGKILL)


class Watched(sqlite3.Connection):
    """Tells what ends its transactions, before and after; up to there, SQLite keeps nothing of them."""

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if not statement.startswith("COMMIT"):
            return super().execute(statement, *values)
        did(f"before {statement}")
        cursor = super().execute(statement, *values)
        did(f"after {statement}")
        return cursor


def audited(event: str, values: tuple[Any, ...]) -> None:
    """Tells what is done to files; a library's temporary ones are of no account."""
    is_ours = isinstance(path := values[0] if values else None, str) and Path(path).parent != TEMPORARY
    if is_ours and (event in {"os.rename", "os.remove"} or (event == "open" and values[2] & WRITES)):
        did(f"{event} {path}")


def die(asked: dict[str, Any]) -> None:
    """Is the command that was asked for; this process ends with it."""
    global _at  # noqa: PLW0603 - as above
    _at = asked["at"]
    os.chdir(asked["folder"])
    nothing = os.open(os.devnull, os.O_RDWR)
    said = os.open(asked["says"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, source in enumerate((nothing, nothing, said)):
        os.dup2(source, descriptor)
    sys.argv[1:] = asked["words"]
    connect = sqlite3.connect
    sqlite3.connect = lambda *values, **names: connect(*values, factory=Watched, **names)  # type: ignore[assignment,misc]
    sys.addaudithook(audited)
    main()


if __name__ == "__main__":
    for module in LOADED:
        importlib.import_module(f"batchupdate.{module}")
    for line in sys.stdin:
        if not (child := os.fork()):
            die(json.loads(line))
            break
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
