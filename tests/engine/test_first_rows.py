from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from batchupdate.engine.first_rows import FirstRows
from batchupdate.model import Request
from batchupdate.util import event_loop

if TYPE_CHECKING:
    from collections.abc import Sequence


class Rows:
    """A source of so many rows, which notes what was claimed and taken back."""

    def __init__(self, count: int) -> None:
        self.rows = [Request(n, f"id-{n}", f"/{n}", "{}") for n in range(count)]
        self.released: list[int] = []

    async def claim(self, count: int) -> list[Request]:
        claimed, self.rows = self.rows[:count], self.rows[count:]
        return claimed

    async def release(self, keys: Sequence[int]) -> None:
        self.released += keys


@given(count=st.integers(0, 30), first=st.integers(0, 40), asked=st.lists(st.integers(1, 9), min_size=45, max_size=45))
def test_the_first_rows_come_in_order_and_no_other_is_claimed(count: int, first: int, asked: list[int]) -> None:
    async def check() -> None:
        source = Rows(count)
        rows = FirstRows(source, first)
        got = [request.row for many in asked for request in await rows.claim(many)]
        assert got == list(range(min(count, first)))
        assert len(source.rows) == count - len(got)
        await rows.release([7])
        assert source.released == [7]

    event_loop.run(check())
