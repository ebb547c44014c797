"""`--rows 10-20,31`: some rows of an input, by their numbers as a spreadsheet program shows them."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROWS = re.compile(r"(?:(.+):)?(\d{1,12})(?:-(\d{1,12}))?", re.ASCII)


class RowSpan(NamedTuple):
    """What a file is called, and its first and last row, both included; no name in a run of one file."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.file}:{numbers}" if self.file else numbers

    def file_index(self, names: Sequence[str]) -> int:
        """Which of several files is meant, from 0; `names` is empty in a run of one file.

        Raises:
            ConfigError: a file is needed and not named, or named and not there.
        """
        if not names:
            if self.file:
                raise ConfigError(f"--rows {str(self)!r} names a file, but this run has only one.", "Write 10-20.")
            return 0
        if self.file not in names:
            near = next(iter(difflib.get_close_matches(self.file, names, 1, 0)))
            what = f"{self.file!r}, which this run does not have" if self.file else "no file, but this run has several"
            example = f"--rows {self._replace(file=shlex.quote(near))}"
            raise ConfigError(f"--rows {str(self)!r} names {what}.", f"Say for example: {example}")
        return names.index(self.file)


RowSpans = tuple[RowSpan, ...]


def parse_rows(text: object) -> RowSpans:
    """Reads `10-20,31`, or `b.csv:4-9` of several files; a file's name can hold commas.

    Raises:
        ValueError: it is not of this form.
    """
    if isinstance(text, tuple) and all(isinstance(one, RowSpan) for one in text):
        return text
    found = []
    word = ""
    for piece in str(text).split(","):
        word = f"{word},{piece}" if word else piece.lstrip()
        if match := _ROWS.fullmatch(word.strip()):
            span = RowSpan(match[1] or "", int(match[2]), int(match[3] or match[2]))
            if span.last < span.first:
                break
            found.append(span)
            word = ""
    if word or not found:
        raise ValueError(f"{word.strip()!r} names no rows; write 10-20, or several: 4,10-20,31")
    return tuple(found)


def rows_text(spans: RowSpans) -> str:
    """As it was typed."""
    return ",".join(map(str, spans))
