"""Report files appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from batchupdate.errors import SafetyStop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """A text file for its owner alone, written beside `path` and moved into its place once it is on the disk.

    Raises:
        SafetyStop: it can't be written; what stood there before still does.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding=encoding, errors="backslashreplace", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        hint = "The journal is complete: make room or close the file, then run: batchupdate report"
        raise SafetyStop(f"The report {path} can't be written: {error.strerror or error}.", hint) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
