"""Rows whose records are only read: what every source of them, and every sink for what is found, has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.model import Request, Result


class LookUps:
    """Hands out rows in their order, and leaves no mark on them.

    Args:
        following: gives the next rows after the one with a key, at most so many.
    """

    def __init__(self, following: Callable[[int, int], list[Request]]) -> None:
        self._following = following
        self._read = 0

    async def claim(self, count: int) -> list[Request]:
        """The next rows."""
        requests = self._following(self._read, count)
        if requests:
            self._read = requests[-1].row
        return requests

    async def release(self, keys: Sequence[int]) -> None:
        """Looking up leaves no mark."""

    def leaves(self, request: Request) -> None:
        """A look-up changes nothing, so it does not matter what becomes of it."""

    def waits(self, result: Result) -> None:
        """As above."""
