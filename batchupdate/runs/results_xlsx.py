"""`results.xlsx` of a run, from its journal; and when it is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from batchupdate.errors import SafetyStop
from batchupdate.model import SUCCEEDED, Outcome
from batchupdate.reporter.report_html.rows import shown_change
from batchupdate.reporter.results_xlsx import NAME, Content, write_results_xlsx
from batchupdate.runs.undone_rows import lines_of
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json
from batchupdate.util.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batchupdate.journal import Journal
    from batchupdate.model import Line
    from batchupdate.reporter import Summary

AUTO_ROWS = 25_000
"""A run of more rows has no workbook unless somebody asks: it takes about a second for each 6,000 of them."""
MOST_OF_A_VALUE = 200
"""Characters of an old or a new value."""


def write_workbook(
    journal: Journal, summary: Summary, meta: Mapping[str, Any], when: str, replies: Sequence[str] = ()
) -> None:
    """Writes the workbook if it is wanted: `always`, `never`, or `auto`, which is not for many rows; or `asked` for.

    One that can't be written is no reason to fail: a notice of the summary says so, and how to have it later.

    Raises:
        SafetyStop: it was asked for, and can't be written.
    """
    again = f"batchupdate report {summary.command_name} --xlsx"
    if not (summary.folder / NAME).exists():  # one that is there must not be older than the other reports
        if when == "auto" and summary.rows > AUTO_ROWS:
            summary.notices.append(f"For a workbook of these {summary.rows:,} rows ({NAME}): {again}")
        if when == "never" or (when == "auto" and summary.rows > AUTO_ROWS):
            return
    content = content_of(journal, meta, replies)
    try:
        write_results_xlsx(summary.folder / NAME, summary, content, summary.notices)
    except SafetyStop as error:
        if when == "asked":
            raise
        summary.notices.append(
            f"{NAME} is missing: {error.message} The other reports are complete. To have it: {again}"
        )


def content_of(journal: Journal, meta: Mapping[str, Any], replies: Sequence[str] = ()) -> Content:
    """What the sheets of a run's workbook hold; its rows are read anew at every call."""
    lines = partial(lines_of, journal)
    knows_old = journal.has_before() or journal.has_pulled()
    rows = partial(_with_changes, journal, lines) if knows_old else partial(_without, lines)
    return Content(meta["columns"], meta["width"], rows, knows_old, meta.get("sheet") or {}, replies)


def _without(lines: Callable[[], Iterator[Line]]) -> Iterator[tuple[Line, str]]:
    return ((line, "") for line in lines())


def _with_changes(journal: Journal, lines: Callable[[], Iterator[Line]]) -> Iterator[tuple[Line, str]]:
    """Each row with old → new of its fields, as far as it is known what the record was."""
    for line, (_, fields, state, pulled) in zip(lines(), journal.shown_rows(Outcome), strict=True):
        yield line, _change(line, fields, state, pulled) if fields and (state or pulled) else ""


def _change(line: Line, fields: str, state: str | None, pulled: str | None) -> str:
    seen, known = Seen.from_json(state) if state else Seen(), Pulled.from_json(pulled or "")
    if seen.gone and line.outcome not in SUCCEEDED:
        return ""
    shown = (shown_change(name, value, seen, known) for name, value in exact_json.loads(fields).items())
    return "; ".join(
        f"{name}: {cut(old_and_new[0], MOST_OF_A_VALUE)} → {cut(old_and_new[1], MOST_OF_A_VALUE)}"
        for name, *old_and_new in shown
        if len(old_and_new) > 1 and old_and_new[0] != old_and_new[1]
    )
