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
    """Lets Python look for cyclic garbage less often while rows are read and checked: they make next to none.

    Without it, `check` needs a tenth more (`benchmarks/instructions.py --without collections`).
    """
    before = gc.get_threshold()
    gc.set_threshold(RARER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
