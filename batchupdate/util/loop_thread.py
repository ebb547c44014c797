"""An event loop in a thread of its own, for a caller that is not asynchronous, and may run inside another loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

from batchupdate.util.event_loop import loop_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

POLL_S = 0.2
"""Seconds after which the caller looks up: so soon Ctrl-C is heard where nothing else wakes it (Windows)."""


class LoopThread:
    """Runs coroutines, one after the other, on one loop, and waits for each. A context manager.

    Whatever ends the waiting, such as Ctrl-C, cancels the coroutine.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, stop = self._started.result()
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def run(self, coroutine: Coroutine[Any, Any, T], meanwhile: Callable[[], None]) -> T:
        """What a coroutine returns; `meanwhile` is called in the caller's thread, a few times a second."""
        loop, _ = self._started.result()
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            while not wait([future], POLL_S).done:
                meanwhile()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:  # at its end, it cancels what is still running
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()
