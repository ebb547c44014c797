"""Rates as people write them: `5/s`, `600/min`, `1000/h`, `auto`, `unlimited`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_SECONDS = {"s": 1, "min": 60, "h": 3600}
_UNITS = {
    **_SECONDS,
    **dict.fromkeys(("sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "minute", "minutes"), 60),
    **dict.fromkeys(("hour", "hours"), 3600),
}
_RATE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*/\s*([a-z]+)\s*", re.ASCII)
HELP = "write it as 5/s, 600/min, 1000/h, auto or unlimited"
AUTO, UNLIMITED = "auto", "unlimited"


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests may leave: `per_s` requests per second at most, `math.inf` for no limit of ours.

    With `auto` the API's own limit is to be found out, beginning low; `per_s` is the ceiling.
    """

    per_s: float
    auto: bool = False

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return math.isfinite(self.per_s)

    def __str__(self) -> str:
        if self.auto:
            return f"{AUTO}, at most {Rate(self.per_s)}" if self.limited else AUTO
        if not self.limited:
            return UNLIMITED
        amounts = {unit: self.per_s * seconds for unit, seconds in _SECONDS.items()}
        for unit, amount in amounts.items():
            if amount >= 1 and math.isclose(amount, round(amount), rel_tol=1e-9):
                return f"{round(amount)}/{unit}"
        unit, amount = next(((unit, amount) for unit, amount in amounts.items() if amount >= 1), ("h", amounts["h"]))
        return f"{amount:.9f}".rstrip("0").rstrip(".") + f"/{unit}"


def parse_rate(text: object) -> Rate:
    """Reads a rate as a person writes it.

    Raises:
        ValueError: it is no rate, with how to write one.
    """
    if isinstance(text, Rate):
        return text
    if isinstance(text, str) and (word := text.strip().lower()) in {AUTO, UNLIMITED}:
        return Rate(math.inf, auto=word == AUTO)
    match = _RATE.fullmatch(text.lower()) if isinstance(text, str) else None
    if not match or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a rate; {HELP}")
    per_s = float(match[1]) / _UNITS[match[2]]
    if per_s <= 0:
        raise ValueError(f"{text!r} would never send anything; {HELP}")
    return Rate(per_s)


HELD_S = 20.0
"""What an API let in over less time than this is no rate to advise: a burst looks like one."""


def just_below(per_s: float) -> Rate:
    """A rate a little below the given one, with two digits: what to set where this one was found to be the limit."""
    lower = per_s * 0.97
    step: float = 10.0 ** (math.floor(math.log10(lower)) - 1)
    return Rate(round(math.floor(lower / step + 1e-9) * step, 12))


def parse_ceiling(text: object) -> Rate:
    """Reads the rate that `auto` must not exceed; it can't be `auto` itself.

    Raises:
        ValueError: it is no rate, with how to write one.
    """
    rate = parse_rate(text)
    if rate.auto:
        raise ValueError(f"{text!r} is not a ceiling; write it as 50/s, 600/min, 1000/h or unlimited")
    return rate


def rate_in_force(chosen: Rate | None, chosen_ceiling: Rate | None, own: Rate, own_ceiling: Rate | None) -> Rate:
    """The rate to keep: what the user chose, or else the target's own.

    The target's ceiling is only for `auto`; a rate that the user names is exact.
    """
    rate = chosen or own
    ceiling = chosen_ceiling or (own_ceiling if rate.auto else None)
    return rate if ceiling is None else Rate(min(rate.per_s, ceiling.per_s), auto=rate.auto)
