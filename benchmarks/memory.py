"""Peak memory of `check` and of `run` at a small and at a large number of rows.

    python benchmarks/memory.py

`run` sends to a local nginx. The peak is the largest resident set of the whole process, as the system accounts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from nginx import nginx
from rows import write_rows

GOAL = 15.0


def peak_mib(command: list[str], folder: str) -> float:
    """Runs a command and returns its peak memory in MiB."""
    environment = {**os.environ, "LANGDOCK_API_KEY": "sk-ld-benchmark"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=folder
    ) as child:
        errors = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command} ended with {child.returncode}: {errors.decode()}")
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def compare(what: str, folder: str, small: int, large: int, arguments: list[str]) -> None:
    """Prints the peak at both sizes."""
    program = str(Path(sys.executable).with_name("batchupdate"))
    peaks = []
    for count in (small, large):
        path = Path(folder) / f"{count}.csv"
        if not path.exists():
            write_rows(path, count)
        peaks.append(
            peak_mib([program, what, str(path), "--target", "langdock-integration", "--quiet", *arguments], folder)
        )
        print(f"{what:5} {count:>9,} rows: {peaks[-1]:6.1f} MiB")
    print(f"{what:5} grows by {(peaks[1] / peaks[0] - 1) * 100:.1f} % (goal: under {GOAL:.0f} %)")


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder, nginx() as url:
        compare("check", folder, 10_000, 1_000_000, [])
        sending = ["--yes", "--new", "--base-url", url, "--rate", "unlimited", "--concurrency", "64"]
        compare("run", folder, 10_000, 200_000, sending)


if __name__ == "__main__":
    main()
