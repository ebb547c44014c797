"""What to call a run in a command that is to be typed."""

from __future__ import annotations

import shlex
from pathlib import Path

RUNS_DIR = "batchupdate-runs"
"""Where runs are kept if nobody says otherwise."""


def name_in_command(folder: Path) -> str:
    """A run by its folder: its id where the runs folder is the usual one, else its path, quoted for a shell."""
    return folder.name if folder.parent == Path(RUNS_DIR) else shlex.quote(str(folder))
