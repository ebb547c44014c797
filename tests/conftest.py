from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import aioresponses.core
import pytest
from fakes import FakeClock


class _ResponseOfOldSignature(aiohttp.ClientResponse):
    """aiohttp 3.14 made `stream_writer` a required argument; aioresponses 0.7.9 does not know it yet."""

    def __init__(self, *args: Any, stream_writer: Any = None, **kwargs: Any) -> None:
        stream_writer = stream_writer or SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=stream_writer, **kwargs)


aioresponses.core.ClientResponse = _ResponseOfOldSignature  # type: ignore[misc]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
