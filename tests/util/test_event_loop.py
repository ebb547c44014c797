from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest

from batchupdate.util import event_loop


class FastLoop(asyncio.SelectorEventLoop):
    """Stands for uvloop's, which need not be installed."""


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in event_loop.FASTER:
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]  # makes its import fail


async def kind() -> type[asyncio.AbstractEventLoop]:
    return type(asyncio.get_running_loop())


def test_without_a_faster_loop_it_is_pythons_own() -> None:
    assert event_loop.run(kind()) is asyncio.run(kind())


@pytest.mark.parametrize("name", event_loop.FASTER)
def test_a_faster_loop_is_taken_where_it_is_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(new_event_loop=FastLoop))  # type: ignore[arg-type]
    assert event_loop.run(kind()) is FastLoop


def test_what_the_coroutine_raises_is_raised() -> None:
    async def fails() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        event_loop.run(fails())
