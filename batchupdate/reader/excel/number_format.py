"""What a number format makes of a number, as far as that is an id's or a text's own form: `00000`, `000-00-0000`.

A format has up to four sections: for positive and negative numbers, for zero and for texts; the first two may have
conditions of their own (ECMA-376, part 1, section 18.8.31). Only sections of digits and literals are followed. All
others, such as decimals, thousands, percentages and fractions, are another way to write a number, and no text.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SECTION = re.compile(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])*', re.DOTALL)
_TOKEN = re.compile(r'[_*].|"([^"]*)"|\\(.)|\[([^\]]*)\]|([0#?]|General)|([ $+\-():!^&\'~{}<=>])|(.)', re.DOTALL)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)", re.ASCII)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]', re.DOTALL)
_DATE_UNITS = re.compile(r"[dmyhs]", re.IGNORECASE)
_COLOUR_OR_LOCALE = re.compile(
    r"(?:black|blue|cyan|green|magenta|red|white|yellow|color *\d+|\$-[0-9a-f]+)", re.IGNORECASE
)
_THOUSAND = 1000


class _Section(NamedTuple):
    """A section's parts, each a literal or one of `0#?`, and its condition; no parts where it is not followed."""

    parts: Sequence[tuple[str, bool]] | None
    condition: tuple[str, float] | None


def matters(code: str) -> bool:
    """Whether a format can make another text of a number than its plain digits; dates are not numbers here."""
    if code.strip() in {"", "0", "@", "General"}:
        return False
    return not is_date(code)


def is_followed(code: str) -> bool:
    """Whether cells with a format are to be looked at: it can show a number, a date or a time in another way."""
    return matters(code) or is_date(code)


def is_date(code: str) -> bool:
    """Whether a format shows a number as a date or a time."""
    return bool(_DATE_UNITS.search(_NOT_SHOWN.sub("", code).replace("General", "")))


def shown(number: str, code: str) -> str | None:
    """What people see of a number with this format; None where the format is more than digits and literals."""
    value = float(number)
    if not value.is_integer() or "e" in number:
        return None
    if abs(value) < _THOUSAND:
        code = code.replace("#,##0", "0")
    section, signed = _choose([_parse(text) for text in _sections(code)], value)
    if section is None or section.parts is None:
        return None
    text = _filled(section.parts, number.lstrip("-"))
    return f"-{text}" if signed and value < 0 else text


def _sections(code: str) -> list[str]:
    sections, at = [], 0
    while at <= len(code):
        found = _SECTION.match(code, at)
        end = found.end() if found else len(code)
        sections.append(code[at:end])
        at = end + 1
    return sections


def _choose(sections: Sequence[_Section], value: float) -> tuple[_Section | None, bool]:
    """The section for a number, and whether the number keeps its sign there."""
    if any(section.condition for section in sections):
        for section in sections[:2]:
            if section.condition and _COMPARE[section.condition[0]](value, section.condition[1]):
                return section, True
        return next((section for section in sections if not section.condition), None), True
    if value < 0 and len(sections) > 1:
        return sections[1], False
    return (sections[2] if value == 0 and len(sections) > 2 else sections[0]), True  # noqa: PLR2004 - the third is zero's


def _parse(section: str) -> _Section:
    parts: list[tuple[str, bool]] = []
    condition = None
    for quoted, escaped, bracket, digit, literal, other in (match.groups() for match in _TOKEN.finditer(section)):
        if other is not None or digit == "General":
            return _Section(None, condition)
        if bracket is not None:
            if found := _CONDITION.fullmatch(bracket):
                condition = (found[1], float(found[2]))
            elif not _COLOUR_OR_LOCALE.fullmatch(bracket):
                return _Section(None, condition)
        elif digit is not None:
            parts.append((digit, True))
        elif quoted is not None or escaped or literal:  # a blank as wide as a letter (`_x`) is none of them
            parts.append((quoted if quoted is not None else escaped or literal, False))
    return _Section(parts if any(is_digit for _, is_digit in parts) else None, condition)


def _filled(parts: Sequence[tuple[str, bool]], digits: str) -> str:
    """The parts with the digits in their places, from the right; digits that find no place stand before the first."""
    places = sum(is_digit for _, is_digit in parts)
    digits = "" if digits == "0" else digits
    before, rest = digits[: max(len(digits) - places, 0)], digits[-places:]
    missing = places - len(rest)
    text = ""
    for part, is_digit in parts:
        if not is_digit:
            text += part
            continue
        text += before
        before = ""
        if missing > 0:
            missing -= 1
            text += {"0": "0", "?": " ", "#": ""}[part]
        else:
            text += rest[0]
            rest = rest[1:]
    return text
