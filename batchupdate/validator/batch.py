"""One batch of rows on its way through the checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from batchupdate.validator.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Problem, Row
    from batchupdate.validator.pulled_edits import Edits

Record = dict[str, Any]
"""Values by the names of ids and fields. While a batch is checked, a list's items have names such as `labels[0]`."""


@dataclass(slots=True)
class Batch:
    """The rows of one batch, and what the checks so far have made of them. All sequences are parallel to `rows`.

    `cells` are the rows' cells, as many as there are headings, followed by the computed ones. `mapped` are those of
    the mapped columns, and `columns` the same by column. `records` hold the values to be sent; values that need no
    further check, and cells that were refused, are kept in `set_aside` instead, by position in the batch.
    """

    rows: Sequence[Row]
    reader_problems: Sequence[Problem] = ()
    edits: Edits | None = None
    problems: Problems = field(default_factory=Problems)
    cells: Sequence[tuple[str, ...]] = ()
    mapped: Sequence[tuple[str, ...]] = ()
    columns: Sequence[Sequence[str]] = ()
    records: list[Record] = field(default_factory=list)
    set_aside: dict[int, Record] = field(default_factory=dict)

    def set_aside_value(self, position: int, name: str, value: object) -> None:
        """Keeps a value out of the checks that follow; the row still counts as setting it."""
        self.set_aside.setdefault(position, {})[name] = value

    def sets(self, position: int, name: str) -> bool:
        """Whether a row sets an id or field, with a valid value or not."""
        return name in self.records[position] or name in self.set_aside.get(position, ())


class Check(Protocol):
    """One step: it looks at a batch, adds to its problems, and may prepare what later steps need."""

    def __call__(self, batch: Batch) -> None:
        """Checks the batch."""
        ...
