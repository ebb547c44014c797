"""Which rows of a run are to be sent again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchupdate.config.row_spans import RowSpan, parse_rows
from batchupdate.errors import ConfigError
from batchupdate.model import MOST_ROWS, Outcome, RowRef, files_of, labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.journal import Journal

WORTH_IT = (Outcome.FAILED, Outcome.UNKNOWN, Outcome.CONFLICT, Outcome.NOT_ATTEMPTED)
"""What is sent again where nothing is said. An invalid row would be invalid again: it has to be mended first."""

Span = tuple[int, int]
"""First and last, both included."""

_STATUS = re.compile(r"([1-9])(xx|\d\d)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """Some rows of a run. Empty `statuses` and `rows` mean all; empty `outcomes` mean those that are worth it.

    `rows` are spans: what a file is called ('' in a run of one file), and its first and last row, both included.
    """

    outcomes: Sequence[Outcome] = ()
    statuses: Sequence[Span] = ()
    rows: Sequence[tuple[str, int, int]] = ()

    def numbers(self, journal: Journal, *, repeatable: bool) -> list[int]:
        """The numbers of the rows, in order. Of merged rows, all come along if one does.

        Where repeating is not safe, a row that may have been applied is chosen only if `unknown` is named.

        Raises:
            ConfigError: rows are named without their file, or with one that the run does not have.
        """
        outcomes = self.outcomes or [one for one in WORTH_IT if repeatable or one is not Outcome.UNKNOWN]
        return journal.numbers_of(outcomes, self.statuses, spans_of(self.rows, journal))

    def __str__(self) -> str:
        parts = ["outcome " + " or ".join(self.outcomes or WORTH_IT)]
        if self.statuses:
            parts.append("status " + ", ".join(_range_text(*span) for span in self.statuses))
        if self.rows:
            parts.append("rows " + ", ".join(str(RowSpan(*rows)) for rows in self.rows))
        return "none has " + " and ".join(parts)


def spans_of(rows: Sequence[tuple[str, int, int]], journal: Journal) -> list[Span]:
    """Some rows, as `Selection` has them, by their keys in a run.

    Raises:
        ConfigError: rows are named without their file, or with one that the run does not have.
    """
    names = labels_of(files_of(journal.meta().get("input"))).names
    return [_span(RowSpan(*one), names) for one in rows]


def _range_text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _span(rows: RowSpan, names: Sequence[str]) -> Span:
    """Some rows by their keys in the run."""
    index = rows.file_index(names)
    if not names:
        return rows.first, rows.last
    return RowRef(index, min(rows.first, MOST_ROWS)).key, RowRef(index, min(rows.last, MOST_ROWS)).key


def parse_selection(outcomes: str | None, statuses: str | None, rows: str | None) -> Selection:
    """Reads `failed,unknown`, `404,5xx` and `10-20,31` or `b.csv:10-20`; None for no wish.

    Raises:
        ConfigError: one of them is not of this form.
    """
    return Selection(_outcomes(outcomes or ""), _statuses(statuses or ""), _rows(rows or ""))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _outcomes(text: str) -> list[Outcome]:
    found = []
    for word in _words(text):
        name = word.lower().replace("-", "_")
        if name not in set(WORTH_IT):
            raise ConfigError(f"--outcome {word!r} can't be sent again.", f"Say one of: {', '.join(WORTH_IT)}.")
        found.append(Outcome(name))
    return found


def _statuses(text: str) -> list[Span]:
    found = []
    for word in _words(text):
        match = _STATUS.fullmatch(word)
        if match is None:
            raise ConfigError(f"--status {word!r} is not an HTTP status.", "Write 404, 5xx, or several: 404,409,5xx")
        first, rest = int(match[1]) * 100, match[2].lower()
        found.append((first, first + 99) if rest == "xx" else (first + int(rest), first + int(rest)))
    return found


def _rows(text: str) -> Sequence[RowSpan]:
    try:
        return parse_rows(text) if text.strip() else ()
    except ValueError as error:
        said, _, way_out = str(error).partition("; ")
        raise ConfigError(f"--rows {said}.", f"{way_out[:1].upper()}{way_out[1:]}") from error
