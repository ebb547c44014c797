"""Commands that die at the n-th thing that they do to the disk; see `dies.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Protocol

from batchupdate.sandbox import LANGDOCK_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 10**6
COMMAND = Path(__file__).parent / "dies.py"


class Ended(NamedTuple):
    """How a process has ended: its exit code, negative for a signal, and what it said."""

    returncode: int
    stderr: str


class Run(Protocol):
    """Gives the command `run`; the process dies at the n-th thing that it does to the disk, or at none."""

    def __call__(self, folder: Path, at: int, url: str, *words: str) -> Ended: ...


@contextmanager
def dying(at_once: int) -> Iterator[Run]:
    """Commands, so many at a time."""
    with ExitStack() as stack:
        servers = SimpleQueue[subprocess.Popen[str]]()
        for _ in range(at_once):
            servers.put(stack.enter_context(_server()))

        def run(folder: Path, at: int, url: str, *words: str) -> Ended:
            says = folder.with_name(f"{folder.name}.stderr")
            words = (
                *("run", *words, "--yes", "--quiet", "--rate", "unlimited", "--diff", "never"),
                *("--target", "blind-once-only.yaml", "--base-url", url, "--runs-dir", "runs"),
            )
            asked = json.dumps({"folder": str(folder), "at": at, "words": words, "says": str(says)})
            server = servers.get()
            try:
                assert server.stdin
                assert server.stdout
                server.stdin.write(f"{asked}\n")
                server.stdin.flush()
                return Ended(int(server.stdout.readline()), says.read_text("utf-8"))
            finally:
                servers.put(server)

        yield run


@contextmanager
def _server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-B", str(COMMAND)]  # -B: a compiled module that is written would be counted
    environment = {**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as server:
        try:
            yield server
        finally:
            server.kill()
