"""A row and a target → a change, or the problems that keep it from being one.

`columns/` finds out which column sets which id or field. `validator.py` passes batches of rows through the checks in
`checks/`. `duplicates.py` finds rows for the same record.
"""

from batchupdate.validator.checked_rows import CheckedRows
from batchupdate.validator.columns.column_map import ColumnMap
from batchupdate.validator.columns.matching import map_columns
from batchupdate.validator.duplicates import DuplicateFinder, Sighting
from batchupdate.validator.validator import Validator

__all__ = ["CheckedRows", "ColumnMap", "DuplicateFinder", "Sighting", "Validator", "map_columns"]
