"""Report files appear whole or not at all, and under a second name where the first is open in another program."""

from __future__ import annotations

import errno
import glob
import os
import secrets
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import IO, TYPE_CHECKING

from batchupdate.config.run_name import name_in_command
from batchupdate.errors import SafetyStop
from batchupdate.spreadsheet.xlsx_file import workbook_file
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
_RANDOM_BYTES = 4


@contextmanager
def replacing(
    path: Path, notices: list[str] | None = None, encoding: str = "utf-8", *, hint: str = ""
) -> Iterator[IO[str]]:
    """A text file for its owner alone, moved into its place once it is on the disk; see `replacing_all`."""
    with replacing_all([path], notices, encoding, hint=hint) as (file,):
        yield file


@contextmanager
def replacing_all(
    paths: list[Path], notices: list[str] | None = None, encoding: str = "utf-8", *, hint: str = ""
) -> Iterator[list[IO[str]]]:
    """Text files for their owner alone, written beside `paths`, and moved into their places once all are on the disk.

    So a full disk leaves all old reports as they were, and no report is newer than the others.

    Args:
        paths: where the files belong, all in folders that this process holds; afterwards, where they are.
        notices: gets a sentence for each file that had to take another name; see `_move`.
        encoding: of the text.
        hint: what to do if a file can't be written; '' for one of a run, whose reports can be rebuilt.

    Yields:
        The open files, in the order of their paths.

    Raises:
        SafetyStop: a file can't be written; what stood there before still does.
    """
    besides = [path.with_name(f".{path.name}.{secrets.token_hex(_RANDOM_BYTES)}") for path in paths]
    path = paths[0]  # the one that an error names
    try:
        with ExitStack() as stack:
            files: list[IO[str]] = []
            for path, beside in zip(paths, besides, strict=True):
                _clear(path)
                files.append(stack.enter_context(_new(beside, encoding)))
            yield files
            for path, file in zip(paths, files, strict=True):  # noqa: B007 - an error names it
                file.flush()
                os.fsync(file.fileno())
        for index, (path, beside) in enumerate(zip([*paths], besides, strict=True)):
            paths[index] = _move(beside, path, [] if notices is None else notices)
    except OSError as error:
        raise _unwritable(path, error, hint) from error
    finally:
        for beside in besides:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


@contextmanager
def replacing_workbook(path: Path, notices: list[str] | None = None, *, hint: str = "") -> Iterator[io.BufferedWriter]:
    """A file for `xlsxwriter.Workbook`, moved into its place once it is on the disk; see `replacing_all`.

    Raises:
        SafetyStop: it can't be written; what stood there before still does.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(_RANDOM_BYTES)}")
    try:
        _clear(path)
        _new(beside, "utf-8").close()  # for its owner alone
        with workbook_file(beside) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _move(beside, path, [] if notices is None else notices)
    except OSError as error:
        raise _unwritable(path, error, hint) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _new(path: Path, encoding: str) -> IO[str]:
    """What can't be encoded is escaped, for a report must not fail over a name; line ends stay as they are written."""
    return open_new(path, encoding, "backslashreplace", newline="")


def _clear(path: Path) -> None:
    """Removes what a process left here that was killed while it wrote this report; ours alone is at work now."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 2 * _RANDOM_BYTES}"):
        with suppress(OSError):
            leftover.unlink()


def _move(beside: Path, path: Path, notices: list[str]) -> Path:
    """Moves a file into its place, or to the first free second name if something there won't give way.

    A second name that is taken is left alone, for it may be open, or edited. Where a free one is refused too, it is
    the folder that can't be written to.

    Returns:
        Where it is now.

    Raises:
        OSError: it can't be moved.
    """
    try:
        return beside.replace(path)
    except OSError as error:
        if not _in_the_way(path, error):
            raise
        second = _free_name(path)
        beside.replace(second)
        why = "is a folder" if path.is_dir() else "is open in another program, or protected"
        notices.append(f"{path.name} {why}; the new file is {second.name}.")
        return second


def _in_the_way(path: Path, error: OSError) -> bool:
    """Whether something at `path` can't be replaced; on Windows, that is a missing permission."""
    return isinstance(error, PermissionError | IsADirectoryError) or path.is_dir()


def _free_name(path: Path) -> Path:
    candidates = (path.with_name(f"{path.stem} ({number}){path.suffix}") for number in count(2))
    return next(candidate for candidate in candidates if not os.path.lexists(candidate))


def _unwritable(path: Path, error: OSError, hint: str) -> SafetyStop:
    again = f"then run: batchupdate report {name_in_command(path.parent)}"
    if error.errno in _FULL:
        return SafetyStop(
            f"The disk is full; it has no room for the reports in {path.parent}.",
            hint or f"Nothing is lost: the journal is complete. Free some space, {again}",
        )
    hint = hint or f"The journal is complete. Close the file or free some space, {again}"
    return SafetyStop(f"The report {path} can't be written: {error.strerror or error}.", hint)
