"""Transforms: changes of a cell's text that the user asks for, from a fixed list."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.validator.columns.column_map import MappedColumn

_blanks = re.compile(r"\s+")
_word = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_JOINED = frozenset("\u200d\ufe0e\ufe0f")


def _title(text: str) -> str:
    """Every word with a capital, and an apostrophe begins no word: `it's`, not `It'S`."""
    return _word.sub(lambda word: word[0].capitalize(), text)


CHANGES: dict[str, Callable[[str], str]] = {
    "trim": str.strip,
    "collapse_spaces": lambda text: _blanks.sub(" ", text),
    "title": _title,
    "lower": str.lower,
    "upper": str.upper,
}
"""Every transform but `truncate`, which needs a length."""


def truncate(text: str, length: int) -> str:
    """At most so many characters, never cut between a letter and its accent or inside an emoji."""
    end = length
    while 0 < end < len(text) and (
        unicodedata.combining(text[end]) or text[end] in _JOINED or text[end - 1] in _JOINED
    ):
        end -= 1
    return text[: end or length].rstrip() if len(text) > length else text


def transformed(
    mapped: MappedColumn, cell: str, on_cut: Callable[[str, str], None] = lambda _before, _after: None
) -> str:
    """The cell as it would be sent: with its column's transforms applied; null and empty markers stay as they are.

    `on_cut` is called with what `truncate` shortens, before and after.
    """
    if not cell or cell in {mapped.null_marker, mapped.empty_marker}:
        return cell
    for name in mapped.transforms:
        if name != "truncate":
            cell = CHANGES[name](cell)
        elif len(cell) > mapped.longest:
            before, cell = cell, truncate(cell, mapped.longest)
            on_cut(before, cell)
    return cell
