"""Computed fields: a template such as `{team}: {name}` puts the cells of a row into a text."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import ConfigError, InputError
from batchupdate.validator.columns.field_names import index_of_column

if TYPE_CHECKING:
    from collections.abc import Sequence


class Template(NamedTuple):
    """A text with gaps for cells: `texts` are around the cells at `places`; a constant has no gaps.

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


def parse_template(name: str, text: str, columns: Sequence[str]) -> Template:
    """Reads `{team}: {name}`; a brace that is meant is written twice.

    Raises:
        ConfigError: it has a brace without its partner, or something else than a column in braces.
        InputError: it names a column that the file does not have.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        message = f"The template of {name!r} can't be read: {error}."
        raise ConfigError(
            message, "Put a column's name in braces, as in {team}; to get a brace itself, write it twice."
        ) from error
    texts, places, headings = [""], [], []
    for literal, column, spec, conversion in parts:
        texts[-1] += literal
        if column is None:
            continue
        place = index_of_column(column, columns)
        has = f"The file has: {', '.join(filter(None, columns))}."
        if spec or conversion:
            message = f"The template of {name!r} can contain only columns in braces, such as {{team}}."
            raise ConfigError(message, has)
        if place is None:
            raise InputError(f"The template of {name!r} names a column {column!r} that the file does not have.", has)
        places.append(place)
        headings.append(columns[place])
        texts.append("")
    return Template(tuple(texts), tuple(places), tuple(headings))
