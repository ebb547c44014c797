"""Temporary copies of inputs: bounded, removed at the end, and at the next start where the process was killed."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from time import time
from typing import IO, TYPE_CHECKING, BinaryIO

from batchupdate.config.settings import MAX_COPY_BYTES
from batchupdate.errors import InputError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PREFIX = "batchupdate-copy-"
_FRESH_S = 60.0
"""Seconds; a file that is younger may not be locked yet."""
_CHUNK_BYTES = 1 << 20
_FIRST_NOTICE_BYTES = 250_000_000


def _ignore(_text: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class CopyLimit:
    """How much of an input is copied that may have no end, and who is shown how far that is.

    Attributes:
        max_bytes: at most so many bytes.
        say: gets a sentence at a quarter of a gigabyte, and whenever the size has doubled.
    """

    max_bytes: int = MAX_COPY_BYTES
    say: Callable[[str], None] = _ignore


@contextmanager
def temporary_file(name: str) -> Iterator[tuple[Path, BinaryIO]]:
    """An empty file with the suffix of a name, and its path; it is removed at the end.

    It is locked as long as it is needed, so that `remove_orphans` knows which ones nobody needs.

    Raises:
        OSError: it can't be made.
    """
    with ExitStack() as opened:
        handle, place = tempfile.mkstemp(prefix=_PREFIX, suffix=PurePath(name).suffix[:10] or ".input")
        path = Path(place)
        opened.callback(path.unlink, missing_ok=True)
        out = opened.enter_context(os.fdopen(handle, "wb"))
        if sys.platform != "win32":
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path, out


def remove_orphans() -> None:
    """Removes the temporary files of processes that were killed; on Windows, which can't lock so, none."""
    if sys.platform == "win32":
        return
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if time() - path.lstat().st_mtime < _FRESH_S:
                continue
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where a process is alive that needs it
                path.unlink()
        except OSError:
            continue


def copy_bounded(stream: IO[bytes], out: IO[bytes], name: str, limit: CopyLimit) -> None:
    """Copies a stream to its end.

    Raises:
        InputError: it has more bytes than are allowed.
        OSError: they do not fit on the disk.
    """
    size, notice = 0, _FIRST_NOTICE_BYTES
    while chunk := stream.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > limit.max_bytes:
            raise InputError(
                f"{name} has more than {limit.max_bytes:,} bytes, which is as much as is copied.",
                "If that is right, raise the limit, such as --max-copy 20GB; or save it as a file, and give that.",
            )
        if size >= notice:
            most = limit.max_bytes // 1_000_000
            limit.say(f"{name} goes on: {size // 1_000_000:,} MB of at most {most:,} MB are copied so far.")
            notice *= 2
        out.write(chunk)
    out.flush()
