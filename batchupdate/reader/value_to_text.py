"""A typed cell as the text that a person would mean; the same for workbooks and Parquet."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

_PLAIN_INTEGERS_BELOW = 1e21


def text_of(cell: object) -> str:
    """A cell as text, without loss.

    A whole number has neither `.0` nor exponent below 10^21 (`123`, `1234567890123450000`), other numbers are the
    shortest text that gives the same number again (`0.1`). Truth values are `TRUE` and `FALSE`, as Excel shows them.
    Dates are ISO 8601 without a time zone, and without a time at midnight; durations are hours, minutes, seconds.
    """
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return _number(cell)
    if isinstance(cell, datetime):
        return cell.isoformat() if cell.tzinfo or cell.time() != time() else cell.date().isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return _duration(cell)
    return str(cell)


def _number(value: float) -> str:
    if value.is_integer() and abs(value) < _PLAIN_INTEGERS_BELOW:
        # By way of the shortest text: int() would show digits that the spreadsheet program never had.
        return format(Decimal(repr(value)).to_integral_value(), "f") if value else "0"
    return repr(value)


def _duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
