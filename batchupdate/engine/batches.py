"""Rows that go out together: put into batches, and taken apart again."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

from batchupdate.model import Action

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from batchupdate.model import Fault, Reply, Request, Verdict


def together(requests: Sequence[Request]) -> Request:
    """Some requests as one."""
    if len(requests) == 1:
        return requests[0]
    return requests[0]._replace(attempt=max(one.attempt for one in requests), batch=tuple(requests))


def each(request: Request, verdict: Verdict, change: Callable[[Request, Verdict], Request]) -> Request:
    """The same request with every row of it changed, by what was answered of that row."""
    return together([change(one, own) for one, _, own in by_row(request, verdict, None)])


def at_no_cost(left: bool, request: Request, verdict: Verdict) -> Request:  # noqa: FBT001 - whether it left
    """A request that goes out again, and that costs it no attempt."""
    return request._replace(sent=request.sent + left, unsure=request.unsure or verdict.ambiguous, current=None)


def by_next_step(request: Request, parts: Sequence[tuple[Reply, Verdict]]) -> Iterator[tuple[Request, Reply, Verdict]]:
    """Rows that were answered each by itself: those that end here one by one, and those that go on alike together."""
    groups: dict[Action, list[tuple[Request, tuple[Reply, Verdict]]]] = {}
    for one, part in zip(request.rows, parts, strict=True):
        reply, own = part
        if own.action in {Action.DONE, Action.STOP}:
            yield one, reply, own
        else:
            groups.setdefault(own.action, []).append((one, part))
    for group in groups.values():
        rows, own_parts = zip(*group, strict=True)
        reply, longest = max(own_parts, key=lambda part: part[1].wait_s or 0.0)
        yield together(rows), reply, replace(longest, parts=own_parts)


def some_taken(verdict: Verdict) -> bool:
    """Whether the API has answered some rows of a batch, and asks to wait with others."""
    return any(own.action is not Action.HOLD for _, own in verdict.parts)


def halves(request: Request) -> tuple[Request, ...]:
    """A batch as two of half its size; a row by itself stays as it is."""
    if not request.batch:
        return (request,)
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
        kind: equal for rows that may go out together; None where all may.
    """

    def __init__(
        self,
        size: int = 1,
        max_bytes: int | None = None,
        length: Callable[[Request], int] = lambda _: 0,
        empty: int = 0,
        kind: Callable[[Request], Hashable] | None = None,
    ) -> None:
        self.size = size
        self._room = None if max_bytes is None else max_bytes - empty
        self._length, self._kind = length, kind

    def shrink(self, rows: Sequence[Request]) -> None:
        """The API finds a body with these rows too long: later ones are half as long at the most.

        It is not their number that counts, or one long row would make all later batches small.
        """
        half = sum(map(self._length, rows)) // 2
        self._room = half if self._room is None else min(self._room, half)

    def take(self, ready: deque[Request]) -> Request:
        """The next rows that go out together; at least one. Others keep their order."""
        taken = [ready.popleft()]
        if self.size == 1:
            return taken[0]
        kind = self._kind and self._kind(taken[0])
        room = math.inf if self._room is None else self._room - self._length(taken[0])
        others: list[Request] = []
        while ready and len(taken) < self.size:
            if self._kind and self._kind(ready[0]) != kind:
                others.append(ready.popleft())
                continue
            if (room := room - self._length(ready[0])) < 0:
                break
            taken.append(ready.popleft())
        ready.extendleft(reversed(others))
        return together(taken)
