"""Which fields of a row go out if only those are to be sent that really change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from batchupdate.targets import Target


class SentFields:
    """Leaves out fields that a record has already, unless the API wants them along.

    Along go fields that every change needs, members of an object that the API replaces as a whole, and what a rule of
    the target asks for. A PUT may replace the record, so nothing is left out of one.

    Args:
        target: says what it wants.
    """

    def __init__(self, target: Target) -> None:
        self._all = target.method == "PUT" or bool(target.body.base)
        self._required = {name for name, rule in target.fields.items() if rule.required}
        replaced = target.objects.values() if target.body.nesting == "replace" else ()
        self._objects = [frozenset(names) for names in replaced]
        self._rules = [frozenset(rule.any_of) for rule in target.rules]

    def of(self, fields: Mapping[str, Any], changes: Collection[str]) -> Mapping[str, Any]:
        """The fields that are sent of a row of which some change; the same object if that is all of them."""
        if self._all or len(changes) == len(fields):
            return fields
        wanted = set(changes) | (self._required & fields.keys())
        for names in self._objects:
            wanted |= names & fields.keys() if names & wanted else set()
        for names in self._rules:
            wanted |= names & fields.keys() if not names & wanted else set()
        return {name: value for name, value in fields.items() if name in wanted}
