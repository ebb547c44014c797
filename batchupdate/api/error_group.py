"""Rows that ended for the same cause, as reports show them; `causes` makes these groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Example(NamedTuple):
    """A row of an error group, with its record's id; `file` is what its file is called where there are several."""

    row: int
    record_id: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows that ended for the same cause; an id in its sentence shows as `<id>`, and what else differs as an ellipsis.

    `example_file` is what the first row's file is called where there are several; `examples` are the first rows, and
    `way_out` says what to do about them where the sentence doesn't. `pattern` is the sentence with an ellipsis for all
    that may differ: it is the same in every run.
    """

    message: str
    count: int
    example_row: int
    example_file: str = ""
    outcome: str = ""
    http_status: int | None = None
    examples: tuple[Example, ...] = ()
    way_out: str = ""
    pattern: str = ""

    @property
    def sentence(self) -> str:
        """The group in one line: how many rows, why, the first of them, and the way out."""
        place = f"{self.example_file} row {self.example_row}".lstrip()
        place = f"first {place}" if self.count > 1 else place
        way_out = f": {self.way_out}" if self.way_out else ""
        return f"{self.count:,} × {self.message}, {place}{way_out}"  # noqa: RUF001 - read as "times"
