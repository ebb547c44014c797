"""A sheet appears whole or not at all, and never in the place of another file unless that is wanted."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from batchupdate.errors import InputError, UsageError
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def atomic_file(path: Path, *, force: bool) -> Iterator[Path]:
    """A new file beside `path`, for its owner alone, which is moved there when the context ends without an error.

    Raises:
        UsageError: there is something already, and `force` is not set; or it can't be written.
    """
    refuse_to_replace(path, force=force)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        open_new(beside).close()
        yield beside
        refuse_to_replace(path, force=force)
        beside.replace(path)
    except OSError as error:
        if not path.parent.is_dir():
            raise UsageError(
                f"There is no folder {path.parent}.", "Create it, or give another name with -o."
            ) from error
        message = f"{path} can't be written: {error.strerror or error}."
        close = "Close it if it is open, or give" if path.exists() else "Give"
        raise InputError(message, f"{close} another name with -o.") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def refuse_to_replace(path: Path, *, force: bool) -> None:
    """Refuses a place where something is already, before any work is done for it.

    Raises:
        UsageError: there is something, and `force` is not set; or it is a folder.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Give a file's name with -o.")
    if not force and os.path.lexists(path):
        raise UsageError(f"{path} already exists.", "Replace it with --force, or give another name with -o.")
