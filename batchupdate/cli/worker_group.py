"""Several worker processes with one command: each is a process of its own, and one that is killed is started again."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from batchupdate.cli.interrupts import on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOON_S = 10.0
"""A process that is killed so soon after its start is not started again: the next one would be, too."""


async def run_group(count: int, arguments: Sequence[str], say: Callable[[str], None]) -> tuple[int, int]:
    """Runs so many processes of this command to their end; returns the first signal that came, and the worst exit code.

    A signal goes to all of them, each time it comes. Zero stands for no signal.
    """
    loop = asyncio.get_running_loop()
    running: set[asyncio.subprocess.Process] = set()
    asked: list[int] = []

    def pass_on(number: int) -> None:
        asked.append(number)
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def keep_running() -> int:
        while True:
            started = loop.time()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "batchupdate",
                *arguments,
                start_new_session=True,  # so that Ctrl-C reaches it once, from here
            )
            running.add(process)
            if asked:  # meanwhile
                process.send_signal(asked[0])
            code = await process.wait()
            running.discard(process)
            if code >= 0 or asked:
                return code
            name = signal.Signals(-code).name
            if loop.time() - started < SOON_S:
                say(f"A process was killed soon after its start ({name}); it is not started again.")
                return 128 - code
            say(f"A process was killed ({name}); another one takes its place.")

    with on_signals(loop, pass_on):
        codes = await asyncio.gather(*(keep_running() for _ in range(count)))
    return (asked[0] if asked else 0), max(code if code >= 0 else 128 - code for code in codes)
