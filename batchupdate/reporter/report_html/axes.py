"""Axes of charts: where their marks stand, and what they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMES_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_ROUND = (1, 2, 2.5, 5, 10)
MINUTE_S, HOUR_S, SECOND_MS = 60, 3600, 1000


class Mark(NamedTuple):
    """A mark on an axis: where it stands in the picture, and its text."""

    at: float
    text: str


class Frame(NamedTuple):
    """A picture's size, and the place of the chart in it; all in units of the picture, which are pixels at first."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float

    def x(self, share: float) -> float:
        """Where a share of the width stands, 0 at the left."""
        return round(self.left + share * (self.right - self.left), 1)

    def y(self, share: float) -> float:
        """Where a share of the height stands, 0 at the bottom."""
        return round(self.bottom - share * (self.bottom - self.top), 1)


def round_top(highest: float, marks: int) -> tuple[float, float]:
    """A round number at or above the highest value, and the step that leads there in about so many marks."""
    if highest <= 0:
        return 1.0, 1.0
    rough = highest / marks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in _ROUND if power * each >= rough * (1 - 1e-9))
    return step * math.ceil(highest / step - 1e-9), step


def up_marks(frame: Frame, top: float, step: float) -> list[Mark]:
    """The marks of an upright axis that begins at zero."""
    return [Mark(frame.y(step * n / top), number(step * n)) for n in range(round(top / step) + 1)]


def time_marks(frame: Frame, total_s: float, most: int) -> list[Mark]:
    """The marks of an axis of seconds since the beginning."""
    step = next((each for each in _TIMES_S if total_s / each <= most), math.ceil(total_s / most / 86_400) * 86_400)
    return [Mark(frame.x(at / total_s), elapsed(at, total_s)) for at in range(0, math.floor(total_s) + 1, step)]


def elapsed(seconds: float, total_s: float) -> str:
    """A time since the beginning, in the unit that suits the whole."""
    if total_s < 2 * MINUTE_S:
        return f"{seconds:g} s"
    if total_s < 2 * HOUR_S:
        minutes, rest = divmod(round(seconds), MINUTE_S)
        return f"{minutes}:{rest:02} min" if rest else f"{minutes} min"
    hours, rest = divmod(round(seconds), HOUR_S)
    return f"{hours}:{rest // MINUTE_S:02} h" if rest else f"{hours} h"


def decades(low: float, high: float) -> Iterator[float]:
    """1, 2, 5, 10, … from one value to another, both positive."""
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (value for each in (1, 2, 5) if low <= (value := each * 10.0**power) <= high)


def number(value: float) -> str:
    """A number on an axis."""
    return f"{round(value, 6):,g}" if value < SECOND_MS else f"{value:,.0f}"


def milliseconds(value: float) -> str:
    """A duration: `120 ms`, or `1.2 s` from a second on."""
    if value >= SECOND_MS:
        return f"{value / SECOND_MS:.3g} s"
    return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"  # noqa: PLR2004 - three digits
