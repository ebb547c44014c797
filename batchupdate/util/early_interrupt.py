"""Ctrl-C before a command has begun: while Python loads the command line, and while its arguments are read.

Imports next to nothing, so that it is in place early.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as typing has it, and without loading that
if TYPE_CHECKING:
    from types import FrameType


def install() -> None:
    """From now on Ctrl-C ends the process at once and in a sentence, unless whoever started it wants it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _quit)


def remove() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, as Python has it; the command handles it."""
    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore() -> None:
    """From now on Ctrl-C does nothing: the command has ended, and Python is only cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _quit(_number: int, _frame: FrameType | None) -> None:
    """Ends at once: nothing has begun that would have to be ended well."""
    os.write(2, b"Stopped on request. Nothing was sent.\n")
    os._exit(130)
