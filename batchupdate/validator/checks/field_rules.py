"""Checks ids and text fields against the target's rules: length, pattern, format, values, and what is required.

The work for valid rows is done in pydantic's Rust core; only rows that break a rule cost Python code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from batchupdate.model import Problem
from batchupdate.targets.field_help import pattern_help
from batchupdate.targets.formats import FORMATS
from batchupdate.util.text import quoted
from batchupdate.validator.checks.field_schema import list_of_records
from batchupdate.validator.checks.id_problems import IdProblems
from batchupdate.validator.types import none_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from batchupdate.model import Row
    from batchupdate.targets import FieldRule, Target
    from batchupdate.validator.batch import Batch, Record
    from batchupdate.validator.columns.column_map import ColumnMap


class FieldRules:
    """Checks ids and text fields against the target's rules; see the module."""

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._target = target
        self._columns = columns
        self._id_problems = IdProblems(target, columns)
        names = {mapped.field for mapped in columns.mapped}
        self._adapter: TypeAdapter[list[Record]] = TypeAdapter(list_of_records(target, names))

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        try:
            self._adapter.validate_python(batch.records)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                position, name = int(item["loc"][0]), str(item["loc"][1])
                if item["type"] == "missing" and name in batch.set_aside.get(position, ()):
                    continue
                row = batch.rows[position]
                if name not in self._target.id:
                    rule = self._target.fields[name]
                    batch.problems.add(field_problem(row, name, self._columns.heading(name), rule, item))
                elif shifted := self._id_problems.shifted_row(row, name, item):
                    batch.problems.add_and_close_row(shifted)
                else:
                    batch.problems.add(self._id_problems.bad_id(row, name, item))


def field_problem(row: Row, name: str, heading: str, rule: FieldRule, error: ErrorDetails) -> Problem:
    """What is wrong with the field `name`, whose column is headed `heading`."""
    if error["type"] == "missing":
        return Problem("required", row.number, heading, "", f"{name} is required; fill it in")
    cell = str(error["input"])
    match error["type"]:
        case "string_too_long" if rule.max_length is not None:
            more = len(cell) - rule.max_length
            message = (
                f"{name} has {len(cell)} characters, but at most {rule.max_length} are allowed; shorten it by {more}"
            )
            return Problem("too_long", row.number, heading, cell, message)
        case "string_too_short":
            message = f"{name} has {len(cell)} characters, but at least {rule.min_length} are needed"
            return Problem("too_short", row.number, heading, cell, message)
        case "literal_error" if rule.enum is not None:
            return Problem("not_in_list", row.number, heading, cell, none_of(cell, rule.enum))
        case _:
            broken = error.get("ctx", {}).get("pattern")
            by_format = rule.format and FORMATS[rule.format][0] == broken
            wanted = FORMATS[rule.format][1] if rule.format and by_format else pattern_help(rule)
            return Problem("bad_format", row.number, heading, cell, f"{quoted(cell)} is not {wanted}")
