"""What is found out about one batch of rows while it passes through the checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchupdate.model import Level, Problem

_OF_THE_ID = {"bad_id", "ragged_row", "id_as_number", "lost_zeros", "shifted_row"}


@dataclass(slots=True)
class Findings:
    """The problems of one batch.

    `broken` are the numbers of the rows that can't be sent, `nameless` of those whose id is not to be trusted, and
    `closed` of those about which nothing more is said: their cells may stand under the wrong headings, or must not
    be shown.
    """

    problems: list[Problem] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)
    nameless: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    _settled: set[tuple[int, str]] = field(default_factory=set)

    def know(self, problem: Problem, *, of_id: bool) -> None:
        """Keeps what is known of a cell before it is checked; if that is an error, nothing else is said about it."""
        self.add(problem)
        if problem.level is Level.ERROR:
            self._settled.add((problem.row, problem.column))
            if of_id:
                self.nameless.add(problem.row)

    def add(self, problem: Problem) -> None:
        """Keeps a problem, and what follows from it for its row."""
        if problem.code in _OF_THE_ID and problem.level is Level.ERROR:
            self.nameless.add(problem.row)
        if problem.row in self.closed or (self._settled and (problem.row, problem.column) in self._settled):
            return
        self.problems.append(problem)
        if problem.level is Level.ERROR:
            self.broken.add(problem.row)
