"""Checks rows, batch by batch, by a pydantic model that is made from the target's fields.

The work of the normal case is done in pydantic's Rust core, and only rows that break a rule cost Python code.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from batchupdate.model import Level, Problem, Row
from batchupdate.spreadsheet.headers import RAGGED, told_ragged
from batchupdate.targets import AnyOf
from batchupdate.util.regex import compile_search
from batchupdate.util.text import quoted
from batchupdate.validator.cells import kind_of, polished
from batchupdate.validator.checked import Checked, spliced
from batchupdate.validator.edits import Comparison, Edits
from batchupdate.validator.findings import Findings
from batchupdate.validator.lists import SpreadList
from batchupdate.validator.schema import field_problem, list_of_records
from batchupdate.validator.suspicious import explained
from batchupdate.validator.types import RefusedError, item_parser, parser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from pydantic_core import ErrorDetails

    from batchupdate.config import Secrets
    from batchupdate.targets import IdRule, Target
    from batchupdate.validator.checked import Record
    from batchupdate.validator.layout import Layout, Slot
    from batchupdate.validator.suspicious import Strictness
    from batchupdate.validator.types import Parse

_ORDINARY = ("Sales", "a name", "7", "12345678")
"""Cells as they stand beside an id."""


class Validator:
    """Checks rows of one table against one target.

    Args:
        target: what the API wants.
        layout: which column sets what.
        secrets: a row that holds the key itself is refused.
        strictness: how much a suspicious cell weighs; see `suspicious`.
    """

    def __init__(self, target: Target, layout: Layout, secrets: Secrets, strictness: Strictness = "normal") -> None:
        self._target = target
        self._layout = layout
        self._secrets = secrets
        self._strictness: Strictness = strictness
        self._names = tuple(slot.name for slot in layout.slots)
        self._kinds = tuple(kind_of(slot, target) for slot in layout.slots)
        self._pick = itemgetter(*[slot.index for slot in layout.slots])  # an id and a field at least
        self._take_ids = _picker_of_names(target.path_variables)
        self._rules = _rules(target)
        self._parsers = _parsers(target, layout)
        self._id_finders = _telling(target)
        self._used = dict.fromkeys((heading for one in layout.computed for heading in one.headings), "")
        self._used |= dict.fromkeys((condition.heading for condition in layout.when), "")
        self._used |= {slot.heading: slot.name for slot in layout.slots}
        self._headings_at = {slot.index: slot.heading for slot in layout.slots}
        self._fields = tuple(dict.fromkeys(slot.field for slot in layout.slots))
        self._lists = _spread_lists(target, layout)
        self._wholes = {whole: both for whole in target.parts if (both := _parts_of(whole, target, self._fields))}
        self._comparison = Comparison(layout, target) if layout.old else None
        self._adapter: TypeAdapter[list[Record]] = TypeAdapter(list_of_records(target, self._fields))

    def check(self, rows: Sequence[Row], known: Sequence[Problem] = ()) -> Checked:
        """Checks one batch of rows; the order stays. `known` is what the reader says about them and their cells."""
        if not self._layout.when and self._comparison is None:
            return self._check(rows, known)
        errors = [problem for problem in known if problem.level is Level.ERROR and problem.code != "id_as_number"]
        broken = {(problem.row, problem.column) for problem in errors}
        left_out = {row.number: why for row in rows if (why := self._left_out(row, broken))}
        ragged = {problem.row for problem in known if problem.code == RAGGED}
        edits = self._edits([row for row in rows if row.number not in left_out and row.number not in ragged])
        left_out |= edits.untouched
        known = [problem for problem in known if problem.row not in left_out]
        rest = [row for row in rows if row.number not in left_out]
        return spliced(rows, self._check(rest, known, edits), left_out, edits)

    def _edits(self, rows: Sequence[Row]) -> Edits:
        """What was edited in a pulled sheet; nothing in any other. A row of another width is an ordinary one."""
        edits = Edits()
        for row in rows if self._comparison else ():
            if len(row.cells) == self._layout.width and not any(row.cells[place] for place in self._layout.extra):
                cells = row.cells
                if self._layout.computed:
                    cells = self._completed(row, cells, Findings())
                if self._comparison and (edit := self._comparison.edit(row, self._pick(cells))):
                    edits.add(row.number, edit)
        return edits

    def _left_out(self, row: Row, broken: AbstractSet[tuple[int, str]]) -> str:
        """Why the conditions leave a row out; empty if they don't. What a `broken` cell would say is not known."""
        for condition in self._layout.when:
            if not condition.holds(row.cells) and (row.number, condition.heading) not in broken:
                cell = row.cells[condition.place] if condition.place < len(row.cells) else ""
                return self._secrets.redact(f"not asked for: column {condition.heading!r} is {quoted(cell)} (when)")
        return ""

    def _check(self, rows: Sequence[Row], known: Sequence[Problem], edits: Edits | None = None) -> Checked:
        findings = Findings()
        if not rows:
            return Checked(self._target, rows, [], [], [])
        self._refuse_secrets(rows, findings)
        for problem in known:
            if problem.code == RAGGED:
                findings.add(problem)
                findings.closed.add(problem.row)
            elif problem.column in self._used:
                of_id = self._used[problem.column] in self._target.id
                if of_id or problem.code != "id_as_number":  # the reader can't tell an id from other numbers
                    findings.know(problem, of_id=of_id)
        width = self._layout.width
        if {len(row.cells) for row in rows} != {width} or self._layout.extra:
            rows_cells = [self._squared(row, findings) for row in rows]
        else:
            rows_cells = [row.cells for row in rows]
        if self._layout.computed:
            rows_cells = [self._completed(row, cells, findings) for row, cells in zip(rows, rows_cells, strict=True)]
        picked = list(map(self._pick, rows_cells))
        if edits and edits.cells:
            picked = [edits.cells.get(row.number, cells) for row, cells in zip(rows, picked, strict=True)]
            self._refuse_locked(edits, findings)
        picked, columns = self._polished(rows, picked, findings)
        names = self._names
        records = [{name: cell for name, cell in zip(names, cells) if cell} for cells in picked]  # noqa: B905 - picked by these very names
        held = self._hold_out(rows, columns, records, findings)
        records = self._valued(rows, columns, records, held, findings)
        self._validate(rows, records, held, findings)
        self._apply_rules(rows, records, held, findings)
        return self._gather(rows, records, held, findings)

    @staticmethod
    def _refuse_locked(edits: Edits, findings: Findings) -> None:
        for problem in edits.problems:
            if problem.row in edits.cells:
                findings.add(problem)
                if problem.level is Level.ERROR:
                    findings.closed.add(problem.row)

    def _completed(self, row: Row, cells: tuple[str, ...], findings: Findings) -> tuple[str, ...]:
        """The row's cells, and behind them what is computed of them."""
        made = []
        slots = [slot for slot in self._layout.slots if slot.index >= self._layout.width]
        for slot, template in zip(slots, self._layout.computed, strict=True):
            blank = [
                heading
                for place, heading in zip(template.places, template.headings, strict=True)
                if not cells[place].strip() or cells[place] in {slot.null_marker, slot.empty_marker}
            ]
            some = bool(blank) and len(blank) < len(template.places)
            if some:
                told = f"the column {blank[0]!r}, of which {slot.name} is made, is blank; fill it in"
                findings.know(Problem("incomplete_template", row.number, slot.heading, "", told), of_id=False)
            made.append("" if blank and not some else template.fill(cells))
        return (*cells, *made)

    def _polished(
        self, rows: Sequence[Row], picked: list[tuple[str, ...]], findings: Findings
    ) -> tuple[list[tuple[str, ...]], list[Sequence[str]]]:
        """The picked cells by row and by column, transformed and looked at; see `cells`."""
        before = list(zip(*picked, strict=True))
        columns = [
            polished(rows, slot, column, kind, self._strictness, findings)
            for slot, column, kind in zip(self._layout.slots, before, self._kinds, strict=True)
        ]
        same = all(one is other for one, other in zip(before, columns, strict=True))
        return picked if same else list(zip(*columns, strict=True)), columns

    def _squared(self, row: Row, findings: Findings) -> tuple[str, ...]:
        """The row's cells as wide as the heading row; a row of another width is a problem."""
        width, count = self._layout.width, len(row.cells)
        spilled = [row.cells[index] for index in self._layout.extra if index < count and row.cells[index]]
        if count != width or spilled:
            many = count > width or spilled
            cell = (spilled or row.cells[width:] or ("",))[0]
            own = width - len(self._layout.extra)
            message = told_ragged("more" if spilled else count, own, many=bool(many))
            findings.add(Problem(RAGGED, row.number, "", cell, message))
            findings.closed.add(row.number)
        return (*row.cells[:width], *("",) * (width - count))

    def _hold_out(
        self, rows: Sequence[Row], columns: Sequence[Sequence[str]], records: list[Record], findings: Findings
    ) -> dict[int, Record]:
        """Takes what clears a field out of the records, by place in the batch; blank-looking cells are a problem."""
        held: dict[int, Record] = {}
        for slot, column in zip(self._layout.slots, columns, strict=True):
            blank_clears = slot.blank != "leave" and "" in column
            odd = slot.null_marker in column or slot.empty_marker in column or any(map(str.isspace, column))
            if not odd and not blank_clears:
                continue
            for place, cell in enumerate(column):
                if cell in {slot.null_marker, slot.empty_marker}:
                    records[place].pop(slot.name)
                    if slot.item is None:
                        held.setdefault(place, {}).update(self._cleared(rows[place], slot, cell, findings))
                elif cell.isspace():
                    message = "the cell holds nothing but white space; clear it, or say what to set"
                    findings.add(Problem("white_space", rows[place].number, slot.heading, cell, message))
                    records[place].pop(slot.name)
                    held.setdefault(place, {})[slot.name] = cell
                elif not cell and blank_clears:  # that the field allows it was seen to when the columns were laid out
                    empty = self._target.fields[slot.name].empty
                    held.setdefault(place, {})[slot.name] = None if slot.blank == "null" else empty
        return held

    def _cleared(self, row: Row, slot: Slot, cell: str, findings: Findings) -> Record:
        name = slot.field
        rule = self._target.fields.get(name)
        null = cell == slot.null_marker
        if rule is None:
            findings.add(Problem("bad_id", row.number, slot.heading, cell, "an id can't be cleared"))
        elif null and not rule.nullable:
            message = f"{name} can't be null; leave the cell blank to keep the field as it is"
            findings.add(Problem("null_not_allowed", row.number, slot.heading, cell, message))
        elif not null and not rule.clearable:
            message = f"{name} can't be empty; leave the cell blank to keep the field as it is"
            findings.add(Problem("empty_not_allowed", row.number, slot.heading, cell, message))
        return {name: None if null or rule is None else rule.empty}

    def _valued(
        self,
        rows: Sequence[Row],
        columns: Sequence[Sequence[str]],
        records: list[Record],
        held: dict[int, Record],
        findings: Findings,
    ) -> list[Record]:
        """The records with values in place of texts, and with the lists whose items stand in columns of their own."""
        self._convert(rows, records, held, findings)
        for spread in self._lists:
            self._gather_items(spread, rows, columns, records, held, findings)
        if self._lists:
            records = [{name: record[name] for name in self._fields if name in record} for record in records]
        if self._wholes:
            self._refuse_wholes_with_parts(rows, records, held, findings)
        return records

    def _convert(self, rows: Sequence[Row], records: list[Record], held: dict[int, Record], findings: Findings) -> None:
        """Turns the cells of fields that are no texts into their values; a refused one leaves the records."""
        for slot, parse in self._parsers:
            name = slot.name
            for place, record in enumerate(records):
                if name not in record:
                    continue
                try:
                    record[name] = value = parse(record[name])
                    if value == [] and name in self._target.lists:  # it clears the field, as <empty> does
                        held.setdefault(place, {})[name] = record.pop(name)
                except RefusedError as error:
                    cell = record.pop(name)
                    held.setdefault(place, {})[name] = cell
                    findings.add(Problem(error.code, rows[place].number, slot.heading, cell, str(error)))

    def _gather_items(
        self,
        spread: SpreadList,
        rows: Sequence[Row],
        columns: Sequence[Sequence[str]],
        records: list[Record],
        held: dict[int, Record],
        findings: Findings,
    ) -> None:
        """Makes one list of the items that stand in columns of their own; where that can't be, tells why."""
        field, slots = spread.field, spread.slots
        own = [columns[place] for place in spread.places]
        odd = spread.odd(own)
        for place, cells in enumerate(zip(*own, strict=True)):
            if not any(cells):
                continue
            row, record = rows[place], records[place]
            count = cells.index("") if "" in cells else len(cells)
            problem = spread.gap(row, cells) if count < len(cells) else None
            if odd and problem is None and (marked := spread.marked(cells)) is not None:
                if count == 1:
                    held.setdefault(place, {}).update(self._cleared(row, slots[0], cells[0], findings))
                    continue
                problem = spread.misplaced(row, marked, cells[marked])
            problem = problem or spread.miscounted(row, cells, count)
            if problem:
                findings.add(problem)
            if problem or row.number in findings.broken:
                held.setdefault(place, {})[field] = cells  # it is set, though not as it should be
            else:
                record[field] = [record.pop(slot.name) for slot in slots[:count]]

    def _refuse_wholes_with_parts(
        self, rows: Sequence[Row], records: list[Record], held: dict[int, Record], findings: Findings
    ) -> None:
        """A row that sets an object as a whole, and a member of it, says two things about that member."""
        for whole, parts in self._wholes.items():
            for place, record in enumerate(records):
                also = held.get(place, {})
                if (whole in record or whole in also) and (
                    part := next((name for name in parts if name in record or name in also), "")
                ):
                    heading = self._layout.heading(whole)
                    told = (
                        f"the row sets {whole} as a whole, and {part}, which is a part of it; leave one of the two "
                        f"blank: {heading!r} or {self._layout.heading(part)!r}"
                    )
                    findings.add(Problem("whole_and_part", rows[place].number, heading, "", told))

    def _validate(
        self, rows: Sequence[Row], records: list[Record], held: dict[int, Record], findings: Findings
    ) -> None:
        """Passes the batch through the pydantic model, and tells what it finds."""
        try:
            self._adapter.validate_python(records)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                place, name = int(item["loc"][0]), str(item["loc"][1])
                if item["type"] != "missing" or name not in held.get(place, ()):
                    problem = self._problem(rows[place], name, item)
                    findings.add(problem)
                    if problem.code == "shifted_row":
                        findings.closed.add(problem.row)

    def _problem(self, row: Row, name: str, error: ErrorDetails) -> Problem:
        heading = self._layout.heading(name)
        if name in self._target.id:
            rule = self._target.id[name]
            if neighbour := self._neighbour(row, name, rule):
                cell = "" if error["type"] == "missing" else str(error["input"])
                told = f"the id stands in the column {neighbour!r} beside this one; are the row's cells shifted by one?"
                return Problem("shifted_row", row.number, heading, cell, told)
            if error["type"] == "missing":
                return Problem("missing_id", row.number, heading, "", f"the id is missing; fill in {rule.example}")
            cell = str(error["input"])
            if why := explained(cell, rule):
                return Problem(why.code, row.number, heading, cell, why.message)
            match error["type"]:
                case "string_too_long":
                    message = f"the id has {len(cell)} characters, at most {rule.max_length} are allowed"
                case "value_error":
                    message = f"{quoted(cell)} {error['ctx']['error']}"
                case _:
                    message = f"{quoted(cell)} is not {rule.example}"
            return Problem("bad_id", row.number, heading, cell, message)
        return field_problem(row, name, heading, self._target.fields[name], error)

    def _neighbour(self, row: Row, name: str, rule: IdRule) -> str:
        """The heading of the column beside the id's that holds what the id's rule wants; empty if none does."""
        finder = self._id_finders.get(name)
        if finder is None:
            return ""
        here = next(slot.index for slot in self._layout.slots if slot.name == name)
        for index in (here + 1, here - 1):
            cell = row.cells[index] if 0 <= index < len(row.cells) else ""
            if cell and len(cell) <= rule.max_length and finder(cell):
                return self._headings_at.get(index, f"column {index + 1}")
        return ""

    def _apply_rules(
        self, rows: Sequence[Row], records: list[Record], held: dict[int, Record], findings: Findings
    ) -> None:
        for rule in self._rules:
            names = set(rule.any_of)
            for place, record in enumerate(records):
                if names.isdisjoint(record) and names.isdisjoint(held.get(place, ())):
                    self._tell(rows[place], rule, findings)

    def _tell(self, row: Row, rule: AnyOf, findings: Findings) -> None:
        if row.number in findings.broken and rule.level is Level.WARNING:
            return
        code = "nothing_to_change" if rule.level is Level.ERROR else "likely_refused"
        findings.add(Problem(code, row.number, "", "", rule.message, rule.level))

    def _refuse_secrets(self, rows: Sequence[Row], findings: Findings) -> None:
        if self._secrets and self._secrets.within("\n".join(["\t".join(row.cells) for row in rows])):
            slots = {slot.index: slot for slot in self._layout.slots}
            for row in rows:
                for index, cell in enumerate(row.cells):
                    if self._secrets.within(cell):
                        slot = slots.get(index)
                        heading = slot.heading if slot else ""
                        message = "the cell holds your API key; take it out of the file, and change the key"
                        findings.add(Problem("holds_key", row.number, heading, self._secrets.redact(cell), message))
                        if slot and slot.name in self._target.id:
                            findings.nameless.add(row.number)
            findings.closed |= findings.broken  # what else is wrong could show the key

    def _gather(
        self, rows: Sequence[Row], records: list[Record], held: dict[int, Record], findings: Findings
    ) -> Checked:
        names = self._target.path_variables
        if len(names) == 1 and not held and not findings.problems:
            name = names[0]
            return Checked(self._target, rows, records, [(record.pop(name),) for record in records], ())
        ids: list[tuple[str, ...] | None] = []
        cleared: Counter[str] = Counter()
        valid: list[Record | None] = []
        for place, (row, record) in enumerate(zip(rows, records, strict=True)):
            named = row.number not in findings.nameless and all(name in record for name in names)
            ids.append(self._take_ids(record) if named else None)
            if row.number in findings.broken:
                valid.append(None)
                continue
            for name in names:
                del record[name]
            if place in held:
                both = record | held[place]
                cleared.update(list(held[place]))
                record = {name: both[name] for name in self._fields if name in both}  # noqa: PLW2901 - in the file's order
            valid.append(record)
        problems = sorted(findings.problems, key=lambda problem: problem.row)
        return Checked(self._target, rows, valid, ids, problems, cleared=cleared)


def _rules(target: Target) -> tuple[AnyOf, ...]:
    """The target's rules; a row that sets nothing at all breaks one even if the target has none."""
    told = any(rule.level is Level.ERROR for rule in target.rules)
    if told or any(rule.required for rule in target.fields.values()):
        return target.rules
    names = tuple(target.fields)
    message = f"the row sets nothing; fill in at least one of: {', '.join(names)}"
    return (AnyOf(any_of=names, message=message), *target.rules)


def _telling(target: Target) -> dict[str, Callable[[str], bool]]:
    """The ids whose rule tells an id from any other cell: what a name or a number meets as well, tells nothing."""
    finders = {name: compile_search(rule.regex) for name, rule in target.id.items() if rule.regex}
    return {name: one for name, one in finders.items() if not any(map(one, _ORDINARY))}


def _parsers(target: Target, layout: Layout) -> list[tuple[Slot, Parse]]:
    """The columns that are no texts, each with what reads its cells."""
    slots = [(slot, target.fields[slot.field]) for slot in layout.slots if slot.field in target.fields]
    parsers = (
        (
            slot,
            parser(slot.name, rule, layout.decimal)
            if slot.item is None
            else item_parser(slot.name, rule, layout.decimal),
        )
        for slot, rule in slots
    )
    return [(slot, parse) for slot, parse in parsers if parse]


def _spread_lists(target: Target, layout: Layout) -> list[SpreadList]:
    """The lists with a column for each item."""
    found: dict[str, dict[int, tuple[Slot, int]]] = {}
    for place, slot in enumerate(layout.slots):
        if slot.item is not None:
            found.setdefault(slot.field, {})[slot.item] = (slot, place)
    spread = []
    for name, items in found.items():
        slots, places = zip(*(items[number] for number in sorted(items)), strict=True)
        spread.append(SpreadList(name, target.fields[name], slots, places))
    return spread


def _parts_of(whole: str, target: Target, fields: Sequence[str]) -> list[str]:
    """The parts of a field for which there are columns, if there is one for the whole too."""
    return [name for name in target.parts[whole] if name in fields] if whole in fields else []


def _picker_of_names(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - itemgetter's type depends on its arguments
    if len(names) == 1:
        name = names[0]
        return lambda record: (record[name],)
    return itemgetter(*names)
