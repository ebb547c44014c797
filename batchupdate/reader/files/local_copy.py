"""An input in a place where it can be read more than once, which standard input, pipes and URLs are not."""

from __future__ import annotations

import stat
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.files.glob import HIDDEN, MAX_NEAR
from batchupdate.reader.files.remote import fetched, public_name, url_of
from batchupdate.reader.files.temporary import CopyLimit, copy_bounded, temporary_file
from batchupdate.reader.registry import SUFFIXES
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

STDIN = "-"
"""The file name that means standard input."""
_DEFAULT = CopyLimit()


def source_name(path: Path | str) -> str:
    """What to call an input file in a sentence; a URL without what could be a credential."""
    url = url_of(path)
    if url is not None:
        return public_name(url)
    return "standard input" if str(path) == STDIN else str(path)


@contextmanager
def local_copy(path: Path | str, stream: BinaryIO | None = None, limit: CopyLimit = _DEFAULT) -> Iterator[Path]:
    """Gives a path that can be read more than once.

    Detection looks at a file twice, and so does a run. What is no regular file is copied to a temporary file, which
    keeps the suffix of its name and is removed at the end; a regular file is given back as it is.

    Args:
        path: the input, or '-' for standard input.
        stream: what to read instead of the process's standard input.
        limit: how much may be copied.

    Raises:
        InputError: it does not exist, is a folder or a device, can't be read, has no end, or does not fit on the disk.
    """
    name = source_name(path)
    if url_of(path) is None and str(path) != STDIN and _is_regular(Path(path), name):
        yield Path(path)
        return
    with ExitStack() as opened:
        try:
            copy, out = opened.enter_context(temporary_file(name))
            with _stream(path, stream) as source:
                copy_bounded(source, out, name, limit)
        except OSError as error:
            raise InputError(
                f"{name} can't be copied to a temporary file: {error.strerror or error}.",
                "Save it as a file, and give that.",
            ) from error
        yield copy


@contextmanager
def _stream(path: Path | str, stream: BinaryIO | None) -> Iterator[IO[bytes]]:
    """What a URL, a pipe or standard input gives."""
    url = url_of(path)
    if url is not None:
        with fetched(url) as source:
            yield source
    elif str(path) == STDIN:
        yield stream or sys.stdin.buffer
    else:
        with Path(path).open("rb") as source:
            yield source


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
