"""What was edited in a sheet that `pull` wrote: cells that differ from the old values beside them.

Only those are sent, so that a sheet of 400 records with five edits makes five requests, and no value that somebody else
has changed meanwhile is written back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import Level, Problem
from batchupdate.spreadsheet.coercion import is_retyped
from batchupdate.spreadsheet.csv_injection import unguard_id
from batchupdate.spreadsheet.reserved_columns import OLD_EMPTY, OLD_MARKERS, OLD_NULL
from batchupdate.util.json import dumps
from batchupdate.util.text import quoted
from batchupdate.validator.columns.transforms import transformed
from batchupdate.validator.types import RefusedError, parser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.model import Row
    from batchupdate.targets import FieldRule, Target
    from batchupdate.validator.columns.column_map import ColumnMap, MappedColumn, OldColumn

UNTOUCHED = "not edited since it was pulled"
BLANKED_ONLY = "nothing to send: the only edits are cleared cells, which leave their fields as they are"
OTHER_RECORD = "other_record"


class Edit(NamedTuple):
    """One row of a pulled sheet: the cells to send, blank where nothing was edited, and its problems.

    `why_not` says why nothing of it is sent; '' where something is. `old` are the old values of the fields that are, by
    name, as far as they are known.
    """

    cells: tuple[str, ...]
    why_not: str
    problems: Sequence[Problem]
    old: Mapping[str, str] = {}


@dataclass(slots=True)
class Edits:
    """What was edited in one batch, by row number: `cells` of rows to be checked, `untouched` rows with the reason.

    `old` are the old values of what is sent of a row, and `problems` are reported as well. A row that is in neither is
    an ordinary one.
    """

    cells: dict[int, tuple[str, ...]] = field(default_factory=dict)
    old: dict[int, Mapping[str, str]] = field(default_factory=dict)
    untouched: dict[int, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, row: int, edit: Edit) -> None:
        """Keeps what was found in a row."""
        self.problems += edit.problems
        if edit.why_not:
            self.untouched[row] = edit.why_not
        else:
            self.cells[row] = edit.cells
            self.old[row] = edit.old


class Comparison:
    """Compares the rows of one columns with their old values.

    Args:
        columns: with `old`.
        target: knows which fields go along with every change.
    """

    def __init__(self, columns: ColumnMap, target: Target) -> None:
        self._old = columns.old
        self._known_by = (*(one.index for one in columns.old), *columns.old_lists.values())
        self._mapped = columns.mapped
        unread = target.read.absent if target.read else ()
        places = {columns.mapped[one.mapped].name: one.index for one in columns.old} | dict(columns.old_lists)
        self._old_of = {name: index for name, index in places.items() if name not in unread}
        self._locked = columns.locked
        self._sets = [number for number, mapped in enumerate(columns.mapped) if mapped.field in target.fields]
        self._ids = columns.old_ids
        self._target = target
        self._object_of = {
            name: whole
            for whole, fields in target.objects.items()
            for name in fields
            if target.body.nesting == "replace"
        }
        self._rules = [(rule.asked_by(target.fields), set(rule.any_of)) for rule in target.rules if rule.when]
        named = [mapped.name for mapped in columns.mapped if mapped.name in target.fields]
        self._parsers = {name: parser(name, target.fields[name], columns.decimal) for name in named}

    def edit(self, row: Row, picked: tuple[str, ...]) -> Edit | None:
        """What was edited in a row; None for one of which no old value is known, as when it was added by hand.

        Args:
            row: all its cells.
            picked: those of the mapped, and what is computed.
        """
        known = self._is_locked(row) or any(row.cells[index] for index in self._known_by)
        if not known and not any(picked[number] for number in self._sets):
            return Edit(picked, UNTOUCHED, ())
        stranger = self._of_another(row, picked)
        if stranger and (not known or stranger.code == OTHER_RECORD):
            return Edit(picked, "", (stranger,))
        if not known:
            return None
        cells, blanked, unedited = self._compared(row, picked)
        edited = [number for number in self._sets if cells[number]]
        if not edited:
            return Edit(picked, BLANKED_ONLY if blanked else UNTOUCHED, blanked)
        if stranger:
            return Edit(picked, "", (stranger,))
        problems = [self._refused(row, cells, edited[0])] if self._is_locked(row) else blanked
        for one in unedited:
            if self._target.fields[self._mapped[one.mapped].name].required:
                cells[one.mapped] = self._along(one, picked[one.mapped], row.cells[one.index])
        self._complete_objects(row, picked, cells)
        self._complete_rules(row, picked, cells, unedited)
        sent = {self._mapped[number].field for number in self._sets if cells[number]}
        old = {name: text for name, index in self._old_of.items() if name in sent and (text := row.cells[index])}
        return Edit(tuple(cells), "", problems, old)

    def _complete_objects(self, row: Row, picked: Sequence[str], cells: list[str]) -> None:
        """Lets unedited members go along where another one of their object goes out, and the API replaces it."""
        sent = {self._mapped[number].field for number in self._sets if cells[number]} & self._object_of.keys()
        objects = {self._object_of[name] for name in sent}
        for one in self._old if objects else ():
            name = self._mapped[one.mapped].name
            if name not in sent and self._object_of.get(name) in objects:
                cells[one.mapped] = self._along(one, picked[one.mapped], row.cells[one.index])

    def _complete_rules(self, row: Row, picked: Sequence[str], cells: list[str], unedited: Sequence[OldColumn]) -> None:
        """Lets unedited fields go along that a rule asks for because of those that go out."""
        for when, wanted in self._rules:
            sent = {self._mapped[number].field for number in self._sets if cells[number]}
            if sent & when and not sent & wanted:
                for one in unedited:
                    if self._mapped[one.mapped].name in wanted:
                        cells[one.mapped] = self._along(one, picked[one.mapped], row.cells[one.index])

    def _compared(self, row: Row, picked: Sequence[str]) -> tuple[list[str], list[Problem], list[OldColumn]]:
        """The cells, blank where nothing was edited; the problems of cleared cells; the columns without an edit."""
        cells = list(picked)
        blanked: list[Problem] = []
        unedited: list[OldColumn] = []
        for one in self._old:
            mapped, cell, old = self._mapped[one.mapped], picked[one.mapped], row.cells[one.index]
            changed = transformed(mapped, cell)
            if _same(changed, old, mapped) or self._same_value(changed, old, mapped):
                cells[one.mapped] = ""
                unedited.append(one)
            elif cell:
                continue
            elif one.blank == "leave":
                blanked.append(_blanked(row, mapped, self._target.fields[mapped.name]))
            else:
                cells[one.mapped] = mapped.null_marker if one.blank == "null" else mapped.empty_marker
        return cells, blanked, unedited

    def _of_another(self, row: Row, picked: Sequence[str]) -> Problem | None:
        """What is wrong with a row whose old values belong to another record than its id says.

        Someone has typed another id into it, or sorted without the hidden columns, or a spreadsheet program has made
        another id of it. Compared with such values, an edit could count as none.
        """
        for one in self._ids:
            mapped, cell, old = self._mapped[one.mapped], picked[one.mapped], row.cells[one.index]
            rule = self._target.id[mapped.name]
            was = unguard_id(old)
            if old in {"", cell} or rule.key(transformed(mapped, cell)) == rule.key(was):
                continue
            if is_retyped(cell, was):
                message = (
                    f"was {quoted(was)} when it was pulled: a spreadsheet program took the id for a number or a date"
                )
                message += "; restore the id, in a column formatted as text"
                return Problem("id_as_number", row.number, mapped.heading, cell, message)
            message = (
                f"the old values in this row are those of {quoted(was)}; was the id changed, or were some columns "
            )
            message += "sorted without the others? Undo that; or, to send the whole row, clear its _old. cells"
            return Problem(OTHER_RECORD, row.number, mapped.heading, cell, message)
        return None

    def _same_value(self, cell: str, old: str, mapped: MappedColumn) -> bool:
        """Whether two texts stand for the same value; `TRUE` is what a spreadsheet program makes of `true`."""
        parse = self._parsers[mapped.name]
        if parse is None or "" in {cell, old} or {cell, old} & {mapped.null_marker, mapped.empty_marker, *OLD_MARKERS}:
            return False
        try:
            one, other = parse(cell), parse(old)
        except RefusedError:
            return False
        # Within a list or an object, 1 and true are equal to Python.
        return bool(dumps(one) == dumps(other) if isinstance(one, list | dict) else one == other)

    def _is_locked(self, row: Row) -> bool:
        return self._locked is not None and bool(row.cells[self._locked].strip())

    def _refused(self, row: Row, cells: Sequence[str], place: int) -> Problem:
        message = f"this record must not be edited: {row.cells[self._locked or 0].strip()}; restore the old value"
        return Problem("locked_record", row.number, self._mapped[place].heading, cells[place], message)

    def _along(self, one: OldColumn, cell: str, old: str) -> str:
        """An unedited cell that goes along, because the API wants its field too; '' for one that can't be sent."""
        mapped = self._mapped[one.mapped]
        rule = self._target.fields[mapped.name]
        if old not in OLD_MARKERS or cell not in {"", old}:
            return cell or old
        if old == OLD_NULL:
            return mapped.null_marker if rule.nullable else ""
        return mapped.empty_marker if old == OLD_EMPTY and rule.clearable else ""


def _same(cell: str, old: str, mapped: MappedColumn) -> bool:
    if cell == old or (not cell and old in OLD_MARKERS):
        return True
    return (cell == mapped.null_marker and old == OLD_NULL) or (cell == mapped.empty_marker and old == OLD_EMPTY)


def _blanked(row: Row, mapped: MappedColumn, rule: FieldRule) -> Problem:
    markers = [*([mapped.empty_marker] if rule.clearable else []), *([mapped.null_marker] if rule.nullable else [])]
    way_out = f"write {' or '.join(markers)} to clear it" if markers else f"{mapped.name} can't be cleared"
    message = f"the cell was cleared since it was pulled, but a blank cell leaves {mapped.name} as it is; {way_out}"
    return Problem("blanked_cell", row.number, mapped.heading, "", message, Level.WARNING)
