"""An input in a place where it can be read more than once, which standard input, pipes and URLs are not."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.files.glob import HIDDEN, MAX_NEAR
from batchupdate.reader.files.remote import fetch, public_name, url_of
from batchupdate.reader.registry import SUFFIXES
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

STDIN = "-"
"""The file name that means standard input."""


def source_name(path: Path | str) -> str:
    """What to call an input file in a sentence; a URL without what could be a credential."""
    url = url_of(path)
    if url is not None:
        return public_name(url)
    return "standard input" if str(path) == STDIN else str(path)


@contextmanager
def local_copy(path: Path | str, stream: BinaryIO | None = None) -> Iterator[Path]:
    """Gives a path that can be read more than once.

    Detection looks at a file twice, and so does a run. What is no regular file is copied to a temporary file, which
    is removed at the end; a regular file is given back as it is.

    Args:
        path: the input, or '-' for standard input.
        stream: what to read instead of the process's standard input.

    Raises:
        InputError: it does not exist, is a folder or a device, can't be read, or does not fit on the disk.
    """
    name = source_name(path)
    url = url_of(path)
    place = Path(path)
    if url is None and str(path) != STDIN and _is_regular(place, name):
        yield place
        return
    copy = _spool(path, stream, name)
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def unreadable(error: OSError, path: Path, source: str) -> InputError:
    """Why a file can't be opened, and the way out."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is no file {source}.", _similar(path))
    if isinstance(error, PermissionError):
        return InputError(f"{source} can't be read: permission denied.", "Check who may read it, or copy it.")
    return InputError(f"{source} can't be read: {error.strerror or error}.", "Check the path and the drive it is on.")


def _is_regular(place: Path, name: str) -> bool:
    try:
        mode = place.stat().st_mode
    except OSError as error:
        raise unreadable(error, place, name) from error
    except ValueError as error:
        raise InputError(f"{name!r} can't be the name of a file.", "Check the path.") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{name} is a folder.", _files_in(place))
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise InputError(f"{name} is neither a file nor a pipe, but a device or a socket.", "Give a file.")
    return stat.S_ISREG(mode)


def _spool(path: Path | str, stream: BinaryIO | None, name: str) -> Path:
    """Copies a URL, a pipe or standard input to a temporary file, which keeps the suffix of its name."""
    copy: Path | None = None
    url = url_of(path)
    try:
        with ExitStack() as opened:
            handle, place = tempfile.mkstemp(prefix="batchupdate-", suffix=PurePath(name).suffix[:10] or ".input")
            copy = Path(place)
            out = opened.enter_context(os.fdopen(handle, "wb"))
            if url is not None:
                fetch(url, out)
            elif str(path) == STDIN:
                shutil.copyfileobj(stream or sys.stdin.buffer, out, 1 << 20)
            else:
                shutil.copyfileobj(opened.enter_context(Path(path).open("rb")), out, 1 << 20)
    except BaseException as error:
        if copy is not None:
            copy.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(
                f"{name} can't be copied to a temporary file: {error.strerror or error}.",
                "Save it as a file, and give that.",
            ) from error
        raise
    return copy


def _similar(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either; check the path."
    tables = {
        PurePath(name).stem: name
        for name in sorted(_names(path.parent))
        if PurePath(name).suffix.lower() in {*SUFFIXES, path.suffix.lower()}
    }
    close = [tables[stem] for stem in nearest(path.stem, tables, MAX_NEAR)]
    return f"Did you mean {' or '.join(close)}?" if close else "Check the name and the folder."


def _files_in(folder: Path) -> str:
    tables = sorted(name for name in _names(folder) if PurePath(name).suffix.lower() in SUFFIXES)
    return f"Give a file, such as {folder / tables[0]}." if tables else "Give a file."


def _names(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir() if one.is_file() and not one.name.startswith(HIDDEN)]
    except OSError:
        return []
