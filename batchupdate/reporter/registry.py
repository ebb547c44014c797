"""The reports that every run has, written from its journal. A new one is a file beside this one, and a line in here.

`results.xlsx` and `undo.csv`, which a run has or has not, are written by `runs.history.report`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import InternalError, SafetyStop
from batchupdate.reporter.report_html import write_report_html
from batchupdate.reporter.results_csv import NOT_ATTEMPTED, SUCCESS, write_results
from batchupdate.reporter.summary import write_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchupdate.model import Line
    from batchupdate.reporter.report_html import RunDetails
    from batchupdate.reporter.summary import Summary


def write_reports(
    summary: Summary,
    columns: Sequence[str],
    width: int,
    lines: Iterable[Line],
    details: RunDetails,
    *,
    split: bool = False,
    captured: Sequence[str] = (),
) -> None:
    """Writes the reports of a run into its folder.

    Args:
        summary: what the run came to; a file that had to take a second name is reported in its `notices`.
        columns: the input's headings as typed.
        width: the most cells that any row has.
        lines: every row in input order; streamed.
        details: what `report.html` shows beside the summary.
        split: write the rows that succeeded, and those that were not attempted, into files of their own, too.
        captured: the names of what is kept of replies.

    Raises:
        SafetyStop: a file can't be written; the page alone is no reason to stop, and is reported in the notices.
        InternalError: the counts do not add up to the rows read. A report never lies: it says so instead.
    """
    results, failed = summary.folder / "results.csv", summary.folder / "failed.csv"
    summary.to_json()  # whatever may be wrong with it shows before the first file is replaced
    parts = (summary.folder / SUCCESS, summary.folder / NOT_ATTEMPTED) if split else None
    written = write_results(
        results, failed, columns, width, lines, summary.notices, summary.labels, parts=parts, captured=captured
    )
    write_summary(summary.folder / "summary.json", summary)
    counted = sum(summary.counts.values())
    if not written == counted == summary.rows:
        raise InternalError(
            f"The counts of the run {summary.run_id} do not add up: {summary.rows} rows were read, {counted} have an "
            f"outcome, {written} are in results.csv.",
            f"This is a bug in batchupdate; keep {summary.folder} and report it.",
        )
    try:
        write_report_html(summary.folder / "report.html", summary, details)
    except SafetyStop as stop:  # the results stand
        summary.notices.append(f"{stop.message} {stop.hint}")
