"""`--rows`: some rows of a file are read, and the others are as if they did not stand there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from batchupdate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.config.row_spans import RowSpan
    from batchupdate.model import Row

_number = attrgetter("number")


class ChosenRows:
    """Picks the rows with some numbers out of a file's rows, which come in order.

    Args:
        spans: of this file; they may overlap.
        source: what to call the file in a sentence.

    Attributes:
        last: the highest number that is wanted; 0 if none is.

    Raises:
        ConfigError: a span names a file, where there is only one.
    """

    def __init__(self, spans: Sequence[RowSpan], source: str) -> None:
        for span in spans:
            span.file_index(())
        self._spans, self._source = spans, source
        self._missing = set(spans)
        self._pieces = _joined([(span.first, span.last) for span in spans])
        self.last = self._pieces[-1][1] if self._pieces else 0

    def begin(self) -> None:
        """The rows come from the first one on."""
        self._missing = set(self._spans)

    def among(self, rows: list[Row]) -> list[Row]:
        """Those of some rows that are wanted."""
        if not rows:
            return rows
        self._missing -= {span for span in self._missing if _within(rows, span.first, span.last)}
        return [row for first, last in self._pieces for row in _within(rows, first, last)]

    def refuse_missing(self) -> None:
        """Call it at the end.

        Raises:
            InputError: there is no row with one of the numbers, or none within one of the spans.
        """
        missing = [span for span in self._spans if span in self._missing]
        if missing:
            several = missing[0].first != missing[0].last
            raise InputError(
                f"{self._source} has no data row{'s' if several else ''} {missing[0]}, which --rows names.",
                "Rows are counted as a spreadsheet program shows them: the header is one, and so are blank rows.",
            )


def _within(rows: list[Row], first: int, last: int) -> list[Row]:
    if last < rows[0].number or first > rows[-1].number:
        return []
    return rows[bisect_left(rows, first, key=_number) : bisect_right(rows, last, key=_number)]


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in spans that are in order and do not overlap."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
