"""What a row has changed, turned round: the old values of its fields, and why some of them can't be restored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.targets.current_record import MISSING
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.validator.pulled_cells import PulledCell
from batchupdate.validator.types import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchupdate.targets import Target


class Undone(NamedTuple):
    """The fields that restore a record, as JSON values, and by name why others can't be restored."""

    fields: Mapping[str, Any]
    lost: Mapping[str, str]


def reasons(lost: Iterable[tuple[str, str]]) -> str:
    """Why fields can't be restored, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, why in lost:
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())


class OldValues:
    """Finds the old values of what rows have changed.

    Args:
        target: says what its fields hold, how they are cleared, and which of them go together.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._cells = {name: PulledCell(name, rule) for name, rule in target.fields.items()}
        reading = target.read or target.list
        self._unread = frozenset(reading.absent if reading else ())
        replaced = target.objects.items() if target.body.nesting == "replace" else ()
        self._objects = {name: frozenset(members) for name, members in replaced}
        self._is_whole = target.method == "PUT" and target.body.base is None

    def of(self, sent: Mapping[str, Any], before: str, pulled: str) -> Undone:
        """What restores a record.

        Args:
            sent: the fields that a row has set.
            before: what the record was before that, the JSON of a `Seen`; '' where it was not read.
            pulled: what the row's sheet, plan or earlier run says of it, the JSON of a `Pulled`.
        """
        seen, known = Seen.from_json(before) if before else Seen(), Pulled.from_json(pulled)
        if seen.gone or (not before and known.gone):
            return Undone({}, dict.fromkeys(sent, "there was no such record before that run"))
        fields: dict[str, Any] = {}
        lost: dict[str, str] = {}
        for name in sent:
            value, why = self._old(name, seen, known)
            if why:
                lost[name] = why
            else:
                fields[name] = value
        self._keep_together(sent, lost)
        return Undone({name: value for name, value in fields.items() if name not in lost}, lost)

    def _old(self, name: str, seen: Seen, known: Pulled) -> tuple[Any, str]:
        """A field's old value as it can be sent, or why there is none."""
        if name not in self._cells:
            return None, "the target does not have this field any more"
        if seen.knows(name):
            return self._sendable(name, seen.values.get(name, MISSING))
        if known.by in {"plan", "diff"} and known.seen is not None and known.seen.knows(name):
            return self._sendable(name, known.seen.values.get(name, MISSING))
        if name not in known.old:
            return None, self._why_unknown(name)
        try:
            return self._sendable(name, self._cells[name].value(known.old[name]))
        except RefusedError as error:
            return None, f"its old value can't be sent: {error}"

    def _sendable(self, name: str, value: Any) -> tuple[Any, str]:  # noqa: ANN401 - any JSON value
        """An old value as it can be sent; one that was not there by the field's rule for clearing."""
        if value is not MISSING and value is not None:
            return value, ""
        rule = self._target.fields[name]
        if rule.nullable:
            return None, ""
        if rule.clearable:
            return rule.empty, ""
        return None, "the record had no value there, and the target does not say how to take one away"

    def _why_unknown(self, name: str) -> str:
        if self._target.read is None and self._target.list is None and self._target.before is None:
            return f"{self._target.name} has no request that reads these records"
        if name in self._unread:
            return "the API does not return this field"
        if self._target.before is not None:
            return "the reply to its change did not show what it was, and nothing else did"
        return "the run did not read the record before its change"

    def _keep_together(self, sent: Mapping[str, Any], lost: dict[str, str]) -> None:
        """Lets fields be lost that can't be sent without those that are."""
        for whole, names in self._objects.items():
            self._lose(names & sent.keys(), lost, f"the API replaces {whole} as a whole")
        fields = self._target.fields
        needed = {name for name in sent if self._is_whole or (name in fields and fields[name].required)}
        missing = next((name for name in sent if name in lost and name in needed), None)
        for rule in (one for one in self._target.rules if one.level == "error"):
            of_rule = [name for name in rule.any_of if name in sent]
            if missing is None and of_rule and all(name in lost for name in of_rule):
                missing = of_rule[0]
        if missing is not None:
            self._lose(sent, lost, "the API wants it with every change", missing)

    @staticmethod
    def _lose(names: Iterable[str], lost: dict[str, str], why: str, missing: str | None = None) -> None:
        names = sorted(names)
        missing = missing or next((name for name in names if name in lost), None)
        if missing is not None:
            for name in names:
                lost.setdefault(name, f"{why}, and {missing} can't be restored: {lost[missing]}")
