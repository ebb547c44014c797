"""How long requests took: percentiles, and how many took how long, as geometry for the template to draw."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.reporter.report_html.axes import Frame, Mark, decades, milliseconds, round_top, up_marks
from batchupdate.util.units import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PER_DECADE = 12
"""Bars for each tenfold duration."""

LEAST_MS = 0.1
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_FEWEST_BARS = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations in milliseconds: percentiles by name, the longest, and by the number of a bar how many fall into it."""

    count: int
    quantiles: Mapping[str, float]
    longest: float
    bars: Mapping[int, int]


class Bar(NamedTuple):
    """A bar, and what it says."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """The chart in one size; `quantiles` stand above it."""

    frame: Frame
    bars: list[Bar]
    quantiles: list[Mark]
    up: list[Mark]
    along: list[Mark]


def latency_of(count: int, durations: Iterable[tuple[float, int]]) -> Latency | None:
    """Sums up durations (milliseconds), the shortest first, each with how many took so long; None for none.

    Percentiles lie between two durations in proportion, as pandas has them.
    """
    wanted = {name: (count - 1) * share for name, share in QUANTILES.items()}
    below: dict[str, float] = {}
    quantiles: dict[str, float] = {}
    bars: Counter[int] = Counter()
    duration, done = 0.0, 0
    for duration, times in durations:
        bars[math.floor(PER_DECADE * math.log10(max(duration, LEAST_MS)))] += times
        for name, at in wanted.items():
            if done <= math.floor(at) < done + times:
                below[name] = duration
            if done <= math.ceil(at) < done + times:
                quantiles[name] = below[name] + (at - math.floor(at)) * (duration - below[name])
        done += times
    return Latency(done, quantiles, duration, bars) if done and len(quantiles) == len(wanted) else None


def latency_chart(latency: Latency, frame: Frame, most_marks: int) -> LatencyChart:
    """Draws the durations; each bar is as wide as its share of a tenfold duration."""
    first, last = min(latency.bars), max(latency.bars) + 1
    while last - first < _FEWEST_BARS:
        first, last = first - 1, last + 1
    top, step = round_top(max(latency.bars.values()), 3)

    def x(duration: float) -> float:
        return frame.x((PER_DECADE * math.log10(max(duration, LEAST_MS)) - first) / (last - first))

    bars = []
    for number, count in sorted(latency.bars.items()):
        low, high = (10.0 ** (edge / PER_DECADE) for edge in (number, number + 1))
        y = min(frame.y(count / top), frame.bottom - 1)
        text = f"{milliseconds(low)} to {milliseconds(high)}: {many(count, 'request')}"
        bars.append(Bar(x(low), y, round(max(1.0, x(high) - x(low) - 1), 1), round(frame.bottom - y, 1), text))
    marks = [Mark(x(at), milliseconds(at)) for at in decades(10 ** (first / PER_DECADE), 10 ** (last / PER_DECADE))]
    every = math.ceil(len(marks) / most_marks)
    quantiles = [Mark(x(at), name) for name, at in latency.quantiles.items()]
    return LatencyChart(frame, bars, quantiles, up_marks(frame, top, step), marks[::every])
