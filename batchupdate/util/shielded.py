"""Work that is finished even if the task that waits for it is cancelled."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def shielded(work: asyncio.Future[T]) -> T:
    """Waits until the work is done, also when this task is cancelled meanwhile; only then passes the cancellation on.

    Raises:
        CancelledError: this task was cancelled, and the work succeeded.
        Exception: what the work raised; it takes precedence over a cancellation.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.result()
        raise
