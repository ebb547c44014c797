"""What checking an input found, in figures and notices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, overload

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE
from batchupdate.model import Level
from batchupdate.util.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas import DataFrame

    from batchupdate.model import Problem


class Sample(NamedTuple):
    """How many of the rows that can be sent are drawn, by which seed, and from how many; 0 before that is known."""

    rows: int
    seed: int
    drawn_from: int = 0

    def of(self, rows: int) -> Sample:
        """The sample as it is drawn from so many rows."""
        return Sample(min(self.rows, rows), self.seed, rows)

    def __str__(self) -> str:
        rows = "1 row that" if self.drawn_from == 1 else f"{self.drawn_from:,} rows that"
        return (
            f"A random sample of {self.rows:,} of the {rows} can be sent; no other row is in this run. To draw the "
            f"same sample again: --sample {self.rows} --sample-seed {self.seed}"
        )


@dataclass(slots=True)
class Checkup:
    """What checking one input found.

    `rows` are the data rows, `invalid` those of them that can't be sent, `superseded` those whose place another row
    for the same record takes, `skipped` those that the conditions in `when` leave out or that their
    spreadsheet does not show, `hidden` the latter alone, `untouched` those that were
    pulled and not edited. `codes` counts problems by code, warnings among them, and `cleared` by field the cells that
    will be cleared: sent as null or empty. `files` are the data rows of each file where there are several. `found` are
    the problems themselves, in the order in which they were found. `sampled` is what was drawn from the rows that can
    be sent, where a sample was asked for: all other figures are those of the whole input.
    """

    source: str
    target: str
    notices: list[str] = field(default_factory=list)
    rows: int = 0
    invalid: int = 0
    superseded: int = 0
    skipped: int = 0
    hidden: int = 0
    untouched: int = 0
    warnings: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    files: dict[str, int] = field(default_factory=dict)
    sampled: Sample | None = None
    found: Spool[Problem] = field(default_factory=Spool, repr=False, compare=False)

    def add(self, problem: Problem) -> None:
        """Counts and keeps a problem."""
        self.codes[problem.code] += 1
        self.warnings += problem.level is Level.WARNING
        self.found.append(problem)

    @overload
    def problems(self) -> DataFrame: ...

    @overload
    def problems(self, chunksize: int) -> Iterator[DataFrame]: ...

    def problems(self, chunksize: int | None = None) -> DataFrame | Iterator[DataFrame]:
        """Every problem, as a pandas DataFrame: code, level, file, row, column, cell, address and message.

        They are kept in a temporary file beyond the first thousands, and are gone with this object. There are none of a
        run that is resumed: its file is not checked again.

        Args:
            chunksize: give an iterator over frames of at most so many rows instead.
        """
        from batchupdate import frames  # noqa: PLC0415 - it loads pandas

        parts = frames.problem_frames(self.found, frames.ROWS_AT_ONCE if chunksize is None else chunksize)
        return frames.joined(parts, frames.no_problems()) if chunksize is None else parts

    @property
    def exit_code(self) -> int:
        """0 when every row can be sent, else 1."""
        return EXIT_ROWS_NOT_FINE if self.invalid else EXIT_OK
