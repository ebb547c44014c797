"""A background thread for one call at a time, so that a stage can continue while its last batch is being written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")


class BackgroundThread:
    """Runs calls in order in one thread, with at most one pending, so that memory stays flat. A context manager.

    An exception of a call is raised by the next `call`, by `wait`, or at the end of the context.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._pending: Future[object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown()

    def call(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Waits for the previous call, then starts this one and returns."""
        self.wait()
        self._pending = self._thread.submit(function, *args, **kwargs)

    def wait(self) -> None:
        """Waits for the pending call, if there is one."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()
