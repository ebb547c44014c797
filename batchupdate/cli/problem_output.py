"""How `check` tells problems: as sentences, for a build's annotations, or as CSV; and grouped by kind at the end."""

from __future__ import annotations

import csv
import io
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchupdate.cli.console import Screen
    from batchupdate.model import Problem

FIRST_CELLS = 3


class Format(StrEnum):
    """How problems are written."""

    TEXT = "text"
    GITHUB = "github"
    CSV = "csv"
    JSON = "json"


CSV_COLUMNS = ("code", "level", "row", "column", "address", "cell", "message")
_ROW = CSV_COLUMNS.index("row")


def line_of(problem: Problem) -> str:
    """A problem as a sentence for people."""
    warning = "warning: " if problem.level == "warning" else ""
    return f"{_place(problem)}: {warning}{problem.sentence()} [{problem.code}]"


def _place(problem: Problem) -> str:
    return f"{problem.file} row {problem.row}".lstrip()


def csv_columns(*, several: bool) -> tuple[str, ...]:
    """The headings of `as_csv`; where there are several files, the row's file stands before its number."""
    return (*CSV_COLUMNS[:_ROW], "file", *CSV_COLUMNS[_ROW:]) if several else CSV_COLUMNS


def csv_line(*cells: object) -> str:
    """One line of CSV (RFC 4180) without its end; what a spreadsheet program would run is guarded."""
    from batchupdate.spreadsheet.csv_injection import guard

    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([guard(str(cell)) for cell in cells])
    return out.getvalue()


def as_csv(problem: Problem) -> str:
    """A problem in the order of `csv_columns`."""
    place = (problem.file, problem.row) if problem.file else (problem.row,)
    cells = (problem.code, problem.level.value, *place, problem.column, problem.address, problem.cell, problem.message)
    return csv_line(*cells)


def as_github(problem: Problem, source: str) -> str:
    """A workflow command that marks the row in a pull request.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    message = f"{problem.address}: {problem.sentence()}" if problem.address else problem.sentence()
    place = f"file={_escaped(source, ',:')},line={problem.row},title={problem.code}"
    return f"::{problem.level.value} {place}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    for one in "%\r\n" + more:
        text = text.replace(one, f"%{ord(one):02X}")
    return text


class Groups:
    """Counts problems by kind and column, and remembers where the first of each stand."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}
        self._first: dict[tuple[str, str, str], list[str]] = {}

    def add(self, problem: Problem) -> int:
        """Counts one more; returns how many of its kind there are now."""
        kind = (problem.level.value, problem.code, problem.column)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        first = self._first.setdefault(kind, [])
        if len(first) < FIRST_CELLS:
            first.append(f"{problem.file} {problem.address}".lstrip() if problem.address else _place(problem))
        return self._counts[kind]

    @property
    def most(self) -> int:
        """How many the most frequent kind has."""
        return max(self._counts.values(), default=0)

    def rows(self) -> list[tuple[str, ...]]:
        """Kind, code, column, count and first cells; errors first, then the most frequent."""
        kinds = sorted(self._counts, key=lambda kind: (kind[0], -self._counts[kind]))
        return [
            (level, code, column, f"{self._counts[kind]:,}", self._cells(kind))
            for kind in kinds
            for level, code, column in [kind]
        ]

    def _cells(self, kind: tuple[str, str, str]) -> str:
        more = ", …" if self._counts[kind] > FIRST_CELLS else ""
        return ", ".join(self._first[kind]) + more

    def show(self, screen: Screen) -> None:
        """The table, where there is more than one problem."""
        if sum(self._counts.values()) > 1:
            failure = any(level == "error" for level, _, _ in self._counts)
            screen.table(("kind", "problem", "column", "count", "first cells"), self.rows(), failure=failure)
