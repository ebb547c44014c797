"""The command line: arguments in, exit code out, and no logic. The commands are registered in `commands.py`.

Whatever costs time to import is imported inside the command that needs it: `batchupdate --help` must feel instant.
"""

from __future__ import annotations

import io
import sys

from batchupdate.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """The console command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the output's encoding lacks must not end a run
            stream.reconfigure(errors="backslashreplace")
    app()
