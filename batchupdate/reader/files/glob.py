"""The files that a pattern such as `exports/*.csv` names, in the order in which a person counts them."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from contextlib import contextmanager
from pathlib import Path, PurePath
from threading import Timer
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.reader.files.remote import is_database, url_of
from batchupdate.reader.registry import SUFFIXES
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_NEAR = 3
LONG_S = 2.0
"""Seconds of a search after which people wonder."""
OPEN_IN_OFFICE = "~$"
HIDDEN = (".", OPEN_IN_OFFICE)
"""What names begin with that nobody means: hidden files, and those that say that a document is open."""
"""How the file begins that Excel lays beside a workbook as long as it is open."""

_DIGITS = re.compile(r"(\d+)", re.ASCII)


def _ignore(_text: str) -> None:
    pass


def expand(words: list[str], say: Callable[[str], None] = _ignore) -> list[str]:
    """The files that some words name: a pattern (`*`, `?`, `[…]`, `**`) becomes the files that match it.

    A word that is the name of a file, a URL, or no pattern stays as it is. Folders, hidden files and what Excel lays
    beside open workbooks match no pattern. `say` gets a sentence where a search takes long.

    Raises:
        InputError: a pattern matches no file.
    """
    return [name for word in words for name in _files(word, say)]


def natural_key(path: str) -> list[list[str | int]]:
    """What to sort paths by so that `part 9` stands before `part 10`, folder by folder."""
    return [
        [int(piece) if at % 2 else piece for at, piece in enumerate(_DIGITS.split(part.casefold()))]
        for part in PurePath(path).parts
    ]


def _files(word: str, say: Callable[[str], None]) -> list[str]:
    if not glob.has_magic(word) or url_of(word) is not None or is_database(word) or os.path.lexists(word):
        return [word]
    with _said_when_long(f"Still searching for files that match {word!r}; Ctrl-C stops that.", say):
        found = [
            path
            for path in glob.glob(word, recursive=True)  # noqa: PTH207 - a Path would drop what was typed: ./, and more
            if not PurePath(path).name.startswith(OPEN_IN_OFFICE) and not Path(path).is_dir()
        ]
    if not found:
        raise InputError(f"No file matches {word!r}.", _near(word))
    return sorted(found, key=lambda path: (natural_key(path), path))


@contextmanager
def _said_when_long(text: str, say: Callable[[str], None]) -> Iterator[None]:
    """Says something if what is done takes long; the search itself gives nothing as long as nothing matches."""
    timer = Timer(LONG_S, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _near(word: str) -> str:
    """What may have been meant."""
    folder, pattern = os.path.split(word)
    if glob.has_magic(folder):
        return "Check the pattern and its folders."
    place = Path(folder or ".")
    if not place.is_dir():
        return f"There is no folder {folder}; check the path."
    try:
        names = sorted((entry.name for entry in place.iterdir() if entry.is_file()), key=natural_key)
    except OSError as error:
        return f"The folder {place} can't be looked into: {error.strerror or error}."
    names = [name for name in names if not name.startswith(HIDDEN)]
    near = [name for name in names if fnmatch.fnmatchcase(name.casefold(), pattern.casefold())]
    near = near or nearest(pattern, names, MAX_NEAR)
    if near:
        return f"Did you mean {' or '.join(near[:MAX_NEAR])}?"
    tables = [name for name in names if PurePath(name).suffix.lower() in SUFFIXES][:MAX_NEAR]
    return f"That folder holds {', '.join(tables)}." if tables else "There is no table in that folder."
