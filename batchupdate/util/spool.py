"""A list that may grow longer than memory: beyond a few thousand items, it lies in a temporary file."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from typing import IO, TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

IN_MEMORY = 2000


class Spool(Generic[T]):
    """Keeps items in order, to be read any number of times; at most `in_memory` of them are not in the file.

    The file has no name (or, on Windows, none that outlives it), so only this process can read it, and it is gone when
    the spool is.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._latest: list[T] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def append(self, item: T) -> None:
        """Adds an item.

        Raises:
            OSError: the disk is full.
        """
        self._latest.append(item)
        self._count += 1
        if len(self._latest) >= self._in_memory:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="batchupdate-")  # noqa: SIM115 - closed with the spool
                weakref.finalize(self, self._file.close)
            self._file.seek(0, 2)
            pickle.dump(self._latest, self._file, pickle.HIGHEST_PROTOCOL)
            self._latest = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        place, end = 0, 0
        latest = list(self._latest)
        if self._file is not None:
            end = self._file.seek(0, 2)
        while self._file is not None and place < end:
            self._file.seek(place)
            batch: list[T] = pickle.load(self._file)  # noqa: S301 - nobody else can write there
            place = self._file.tell()
            yield from batch
        yield from latest
