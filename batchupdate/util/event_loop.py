"""The event loop where it is ours: the fastest that is installed.

uvloop, and winloop on Windows, come with the extra `fast`. Library functions run on their caller's loop and never
choose one.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

FASTER = ("uvloop", "winloop")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end on a new loop, as `asyncio.run` does, and returns what it returns."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes a new loop; None for Python's own."""
    for name in FASTER:
        try:
            factory: Callable[[], asyncio.AbstractEventLoop] = import_module(name).new_event_loop
        except ImportError:
            continue
        return factory
    return None
