"""What a number format makes of a date or a time, as far as that is the same on every computer: `DD.MM.YYYY`, `h:mm`.

The names of months and days are in the language of the computer, and so is the separator that `/` stands for
(ECMA-376, part 1, section 18.8.31); formats with these are not followed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOMENT = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d))?T?(?:(?P<hour>\d+):(?P<minute>\d\d):(?P<second>\d\d))?",
    re.ASCII,
)
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$-[0-9a-f]+\]|\[(?P<elapsed>h+)\]|(?P<half>am/pm)'
    r"|(?P<unit>y+|m+|d+|h+|s+)|(?P<literal>[-.: ,])|(?P<end>;)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_MARKS = re.compile(r"\[\$-[^\]]*\]|;.*|\\(.)", re.DOTALL)
_NOON = 12
LOCAL = frozenset({"m/d/yy", "m/d/yyyy", "mm-dd-yy", "m/d/yy h:mm", "m/d/yyyy h:mm", "yyyy/m/d"})
"""The codes that stand in files for the date of the computer's country, which looks otherwise elsewhere."""


@lru_cache(maxsize=4096)  # the dates of a column are often few
def date_shown(text: str, code: str) -> str | None:
    """What people see of a date or a time with this format; None where that is not the same everywhere.

    Args:
        text: as `cell_text` gives it: `2026-03-01`, `2026-03-01T12:30:00`, `12:30:00`.
        code: the number format.
    """
    found = _MOMENT.fullmatch(text)
    tokens = _tokens(code)
    if found is None or not text or tokens is None or code.lower() in LOCAL:
        return None
    parts = {name: int(value) for name, value in found.groupdict("0").items()}
    is_duration = not found["year"] and parts["hour"] >= 2 * _NOON
    if (is_duration and "[h" not in code.lower()) or (not found["year"] and _asks_for_day(tokens)):
        return None
    has_half = any(token["half"] for token in tokens)
    units = [(token["unit"] or token["elapsed"] or "").lower() for token in tokens]
    shown = ""
    for at, token in enumerate(tokens):
        if unit := units[at]:
            if unit[0] == "m" and _is_minute(units, at):
                unit = unit.replace("m", "i")
            if (part := _part(unit, parts, has_half=has_half, elapsed=bool(token["elapsed"]))) is None:
                return None
            shown += part
        elif token["half"]:
            shown += "AM" if parts["hour"] % (2 * _NOON) < _NOON else "PM"
        else:
            shown += token["quoted"] or token["escaped"] or token["literal"] or ""
    return shown


def code_shown(code: str) -> str:
    """A format as a dialog lists it, without locales, backslashes and further sections; empty for that of a country."""
    if code.lower() in LOCAL:
        return ""
    return _MARKS.sub(lambda mark: mark[1] or "", code).strip()


@lru_cache(maxsize=256)
def _tokens(code: str) -> list[re.Match[str]] | None:
    """The parts of a format's first section; None where one is not followed."""
    tokens = list(takewhile(lambda token: not token["end"], _TOKEN.finditer(code)))
    return None if any(token["other"] for token in tokens) else tokens


def _asks_for_day(tokens: list[re.Match[str]]) -> bool:
    units = [(token["unit"] or token["elapsed"] or "").lower() for token in tokens]
    return any(
        unit[:1] in {"y", "d"} or (unit[:1] == "m" and not _is_minute(units, at)) for at, unit in enumerate(units)
    )


def _is_minute(units: list[str], at: int) -> bool:
    """Whether an `m` stands for minutes: behind hours, or before seconds."""
    before = next((unit for unit in reversed(units[:at]) if unit), "")
    after = next((unit for unit in units[at + 1 :] if unit), "")
    return before[:1] == "h" or after[:1] == "s"


def _part(unit: str, parts: Mapping[str, int], *, has_half: bool, elapsed: bool) -> str | None:
    """One unit of a moment; None for a name of a month or a day, and for what no unit is."""
    name = {"y": "year", "m": "month", "d": "day", "h": "hour", "i": "minute", "s": "second"}[unit[0]]
    value, size = parts[name], len(unit)
    if unit[0] == "y":
        return f"{value:04}" if size > 2 else f"{value % 100:02}"  # noqa: PLR2004 - yyy is yyyy
    if size > 2:  # noqa: PLR2004 - mmm and ddd are names
        return None
    if unit[0] == "h" and elapsed and parts["year"]:
        return None
    if unit[0] == "h" and has_half and not elapsed:
        value = value % _NOON or _NOON
    return f"{value:0{size}}"
