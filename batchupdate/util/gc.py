"""Python's search for cyclic garbage, made rarer for a while."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RARER = 100_000


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Lets Python look for cyclic garbage less often: rows make next to none, and the search costs time at each."""
    before = gc.get_threshold()
    gc.set_threshold(RARER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
