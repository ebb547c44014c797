"""Every report of a run, written from its journal. A new report is a file beside this one, and a line in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import InternalError
from batchupdate.reporter.results_csv import write_results
from batchupdate.reporter.summary import write_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from batchupdate.model import Line
    from batchupdate.reporter.summary import Summary


def write_reports(summary: Summary, columns: Sequence[str], width: int, lines: Iterable[Line]) -> list[Path]:
    """Writes every report of a run into its folder.

    Args:
        summary: what the run came to; a file that had to take a second name is reported in its `notices`.
        columns: the input's headings as typed.
        width: the most cells that any row has.
        lines: every row in input order; streamed.

    Returns:
        The files' paths, as they should be; see the notices.

    Raises:
        SafetyStop: a file can't be written.
        InternalError: the counts do not add up to the rows read. A report never lies: it says so instead.
    """
    results, failed = summary.folder / "results.csv", summary.folder / "failed.csv"
    overview = summary.folder / "summary.json"
    summary.to_json()  # whatever may be wrong with it shows before the first file is replaced
    written = write_results(results, failed, columns, width, lines, summary.notices, summary.labels)
    write_summary(overview, summary)
    counted = sum(summary.counts.values())
    if not written == counted == summary.rows:
        raise InternalError(
            f"The counts of the run {summary.run_id} do not add up: {summary.rows} rows were read, {counted} have an "
            f"outcome, {written} are in results.csv.",
            f"This is a bug in batchupdate; keep {summary.folder} and report it.",
        )
    return [results, failed, overview]
