"""How long a whole process takes."""

from __future__ import annotations

import subprocess
import time


def seconds(command: list[str]) -> float:
    """Runs a command to its end, its output thrown away, and returns the seconds it took."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started
