"""A command of the user's, run once a run's reports are written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.config import Secrets
    from batchupdate.reporter import Summary

TIMEOUT_S = 300.0
SHOWN = 300
MOST_READ = 4096
"""Bytes, of the end of what it prints."""


async def run_hook(words: Sequence[str], summary: Summary, secrets: Sequence[Secrets]) -> str:
    """Runs the command, without a shell; returns why that did not work, or ''.

    It gets the path of `summary.json` as its last argument, and the run's id and exit code in its environment; not so
    what is secret, such as the API key, if that stands in ours. What it prints goes to a file without a name, so that
    a chatty one takes no memory, and a process that it leaves running is not waited for.
    """
    path = str(summary.folder.resolve() / "summary.json")
    environ = {name: value for name, value in os.environ.items() if not any(one.within(value) for one in secrets)}
    environ |= {
        "BATCHUPDATE_RUN_ID": summary.run_id,
        "BATCHUPDATE_EXIT_CODE": str(summary.exit_code),
        "BATCHUPDATE_SUMMARY": path,
    }
    try:
        with TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                *words, path, stdin=DEVNULL, stdout=output, stderr=STDOUT, env=environ, start_new_session=True
            )
            try:
                code = await asyncio.wait_for(process.wait(), TIMEOUT_S)
            except TimeoutError:
                return f"it had not ended after {TIMEOUT_S:.0f} s, and was ended"
            finally:
                if process.returncode is None:
                    await _ended(process)
            output.seek(max(0, output.seek(0, os.SEEK_END) - MOST_READ))
            text = _last_words(output.read().decode("utf-8", "replace"), secrets)
    except (OSError, ValueError) as error:
        return f"it can't be run: {getattr(error, 'strerror', None) or error}"
    return f"it failed with exit code {code}{': ' if text else ''}{text}" if code else ""


def _last_words(text: str, secrets: Sequence[Secrets]) -> str:
    """The end of what a command has printed, where the reason stands; redacted before it is cut, and not after."""
    for each in secrets:
        text = each.redact(text)
    line = one_line(text, len(text) + 1)
    return line if len(line) <= SHOWN else f"…{line[1 - SHOWN :]}"


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Ends a command with the processes that it has started."""
    with suppress(ProcessLookupError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    await process.wait()
