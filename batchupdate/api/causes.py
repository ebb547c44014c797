"""Errors grouped by cause: sentences that differ only in an id, a number or a quoted value are one group.

Two sentences belong together if they come from the same outcome and status, and are the same once every part that may
vary is taken out: a text in quotes, an address, and any word that has a digit in it. A heading or field in quotes is no
such part, for each is a cause of its own. What a group shows keeps the parts that all its sentences have in common, so
that "at most 40 are allowed" stays, and has an ellipsis for each of the others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.api.error_group import ErrorGroup, Example
from batchupdate.api.ways_out import way_out

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CAUSES = 1000
"""Causes that are told apart; rows with still others are counted together."""

MOST_EXAMPLES = 5
OTHERS = "other errors, all different"
ID = "<id>"
SHORTEST_ID = 6
"""Shorter ids may stand in a sentence by chance."""

_CACHED = 4096
_PART = re.compile(
    r"""
    "(?:[^"\\]|\\.)*" | (?<!\w)'(?:[^'\\]|\\.)*'(?!\w) | “[^”]*” | \u2018[^\u2019]*\u2019 | «[^»]*» | `[^`]*`
    | (?:[\w@+%-] | [./:](?=\w))+
    """,
    re.VERBOSE,
)
_QUOTES = "\"'“\u2018«`"
_MAY_VARY = re.compile(r"[\d@]").search


class Cause:
    """One group that is being counted: its rows, the first of them, and what their sentences have in common."""

    __slots__ = ("_fixed", "_variable", "count", "examples", "number", "outcome", "status")

    def __init__(self, number: int, outcome: str, status: int | None, parts: _Parts) -> None:
        self.number, self.outcome, self.status = number, outcome, status
        self._fixed = parts.fixed
        self._variable: list[str | None] = [*parts.variable]
        self.count = 0
        self.examples: list[Example] = []

    def add(self, parts: _Parts, key: int, record_id: str) -> None:
        """Counts a row; rows come in their order."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(Example(key, record_id))
        for index, text in enumerate(parts.variable):
            if self._variable[index] != text:
                self._variable[index] = None

    @property
    def message(self) -> str:
        """What the sentences have in common."""
        texts = ["…" if text is None else text for text in self._variable]
        return "".join(part for pair in zip(self._fixed, [*texts, ""], strict=True) for part in pair)

    def group(self) -> ErrorGroup:
        """The group as reports show it."""
        examples = tuple(self.examples)
        message, outcome, status = self.message, self.outcome, self.status
        way, pattern = way_out(outcome, status), "…".join(self._fixed)
        return ErrorGroup(message, self.count, examples[0].row, "", outcome, status, examples, way, pattern)


class Causes:
    """Counts rows by the cause of their errors, in memory that does not grow with the rows.

    Args:
        names: headings and fields, which tell causes apart where they stand in quotes.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._found: dict[tuple[str, int | None, tuple[str, ...]], Cause] = {}
        self._others: Cause | None = None
        self._parts = lru_cache(_CACHED)(self._parts_of)

    def add(self, key: int, record_id: str, outcome: str, status: int | None, error: str) -> Cause:
        """Counts a row that did not succeed; returns its cause. Rows come in their order."""
        parts = self._parts_in(record_id, status, error)
        place = (outcome, status, parts.fixed)
        cause = self._found.get(place)
        if cause is None:
            if len(self._found) >= MOST_CAUSES:
                cause, parts = self._other(outcome), _OTHERS
            else:
                cause = self._found[place] = Cause(len(self._found), outcome, status, parts)
        cause.add(parts, key, record_id)
        return cause

    def pattern(self, record_id: str, status: int | None, error: str) -> str:
        """What a row's sentence has in common with all others of its cause; see `ErrorGroup`."""
        return "…".join(self._parts_in(record_id, status, error).fixed)

    def _parts_in(self, record_id: str, status: int | None, error: str) -> _Parts:
        if len(record_id) >= SHORTEST_ID and record_id in error:
            error = error.replace(record_id, ID)
        return self._parts(error, status)

    def _other(self, outcome: str) -> Cause:
        if self._others is None:
            self._others = Cause(MOST_CAUSES, outcome, None, _OTHERS)
        return self._others

    def groups(self, most: int) -> list[ErrorGroup]:
        """The groups, the largest first; of equal ones the one that came up first."""
        return [cause.group() for cause in self.largest(most)]

    def largest(self, most: int) -> list[Cause]:
        """The causes of most rows, the largest first."""
        causes = [*self._found.values(), *([self._others] if self._others else [])]
        return sorted(causes, key=lambda cause: (-cause.count, cause.examples[0].row))[:most]

    def _parts_of(self, sentence: str, status: int | None) -> _Parts:
        """A sentence in its fixed parts, and the parts that may vary between them."""
        fixed, variable, end = [], [], 0
        for found in _PART.finditer(sentence):
            text = found[0]
            if not self._varies(text) or (not found.start() and text == str(status)):
                continue
            fixed.append(sentence[end : found.start()])
            variable.append(text)
            end = found.end()
        return _Parts((*fixed, sentence[end:]), tuple(variable))

    def _varies(self, text: str) -> bool:
        if text[0] in _QUOTES:
            return text[1:-1] not in self._names
        return _MAY_VARY(text) is not None


class _Parts(NamedTuple):
    fixed: tuple[str, ...]
    variable: tuple[str, ...]


_OTHERS = _Parts((OTHERS,), ())
