"""What became of one batch of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchupdate.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.model import Problem, Row
    from batchupdate.targets import IdRule, Target
    from batchupdate.validator.edits import Edits

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one batch: `records` stands beside `rows`, with None for a row that is not to be sent.

    `skipped` are the numbers of the rows that don't meet the conditions in `when`, or that were pulled and not edited,
    with the reason; all others without a record have an error. `untouched` counts those that were not edited. `cleared`
    counts, by field, the valid rows that send null or an empty value.
    """

    target: Target
    rows: Sequence[Row]
    records: Sequence[Record | None]
    ids: Sequence[tuple[str, ...] | None]
    problems: Sequence[Problem]
    skipped: Mapping[int, str] = field(default_factory=dict)
    cleared: Mapping[str, int] = field(default_factory=dict)
    untouched: int = 0

    def sightings(self) -> list[tuple[str, int, bool]]:
        """Which record each row names, also of a row that is invalid otherwise: a `Sighting`, as a plain tuple."""
        rules = [self.target.id[name] for name in self.target.path_variables]
        rows = zip(self.rows, self.ids, self.records, strict=True)
        if len(rules) == 1:
            key = rules[0].key
            return [(key(ids[0]), row.number, record is not None) for row, ids, record in rows if ids]
        return [(_key(rules, ids), row.number, record is not None) for row, ids, record in rows if ids]

    def changes(self) -> Iterator[Change | None]:
        """One change for each row, None where the row has an error."""
        for row, ids, record in zip(self.rows, self.ids, self.records, strict=True):
            yield Change(row.number, ids, record) if ids and record is not None else None


def _key(rules: Sequence[IdRule], ids: Sequence[str]) -> str:
    if len(rules) == 1:
        return rules[0].key(ids[0])
    return "\x1f".join(rule.key(value) for rule, value in zip(rules, ids, strict=True))


def spliced(rows: Sequence[Row], checked: Checked, left_out: Mapping[int, str], edits: Edits) -> Checked:
    """What was found about some of the rows, beside all of them."""
    records, ids = iter(checked.records), iter(checked.ids)
    told = [problem for problem in edits.problems if problem.row in left_out]
    return Checked(
        checked.target,
        rows,
        [None if row.number in left_out else next(records) for row in rows],
        [None if row.number in left_out else next(ids) for row in rows],
        sorted([*checked.problems, *told], key=lambda problem: problem.row) if told else checked.problems,
        left_out,
        checked.cleared,
        len(edits.untouched),
    )
