"""The rows that a page shows: all that did not succeed and some that did, as far as the page's size allows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.api.causes import ID, Causes
from batchupdate.model import FieldChange
from batchupdate.reporter.plan_values import in_words, value_of
from batchupdate.reporter.results_csv import captured_texts
from batchupdate.spreadsheet.reserved_columns import REPLY
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json
from batchupdate.util.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchupdate.api.error_group import ErrorGroup
    from batchupdate.model import Line, RowLabels

MOST_BYTES = 1_150_000
"""The size of all rows; with the rest of the page, a file of less than 1.5 MB."""

MOST_BYTES_FAILED = 1_000_000
MOST_SUCCEEDED = 2_000
LONGEST_VALUE = 160
MOST_VALUES = 8
_NOTHING = Seen()
Shown = tuple["Line", str | None, str | None, str | None]
"""A row as a journal gives it; see `ShownRow`."""
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def script_json(value: object) -> str:
    """JSON that can stand in a page's `<script>`: nothing in it ends that, or begins a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


class ShownRow(NamedTuple):
    """A row as a page shows it: what became of it, the fields that it sets, and what is known of its record before.

    `fields` is JSON, `state` that of a `Seen`, and `pulled` that of a `Pulled`; None where there is none.
    """

    line: Line
    fields: str | None = None
    state: str | None = None
    pulled: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as the page's script reads them, each a JSON list, and how many of each kind are there.

    A row is its number, the index of its file, its id, outcome, HTTP status, attempts, duration in milliseconds,
    seconds from the start of the run to its end, the index of its error group (-1 for none), its error (null for that
    group's own sentence with its id), and the values: name and new one, with the old one between where it is known;
    then what is kept of its reply, by its headings in the other reports.
    """

    texts: list[str]
    failed: int
    succeeded: int
    first: list[list[Any]]


class RowWriter:
    """Turns rows of a journal into those of a page.

    Args:
        columns: the input's headings.
        names: the headings and fields that tell error groups apart.
        labels: how rows are called.
        groups: the error groups of the page.
        started_at: when the run began, in Unix time.
        captured: the names of what is kept of replies.
    """

    def __init__(
        self,
        columns: Sequence[str],
        names: Iterable[str],
        labels: RowLabels,
        groups: Sequence[ErrorGroup],
        started_at: float | None,
        captured: Sequence[str] = (),
    ) -> None:
        self._columns, self._labels, self._started_at = columns, labels, started_at
        self._captured = captured
        self._causes = Causes(names)
        self._groups = {(one.outcome, one.http_status, one.pattern): index for index, one in enumerate(groups)}
        self._messages = [one.message for one in groups]
        self._files = {name: index for index, name in enumerate(labels.names)}

    def rows(self, failed: Iterable[Shown], succeeded: Iterable[Shown], most_first: int) -> Rows:
        """The rows that there is room for; the first `most_first` of them as they are, too: they need no script."""
        texts: list[str] = []
        first: list[list[Any]] = []
        size = 0
        counts = []
        for rows, most_bytes, most in (
            (failed, MOST_BYTES_FAILED, MOST_BYTES_FAILED),
            (succeeded, MOST_BYTES, MOST_SUCCEEDED),
        ):
            before = len(texts)
            for row in rows:
                values = self.values(ShownRow(*row))
                text = script_json(values)
                size += len(text.encode("utf-8", "backslashreplace")) + 2
                if size > most_bytes or len(texts) - before >= most:
                    break
                texts.append(text)
                if len(first) < most_first:
                    first.append(values)
            counts.append(len(texts) - before)
            size = min(size, most_bytes)
        return Rows(texts, counts[0], counts[1], first)

    def values(self, shown: ShownRow) -> list[Any]:
        """One row as the page has it; see `Rows`."""
        line = shown.line
        group, error = self._error(shown) if line.error else (-1, "")
        since = None
        if line.finished_at is not None and self._started_at is not None:
            since = round(line.finished_at - self._started_at, 1)
        return [
            self._labels.row(line.number),
            self._files.get(self._labels.file(line.number), -1),
            line.record_id,
            line.outcome,
            line.http_status,
            line.attempts,
            None if line.duration_ms is None else round(line.duration_ms),
            since,
            group,
            error,
            [*_bounded(self._values(shown)), *_bounded(self._replied(line))],
        ]

    def _error(self, shown: ShownRow) -> tuple[int, str | None]:
        line = shown.line
        pattern = self._causes.pattern(line.record_id, line.http_status, line.error)
        group = self._groups.get((line.outcome, line.http_status, pattern), -1)
        same = group >= 0 and self._messages[group].replace(ID, line.record_id) == line.error
        return group, None if same else line.error

    def _values(self, shown: ShownRow) -> list[list[str]]:
        """The fields that a row sets, with their old values where these are known; else the cells as typed."""
        if shown.fields:
            seen = Seen.from_json(shown.state) if shown.state else _NOTHING
            pulled = Pulled.from_json(shown.pulled or "")
            new = exact_json.loads(shown.fields)
            values = [shown_change(name, value, seen, pulled) for name, value in new.items()]
        else:
            cells = json.loads(shown.line.cells)
            headings = [*self._columns, *(f"column {number + 1}" for number in range(len(self._columns), len(cells)))]
            values = [[heading, cell] for heading, cell in zip(headings, cells, strict=False) if cell]
        return values

    def _replied(self, line: Line) -> list[list[str]]:
        """What is kept of the reply to the row's change."""
        texts = captured_texts(line, self._captured) if line.captured else ()
        return [[f"{REPLY}{name}", text] for name, text in zip(self._captured, texts, strict=False) if text]


def shown_change(name: str, value: object, seen: Seen, pulled: Pulled) -> list[str]:
    """A field that a row sets: its name, its old value as far as it is known, and the new one."""
    known = seen if seen.gone or seen.knows(name) else pulled.seen or _NOTHING
    if known.gone or known.knows(name):
        absent = known.gone or name in known.absent
        old = in_words(FieldChange(name, known.values.get(name), value, absent=absent))
    elif name in pulled.old:
        old = value_of(pulled.old[name])
    else:
        return [name, value_of(value)]
    return [name, old, value_of(value)]


def _bounded(values: list[list[str]]) -> list[list[str]]:
    """The first of the values, and the beginning of each: a row has room for so much."""
    more = len(values) - MOST_VALUES
    kept = [[cut(text, LONGEST_VALUE) for text in value] for value in values[: MOST_VALUES if more > 1 else None]]
    return [*kept, [f"… and {more} more", ""]] if more > 1 else kept
