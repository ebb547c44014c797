"""What stands in a `-wal` file: the last commits, before SQLite moves them into the database.

Every frame carries a checksum that goes on from the frame before it, so that damage is found; see "The WAL File Format"
in https://www.sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoints, salt, salt, checksum, checksum
_FRAME = struct.Struct(">6I")  # page, pages after a commit or 0, salt, salt, checksum, checksum
_MAGIC = 0x377F0682
_BIG_ENDIAN = 1  # the lowest bit of the magic number: how the checksummed words are read

Sums = tuple[int, int]


@dataclass(slots=True)
class WriteAhead:
    """What could be read of a `-wal` file.

    `pages` is where the newest committed version of each page begins, and `count` how many pages the database then
    has, or 0. `strays` are versions of pages that are whole, but stand behind a damaged place: what was committed
    between is not known. `damaged` tells whether anything is missing as far as can be seen; a file that was cut off at
    the end of a commit looks whole.
    """

    page_size: int = 0
    pages: dict[int, int] = field(default_factory=dict)
    count: int = 0
    strays: list[int] = field(default_factory=list)
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class _Frame:
    page: int
    pages_after: int
    salts: Sums
    place: int
    whole: bool


def read_write_ahead(file: IO[bytes], page_size: int) -> WriteAhead:
    """Reads a `-wal` file through.

    Args:
        file: it.
        page_size: the database's, in bytes, for a file that does not tell; 0 for not known either.
    """
    found = WriteAhead()
    head = file.read(_HEADER.size)
    if not head:
        return found  # as after every checkpoint that truncates
    head = head.ljust(_HEADER.size, b"\0")
    magic, _, told, _, *salts, first, second = _HEADER.unpack(head)
    sums = (first, second)
    big = bool(magic & _BIG_ENDIAN)
    whole = magic | _BIG_ENDIAN == _MAGIC | _BIG_ENDIAN and _checksum(head[:24], (0, 0), big=big) == sums
    found.page_size = told if whole else page_size
    found.damaged = not whole
    waiting: dict[int, int] = {}
    in_order = whole
    for frame in _frames(file, found.page_size, sums, big=big and whole):
        ours = not whole or frame.salts == tuple(salts)  # others are of before the last checkpoint, and moved by now
        in_order = in_order and ours and frame.whole
        if in_order:
            waiting[frame.page] = frame.place
            if frame.pages_after:
                found.pages |= waiting
                found.count = frame.pages_after
                waiting = {}
        elif ours:
            found.damaged = True
            if frame.whole:
                found.strays.append(frame.place)
    return found


def _frames(file: IO[bytes], page_size: int, sums: Sums, *, big: bool) -> Iterator[_Frame]:
    """Every frame that is there in full; whether it is whole shows from it and the checksum of the one before."""
    if not page_size:
        return
    place = _HEADER.size
    while len(data := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
        page, pages_after, *salts, first, second = _FRAME.unpack_from(data)
        expected = _checksum(data[_FRAME.size :], _checksum(data[:8], sums, big=big), big=big)
        sums = (first, second)
        yield _Frame(page, pages_after, (salts[0], salts[1]), place + _FRAME.size, whole=expected == sums)
        place += len(data)


def _checksum(data: bytes, sums: Sums, *, big: bool) -> Sums:
    """SQLite's own: two sums over pairs of 32-bit words."""
    first, second = sums
    words = struct.unpack(f"{'>' if big else '<'}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
