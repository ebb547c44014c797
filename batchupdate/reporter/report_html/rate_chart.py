"""Requests a second over the time at work, beside the rate that was kept: as geometry for the template to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.reporter.report_html.axes import Frame, Mark, elapsed, number, round_top, time_marks, up_marks
from batchupdate.util.units import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchupdate.model import PaceSample

FEWEST_SPANS = 3
"""A run with fewer samples than that was too short for a chart."""

LEAST_PAUSE_S = 0.05
_TOUCHES = 0.01
_FAINTEST = 0.6


class Span(NamedTuple):
    """What was done from one sample to the next: `start_s` and `length_s` in seconds at work."""

    start_s: float
    length_s: float
    sent: int
    throttled: int
    waited_s: float
    limit_per_s: float | None


class Column(NamedTuple):
    """A short time of the chart; `paused` is the share of it for which nobody might send."""

    per_s: float
    throttled: float
    paused: float
    limit_per_s: float | None


class Lane(NamedTuple):
    """A piece of a lane below the chart: where, how wide, and how strong."""

    x: float
    width: float
    strength: float


class Hover(NamedTuple):
    """A column that says what it shows."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class RateChart:
    """The chart in one size. Paths are those of SVG; `resumed` are the places where the run went on after an end."""

    frame: Frame
    area: str
    line: str
    limit: str
    up: list[Mark]
    along: list[Mark]
    throttled: list[Lane]
    paused: list[Lane]
    resumed: list[float]
    hovers: list[Hover]


def spans_of(samples: Sequence[PaceSample]) -> list[Span]:
    """What was done between samples; the time between two sessions counts as nothing."""
    spans, start_s = [], 0.0
    for one, later in pairwise(samples):
        length_s = later.at - one.at
        if one.session != later.session or length_s <= 0 or later.sent < one.sent:
            continue
        throttled, waited_s = later.throttled - one.throttled, later.waited_s - one.waited_s
        spans.append(
            Span(start_s, length_s, later.sent - one.sent, max(0, throttled), max(0.0, waited_s), later.limit_per_s)
        )
        start_s += length_s
    return spans


def resumed_at(samples: Sequence[PaceSample]) -> list[float]:
    """After how many seconds at work each session but the first began."""
    found, at_work = [], 0.0
    for one, later in pairwise(samples):
        if one.session != later.session:
            found.append(at_work)
        else:
            at_work += max(0.0, later.at - one.at)
    return found


def rate_chart(samples: Sequence[PaceSample], frame: Frame, most_columns: int, most_marks: int) -> RateChart | None:
    """Draws a run's pace; None if it was too short."""
    spans = spans_of(samples)
    if len(spans) < FEWEST_SPANS:
        return None
    total_s = spans[-1].start_s + spans[-1].length_s
    count = max(FEWEST_SPANS, min(most_columns, len(spans), math.floor(total_s)))
    columns = list(columns_of(spans, total_s, count))
    limits = [column.limit_per_s for column in columns if column.limit_per_s is not None]
    highest = max(column.per_s for column in columns)
    shown = [limit for limit in limits if limit <= 4 * highest]  # a limit far above would flatten all the rest
    top, step = round_top(max([highest, *shown]), 4)
    edges = [frame.x(index / count) for index in range(count + 1)]

    def step_line(values: Sequence[float | None]) -> str:
        parts, pen = [], False
        for index, value in enumerate(values):
            if value is None or value > top:
                pen = False
                continue
            y = frame.y(value / top)
            parts.append(f"{'L' if pen else 'M'}{edges[index]} {y}H{edges[index + 1]}")
            pen = True
        return "".join(parts)

    line = step_line([column.per_s for column in columns])
    return RateChart(
        frame,
        f"{line}V{frame.bottom}H{frame.left}Z",
        line,
        step_line([column.limit_per_s for column in columns]),
        up_marks(frame, top, step),
        time_marks(frame, total_s, most_marks),
        _lane(edges, [min(1.0, _FAINTEST + column.throttled / 10) if column.throttled else 0.0 for column in columns]),
        _lane(
            edges,
            [
                max(_FAINTEST, column.paused) if column.paused * total_s / count > LEAST_PAUSE_S else 0.0
                for column in columns
            ],
        ),
        [frame.x(at / total_s) for at in resumed_at(samples) if 0 < at < total_s],
        [
            Hover(
                edges[index], round(edges[index + 1] - edges[index], 1), _said(column, index, total_s / count, total_s)
            )
            for index, column in enumerate(columns)
        ],
    )


def columns_of(spans: Sequence[Span], total_s: float, count: int) -> Iterator[Column]:
    """The spans shared out among columns of equal length."""
    length, first = total_s / count, 0
    for index in range(count):
        start, end = index * length, (index + 1) * length
        sent = throttled = waited = 0.0
        limit = None
        for position in range(first, len(spans)):
            span = spans[position]
            if span.start_s >= end:
                break
            span_end = span.start_s + span.length_s
            if span_end <= start:
                first = position + 1
                continue
            share = (min(end, span_end) - max(start, span.start_s)) / span.length_s
            sent, waited = sent + share * span.sent, waited + share * span.waited_s
            throttled += share * span.throttled
            limit = span.limit_per_s
        yield Column(sent / length, throttled, min(1.0, waited / length), limit)


def _lane(edges: Sequence[float], strengths: Sequence[float]) -> list[Lane]:
    """The pieces of a lane; neighbours of the same strength are one."""
    pieces: list[Lane] = []
    for index, strength in enumerate(strengths):
        shown = round(strength, 1)
        x, width = edges[index], edges[index + 1] - edges[index]
        if pieces and shown and pieces[-1].strength == shown and abs(pieces[-1].x + pieces[-1].width - x) < _TOUCHES:
            x, width = pieces[-1].x, pieces[-1].width + width
            pieces.pop()
        if shown:
            pieces.append(Lane(x, round(width, 1), shown))
    return pieces


def _said(column: Column, index: int, length_s: float, total_s: float) -> str:
    text = f"{elapsed(round(index * length_s), total_s)}: {number(round(column.per_s, 1))} requests/s"
    if column.limit_per_s is not None:
        text += f", rate {number(round(column.limit_per_s, 1))}/s"
    if (throttled := round(column.throttled)) >= 1:
        text += f", asked to slow down {times(throttled)}"
    if column.paused * length_s > LEAST_PAUSE_S:
        text += f", paused for {column.paused * length_s:.1f} s"
    return text
