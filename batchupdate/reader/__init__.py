"""The reader: a file becomes rows, as typed.

One file per format (`delimited`, `workbook`), what they share (`table`), and what is found out before (`kinds`: what
a file is; `detect`: how a text file is written). Memory does not grow with a text file; a workbook's sheet is loaded
whole, and bounded.
"""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from batchupdate.errors import InputError
from batchupdate.reader.files.kind import TABLE_SUFFIXES, Kind, find_kind
from batchupdate.reader.files.remote import fetch, public_name, url_of
from batchupdate.reader.files.unpack import unpacked
from batchupdate.reader.table import Batch, ReadOptions, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchupdate.reader.table import Records

__all__ = ["STDIN", "Batch", "ReadOptions", "Table", "local_copy", "open_table", "source_name"]

STDIN = "-"
"""The file name that means standard input."""

MEANT_FOR = {
    "sheet": frozenset(Kind) - {Kind.TEXT, Kind.JSONL, Kind.PARQUET},
    "encoding": frozenset({Kind.TEXT, Kind.JSONL}),
    "delimiter": frozenset({Kind.TEXT}),
    "header_row": frozenset(Kind) - {Kind.JSONL, Kind.PARQUET},
}
"""For which kinds of file an option means something."""

_STREAMED = frozenset({Kind.TEXT, Kind.JSONL})
_DEFAULT = ReadOptions()


def open_table(path: Path | str, options: ReadOptions = _DEFAULT, *, source: str | None = None) -> Table:
    """Opens a file, finds out how it is written, and reads its header.

    Args:
        path: a text file, JSON Lines, a workbook or a Parquet file, compressed or not, or its URL; what it is, is
            found out from its content. '-' is standard input.
        options: what the user said about it.
        source: what to call the file in a sentence; its path, unless said otherwise.

    Raises:
        InputError: it can't be read as a table; every reason comes with the way out.
    """
    name = source or source_name(path)
    with ExitStack() as opened:
        local = given = opened.enter_context(local_copy(path))
        try:
            local, name = opened.enter_context(unpacked(local, name))
            kind = find_kind(local, name)
            options = fitting(options, kind) if options.mixed else options
            records = _open_records(local, kind, options, name)
            opened.callback(records.close)
            table = Table(records, name, options)
        except OSError as error:
            raise _unreadable(error, local, name) from error
        except UnicodeError as error:
            raise InputError(f"{name} was changed while it was being read.", "Start again.") from error
        table.owns(opened.pop_all(), light=local == Path(path) == given and kind in _STREAMED)
        return table


def source_name(path: Path | str) -> str:
    """What to call an input file in a sentence; a URL without what could be a credential."""
    url = url_of(path)
    if url is not None:
        return public_name(url)
    return "standard input" if str(path) == STDIN else str(path)


@contextmanager
def local_copy(path: Path | str, stream: BinaryIO | None = None) -> Iterator[Path]:
    """Gives a path that can be read more than once, which standard input and pipes can't.

    Detection looks at a file twice, and so does a run. What is no regular file is copied to a temporary file, which
    is removed at the end; a regular file is given back as it is.

    Args:
        path: the input, or '-' for standard input.
        stream: what to read instead of the process's standard input.

    Raises:
        InputError: it does not exist, is a folder, can't be read, or does not fit on the disk.
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


def _is_regular(place: Path, name: str) -> bool:
    try:
        mode = place.stat().st_mode
    except OSError as error:
        raise _unreadable(error, place, name) from error
    except ValueError as error:
        raise InputError(f"{name!r} can't be the name of a file.", "Check the path.") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{name} is a folder.", _files_in(place))
    return stat.S_ISREG(mode)


def _spool(path: Path | str, stream: BinaryIO | None, name: str) -> Path:
    """Copies a URL, a pipe or standard input to a temporary file, which keeps the ending of its name."""
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


def fitting(options: ReadOptions, kind: Kind) -> ReadOptions:
    """The options without those that mean nothing for a kind of file."""
    meaningless: dict[str, Any] = {name: None for name, kinds in MEANT_FOR.items() if kind not in kinds}
    return replace(options, **meaningless)


def _open_records(path: Path, kind: Kind, options: ReadOptions, source: str) -> Records:
    if kind is Kind.TEXT:
        from batchupdate.reader.csv import DelimitedRecords  # noqa: PLC0415 - only what is needed is loaded

        return DelimitedRecords(path, options, source)
    if kind is Kind.JSONL:
        from batchupdate.reader.json_lines import JsonLinesRecords  # noqa: PLC0415 - as above

        return JsonLinesRecords(path, options, source)
    if kind is Kind.PARQUET:
        from batchupdate.reader.parquet import ParquetRecords  # noqa: PLC0415 - as above

        return ParquetRecords(path, options, source)
    from batchupdate.reader.excel.workbook import WorkbookRecords  # noqa: PLC0415 - as above

    return WorkbookRecords(path, kind, options, source)


def _unreadable(error: OSError, path: Path, source: str) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is no file {source}.", _similar(path))
    if isinstance(error, PermissionError):
        return InputError(f"{source} can't be read: permission denied.", "Check who may read it, or copy it.")
    return InputError(f"{source} can't be read: {error.strerror or error}.", "Check the path and the drive it is on.")


def _similar(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either; check the path."
    close = difflib.get_close_matches(path.name, _names(path.parent), n=3)
    return f"Did you mean {' or '.join(close)}?" if close else "Check the name and the folder."


def _files_in(folder: Path) -> str:
    tables = sorted(name for name in _names(folder) if PurePath(name).suffix.lower() in TABLE_SUFFIXES)
    return f"Give a file, such as {folder / tables[0]}." if tables else "Give a file."


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
