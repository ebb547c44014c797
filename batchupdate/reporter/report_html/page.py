"""Puts the page together: what it says in words, its charts, its rows, and a policy that lets it ask nobody."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.model import SUCCEEDED, Outcome
from batchupdate.reporter.atomic_write import replacing
from batchupdate.reporter.next_steps import next_steps
from batchupdate.reporter.outcomes import MEANINGS
from batchupdate.reporter.report_html.axes import HOUR_S, Frame, milliseconds
from batchupdate.reporter.report_html.latency_chart import latency_chart, latency_of
from batchupdate.reporter.report_html.rate_chart import rate_chart
from batchupdate.reporter.report_html.rows import RowWriter, script_json
from batchupdate.util.text import listed
from batchupdate.util.units import many, span, three_digits, times
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.model import PaceSample
    from batchupdate.reporter.report_html.rows import Rows, Shown
    from batchupdate.reporter.summary import Summary

WIDE = Frame(1000, 236, 50, 14, 994, 180)
NARROW = Frame(350, 220, 46, 14, 346, 164)
"""The two sizes of a chart: a picture that is only made smaller could not be read on a phone."""

WIDE_COLUMNS, NARROW_COLUMNS = 180, 70
WIDE_MARKS, NARROW_MARKS = 10, 4
LATENCY_MARKS = {WIDE: 12, NARROW: 5}
STATIC_ROWS = 100
"""Rows that stand on the page without its script, and on paper."""


@dataclass(frozen=True, slots=True)
class RunDetails:
    """What the page shows beside the summary; each is read from the journal when it is asked for.

    Attributes:
        columns: the input's headings.
        names: the headings and fields that tell error groups apart.
        captured: the names of what is kept of replies.
        pace: how far the run was from time to time.
        durations: how many there are, and how long requests took in milliseconds, the shortest first; each duration
            with how often it occurs.
        rows: the rows with some outcomes.
    """

    columns: Sequence[str]
    names: Sequence[str]
    captured: Sequence[str]
    pace: Callable[[], Sequence[PaceSample]]
    durations: Callable[[], tuple[int, Iterable[tuple[float, int]]]]
    rows: Callable[[Iterable[Outcome]], Iterator[Shown]]


class Segment(NamedTuple):
    """A piece of the bar of outcomes, of a thousand in all."""

    outcome: str
    x: float
    width: float


def write_report_html(path: Path, summary: Summary, details: RunDetails) -> None:
    """Writes the page; a notice that it had to take another name is added to the summary's own.

    Raises:
        SafetyStop: it can't be written.
    """
    import jinja2  # noqa: PLC0415 - only a run that is reported waits for it to be loaded

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_packaged),
    )
    environment.filters.update(count=lambda value: f"{value:,}", milliseconds=milliseconds, span=span)
    facts = {**_facts(summary), **_pictures(details), **_rows(summary, details)}
    with replacing(path, summary.notices) as file:
        for piece in environment.get_template("page.html").generate(**facts):
            file.write(piece)


def _packaged(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _facts(summary: Summary) -> dict[str, Any]:
    """All but charts and rows."""
    style, script = _packaged("page.css"), _packaged("page.js")
    sessions = summary.sessions
    return {
        "style": style,
        "script": script,
        "policy": (
            f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        "summary": summary,
        "verdict": _verdict(summary),
        "headline": _headline(summary),
        "source": listed([one.name for one in summary.files]) or PurePath(summary.input_path).name,
        "steps": next_steps(summary),
        "segments": list(_segments(summary.counts)),
        "outcomes": [
            (one.value, count, _share(count, summary.rows), MEANINGS[one])
            for one in Outcome
            if (count := summary.counts[one])
        ],
        "succeeded": {one.value for one in SUCCEEDED},
        "figures": list(_figures(summary)),
        "started": _moment(sessions.started_at),
        "finished": _moment(sessions.finished_at),
        "version": __version__,
        "many": many,
    }


def _digest(text: str) -> str:
    """What the policy calls a style or script that is part of the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _verdict(summary: Summary) -> str:
    """How it went, in a word of the style sheet."""
    if summary.stopped:
        return "stopped"
    return "fine" if summary.exit_code == 0 else "attention"


def _headline(summary: Summary) -> str:
    succeeded = sum(count for outcome, count in summary.counts.items() if outcome in SUCCEEDED)
    rows = summary.rows
    if not rows:
        return "There were no rows to send"
    if summary.undo_of:
        undone = summary.undone
        return f"{undone['restored']:,} of {many(rows, 'row')} restored"
    if succeeded == rows:
        return f"All {rows:,} rows succeeded" if rows > 1 else "The row succeeded"
    if not succeeded:
        return f"None of {many(rows, 'row')} succeeded" if rows > 1 else "The row did not succeed"
    return f"{succeeded:,} of {rows:,} rows succeeded, {rows - succeeded:,} did not"


def _share(count: int, rows: int) -> str:
    """So many of the rows, in per cent: some are never rounded to none, and not all never to all."""
    percent = round(100 * count / rows, 1)
    if percent == 0:
        return "< 0.1 %"
    return f"{percent:.1f} %" if percent < 100 or count == rows else "> 99.9 %"  # noqa: PLR2004 - per cent


def _segments(counts: Mapping[Outcome, int]) -> Iterator[Segment]:
    """The bar of outcomes: each that occurs can be seen, however few rows it has."""
    least, whole = 6.0, 1000.0
    shown = [(outcome.value, count) for outcome, count in counts.items() if count]
    total = sum(count for _, count in shown)
    widths = [max(least, whole * count / total) for _, count in shown]
    shrunk = whole / sum(widths) if widths else 1.0
    x = 0.0
    for (outcome, _), width in zip(shown, widths, strict=True):
        yield Segment(outcome, round(x, 1), round(max(1.0, width * shrunk - 1.5), 1))
        x += width * shrunk


def _figures(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """Figures of the run: what, how much, and what there is to say about it."""
    sessions, traffic = summary.sessions, summary.sessions.traffic
    yield "Time at work", span(sessions.duration_s), ""
    repeats = f"{many(traffic.retried, 'repeat')} among them" if traffic.retried else "no repeats"
    yield "Requests", f"{traffic.sent:,}", repeats
    ceiling = "" if summary.rate_per_s is None else f"at most {summary.rate_per_s:g}/s"
    kept = ", ".join(filter(None, ["limit found out", ceiling])) if summary.auto else ceiling or "no limit set"
    yield "Requests/s", three_digits(summary.achieved_per_s), kept
    if traffic.allowed_per_s:
        yield "The API let in", f"{three_digits(traffic.allowed_per_s)}/s", ""
    if traffic.throttled:
        yield "Asked to slow down", times(traffic.throttled), f"{span(traffic.waited_s)} spent waiting"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _pictures(details: RunDetails) -> dict[str, Any]:
    samples, latency = details.pace(), latency_of(*details.durations())
    pace = [
        rate_chart(samples, WIDE, WIDE_COLUMNS, WIDE_MARKS),
        rate_chart(samples, NARROW, NARROW_COLUMNS, NARROW_MARKS),
    ]
    drawn = [latency_chart(latency, frame, most) for frame, most in LATENCY_MARKS.items()] if latency else []
    return {"pace": [chart for chart in pace if chart], "latency": latency, "latency_charts": drawn}


def _rows(summary: Summary, details: RunDetails) -> dict[str, Any]:
    failed = [outcome for outcome in Outcome if outcome not in SUCCEEDED]
    counts = {outcome: summary.counts[outcome] for outcome in Outcome}
    failures = sum(counts[outcome] for outcome in failed)
    successes = sum(counts.values()) - failures
    started_at = summary.sessions.started_at
    writer = RowWriter(details.columns, details.names, summary.labels, summary.errors, started_at, details.captured)
    rows = writer.rows(details.rows(failed) if failures else iter(()), details.rows(SUCCEEDED), STATIC_ROWS)
    facts = {
        "files": list(summary.labels.names),
        "messages": [group.message for group in summary.errors],
        "started": started_at,
        "outcomes": [outcome.value for outcome in Outcome if counts[outcome]],
        "hours": summary.sessions.duration_s >= HOUR_S,
    }
    return {
        "rows": rows,
        "shown": _shown(rows, failures, successes),
        "row_texts": rows.texts,
        "facts_json": script_json(facts),
        "total_shown": len(rows.texts),
    }


def _shown(rows: Rows, failures: int, successes: int) -> str:
    """Which rows are on the page, and where the others are."""
    parts = []
    if failures:
        all_of_them = rows.failed == failures
        parts.append(
            f"{'all' if all_of_them else 'the first'} {rows.failed:,} "
            + ("" if all_of_them else f"of {failures:,} ")
            + ("row that did not succeed" if failures == 1 else "rows that did not succeed")
        )
    if successes:
        all_of_them = rows.succeeded == successes
        parts.append(("all " if all_of_them else f"the first {rows.succeeded:,} of ") + f"{successes:,} that succeeded")
    where = ["failed.csv has all that did not succeed"] if rows.failed < failures else []
    where += ["results.csv has every row"] if rows.failed < failures or rows.succeeded < successes else []
    text = f"This page has {' and '.join(parts)}." if parts else "There are no rows."
    return f"{text} {'; '.join(where)}." if where else text
