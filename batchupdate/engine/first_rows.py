"""The first rows of a source alone, as if it had no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.engine.protocols import Source
    from batchupdate.model import Request


class FirstRows:
    """A source that ends after some rows of another one; what it does not claim stays there.

    Args:
        source: the other one.
        rows: how many.
    """

    def __init__(self, source: Source, rows: int) -> None:
        self._source, self._left = source, rows

    async def claim(self, count: int) -> list[Request]:
        """The next requests, at most `count`; none at the end."""
        count = min(count, self._left)
        requests = await self._source.claim(count) if count else []
        self._left -= len(requests)
        return requests

    async def release(self, keys: Sequence[int]) -> None:
        """Takes back rows that were claimed but not sent."""
        await self._source.release(keys)
