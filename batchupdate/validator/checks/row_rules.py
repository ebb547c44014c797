"""Checks the target's rules about a row as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Level, Problem
from batchupdate.targets import AnyOf

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch


class RowRules:
    """Checks the target's rules about a row as a whole; a row that sets nothing is refused even without a rule."""

    def __init__(self, target: Target) -> None:
        self._rules = _rules(target)

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for rule in self._rules:
            code = "nothing_to_change" if rule.level is Level.ERROR else "likely_refused"
            names = set(rule.any_of)
            for position, row in enumerate(batch.rows):
                if not names.isdisjoint(batch.records[position]) or not names.isdisjoint(
                    batch.set_aside.get(position, ())
                ):
                    continue
                if rule.level is Level.ERROR or row.number not in batch.problems.invalid_rows:
                    batch.problems.add(Problem(code, row.number, "", "", rule.message, rule.level))


def _rules(target: Target) -> tuple[AnyOf, ...]:
    if any(rule.level is Level.ERROR for rule in target.rules) or any(rule.required for rule in target.fields.values()):
        return target.rules
    names = tuple(target.fields)
    message = f"the row sets nothing; fill in at least one of: {', '.join(names)}"
    return (AnyOf(any_of=names, message=message), *target.rules)
