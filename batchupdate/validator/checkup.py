"""What checking an input found, in figures and notices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE


@dataclass(slots=True)
class Checkup:
    """What checking one input found.

    `rows` are the data rows, `invalid` those of them that can't be sent, `superseded` those whose place another row
    for the same record takes, `skipped` those that the conditions in `when` leave out, `untouched` those that were
    pulled and not edited. `codes` counts problems by code, warnings among them, and `cleared` by field the cells that
    will be cleared: sent as null or empty. `files` are the data rows of each file where there are several.
    """

    source: str
    target: str
    notices: list[str] = field(default_factory=list)
    rows: int = 0
    invalid: int = 0
    superseded: int = 0
    skipped: int = 0
    untouched: int = 0
    warnings: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    files: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 when every row can be sent, else 1."""
        return EXIT_ROWS_NOT_FINE if self.invalid else EXIT_OK
