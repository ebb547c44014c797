"""Sheets for people to fill in: an empty one for a target, or one with its current records. One file per format."""

from batchupdate.roundtrip.sheet.atomic_file import atomic_file, refuse_to_replace
from batchupdate.roundtrip.sheet.columns import Columns, PulledRow
from batchupdate.roundtrip.sheet.sheets import Form, Sheet, open_sheet, write_template

__all__ = ["Columns", "Form", "PulledRow", "Sheet", "atomic_file", "open_sheet", "refuse_to_replace", "write_template"]
