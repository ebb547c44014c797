"""Finds the ids of rows by other fields, where the input has none; a row that does not mean one record is stopped."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.targets.ids import IdRule
from batchupdate.validator.columns.transforms import transformed
from batchupdate.validator.matches import KeyField, id_of, said
from batchupdate.validator.types import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.columns.column_map import ColumnMap
    from batchupdate.validator.matches import IdFinder, Key, Match
    from batchupdate.validator.problems import Problems

NO_MATCH, SEVERAL_MATCHES, BLANK_MATCH, LOCKED = "no_match", "several_matches", "blank_match", "locked_record"


class MatchedIds:
    """Puts the ids of the records that rows mean into the columns that are kept for them; see the module.

    Args:
        target: what an id is made of.
        columns: which columns say what record a row means.
        finder: what finds the records; None offline, where an id is made of the row's key. Then two rows for one record
            are found all the same.
    """

    def __init__(self, target: Target, columns: ColumnMap, finder: IdFinder | None) -> None:
        self._target, self._columns, self._finder = target, columns.match, finder
        self._names = tuple(one.field for one in columns.match)
        self.found: dict[int, dict[str, str]] = {}
        """By row number, what the records of the last batch were found by: the texts of fields, by name."""
        self._fields = [KeyField(name, target.fields[name], columns.decimal) for name in self._names]

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        self.found = {}
        if not self._columns:
            return
        problems = batch.problems
        passed_over = problems.closed_rows | problems.unidentified_rows
        keys: dict[int, Key] = {}
        for position, (row, cells) in enumerate(zip(batch.rows, batch.cells, strict=True)):
            if row.number not in passed_over and (key := self._key(row, cells, problems)):
                keys[position] = key
        found = self._found(list(dict.fromkeys(keys.values())))
        cells_of, width = list(batch.cells), len(self._target.id)
        for position, row in enumerate(batch.rows):
            cell = cells_of[position][self._columns[0].index]
            ids = self._ids(row, cell, problems, found[keys[position]], keys[position]) if position in keys else ()
            if not ids:
                for name in self._target.id:  # so that nobody reports a missing id as well
                    batch.set_aside_value(position, name, "")
                continue
            self.found[row.number] = dict(zip(self._names, keys[position], strict=True))
            cells_of[position] = (*cells_of[position][:-width], *ids)
            if batch.edits and row.number in batch.edits.cells:
                batch.edits.cells[row.number] = (*batch.edits.cells[row.number][:-width], *ids)
        batch.cells = cells_of

    def _key(self, row: Row, cells: Sequence[str], problems: Problems) -> Key | None:
        """What a row is compared by; None where its cells don't say it."""
        texts = []
        for column, field in zip(self._columns, self._fields, strict=True):
            cell = cells[column.index]
            try:
                text = field.of_cell(transformed(column, cell))
            except RefusedError as error:
                problems.add(Problem(error.code, row.number, column.heading, cell, str(error)), of_id=False)
                return None
            if not text:
                message = f"the cell is blank, and the record is to be found by its present {field.name}; fill it in"
                problems.add(Problem(BLANK_MATCH, row.number, column.heading, cell, message))
                return None
            texts.append(text)
        return tuple(texts)

    def _found(self, keys: Sequence[Key]) -> dict[Key, Match | None]:
        if self._finder is None:
            return dict.fromkeys(keys)
        return dict(zip(keys, self._finder.find(keys), strict=True)) if keys else {}

    def _ids(self, row: Row, cell: str, problems: Problems, match: Match | None, key: Key) -> tuple[str, ...]:
        """The id of the record that a row means, in the order of `Target.id`; empty where it is not one record."""
        if match is None:
            return (stand_in(key),) * len(self._target.id)
        if not match.count:
            code, message = NO_MATCH, f"no record has {said(self._names, key)}; {self._way_out(match)}"
        elif match.count > 1:
            code, message = SEVERAL_MATCHES, f"{match.count:,} records have {said(self._names, key)}: "
            message += f"{self._candidates(match)}; add a --match that tells them apart, or send this row by its id"
        elif match.candidates[0].locked:
            code, message = LOCKED, f"this record must not be edited: {match.candidates[0].locked}; remove the row"
        else:
            return match.candidates[0].ids
        problems.add(Problem(code, row.number, self._columns[0].heading, cell, message))
        return match.candidates[0].ids if match.count == 1 else ()

    def _candidates(self, match: Match) -> str:
        ids = ", ".join(id_of(one.ids, self._target) for one in match.candidates)
        more = match.count - len(match.candidates)
        return f"{ids} and {more:,} more" if more else ids

    def _way_out(self, match: Match) -> str:
        if match.nearest is None:
            return "correct the cell, or remove the row"
        texts = " / ".join(map(repr, match.nearest.key))
        return f"the nearest is {texts} (id {id_of(match.nearest.ids, self._target)})"


def stand_in(key: Key) -> str:
    """What stands in an id's place where it can't be found yet: equal for rows that mean the same record."""
    return f"key-{hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()}"


def with_any_ids(target: Target) -> Target:
    """The same target for a check without ids: whatever stands in their place fits."""
    return target.model_copy(update={"id": {name: IdRule(aliases=rule.aliases) for name, rule in target.id.items()}})
