"""The columns that reports and `pull` add to a sheet's own; the reader and the validator know them again."""

from __future__ import annotations

from batchupdate.spreadsheet.headers import normalise_heading

ID_COLUMN = "_id"
ERROR_COLUMN = "_error"
RESULT_COLUMNS = (
    "_row",
    ID_COLUMN,
    "_outcome",
    "_http_status",
    "_attempts",
    ERROR_COLUMN,
    "_request_id",
    "_finished_at",
    "_duration_ms",
)

FILE = "_file"
"""In the reports of several files, the name of a row's file; it is directly before the row's number."""

SHEET_FRONT = ("_outcome", ERROR_COLUMN, "_row")
"""Of our columns, those that stand before the input's own in `results.xlsx`; the others stand behind them."""
SHEET_BACK = tuple(name for name in RESULT_COLUMNS if name not in SHEET_FRONT)
CHANGE = "_change"
"""In `results.xlsx`, old → new of a row's fields, where that is known; it is directly behind the row's number."""
REPLY = "_reply."
"""A column with this prefix and a name holds what `capture` found in the reply to a row's change."""

EXTRA = "_extra_"
"""Cells that stood beyond the heading row come into columns with this prefix and a number from 1."""

OLD = "_old."
"""A column with this prefix and a field's name holds what the field was when the records were pulled."""
EXPECTED = "expected."
"""A column with this prefix and a field's name holds what a record must have there before its change."""
UNDO_OF = "_undo_of"
"""Which run the old values are of; only `undo.csv` and the reports of undos have this column."""
LOCKED = "_locked"
"""Why the record of a row must not be edited; empty where it may be."""
VERSION = "_version"
"""The version that the record of a row had when it was pulled, by which the API knows whether it has changed since."""
OLD_NULL, OLD_EMPTY, OLD_ABSENT = "<null>", "<empty>", "<absent>"
"""How a pulled sheet writes null, an empty value, and a member that its object does not have, among the old values,
whatever markers the user has; blank is not known."""
_OLD = normalise_heading(OLD)
OLD_MARKERS = frozenset({OLD_NULL, OLD_EMPTY, OLD_ABSENT})

CHANGES_SHEET, HOW_TO_SHEET = "changes", "how to"
"""The visible sheets of a workbook that `template` or `pull` wrote: the table, and what explains it."""


RESULTS_SHEET, FAILURES_SHEET, SUMMARY_SHEET = "results", "failures", "summary"
"""The sheets of `results.xlsx`."""
COPY_SHEET, PROBLEMS_SHEET = "check", "problems"
"""The sheets of the copy that `check --annotate` writes; the second is there if there are problems."""


def is_pulled(heading: str) -> bool:
    """Whether a column belongs to what `pull` writes beside the fields; it then means no field, whatever it is called.

    A field of the API's can well be called `locked` or `version`, so the underscore counts; letter case does not.
    """
    return is_old(heading) or bool(pulled_name(heading))


def heading_key(heading: str) -> str:
    """By what headings are compared; that of a column which `pull` adds is no other's, whatever that one is called."""
    said = normalise_heading(heading)
    return f"_{said}" if is_pulled(heading) else said


def pulled_name(heading: str) -> str:
    """`_locked` or `_version`, whichever a heading means; '' for any other."""
    said = f"_{normalise_heading(heading)}" if heading.startswith("_") else ""
    return said if said in {LOCKED, VERSION} else ""


def is_old(heading: str) -> bool:
    """Whether a column holds the values that a field had when the sheet was pulled."""
    return heading.startswith("_") and normalise_heading(heading).startswith(_OLD)


def old_field(heading: str) -> str:
    """Of which field such a column holds them, as headings are compared."""
    return normalise_heading(heading).removeprefix(_OLD)
