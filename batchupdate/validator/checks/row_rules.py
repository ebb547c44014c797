"""Checks the target's rules about a row as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Level, Problem
from batchupdate.targets import AnyOf

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch


class RowRules:
    """Checks the target's rules about a row as a whole; a row that sets nothing is refused even without a rule."""

    def __init__(self, target: Target) -> None:
        self._rules = [(rule, rule.asked_by(target.fields)) for rule in _rules(target)]

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for rule, when in self._rules:
            code = "required" if rule.when else "nothing_to_change"
            code = code if rule.level is Level.ERROR else "likely_refused"
            names = set(rule.any_of)
            for position, row in enumerate(batch.rows):
                if _sets(batch, position, names) or (rule.when and not _sets(batch, position, when)):
                    continue
                if rule.level is Level.ERROR or row.number not in batch.problems.invalid_rows:
                    batch.problems.add(Problem(code, row.number, "", "", rule.message, rule.level))


def _sets(batch: Batch, position: int, names: AbstractSet[str]) -> bool:
    """Whether a row sets any of these fields, with a valid value or not."""
    return not (names.isdisjoint(batch.records[position]) and names.isdisjoint(batch.set_aside.get(position, ())))


def _rules(target: Target) -> tuple[AnyOf, ...]:
    if any(rule.level is Level.ERROR and not rule.when for rule in target.rules) or any(
        rule.required for rule in target.fields.values()
    ):
        return target.rules
    names = tuple(target.fields)
    message = f"the row sets nothing; fill in at least one of: {', '.join(names)}"
    return (AnyOf(any_of=names, message=message), *target.rules)
