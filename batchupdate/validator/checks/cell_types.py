"""Refuses cells that are no text in their file where an id is expected: digits, zeros or the id itself may be lost."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.spreadsheet.typed_text import (
    DateText,
    FloatText,
    FormattedDateText,
    FormattedText,
    LongNumberText,
    TruthText,
)
from batchupdate.util.text import quoted
from batchupdate.validator.checks.cell_text import kind_of
from batchupdate.validator.checks.suspicious_text import level_of

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.checks.suspicious_text import Kind, Strictness
    from batchupdate.validator.columns.column_map import ColumnMap

_AS_TEXT = "format the column as text, and type or paste it again"
_FLOAT = (
    "is a floating-point number where {} is expected, and may have lost digits or leading zeros; store the column as "
    "text, or as whole numbers"
)
_LOST = f"is a number of more than 15 digits, and a workbook keeps no more than 15; {_AS_TEXT}"
_FORMATTED = (
    "is a number that the workbook shows in another way, and is sent as it stands here; to send what you see, format "
    "the column as text, and type it again"
)
_DATE = f"is a date or a time in the workbook, and may have been an id: 3-1 becomes 1 March; {_AS_TEXT}"

_DATED = (
    "is a date or a time that the workbook shows {}, and is sent as it stands here; to send what you see, format the "
    "column as text, and type it again"
)

# By the type of a cell, what is wrong with it as an id, and as a text; no entry where nothing is.
_AS_ID: dict[type[str], tuple[str, str]] = {
    FloatText: ("id_as_number", _FLOAT.format("an id")),
    LongNumberText: ("id_as_number", _LOST),
    FormattedText: ("number_format", _FORMATTED),
    DateText: ("id_as_number", _DATE),
    FormattedDateText: ("id_as_number", _DATE),
    TruthText: ("id_as_number", f"is a truth value in the workbook, and no id; {_AS_TEXT}"),
}
_AS_FIELD: dict[type[str], tuple[str, str]] = {
    FloatText: ("id_as_number", _FLOAT.format("a text")),
    LongNumberText: ("number_rounded", _LOST),
    FormattedText: ("number_format", _FORMATTED),
    FormattedDateText: ("number_format", _DATED),
}
_AS_NUMBER: dict[type[str], tuple[str, str]] = {LongNumberText: ("number_rounded", _LOST)}


class CellTypes:
    """Refuses cells that have another type than text where an id or a text is expected, as far as that loses data.

    A reader marks such cells as `TypedText`. Those that a computed id or text is made of are refused as well. In a
    column that sets a number, or any JSON value, they are welcome, unless a whole number has lost digits.
    """

    def __init__(self, target: Target, columns: ColumnMap, strictness: Strictness) -> None:
        self._strictness = strictness
        self._columns: list[tuple[int, str, Kind]] = []
        for mapped in columns.mapped:
            kind = kind_of(mapped, target)
            computed = mapped.index - columns.width
            places = (mapped.index,) if computed < 0 else columns.computed[computed].places
            self._columns += [(place, mapped.heading, kind) for place in places]
        for mapped in columns.match:  # a text that has lost digits could be that of another record
            kind = "other" if kind_of(mapped, target) == "other" else "id"
            self._columns.append((mapped.index, mapped.heading, kind))

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        for place, heading, kind in self._columns:
            column = list(map(itemgetter(place), batch.cells))
            if set(map(type, column)) == {str}:
                continue
            wrong = _AS_FIELD if kind == "text" else _AS_NUMBER if kind == "other" else _AS_ID
            for row, cell in zip(batch.rows, column, strict=True):
                if type(cell) in wrong and (kind != "other" or "." not in cell):
                    code, message = wrong[type(cell)]
                    if isinstance(cell, FormattedDateText):
                        message = message.format(_how_shown(cell))
                    level = level_of(code, self._strictness)
                    problem = Problem(code, row.number, heading, cell, f"{quoted(cell)} {message}", level)
                    batch.problems.add_and_close_cell(problem, of_id=wrong is _AS_ID)


def _how_shown(cell: FormattedDateText) -> str:
    if cell.seen:
        return f"as {quoted(cell.seen)}"
    return f"in its format {quoted(cell.code)}" if cell.code else "in another way"
