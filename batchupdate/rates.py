"""Rates as people write them: `5/s`, `600/min`, `1000/h`, `unlimited`."""

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
HELP = "write it as 5/s, 600/min, 1000/h or unlimited"


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests may leave: `per_s` requests per second, `math.inf` for no limit of ours."""

    per_s: float

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return math.isfinite(self.per_s)

    def __str__(self) -> str:
        if not self.limited:
            return "unlimited"
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
    if isinstance(text, str) and text.strip().lower() == "unlimited":
        return Rate(math.inf)
    match = _RATE.fullmatch(text.lower()) if isinstance(text, str) else None
    if not match or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a rate; {HELP}")
    per_s = float(match[1]) / _UNITS[match[2]]
    if per_s <= 0:
        raise ValueError(f"{text!r} would never send anything; {HELP}")
    return Rate(per_s)
