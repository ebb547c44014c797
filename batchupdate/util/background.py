"""One call at a time in a thread of its own, so that a stage can go on while its last batch is being written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")


class Behind:
    """Runs calls in order, in one thread, and never holds more than one: memory stays flat. A context manager.

    What a call raises is raised by the next `call`, by `wait`, or at the end.
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
        """Starts a call, as soon as the one before it has ended."""
        self.wait()
        self._pending = self._thread.submit(function, *args, **kwargs)

    def wait(self) -> None:
        """Waits for the call that is under way."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()
