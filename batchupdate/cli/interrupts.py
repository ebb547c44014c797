"""Signals that ask the program to stop: Ctrl-C, SIGTERM, and a terminal that is closed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

SAME_REQUEST_S = 0.5
"""A second SIGTERM so soon after the first is the same request: some send it to the process and then to its group."""

_STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def _heeded() -> list[int]:
    """The signals that ask us to stop, but for those that our parent wants ignored, as nohup does."""
    return [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Before anything is sent, a signal that asks us to stop ends the command, and nothing is left behind.

    Once one has come, further ones change neither that nor the exit code, as slowly as the command may end.
    """
    from batchupdate.errors import Interrupted

    def end(number: int, _frame: object) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise Interrupted(number)

    before: dict[int, Any] = {number: signal.getsignal(number) for number in _heeded() if number != signal.SIGINT}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is end:
                signal.signal(number, handler)


@contextmanager
def on_signals(loop: asyncio.AbstractEventLoop, asked: Callable[[int], None]) -> Iterator[None]:
    """Lets signals that ask us to stop call `asked` on the loop; where the loop can't (Windows), through Python's."""
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _heeded()}
    looped = []
    for number in before:
        try:
            loop.add_signal_handler(number, asked, number)
            looped.append(number)
        except NotImplementedError:
            signal.signal(number, lambda got, _frame: loop.call_soon_threadsafe(asked, got))
    try:
        yield
    finally:
        for number in looped:
            loop.remove_signal_handler(number)  # it leaves the default behind
        for number, handler in before.items():
            signal.signal(number, handler)
