"""Files that nobody but their owner can read, from the moment they are made."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_new(path: Path, encoding: str = "utf-8", errors: str = "strict", newline: str | None = None) -> IO[str]:
    """Opens a new text file to write to, with mode 0600.

    It follows no link that somebody may have laid in its place.

    Raises:
        FileExistsError: there is something already.
        OSError: it can't be made.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(descriptor, "w", encoding=encoding, errors=errors, newline=newline)
