"""What a spreadsheet program makes of a text that it takes for a number, a date or a truth value.

Whoever opens a CSV by a double click gets `7` for `007`, and `1.23457E+19` for an id of twenty digits; saved again, the
id is another one. The reporter keeps a second copy of such ids from that, by which the reader knows the first again.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

DIGITS_KEPT = 15
"""Excel and LibreOffice keep so many digits of a number; the one cuts it there, the other rounds it."""
LARGEST_EXPONENT = 400
"""Their numbers end at 10^308."""

_HALF_EVEN, _DOWN = Context(DIGITS_KEPT, ROUND_HALF_EVEN), Context(DIGITS_KEPT, ROUND_DOWN)
_SIGNS = re.compile(r"[\s$€£¥]")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mrz|mai|okt|dez)[a-z]*"
_BETWEEN = r"[\s./-]*"
_retyped = re.compile(
    r"(?=.*\d)[\d\s.,:/+\-%()$€£¥']+"  # numbers, amounts, percentages, dates and times of day, however they are written
    r"|[+-]?(?:\d+\.?\d*|\.\d+)e[+-]?\d+"
    rf"|\d{{1,2}}{_BETWEEN}{_MONTH}(?:{_BETWEEN}\d{{2,4}})?|{_MONTH}{_BETWEEN}\d{{1,4}}(?:[,\s]+\d{{2,4}})?"
    r"|true|false",
    re.IGNORECASE | re.ASCII,
).fullmatch
_stays = re.compile(rf"0|-?[1-9]\d{{0,{DIGITS_KEPT - 1}}}|TRUE|FALSE", re.ASCII).fullmatch
_of_date = re.compile(rf"\d{_BETWEEN}{_MONTH}|{_MONTH}{_BETWEEN}\d|\d[./:-]\d", re.IGNORECASE | re.ASCII).search
# How dates and times look in a cell afterwards: as we read them from a workbook, or as Excel writes them to a CSV.
_date = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+)?|\d{1,2}[-. ][^\W\d_]{3,4}\.?(?:[- ]\d{2,4})?|[^\W\d_]{3,4}\.?[- ]\d{2,4}"
    r"|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\d+:\d\d(?::\d\d(?:\.\d+)?)?(?: [AP]M)?"
).fullmatch


def may_be_retyped(text: str) -> bool:
    """Whether a spreadsheet program could show and save something else for a text; `123` and any name stay."""
    return _retyped(text) is not None and _stays(text) is None


def is_retyped(cell: str, text: str) -> bool:
    """Whether a cell is what a spreadsheet program has made of a text, and not the text itself."""
    if cell == text or not may_be_retyped(text):
        return False
    if cell in {"TRUE", "FALSE"}:
        return cell == text.upper()
    if _date(cell) and _of_date(text):
        return True
    value = _number(cell)
    return value is not None and value in _values(text)


def _values(text: str) -> set[Decimal]:
    """The numbers that a text can be taken for: with a comma for thousands or for fractions, and its digits cut."""
    found = set()
    for plain in (text.replace(",", ""), text.replace(".", "").replace(",", "."), text.replace("'", "")):
        value = _number(plain)
        if value is not None:
            found |= {value, _HALF_EVEN.plus(value), _DOWN.plus(value)}
    return found


def _number(text: str) -> Decimal | None:
    """A number, also a percentage or an amount; None for what is none, or too large for any of these programs."""
    plain = _SIGNS.sub("", text)
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    try:
        value = Decimal(plain.removesuffix("%"))
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > LARGEST_EXPONENT:
        return None
    return value.scaleb(-2) if plain.endswith("%") else value
