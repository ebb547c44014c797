"""Checks rows, batch by batch: a list of steps, each of which is one check."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchupdate.model import Level
from batchupdate.spreadsheet.csv_injection import unguard_id
from batchupdate.spreadsheet.headers import HIDDEN_ROW, RAGGED
from batchupdate.targets.precondition import Pulled, version_of
from batchupdate.validator.batch import Batch
from batchupdate.validator.checked_rows import CheckedRows, collect
from batchupdate.validator.checks.cell_text import CellText
from batchupdate.validator.checks.cell_types import CellTypes
from batchupdate.validator.checks.clear_markers import ClearMarkers
from batchupdate.validator.checks.computed_fields import ComputedFields
from batchupdate.validator.checks.edited_rows import check_edits
from batchupdate.validator.checks.expected_values import ExpectedValues
from batchupdate.validator.checks.field_rules import FieldRules
from batchupdate.validator.checks.list_items import ListItems
from batchupdate.validator.checks.matched_ids import MatchedIds, with_any_ids
from batchupdate.validator.checks.nested_objects import NestedObjects
from batchupdate.validator.checks.reader_problems import ReaderProblems
from batchupdate.validator.checks.row_rules import RowRules
from batchupdate.validator.checks.row_width import RowWidth
from batchupdate.validator.checks.rows_without_record import RowsWithoutRecord
from batchupdate.validator.checks.secrets_in_cells import SecretsInCells
from batchupdate.validator.checks.typed_values import TypedValues
from batchupdate.validator.checks.whole_or_parts import WholeOrParts
from batchupdate.validator.columns.conditions import skip_reason
from batchupdate.validator.pulled_edits import Comparison, Edits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.config import Secrets
    from batchupdate.model import Problem, Row
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Check
    from batchupdate.validator.checks.reader_problems import HiddenRows
    from batchupdate.validator.checks.suspicious_text import Strictness
    from batchupdate.validator.columns.column_map import ColumnMap
    from batchupdate.validator.matches import IdFinder

LEFT_OUT_HIDDEN = "skipped by 'hidden_rows': the row is hidden or filtered out in the spreadsheet"


class Validator:
    """Checks rows of one table against one target.

    Args:
        target: what the API wants.
        columns: which column sets which id or field.
        secrets: a row that contains one of them is refused.
        strictness: how severe suspicious text is; see `checks.suspicious_text`.
        typed: whether cells can be `TypedText`: to look for it in the texts of a CSV takes a tenth of its time.
        hidden_rows: what becomes of rows that their spreadsheet does not show.
        finder: what finds the ids where other columns say which records are meant; None offline.
    """

    def __init__(
        self,
        target: Target,
        columns: ColumnMap,
        secrets: Secrets,
        strictness: Strictness = "normal",
        *,
        typed: bool = False,
        hidden_rows: HiddenRows = "send",
        finder: IdFinder | None = None,
    ) -> None:
        target = with_any_ids(target) if columns.match and finder is None else target
        self._target = target
        self._columns = columns
        self._secrets = secrets
        self._leaves_out_hidden = hidden_rows == "skip"
        self._fields = tuple(dict.fromkeys(mapped.field for mapped in columns.mapped))
        strictness = "lenient" if columns.undoes else strictness
        self._comparison = Comparison(columns, target) if columns.old or columns.old_lists else None
        self._computed_fields = ComputedFields(columns)
        self._cell_text = CellText(target, columns, strictness)
        self._expected = ExpectedValues(target, columns) if columns.expected else None
        self._matched_ids = MatchedIds(target, columns, finder)
        self._checks: tuple[Check, ...] = (
            SecretsInCells(target, columns, secrets),
            ReaderProblems(target, columns, hidden_rows),
            RowWidth(columns),
            self._computed_fields,
            check_edits,
            RowsWithoutRecord(target, columns, strictness),
            *([self._expected] if self._expected else []),
            *([CellTypes(target, columns, strictness)] if typed else []),
            self._matched_ids,
            self._cell_text,
            ClearMarkers(target, columns),
            TypedValues(target, columns),
            ListItems(target, columns),
            WholeOrParts(target, columns),
            NestedObjects(target, columns),
            FieldRules(target, columns),
            RowRules(target),
        )

    def check(self, rows: Sequence[Row], known: Sequence[Problem] = ()) -> CheckedRows:
        """Checks one batch of rows, and keeps their order.

        Args:
            rows: of the batch.
            known: the problems that the reader found in these rows.
        """
        left_out = self._leaves_out_hidden and any(problem.code == HIDDEN_ROW for problem in known)
        if not self._columns.when and self._comparison is None and not left_out:
            result = self._check(Batch(rows, known))
            knows = self._columns.version is not None or self._expected is not None or bool(self._matched_ids.found)
            return replace(result, pulled=self._pulled(rows, Edits())) if knows else result
        skipped = self._skipped(rows, known)
        ragged = {problem.row for problem in known if problem.code == RAGGED}
        edits = self._edits([row for row in rows if row.number not in skipped and row.number not in ragged])
        skipped |= edits.untouched
        rest = [row for row in rows if row.number not in skipped]
        result = self._check(Batch(rest, [one for one in known if one.row not in skipped], edits))
        return replace(result, pulled=self._pulled(rest, edits)).with_skipped(
            rows,
            skipped,
            [problem for problem in edits.problems if problem.row in skipped],
            untouched=len(edits.untouched),
        )

    def _check(self, batch: Batch) -> CheckedRows:
        if not batch.rows:
            return CheckedRows(self._target, [], [], [], [])
        for check in self._checks:
            check(batch)
        return collect(batch, self._target, self._fields)

    def _skipped(self, rows: Sequence[Row], known: Sequence[Problem]) -> dict[int, str]:
        """The reason why conditions, or `hidden_rows`, skip a row, by the numbers of these rows."""
        errors = [problem for problem in known if problem.level is Level.ERROR and problem.code != "id_as_number"]
        unreadable = {(problem.row, problem.column) for problem in errors}
        reasons = ((row, skip_reason(self._columns.when, row, unreadable, self._secrets)) for row in rows)
        hidden = {problem.row for problem in known if self._leaves_out_hidden and problem.code == HIDDEN_ROW}
        return {row.number: reason for row, reason in reasons if reason} | dict.fromkeys(hidden, LEFT_OUT_HIDDEN)

    def _pulled(self, rows: Sequence[Row], edits: Edits) -> dict[int, Pulled]:
        """What the sheet says of the records of these rows; a version that can't be one is not known."""
        place = self._columns.version
        found: dict[int, Pulled] = {}
        if place is not None:
            versions = ((row.number, "".join(row.cells[place : place + 1])) for row in rows)
            found |= {number: Pulled(known) for number, text in versions if (known := version_of(unguard_id(text)))}
        for number, old in edits.old.items():
            if old:
                found[number] = found.get(number, Pulled())._replace(old=old)
        for row in rows if self._expected else ():
            if self._expected and (expected := self._expected.of(row)):
                found[row.number] = found.get(row.number, Pulled())._replace(expected=expected)
        for row in rows if self._matched_ids.found else ():
            if matched := self._matched_ids.found.get(row.number):
                found[row.number] = found.get(row.number, Pulled())._replace(matched=matched)
        return found

    def _edits(self, rows: Sequence[Row]) -> Edits:
        """What was edited in a pulled sheet; rows of another width are not compared."""
        edits = Edits()
        for row in rows if self._comparison else ():
            if len(row.cells) == self._columns.width and not any(row.cells[index] for index in self._columns.extra):
                picked = self._cell_text.picked(self._computed_fields.completed(row))
                if self._comparison and (edit := self._comparison.edit(row, picked)):
                    edits.add(row.number, edit)
        return edits
