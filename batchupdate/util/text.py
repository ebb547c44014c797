"""User's texts inside messages."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMED_AT_MOST = 5


def cut(text: str, length: int) -> str:
    """The text, with its end left out where it is longer than so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def quoted(text: str, length: int = 60) -> str:
    """The text in quotes, on one line, cut off where it is longer than so many characters."""
    return repr(cut(text, length))


def one_line(text: str, length: int) -> str:
    """Somebody else's text on one line: nothing that a terminal would obey, and no more than so many characters."""
    return cut(" ".join("".join(character if character.isprintable() else " " for character in text).split()), length)


def encodable(text: str) -> str:
    """The text such that it can be written as UTF-8: half of a character (a lone surrogate) becomes its escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def as_sentence(text: str) -> str:
    """The text with a full stop at its end, which somebody else's words may have already."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


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
