"""What happens to a cell's text on its way from the file to a field: fixed transforms, templates, and which rows count.

Nothing here is a language: transforms come from a fixed list, and a template only puts cells into a text.
"""

from __future__ import annotations

import re
import string
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import ConfigError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import is_pulled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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


class Template(NamedTuple):
    """A text with gaps for cells: `texts` stand around the cells at `places`; a constant has no gaps.

    `headings` are those of the cells.
    """

    texts: tuple[str, ...]
    places: tuple[int, ...]
    headings: tuple[str, ...]

    def fill(self, cells: Sequence[str]) -> str:
        """The text with a row's cells put in."""
        parts = [self.texts[0]]
        for place, text in zip(self.places, self.texts[1:], strict=True):
            parts += (cells[place], text)
        return "".join(parts)


def _place(said: str, columns: Sequence[str]) -> int | None:
    """Where the column of that name stands; `locked` is the field's own where `pull` wrote `_locked` beside it."""
    if is_pulled(said) and said in columns:
        return columns.index(said)
    alike = [place for place, one in enumerate(columns) if one and normalise_heading(one) == normalise_heading(said)]
    return min(alike, key=lambda place: is_pulled(columns[place]), default=None)


def parse_template(name: str, text: str, columns: Sequence[str]) -> Template:
    """Reads `{team}: {name}`; a brace that is meant is written twice.

    Raises:
        ConfigError: it has a brace without its partner, or names a column that the file does not have.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        told = f"The template of {name!r} can't be read: {error}."
        raise ConfigError(
            told, "A column stands in braces, as in {team}; write a brace that is meant twice."
        ) from error
    texts, places, headings = [""], [], []
    for literal, column, spec, conversion in parts:
        texts[-1] += literal
        if column is None:
            continue
        place = _place(column, columns)
        if spec or conversion or place is None:
            told = f"The template of {name!r} names a column {column!r} that the file does not have."
            if spec or conversion:
                told = f"The template of {name!r} can hold columns such as {{team}}, and nothing else in braces."
            raise ConfigError(told, f"The file has: {', '.join(filter(None, columns))}.")
        places.append(place)
        headings.append(columns[place])
        texts.append("")
    return Template(tuple(texts), tuple(places), tuple(headings))


class When(NamedTuple):
    """One condition on a row: the cell at `place` is one of `values`, whatever its case and the spaces around it."""

    place: int
    heading: str
    values: frozenset[str]

    def holds(self, cells: Sequence[str]) -> bool:
        """Whether a row meets it; a row too short to have the cell doesn't."""
        return (cells[self.place] if self.place < len(cells) else "").strip().casefold() in self.values


def parse_when(conditions: Mapping[str, Sequence[str]], columns: Sequence[str]) -> tuple[When, ...]:
    """Finds the columns of the conditions.

    Raises:
        ConfigError: the file has no such column.
    """
    found = []
    for heading, values in conditions.items():
        place = _place(heading, columns)
        if place is None:
            told = f"'when' names a column {heading!r} that the file does not have."
            raise ConfigError(told, f"The file has: {', '.join(filter(None, columns))}.")
        found.append(When(place, columns[place], frozenset(value.strip().casefold() for value in values)))
    return tuple(found)
