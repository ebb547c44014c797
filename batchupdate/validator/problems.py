"""Collects the problems of one batch of rows while it passes through the checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchupdate.model import Level, Problem

_OF_THE_ID = {"bad_id", "ragged_row", "id_as_number", "lost_zeros", "shifted_row", "repeated_header"}


@dataclass(slots=True)
class Problems:
    """The problems of one batch, and what they mean for its rows, which are given by their numbers.

    Rows in `invalid_rows` can't be sent. The id of rows in `unidentified_rows` can't be trusted. Nothing more is
    reported about rows in `closed_rows`: their cells may be under the wrong headings, or must not be shown.
    """

    found: list[Problem] = field(default_factory=list)
    invalid_rows: set[int] = field(default_factory=set)
    unidentified_rows: set[int] = field(default_factory=set)
    closed_rows: set[int] = field(default_factory=set)
    _closed_cells: set[tuple[int, str]] = field(default_factory=set)

    def add(self, problem: Problem, *, of_id: bool = True) -> None:
        """Adds a problem, unless its row or cell is closed; `of_id` is whether its code may concern the id."""
        if of_id and problem.code in _OF_THE_ID and problem.level is Level.ERROR:
            self.unidentified_rows.add(problem.row)
        if problem.row in self.closed_rows or (
            self._closed_cells and (problem.row, problem.column) in self._closed_cells
        ):
            return
        self.found.append(problem)
        if problem.level is Level.ERROR:
            self.invalid_rows.add(problem.row)

    def add_and_close_row(self, problem: Problem) -> None:
        """Adds a problem after which nothing more is reported about its row."""
        self.add(problem)
        self.closed_rows.add(problem.row)

    def add_and_close_cell(self, problem: Problem, *, of_id: bool) -> None:
        """Adds a problem; if it is an error, nothing more is reported about its cell."""
        self.add(problem, of_id=of_id)
        if problem.level is Level.ERROR:
            self._closed_cells.add((problem.row, problem.column))
            if of_id:
                self.unidentified_rows.add(problem.row)

    def sorted(self) -> list[Problem]:
        """All problems in the order of their rows."""
        return sorted(self.found, key=lambda problem: problem.row)
