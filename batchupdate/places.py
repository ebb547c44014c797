"""Where a row stands: the one number that it has in a run, and what a person calls its place.

Journal, workers and keys know a row by a single integer. In a run of one file that is the row's number in it. With
several, the file's index (from 0) stands above the lowest 32 bits. So the rows of one file keep the numbers that their
spreadsheet program shows, all rows are in order, and nothing has to be looked up to tell a row's file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BITS = 32
MOST_ROWS = (1 << BITS) - 1
"""The highest number that a row of one of several files can have."""

NAMED_AT_MOST = 5


class InputFile(NamedTuple):
    """One of several files of a run: what it is called in results, where it stood, its digest, and its data rows."""

    name: str
    path: str
    sha256: str
    rows: int


def number_of(file: int, row: int) -> int:
    """The number in its run of a row of the file with this index, from 0."""
    return file << BITS | row


def file_of(number: int) -> int:
    """The index of a row's file."""
    return number >> BITS


def row_of(number: int) -> int:
    """A row's number in its file."""
    return number & MOST_ROWS


class Places(NamedTuple):
    """How rows are called in a run of these files; `names` is empty for a run of one file, whose rows need no name."""

    names: tuple[str, ...] = ()

    def row(self, number: int) -> int:
        """A row's number as its file has it."""
        return row_of(number) if self.names else number

    def file(self, number: int) -> str:
        """What a row's file is called; empty in a run of one file."""
        if not self.names:
            return ""
        index = file_of(number)
        return self.names[index] if 0 <= index < len(self.names) else f"file {index + 1}"

    def say(self, number: int) -> str:
        """A row's place in a sentence: `row 7`, or with several files `b.csv row 7`."""
        return f"{self.file(number)} row {row_of(number)}" if self.names else f"row {number}"

    def say_all(self, numbers: Sequence[int]) -> str:
        """The places of some rows in a sentence: `row 7`, `rows 7, 9`, or `a.csv row 7, b.csv row 7`."""
        if self.names:
            return ", ".join(map(self.say, numbers))
        return f"row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"

    def rows_by_file(self, numbers: Iterable[int]) -> list[int]:
        """How many of some rows each file has."""
        counts = Counter(map(file_of, numbers))
        return [counts[index] for index in range(len(self.names))]


ONE_FILE = Places()
"""How the rows of a run of one file are called."""


def short_names(paths: Sequence[str]) -> tuple[str, ...]:
    """What to call several files: their names, with as much of the folders before as tells them apart."""
    parts = [PurePath(path).parts or (path,) for path in paths]
    names: list[str] = []
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = [PurePath(*each[-depth:]).as_posix() for each in parts]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(f"{name} ({number})" for number, name in enumerate(names, 1))  # URLs that differ in their query


def listed(names: Sequence[str]) -> str:
    """Some names in a sentence: `a, b and c`, or `a, b, c, d, e and 7 more files`."""
    if len(names) <= 1:
        return "".join(names)
    if len(names) <= NAMED_AT_MOST + 1:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{', '.join(names[:NAMED_AT_MOST])} and {len(names) - NAMED_AT_MOST:,} more files"


def with_rows(told: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """What a journal tells of the input of several files, with how many rows each has."""
    files = [{**file, "rows": count} for file, count in zip(told["files"], rows, strict=True)]
    return {**told, "files": files}


def files_of(told: object) -> tuple[InputFile, ...]:
    """The files of a run as its journal tells of its input; none for a run of one file, or where they can't be read."""
    files = told.get("files") if isinstance(told, dict) else None
    found = [_file(one) for one in files] if isinstance(files, list) else []
    return tuple(one for one in found if one is not None) if None not in found else ()


def _file(told: object) -> InputFile | None:
    match told:
        case {"name": str(name), "path": str(path), "sha256": str(sha256), "rows": int(rows)}:
            return InputFile(name, path, sha256, rows)
    return None


def places_of(files: Sequence[InputFile]) -> Places:
    """How rows are called in a run of several files, or of one where none are listed."""
    return Places(tuple(one.name for one in files))
