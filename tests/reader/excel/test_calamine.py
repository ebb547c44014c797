from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from workbooks import book

from batchupdate.errors import InputError
from batchupdate.reader import open_table
from batchupdate.reader.excel import calamine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_panic_of_the_library_becomes_a_sentence(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(_cell: object) -> str:
        raise PanicException("index out of bounds")

    with open_table(make(book(("s", [["id"], [1]])), "a.xlsx")) as table:
        monkeypatch.setattr(calamine, "cell_text", panic)
        with pytest.raises(InputError, match=r"damaged workbook.*index out of bounds"):
            list(table.batches())


def test_a_user_who_interrupts_is_not_told_of_damage(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_cell: object) -> str:
        raise KeyboardInterrupt

    with open_table(make(book(("s", [["id"], [1]])), "a.xlsx")) as table:
        monkeypatch.setattr(calamine, "cell_text", stop)
        with pytest.raises(KeyboardInterrupt):
            list(table.batches())
