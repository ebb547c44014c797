"""The result of checking one batch of rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from batchupdate.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.model import Problem, Row
    from batchupdate.targets import IdRule, Target
    from batchupdate.targets.precondition import Pulled
    from batchupdate.validator.batch import Batch, Record


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """The result of checking one batch: `records` is parallel to `rows`, with None for a row that is not to be sent.

    `skipped` gives the reason for the rows, by number, that don't meet the conditions in `when` or that were pulled and
    not edited; all others without a record have an error. `untouched` counts those that were not edited. `cleared`
    counts, by field, the valid rows that send null or an empty value. `pulled` is by number what a pulled sheet says of
    the records of rows that are sent.
    """

    target: Target
    rows: Sequence[Row]
    records: Sequence[Record | None]
    ids: Sequence[tuple[str, ...] | None]
    problems: Sequence[Problem] = ()
    skipped: Mapping[int, str] = field(default_factory=dict)
    cleared: Mapping[str, int] = field(default_factory=dict)
    untouched: int = 0
    pulled: Mapping[int, Pulled] = field(default_factory=dict)

    def sightings(self) -> list[tuple[str, int, bool]]:
        """Which record each row names, also of a row that is otherwise invalid: a `Sighting`, as a plain tuple."""
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

    def with_skipped(
        self, rows: Sequence[Row], skipped: Mapping[int, str], problems: Sequence[Problem], *, untouched: int
    ) -> CheckedRows:
        """The same result among all rows of the batch.

        Args:
            rows: all rows; `self.rows` are those that were not skipped, in the same order.
            skipped: the reason, by the number of each row that was skipped.
            problems: those of the skipped rows.
            untouched: how many of these were not edited since they were pulled.
        """
        records, ids = iter(self.records), iter(self.ids)
        return replace(
            self,
            rows=rows,
            records=[None if row.number in skipped else next(records) for row in rows],
            ids=[None if row.number in skipped else next(ids) for row in rows],
            problems=sorted([*self.problems, *problems], key=lambda problem: problem.row)
            if problems
            else self.problems,
            skipped=skipped,
            untouched=untouched,
        )


def _key(rules: Sequence[IdRule], ids: Sequence[str]) -> str:
    return "\x1f".join(rule.key(value) for rule, value in zip(rules, ids, strict=True))


def collect(batch: Batch, target: Target, fields: Sequence[str]) -> CheckedRows:
    """The result for a batch that has passed through all checks.

    Args:
        batch: is used up; its records become those of the result.
        target: what was checked against.
        fields: the names of the mapped ids and fields, in the order of the columns.
    """
    names = target.path_variables
    if len(names) == 1 and not batch.set_aside and not batch.problems.found:  # nearly always
        name = names[0]
        return CheckedRows(target, batch.rows, batch.records, [(record.pop(name),) for record in batch.records])
    ids: list[tuple[str, ...] | None] = []
    records: list[Record | None] = []
    cleared: Counter[str] = Counter()
    for position, (row, record) in enumerate(zip(batch.rows, batch.records, strict=True)):
        identified = row.number not in batch.problems.unidentified_rows and all(name in record for name in names)
        ids.append(tuple(record[name] for name in names) if identified else None)
        if row.number in batch.problems.invalid_rows:
            records.append(None)
            continue
        for name in names:
            del record[name]
        if aside := batch.set_aside.get(position):
            both = record | aside
            cleared.update(list(aside))
            record = {name: both[name] for name in fields if name in both}  # noqa: PLW2901 - in the file's order
        records.append(record)
    return CheckedRows(target, batch.rows, records, ids, batch.problems.sorted(), cleared=cleared)
