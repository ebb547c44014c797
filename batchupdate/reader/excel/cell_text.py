"""A workbook's cell as text, marked where it is no text there and may have been an id; the same for all workbooks."""

from __future__ import annotations

from datetime import date, time, timedelta

from batchupdate.reader.excel.date_format import code_shown, date_shown
from batchupdate.reader.excel.number_format import shown
from batchupdate.reader.value_to_text import text_of
from batchupdate.spreadsheet.typed_text import (
    DateText,
    FormattedDateText,
    FormattedText,
    LongNumberText,
    ShownText,
    TruthText,
)

_DIGITS = 15
"""So many significant digits of a number does a spreadsheet program keep; a double has no more that can be relied on
(https://support.microsoft.com/office/excel-specifications-and-limits)."""
_LONG = 10.0**_DIGITS


def cell_text(value: object) -> str:
    """A cell as `text_of` has it: as `LongNumberText`, `DateText` or `TruthText` where it is such a cell."""
    text = text_of(value)
    if type(value) is float:  # nearly always
        return LongNumberText(text) if _is_long(value, text) else text
    if isinstance(value, bool):
        return TruthText(text)
    if isinstance(value, int):
        return LongNumberText(text) if _is_long(value, text) else text
    return DateText(text) if isinstance(value, date | time | timedelta) else text


def formatted(number: str, code: str) -> str:
    """A number with its format: `ShownText` where that makes a text of it, `FormattedText` where that can't be told.

    Args:
        number: as `cell_text` gives it.
        code: the number format.
    """
    text = shown(number, code)
    if text is None:
        return FormattedText(number)
    return number if text == number else ShownText.of(text, number)


def dated(text: str, code: str) -> str:
    """A date or a time with its format: `FormattedDateText` unless that shows just this text.

    Args:
        text: as `cell_text` gives it.
        code: the number format.
    """
    seen = date_shown(text, code)
    return text if seen == text else FormattedDateText.of(text, seen or "", code_shown(code))


def _is_long(value: float, text: str) -> bool:
    """Whether a number has more digits than a spreadsheet program keeps; zeros at the end of a whole number count."""
    if abs(value) >= _LONG:
        return True
    if len(text) <= _DIGITS + 1:
        return False
    mantissa = text.partition("e")[0].replace(".", "").lstrip("-0")
    return len(mantissa) > _DIGITS
