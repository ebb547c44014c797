"""The rows whose requests are out, in a mapped file beside the journal: what a killed process leaves behind.

The journal knows which rows were claimed, up to some hundred more than are out, and learns results in group commits. A
slot of the map is written before a row's request leaves, takes the result as soon as there is one, and is cleared once
that result stands in the journal. The pages of a mapped file belong to the system, not to the process: after a
`kill -9` the map says which rows are unanswered, at most as many as requests were out, and has every result that the
journal lacks. A worker process has a map of its own, and the run's map says which rows it was given.

A power cut may lose pages, in any order. So the map counts only on the same start of the machine (`boot_id`), and only
for the journal's newest session, which has noted the map's token. Otherwise all claimed rows without a result are
unanswered.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError  # noqa: N812 - an exception
from typing import TYPE_CHECKING

from batchupdate.model import Outcome, Result
from batchupdate.util.boot import boot_id

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

NAME = "in-flight.map"
OF_WORKER = "in-flight.{}.map"
"""The same of a worker process, by its name."""

SLOT = 1024
"""Bytes of a slot: a result with its sentence. A longer sentence is cut off, in what a killed process leaves alone."""

SEGMENT = 1024 * SLOT
"""Bytes by which the file grows; a multiple of what every system can map.

As many slots as rows are claimed ahead, and more, so that it need not grow just when the disk is full.
"""

_MAGIC = b"batchupdate in-flight 1"
_BROKEN = b"batchupdate in-flight 0"
"""The magic of a map that had no room for all rows: what it says of single rows does not count."""

_HEAD = Struct("@23s64s64s")
"""The file's first slot: magic, start of the machine, token; then the count of commits."""

_COMMITS = Struct("@Q")  # native, so that it is written as one word, and never half
_COMMITS_AT = 512
_ROW = Struct("@qQqddH?")
"""A slot behind its state: key, requests sent so far but for the one that is out, status, finished at, duration in
ms, bytes of text, final. -1 and NaN stand for None."""

_ROW_AT = 8
_TEXT_AT = _ROW_AT + _ROW.size
_TEXT_MOST = SLOT - _TEXT_AT
_NAME_MOST = 200
_CAPTURED_MOST = 500
"""Bytes of what was captured that a slot takes."""
_UNIT = "\x1f"
"""Separates it from the place before it; neither has one in it."""
_FREE, _OUT, _RESULT = 0, 1, 2


class InFlightMap:
    """Writes the map of one session. Without a file, it takes everything and keeps nothing.

    A slot's state is its first byte. It says that nothing is known of the row's request while the others are written,
    and is written last: what is read after a kill is a whole result, or a row that is out.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file = -1
        self._areas: list[mmap.mmap] = []
        self._free: list[tuple[mmap.mmap, int]] = []  # the last one freed is taken first: its page is at hand
        self._slots: dict[int, tuple[mmap.mmap, int]] = {}

    def create(self, path: Path, token: str) -> bool:
        """Makes the file, in the place of an older one; whether that worked. Where it did not, the claims have to do.

        Its head is on the disk before this returns, so that a map which is missing later was taken away.
        """
        boot = boot_id()
        if not boot:
            return False
        beside = path.with_name(f".{path.name}.new")
        try:
            beside.unlink(missing_ok=True)
            self._file = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
            _lock(self._file)
            self._grow()
            _, first = self._free.pop()
            _HEAD.pack_into(self._areas[0], first, _MAGIC, boot.encode("ascii"), token.encode("ascii"))
            self._areas[0].flush()
            os.fsync(self._file)
            beside.replace(path)
            _sync_folder(path.parent)
            self._path = path
        except OSError:
            self._release()
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        return self._path is not None

    def _grow(self) -> None:
        """Adds slots. Their bytes are written, for a hole in a file may lack room on the disk when it is touched."""
        size = len(self._areas) * SEGMENT
        os.lseek(self._file, size, os.SEEK_SET)
        left = SEGMENT
        while left:
            left -= os.write(self._file, bytes(left))
        area = mmap.mmap(self._file, SEGMENT, offset=size)
        self._areas.append(area)
        self._free.extend((area, at) for at in range(SEGMENT - SLOT, -1, -SLOT))

    def _grown(self) -> bool:
        """Whether there is room for more rows; where there is none, the file says that it is no map."""
        if self._path is None:
            return False
        try:
            self._grow()
        except OSError:
            self._areas[0][0 : len(_BROKEN)] = _BROKEN
            self._path = None
            return False
        return True

    def _release(self) -> None:
        for area in self._areas:
            area.close()
        if self._file >= 0:
            os.close(self._file)
        self._file, self._areas = -1, []
        self._free.clear()
        self._slots.clear()

    def leaves(self, key: int, sent: int) -> None:
        """Notes that a row's request leaves now, the next after `sent` others."""
        slot = self._slots.get(key)
        if slot is None:
            if not self._free and not self._grown():
                return
            slot = self._slots[key] = self._free.pop()
            area, at = slot
            _ROW.pack_into(area, at + _ROW_AT, key, sent, -1, math.nan, math.nan, 0, False)  # noqa: FBT003 - a record
        area, at = slot  # one that waited for its next try has all this
        area[at] = _OUT

    def lends(self, key: int, sent: int, process: str) -> None:
        """Notes that a row is given to a worker process; whether its request has left is said by that one's own map.

        Without a name it counts as out, whatever any process says.
        """
        slot, name = self._slots.get(key), process.encode()
        if slot is None:
            if not self._free and not self._grown():
                return
            slot = self._slots[key] = self._free.pop()
        else:
            area, at = slot
            area[at] = _OUT  # before it is overwritten: half a name is that of no process
        area, at = slot
        area[at + _TEXT_AT : at + _TEXT_AT + len(name)] = name
        _ROW.pack_into(area, at + _ROW_AT, key, sent, -1, math.nan, math.nan, len(name), False)  # noqa: FBT003 - a record
        area[at] = _OUT

    def returns(self, key: int) -> None:
        """Notes that a row is back here, and was not sent."""
        if (slot := self._slots.pop(key, None)) is not None:
            area, at = slot
            area[at] = _FREE
            self._free.append(slot)

    def keep(self, result: Result, *, final: bool) -> None:
        """Notes what became of a row whose request was out; it stays noted until `clear`."""
        slot = self._slots.get(result.row)
        if slot is None:
            return
        area, at = slot
        text = _text_of(result)
        area[at] = _OUT  # before it is overwritten: there can be an earlier result of a row that was to be tried again
        area[at + _TEXT_AT : at + _TEXT_AT + len(text)] = text
        _ROW.pack_into(
            area,
            at + _ROW_AT,
            result.row,
            result.attempts,
            -1 if result.http_status is None else result.http_status,
            math.nan if result.finished_at is None else result.finished_at,
            math.nan if result.duration_ms is None else result.duration_ms,
            len(text),
            final,
        )
        area[at] = _RESULT

    def clear(self, keys: Iterable[int], commits: int) -> None:
        """Frees the slots of rows whose results stand in the journal since the commit of this number."""
        for key in keys:
            self.returns(key)
        if self._areas:
            _COMMITS.pack_into(self._areas[0], _COMMITS_AT, commits)

    @property
    def is_empty(self) -> bool:
        """Whether everything that it knew stands in the journal."""
        return not self._slots

    def close(self, *, remove: bool) -> None:
        """Closes the file; removes it if the session has ended well, for then the journal has all that it knew."""
        remove = remove and self.is_empty
        self._release()
        if self._path is not None and remove:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._path = None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(file: int) -> None:
    """Marks a map as in use for as long as this process lives, on systems that have maps."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_in_use(path: Path) -> bool:
    """Whether the process that writes a map is alive; that is known even where its lock file was deleted."""
    try:
        with path.open("rb") as file:
            _lock(file.fileno())
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@dataclass(frozen=True, slots=True)
class LeftInFlight:
    """What a killed process left in its map.

    `unanswered` are the rows whose requests were out, each with how many had been sent before; `results` those that the
    journal may lack, each with whether it is final; `commits` is how many commits the process had seen done. `lent`
    says which of the unanswered ones a worker process had, by its name.
    """

    unanswered: Sequence[tuple[int, int]]
    results: Sequence[tuple[Result, bool]]
    commits: int
    lent: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """What a map says of its session, whichever start of the machine it was.

    `commits` is how many commits the process had seen done; before the first one, no request leaves.
    """

    token: str
    commits: int


def read_head(path: Path) -> Head | None:
    """Reads a map's head; None where there is no map."""
    try:
        with path.open("rb") as file:
            data = file.read(SLOT)
        magic, _, token = _HEAD.unpack_from(data)
        if magic in {_MAGIC, _BROKEN}:
            return Head(token.rstrip(b"\0").decode("ascii"), _COMMITS.unpack_from(data, _COMMITS_AT)[0])
    except (OSError, StructError, ValueError):
        pass
    return None


def read_map(path: Path, token: str | None) -> LeftInFlight | None:
    """Reads a map; None where there is none, or it belongs to another session or to an earlier start of the machine."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    boot = boot_id()
    if not (token and boot and data) or len(data) % SEGMENT:
        return None
    wanted = _HEAD.pack(_MAGIC, boot.encode("ascii"), token.encode("ascii"))
    if data[: len(wanted)] != wanted:
        return None
    unanswered: list[tuple[int, int]] = []
    results: list[tuple[Result, bool]] = []
    lent: dict[int, str] = {}
    try:
        for at in range(SLOT, len(data) - SLOT + 1, SLOT):
            if data[at] == _OUT:
                key, sent, _, _, _, length, _ = _ROW.unpack_from(data, at + _ROW_AT)
                unanswered.append((key, sent))
                if length:  # else nobody else had it
                    lent[key] = data[at + _TEXT_AT : at + _TEXT_AT + length].decode("utf-8", "replace")
            elif data[at] == _RESULT:
                results.append(_result(data, at))
            elif data[at] != _FREE:
                return None
    except (ValueError, OverflowError):  # not what we wrote
        return None
    return LeftInFlight(unanswered, results, _COMMITS.unpack_from(data, _COMMITS_AT)[0], lent)


def maps_of_workers(folder: Path) -> dict[str, Path]:
    """The maps of worker processes in a run's folder, by the names of these."""
    before, after = OF_WORKER.split("{}")
    return {path.name[len(before) : -len(after)]: path for path in folder.glob(OF_WORKER.format("*"))}


def read_maps(path: Path, token: str | None) -> LeftInFlight | None:
    """Reads a session's map, and those of the worker processes that it has given rows to.

    A row that one of these had is out only if its own map says so; where there is none, nobody knows.
    """
    left = read_map(path, token)
    if left is None or not left.lent:
        return left
    named = {process: read_map(each, process) for process, each in maps_of_workers(path.parent).items()}
    of_workers = {process: each for process, each in named.items() if each is not None}
    out = {process: dict(each.unanswered) for process, each in of_workers.items()}
    answered = {process: {one[0].row: one for one in each.results} for process, each in of_workers.items()}
    unanswered: list[tuple[int, int]] = []
    results = [*left.results]
    for key, sent in left.unanswered:
        process = left.lent.get(key, "")
        if process not in of_workers:
            unanswered.append((key, sent))
        elif key in out[process]:
            unanswered.append((key, out[process][key]))
        elif key in answered[process]:
            results.append(answered[process][key])
    return LeftInFlight(unanswered, results, left.commits)


def _text_of(result: Result) -> bytes:
    """The result's texts; the sentence stands last, for it alone can hold anything."""
    _, outcome, _, _, error, request_id, location, _, _, captured = result
    if captured and len(captured.encode()) < _CAPTURED_MOST:  # else they are lost, if the process is killed just now
        location = f"{location}{_UNIT}{captured}"
    text = f"{outcome}\0{request_id}\0{location}\0{error}".encode("utf-8", "replace")
    if len(text) > _TEXT_MOST:
        location = location if captured else location[:_NAME_MOST]
        text = f"{outcome}\0{request_id[:_NAME_MOST]}\0{location}\0{error}".encode("utf-8", "replace")
    return text[:_TEXT_MOST]


def _result(data: bytes, at: int) -> tuple[Result, bool]:
    """A slot's result, and whether it is final; raises ValueError if it is none of ours."""
    key, attempts, status, finished_at, duration_ms, length, final = _ROW.unpack_from(data, at + _ROW_AT)
    text = data[at + _TEXT_AT : at + _TEXT_AT + length].decode("utf-8", "ignore")
    outcome, request_id, location, error = text.split("\0", 3)
    location, _, captured = location.partition(_UNIT)
    result = Result(
        key,
        Outcome(outcome),
        None if status < 0 else status,
        attempts,
        error,
        request_id,
        location,
        None if math.isnan(finished_at) else finished_at,
        None if math.isnan(duration_ms) else duration_ms,
        captured,
    )
    return result, final
