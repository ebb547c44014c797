"""The event loops that the benchmarks compare."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
LOOPS = ("asyncio", "uvloop")


def run(loop: str, coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a new loop of this kind."""
    if loop == "asyncio":
        return asyncio.run(coroutine)
    import uvloop

    return uvloop.run(coroutine)
