"""Runs in processes of their own, that tests watch and change."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchupdate.sandbox import Sandbox

WAIT_S = 60.0


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def running(file: Path, sandbox: Sandbox, folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A run in another process that has begun to send."""
    command = [
        sys.executable, "-m", "batchupdate", "run", str(file), "-t", "langdock-integration", "--yes", "--diff", "never",
        "--base-url", sandbox.url, *more,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            until(lambda: bool(sandbox.applied))
            yield process
        finally:
            process.kill()


def worker_pids(of: int | None = None) -> list[int]:
    """The worker processes of a process (this one by default) that are there, also of its children."""
    found = []
    for child in psutil.Process(of).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child.pid)
    return sorted(found)
