"""What is wrong with an id that breaks its rule, and what may have happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.util.regex import compile_search
from batchupdate.util.text import quoted
from batchupdate.validator.checks.suspicious_text import explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.validator.columns.column_map import ColumnMap

_ORDINARY_CELLS = ("Sales", "a name", "7", "12345678")
"""What is often found beside an id: a rule that these meet can't recognise an id."""


class IdProblems:
    """Finds out what is wrong with ids; all errors are pydantic's."""

    def __init__(self, target: Target, columns: ColumnMap) -> None:
        self._rules = target.id
        self._columns = columns
        self._headings = {mapped.index: mapped.heading for mapped in columns.mapped}
        searches = {name: compile_search(rule.regex) for name, rule in target.id.items() if rule.regex}
        self._recognise: dict[str, Callable[[str], bool]] = {
            name: matches
            for name, matches in searches.items()
            if not columns.match and not any(map(matches, _ORDINARY_CELLS))
        }

    def shifted_row(self, row: Row, name: str, error: ErrorDetails) -> Problem | None:
        """The problem of a row whose id is in the column beside; None if it is not there."""
        neighbour = self._column_beside(row, name)
        if not neighbour:
            return None
        cell = "" if error["type"] == "missing" else str(error["input"])
        message = f"the id is in the column {neighbour!r} beside this one; are the row's cells shifted by one?"
        return Problem("shifted_row", row.number, self._columns.heading(name), cell, message)

    def bad_id(self, row: Row, name: str, error: ErrorDetails) -> Problem:
        """The problem of a row whose id is missing or breaks its rule."""
        rule, heading = self._rules[name], self._columns.heading(name)
        if error["type"] == "missing":
            return Problem("missing_id", row.number, heading, "", f"the id is missing; fill in {rule.wanted}")
        cell = str(error["input"])
        if why := explained(cell, rule):
            return Problem(why.code, row.number, heading, cell, why.message)
        match error["type"]:
            case "string_too_long":
                message = f"the id has {len(cell)} characters, but at most {rule.max_length} are allowed"
            case "value_error":
                message = f"{quoted(cell)} {error['ctx']['error']}"
            case _:
                message = f"{quoted(cell)} is not {rule.wanted}"
        return Problem("bad_id", row.number, heading, cell, message)

    def _column_beside(self, row: Row, name: str) -> str:
        """The heading of the column beside the id's that contains such an id; '' if none does."""
        matches = self._recognise.get(name)
        if matches is None:
            return ""
        here = next(mapped.index for mapped in self._columns.mapped if mapped.name == name)
        for index in (here + 1, here - 1):
            cell = row.cells[index] if 0 <= index < len(row.cells) else ""
            if cell and len(cell) <= self._rules[name].max_length and matches(cell):
                return self._headings.get(index, f"column {index + 1}")
        return ""
