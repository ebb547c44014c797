"""Work that is finished even if whoever waits for it is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(work: asyncio.Future[T]) -> T:
    """Waits for work that is under way, to its end. A cancellation is passed on after that.

    Raises:
        CancelledError: this task was cancelled, and the work went well.
        Exception: what the work raised, which weighs more.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.result()
        raise
