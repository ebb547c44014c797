"""The inputs of a run: one file, or several, each in a place where it can be read more than once."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import InputError
from batchupdate.reader.files.local_copy import STDIN, local_copy, source_name
from batchupdate.reader.files.remote import public_name, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Source(NamedTuple):
    """One input of a run.

    `path` is where it can be read, which may be a temporary copy; `name` what to call it in a sentence; `place` where
    it stands, as the journal keeps it: an absolute path, '-', or a URL without what could be a credential.
    """

    path: Path
    name: str
    place: str


@contextmanager
def local_copies(given: str | Path | Sequence[str | Path]) -> Iterator[list[Source]]:
    """Gives the inputs of a run, one or several, in places where they can be read more than once; see `local_copy`.

    Raises:
        InputError: one of them can't be read, or stands there twice; or standard input stands beside others.
    """
    chosen = [given] if isinstance(given, str | Path) else list(given)
    _refuse_same_file_twice(chosen)
    with ExitStack() as stack:
        yield [Source(stack.enter_context(local_copy(one)), source_name(one), _place(one)) for one in chosen]


def _place(one: str | Path) -> str:
    url = url_of(one)
    if url is not None:
        return public_name(url)
    return STDIN if str(one) == STDIN else str(Path(one).absolute())


def _refuse_same_file_twice(chosen: Sequence[str | Path]) -> None:
    if not chosen:
        raise InputError("No file is named.", "Name one, or several.")
    if len(chosen) > 1 and STDIN in map(str, chosen):
        raise InputError(
            "Standard input (-) can't be one of several files.", "Save what comes there as a file, and name that."
        )
    seen: dict[object, str] = {}
    for one in chosen:
        name = source_name(one)
        key = _identity(one)
        if key in seen:
            problem = f"{name} is named twice" if seen[key] == name else f"{seen[key]} and {name} are the same file"
            raise InputError(f"{problem}.", "Name each file once.")
        seen[key] = name


def _identity(one: str | Path) -> object:
    """What two names of one file share."""
    url = url_of(one)
    if url is not None:
        return url
    try:
        found = os.stat(one)  # noqa: PTH116 - the name can be any text
    except (OSError, ValueError):  # a problem of its own when it is opened
        return os.path.abspath(one)  # noqa: PTH100 - as above
    return found.st_dev, found.st_ino
