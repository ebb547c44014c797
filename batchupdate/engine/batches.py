"""Rows that go out together: put into batches, and taken apart again."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Sequence

    from batchupdate.model import Action, Fault, Reply, Request, Verdict


def together(requests: Sequence[Request]) -> Request:
    """Some requests as one."""
    if len(requests) == 1:
        return requests[0]
    return requests[0]._replace(attempt=max(one.attempt for one in requests), batch=tuple(requests))


def each(request: Request, change: Callable[[Request], Request]) -> Request:
    """The same request with every row of it changed."""
    return together([change(one) for one in request.batch]) if request.batch else change(request)


def halves(request: Request) -> tuple[Request, Request]:
    """A batch as two of half its size."""
    middle = (len(request.batch) + 1) // 2
    return together(request.batch[:middle]), together(request.batch[middle:])


def by_row(
    request: Request, verdict: Verdict, answer: Reply | Fault | None
) -> Iterator[tuple[Request, Reply | Fault | None, Verdict]]:
    """Each row of a request with what was answered of it, and what that means."""
    for one, (reply, own) in zip(request.rows, verdict.parts or repeat((answer, verdict)), strict=False):
        yield one, reply, own


def adding(verdict: Verdict, text: str, action: Action | None = None) -> Verdict:
    """The same with more to be said, of each row."""
    parts = [(reply, adding(own, text, action)) for reply, own in verdict.parts]
    return replace(verdict, message=f"{verdict.message}{text}", action=action or verdict.action, parts=parts)


class Packing:
    """How many rows go out together.

    Args:
        size: how many at the most; 1 sends each by itself.
        max_bytes: how long a body may become; None for as long as it is.
        length: the bytes that a row adds to a body.
        empty: the bytes of a body without rows.
    """

    def __init__(
        self,
        size: int = 1,
        max_bytes: int | None = None,
        length: Callable[[Request], int] = lambda _: 0,
        empty: int = 0,
    ) -> None:
        self.size = size
        self._room = None if max_bytes is None else max_bytes - empty
        self._length = length

    def shrink(self, size: int) -> None:
        """No batch has more than so many rows from now on: the API finds larger ones too long."""
        self.size = max(1, min(self.size, size))

    def take(self, ready: deque[Request]) -> Request:
        """The next rows that go out together; at least one."""
        taken = [ready.popleft()]
        if self._room is None:
            taken += [ready.popleft() for _ in range(min(self.size - 1, len(ready)))]
            return together(taken)
        room = self._room - self._length(taken[0])
        while ready and len(taken) < self.size and (room := room - self._length(ready[0])) >= 0:
            taken.append(ready.popleft())
        return together(taken)
