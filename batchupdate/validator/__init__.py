"""A row and a target → a change, or the problems that keep it from being one.

`columns` finds out which column sets which field (a `Layout`), `validator` checks the rows by it, and `duplicates`
finds rows that name the same record. What they lean on: `mapping` (computed fields, conditions), `cells`, `suspicious`
and `types` (from a text to a value), `lists`, `edits` (what was edited in a pulled sheet), and `schema` (for pydantic).
"""

from batchupdate.validator.checked import Checked
from batchupdate.validator.columns import lay_out
from batchupdate.validator.duplicates import DuplicateFinder, Sighting, duplicate_problem
from batchupdate.validator.layout import Layout
from batchupdate.validator.validator import Validator

__all__ = ["Checked", "DuplicateFinder", "Layout", "Sighting", "Validator", "duplicate_problem", "lay_out"]
