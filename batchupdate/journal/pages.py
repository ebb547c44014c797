"""A SQLite file read page by page, without SQLite: as much of it as damage has left.

SQLite gives up a table at its first damaged page, and reads some damage without a word. Here every page is looked at
for itself, and whatever contradicts the format (https://www.sqlite.org/fileformat2.html) marks a page as not sound.
There are no checksums in such a file: what is damaged and still agrees with itself can't be told.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack, suppress
from itertools import pairwise
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from batchupdate.journal.write_ahead import WriteAhead, read_write_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

Value = int | float | str | bytes | None
Record = tuple[Value, ...]

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
DEFAULT_PAGE_SIZE = 4096
_MAGIC = b"SQLite format 3\0"
_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))
_INTERIOR_INDEX, _INTERIOR_TABLE, _LEAF_INDEX, _LEAF_TABLE = 2, 5, 10, 13
_LEAF_HEAD, _INTERIOR_HEAD = 8, 12
_SMALLEST_CELL = 4
_INT_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FLOAT, _ZERO, _ONE, _BLOB, _TEXT = 7, 8, 9, 12, 13


class Damaged(Exception):  # noqa: N818 - it says what was found
    """What was looked at is not as the format has it."""


class Leaf(NamedTuple):
    """One page of a table's rows, each with its key.

    The keys lie in `low` < key <= `high`. Where the page is not sound, some rows may be missing, and those that are
    there may be older than they should be.
    """

    low: int
    high: int
    sound: bool
    rows: list[tuple[int, Record]]


class Pages:
    """The pages of a database and its `-wal` file; a context manager. Nothing is written.

    Args:
        path: the database.

    Raises:
        OSError: a file can't be opened or read.
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as stack:
            self._file: IO[bytes] = stack.enter_context(path.open("rb"))
            head = self._file.read(100).ljust(100, b"\0")
            self.page_size = _page_size(head)
            self.ahead, self._ahead_file = WriteAhead(), None
            with suppress(FileNotFoundError):
                self._ahead_file = stack.enter_context(path.with_name(path.name + "-wal").open("rb"))
                self.ahead = read_write_ahead(self._ahead_file, self.page_size or DEFAULT_PAGE_SIZE)
            self.page_size = self.page_size or self.ahead.page_size or DEFAULT_PAGE_SIZE
            self._files = stack.pop_all()
        self._usable = self.page_size - (head[20] if head.startswith(_MAGIC) else 0)
        self.count = max(self._file.seek(0, 2) // self.page_size, self.ahead.count, max(self.ahead.pages, default=0))
        self._taken = bytearray(self.count + 1)
        self._take_free_pages()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    # Trees.

    def table(self, root: int) -> Iterator[Leaf]:
        """The rows of a table in the order of their keys; a part that can't be reached is a leaf without rows."""
        places = [(root, LOWEST, HIGHEST)]
        while places:
            number, low, high = places.pop()
            try:
                page = self._take(number)
                if page[0] == _INTERIOR_TABLE:
                    places += self._children(page, low, high)
                else:
                    yield self._leaf(page, low, high, root=number == root)
            except Damaged:
                yield Leaf(low, high, sound=False, rows=[])

    def strays(self) -> Iterator[Leaf]:
        """The rows of all pages that no table has led to so far, and that are not free: none in a sound file."""
        for number in range(2, self.count + 1):
            if not self._taken[number]:
                with suppress(Damaged):
                    yield self._leaf(self._page(number), LOWEST, HIGHEST)
        for place in self.ahead.strays:
            with suppress(Damaged):
                yield self._leaf(self._ahead_page(place), LOWEST, HIGHEST)

    def index(self) -> Iterator[Record]:
        """The records of all indexes, and of tables that are kept like one; in no order."""
        for number in range(2, self.count + 1):
            if self._taken[number]:
                continue
            with suppress(Damaged):
                page = self._page(number)
                if page[0] in {_INTERIOR_INDEX, _LEAF_INDEX}:
                    self._taken[number] = True
                    yield from self._index_records(page)

    def _children(self, page: bytes, low: int, high: int) -> list[tuple[int, int, int]]:
        """An interior page's children with their ranges, the last one first."""
        places, used, last = [], [], low
        for start in self._cell_places(page, _INTERIOR_HEAD):
            key, end = _varint(page, start + 4)
            key = _signed(key)
            if not last < key <= high:
                raise Damaged
            places.append((_long(page, start), last, key))
            used.append((start, end))
            last = key
        if not self._adds_up(page, used):
            raise Damaged
        places.append((_long(page, 8), last, high))
        return places[::-1]

    def _leaf(self, page: bytes, low: int, high: int, *, root: bool = False) -> Leaf:
        if page[0] != _LEAF_TABLE:
            raise Damaged
        rows, used, sound = [], [], True
        for start in self._cell_places(page, _LEAF_HEAD):
            try:
                length, place = _varint(page, start)
                key, place = _varint(page, place)
                data, end = self._payload(page, place, length, self._usable - 35)
                rows.append((_signed(key), _record(data)))
                used.append((start, max(end, start + _SMALLEST_CELL)))
            except Damaged:
                sound = False
        keys = [key for key, _ in rows]
        if any(key >= following for key, following in pairwise(keys)):
            raise Damaged  # which of the keys is the wrong one can't be told
        inside = [(key, record) for key, record in rows if low < key <= high]
        sound = sound and len(inside) == len(rows) and (root or bool(rows)) and self._adds_up(page, used)
        return Leaf(min([low, *keys]), max([high, *keys]), sound, inside)

    def _index_records(self, page: bytes) -> Iterator[Record]:
        interior = page[0] == _INTERIOR_INDEX
        most = (self._usable - 12) * 64 // 255 - 23
        for start in self._cell_places(page, _INTERIOR_HEAD if interior else _LEAF_HEAD):
            with suppress(Damaged):
                length, place = _varint(page, start + (4 if interior else 0))
                yield _record(self._payload(page, place, length, most)[0])

    # Pages and cells.

    def _take(self, number: int) -> bytes:
        """A page that belongs to one place alone."""
        if not 0 < number <= self.count or self._taken[number]:
            raise Damaged
        page = self._page(number)
        self._taken[number] = True
        return page

    def _page(self, number: int) -> bytes:
        if (place := self.ahead.pages.get(number)) is not None:
            return self._ahead_page(place)
        return self._read(self._file, (number - 1) * self.page_size)

    def _ahead_page(self, place: int) -> bytes:
        assert self._ahead_file is not None  # noqa: S101 - there are no such places otherwise
        return self._read(self._ahead_file, place)

    def _read(self, file: IO[bytes], place: int) -> bytes:
        try:
            file.seek(place)
            page = file.read(self.page_size)
        except OSError as error:  # a bad sector
            raise Damaged from error
        if len(page) < self.page_size:
            raise Damaged
        return page

    def _take_free_pages(self) -> None:
        """Marks what SQLite has put aside for later: old versions of rows stand there."""
        with suppress(Damaged):
            head = self._page(1)
            taken: list[int] = []
            if not head.startswith(_MAGIC):
                return
            trunk, left = _long(head, 32), _long(head, 36)
            while trunk and len(taken) < left <= self.count:
                page = self._page(trunk)
                leaves = struct.unpack_from(f">{min(_long(page, 4), self._usable // 4 - 2)}I", page, 8)
                taken += [trunk, *leaves]
                trunk = _long(page, 0)
            if len(taken) == left and all(1 < number <= self.count for number in taken):
                for number in taken:
                    self._taken[number] = True

    def _cell_places(self, page: bytes, head: int) -> tuple[int, ...]:
        count = _short(page, 3)
        start = head + 2 * count
        if start > self._usable:
            raise Damaged
        places = struct.unpack_from(f">{count}H", page, head)
        return tuple(place for place in places if start <= place <= self._usable - _SMALLEST_CELL)

    def _adds_up(self, page: bytes, used: list[tuple[int, int]]) -> bool:
        """Whether cells, free blocks and fragments fill the page's content to the byte, and none overlaps."""
        if len(used) != _short(page, 3):
            return False
        begin = _short(page, 5) or 1 << 16
        used = list(used)
        block = _short(page, 1)
        while block:
            if block > self._usable - _SMALLEST_CELL:
                return False
            used.append((block, block + _short(page, block + 2)))
            following = _short(page, block)
            if following and following <= block:
                return False
            block = following
        used.sort()
        apart = all(end <= start for (_, end), (start, _) in pairwise(used))
        return apart and sum(end - start for start, end in used) + page[7] == self._usable - begin

    def _payload(self, page: bytes, place: int, length: int, most: int) -> tuple[bytes, int]:
        """A cell's content, and where the cell ends; what does not fit into the page goes on in others."""
        if not 0 < length <= self.count * self.page_size:
            raise Damaged
        here = length
        if length > most:
            least = (self._usable - 12) * 32 // 255 - 23
            here = least + (length - least) % (self._usable - 4)
            here = here if here <= most else least
        end = place + here
        if end + (4 if here < length else 0) > self._usable:
            raise Damaged
        if here == length:
            return page[place:end], end
        parts, left, following = [page[place:end]], length - here, _long(page, end)
        while left > 0:
            more = self._take(following)
            parts.append(more[4 : min(self._usable, 4 + left)])
            left -= self._usable - 4
            following = _long(more, 0)
        return b"".join(parts), end + 4


def _page_size(head: bytes) -> int:
    """The page size in bytes as a database's first bytes tell it; 0 where they are damaged."""
    told = _short(head, 16)
    size = 1 << 16 if told == 1 else told
    return size if head.startswith(_MAGIC) and size in _PAGE_SIZES else 0


def _short(data: bytes, place: int) -> int:
    return data[place] << 8 | data[place + 1]


def _long(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")


def _signed(key: int) -> int:
    return key - (1 << 64) if key > HIGHEST else key


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    try:
        for end in range(place, place + 8):
            byte = data[end]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:  # noqa: PLR2004 - the highest bit says that there is more
                return value, end + 1
        return value << 8 | data[place + 8], place + 9
    except IndexError as error:
        raise Damaged from error


def _record(data: bytes) -> Record:
    """A record's columns."""
    body, place = _varint(data, 0)
    kinds = []
    while place < body:
        kind, place = _varint(data, place)
        kinds.append(kind)
    if place != body:
        raise Damaged
    values = []
    for kind in kinds:
        value, place = _value(data, place, kind)
        values.append(value)
    if place != len(data):
        raise Damaged
    return tuple(values)


def _value(data: bytes, place: int, kind: int) -> tuple[Value, int]:
    """One column, and where it ends."""
    if kind == 0:
        return None, place
    if kind in {_ZERO, _ONE}:
        return kind - _ZERO, place
    size = _INT_SIZES.get(kind) or (8 if kind == _FLOAT else (kind - _BLOB) // 2)
    end = place + size
    if size < 0 or end > len(data):
        raise Damaged
    raw = data[place:end]
    if kind in _INT_SIZES:
        return int.from_bytes(raw, "big", signed=True), end
    if kind == _FLOAT:
        return float(struct.unpack(">d", raw)[0]), end
    if kind % 2 == 0:
        return raw, end
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise Damaged from error
