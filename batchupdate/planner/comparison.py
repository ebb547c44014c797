"""What a change does to a record as it is now, by the meaning of values; and whether it may be sent."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.targets.current_record import MISSING
from batchupdate.targets.precondition import NOTHING_SENT, Pulled
from batchupdate.util import json as exact_json
from batchupdate.util.text import quoted
from batchupdate.validator.matches import KeyField
from batchupdate.validator.pulled_cells import PulledCell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.targets import Target
    from batchupdate.targets.seen import Seen

ALREADY_SO = "the record already has these values"


class Finding(StrEnum):
    """What a comparison has found."""

    CHANGES = "changes"
    """Something of the record changes, or that can't be known."""
    UNCHANGED = "unchanged"
    """The record has all values already."""
    CONFLICT = "conflict"
    """The record is not as it was expected; nothing may be sent."""


class Compared(NamedTuple):
    """What was found; which fields change, as far as that is known; and why nothing may be sent."""

    finding: Finding
    changes: Sequence[str] = ()
    message: str = ""


class Comparison:
    """Compares changes with records of one target.

    Two values are equal if they mean the same: two spellings of a number or of a moment, a text that the API trims, a
    list of which the order does not count.

    Args:
        target: says what its fields hold.
        sends_all: whether what a row sets goes out also where it is so already.
    """

    def __init__(self, target: Target, *, sends_all: bool = False) -> None:
        self._target = target
        self._sends_all = sends_all or target.method == "PUT"
        self._cells: dict[str, PulledCell] = {}

    def compare(self, wanted: Mapping[str, Any], known: Pulled, present: Seen, *, guarded: bool = True) -> Compared:
        """Compares one row with its record.

        A field that has its new value already is no conflict, whoever has set it; neither is one of which nothing can
        be known. What the sheet expects in so many words must be so, unless there is nothing left to be set. Nor may
        the change take something away that the row does not name; see `ReplacedObjects`.

        Args:
            wanted: what the row sets.
            known: what the record should be before that.
            present: what it is.
            guarded: whether it counts what it should be.
        """
        changes = [name for name, value in wanted.items() if not self.is_so(name, value, present)]
        # A field that was so in the plan, and is not sent, must still be so.
        planned = [name for name in known.held if name not in wanted]
        if guarded and known.gone and changes:
            made = f"there was no such record {_WHEN[known.by]}, and there is one now"
            message = f"{NOTHING_SENT}{made}: {changes[0]} is {self.text(changes[0], present)}{_WAY_OUT[known.by]}"
            return Compared(Finding.CONFLICT, changes, message)
        conflicts = self._conflicts(wanted, changes, [*changes, *planned], known, present) if guarded and known else []
        lost = self._lost(wanted, changes, present) if guarded and changes and not _is_forced(known) else []
        if conflicts or lost:
            message = self._message(conflicts, lost, known)
            return Compared(Finding.CONFLICT, changes, f"{NOTHING_SENT}{message}")
        return Compared(Finding.CHANGES, changes) if changes else Compared(Finding.UNCHANGED, (), ALREADY_SO)

    def _conflicts(
        self,
        wanted: Mapping[str, Any],
        changes: Sequence[str],
        unlike: Sequence[str],
        known: Pulled,
        present: Seen,
    ) -> list[tuple[str, str]]:
        left = [name for name in known.expected if changes or name not in wanted]
        found = [*self._others(unlike, known, present), *self._unexpected(left, known, present)]
        named = {name for name, _ in found}
        # What an earlier try of ours may have set is no other record.
        keys = [name for name in known.matched if name not in named and (name in changes or name not in wanted)]
        return [*found, *self._unmatched(keys, known, present)]

    def lost(self, wanted: Mapping[str, Any], present: Seen) -> str:
        """Why a change may not be sent that would take something from its record; '' if it takes nothing."""
        lost = self._lost(wanted, [*wanted], present)
        return f"{NOTHING_SENT}{self._message((), lost, Pulled())}" if lost else ""

    def _lost(self, wanted: Mapping[str, Any], changes: Sequence[str], present: Seen) -> list[tuple[str, str]]:
        """What the record has in objects that the API replaces, and the row does not send along."""
        found = []
        for whole, fields in self._target.replaced.of(wanted if self._sends_all else changes).items():
            why = f"would be lost: the API replaces {whole} as a whole, and"
            left = [
                name for name in fields if name not in wanted and not _is_nothing(present.values.get(name, MISSING))
            ]
            found += [
                (name, f"{name} is {self.text(name, present)} now, and {why} this row does not set it") for name in left
            ]
            beside = present.undeclared.get(whole, ())
            found += [(name, f"{name} {why} {self._target.name} does not declare it") for name in beside]
        return found

    def _message(self, conflicts: Sequence[tuple[str, str]], lost: Sequence[tuple[str, str]], known: Pulled) -> str:
        """What is not as it should be, or would be lost: the first in words, the names of the others, and a way out."""
        (name, said), others = (conflicts or lost)[0], conflicts[1:]
        also = f" ({', '.join(one for one, _ in others)} changed as well)" if others else ""
        if left := lost if conflicts else lost[1:]:
            also += f" ({', '.join(one for one, _ in left)} would be lost as well)"
        said_by_the_sheet = bool(known.expected) or (bool(known.matched) and not known.by)
        way_out = "" if conflicts and said_by_the_sheet else _WAY_OUT[known.by]
        if name not in self._target.fields and known.by != "run":
            way_out = "; declare it under fields, or send whole records (body.base)"
        return f"{said}{also}{way_out}"

    def is_so(self, name: str, value: object, present: Seen) -> bool:
        """Whether a record is known to have a value in a field."""
        return name in present.values and self._cell(name).equal(value, present.values[name])

    def same(self, name: str, one: Seen, other: Seen) -> bool:
        """Whether a field is in two states of a record the same, as far as both are known."""
        if not (one.knows(name) and other.knows(name)):
            return True
        before, now = one.values.get(name, MISSING), other.values.get(name, MISSING)
        return before is now or self._cell(name).equal(before, now) or (_is_nothing(before) and _is_nothing(now))

    def text(self, name: str, seen: Seen) -> str:
        """A field's value in a sentence."""
        if name not in seen.values:
            return "not there"
        value = seen.values[name]
        return quoted(self._cell(name).text(value) or exact_json.dumps(value))

    def value_of(self, name: str, old: str) -> object:
        """The value that an old cell stands for, or `MISSING`."""
        return self._cell(name).value(old)

    def _others(self, changes: Sequence[str], known: Pulled, present: Seen) -> Iterator[tuple[str, str]]:
        """The fields that are not as they were, each with what is said of it."""
        for name in changes:
            if name in known.expected or not present.knows(name):
                continue
            now = f"is {self.text(name, present)} now"
            if name not in present.values:
                now = f"is not in the record now ({_IF_NEVER})"
            if known.seen is not None and known.seen.knows(name):
                if not self.same(name, known.seen, present):
                    yield name, f"{name} was {self.text(name, known.seen)} {_WHEN[known.by]}, and {now}"
            elif name in known.old and not self._cell(name).same(known.old[name], present.values.get(name, MISSING)):
                yield name, f"{name} was {quoted(known.old[name])} when it was pulled, and {now}"

    def _unexpected(self, names: Sequence[str], known: Pulled, present: Seen) -> Iterator[tuple[str, str]]:
        """The fields that are not as the sheet expects, each with what is said of it."""
        for name in names:
            text = known.expected[name]
            if present.knows(name) and not self._cell(name).same(text, present.values.get(name, MISSING)):
                yield name, f"{name} should be {quoted(text)} (expected.{name}), and is {self.text(name, present)}"

    def _unmatched(self, names: Sequence[str], known: Pulled, present: Seen) -> Iterator[tuple[str, str]]:
        """The fields by which the record would not be found any more, each with what is said of it."""
        for name in names:
            key = KeyField(name, self._target.fields[name])
            if present.knows(name) and key.of_value(present.values.get(name, MISSING)) != known.matched[name]:
                now = self.text(name, present)
                yield name, f"the record was found by its {name} {quoted(known.matched[name])}, which is {now} now"

    def _cell(self, name: str) -> PulledCell:
        if name not in self._cells:
            self._cells[name] = PulledCell(name, self._target.fields[name])
        return self._cells[name]


_IF_NEVER = "if the API never returns it there, add it to read.absent in the target"
_WHEN = {
    "": "when it was pulled",
    "plan": "in the plan",
    "diff": "when the rows were compared",
    "read": "just before",
    "run": "after that run",
    "look_up": "before that",
}
_WAY_OUT = {
    "": "; pull the records again",
    "plan": "; make a new plan",
    "diff": "; run it again",
    "read": "; run it again",
    "run": "",
    "look_up": "",
}


def _is_forced(known: Pulled) -> bool:
    """Whether an undo is to restore a record whatever it is."""
    return known.by == "run" and not (known.seen and known.seen.values)


def _is_nothing(value: object) -> bool:
    return value is MISSING or value is None or value in ("", [])
