"""The reports of a run whose journal is damaged: what can still be told, and what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchupdate.errors import EXIT_ROWS_NOT_FINE
from batchupdate.journal.rescue import rescue
from batchupdate.model import files_of
from batchupdate.reporter import Summary, placed, write_summary
from batchupdate.reporter.results_csv import write_results
from batchupdate.runs.log import sessions_begun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.journal.rescue import Rescued
    from batchupdate.runs.folder import RunFolder

RESULTS, FAILED, SUMMARY = "recovered-results.csv", "recovered-failed.csv", "recovered-summary.json"


def recover_reports(folder: RunFolder) -> Summary:
    """Writes what can be read of a damaged journal beside the run's reports, which stay as they are.

    Returns:
        What the run came to as far as can be told; its `notices` say what is lost. Its exit code is 1, for nobody can
        say that all is fine.

    Raises:
        ConfigError: nothing at all could be read.
        RunLocked: another process is working on this run.
        SafetyStop: a report can't be written.
    """
    with folder.lock(), rescue(folder.journal, sessions_begun(folder.log)) as found:
        summary = _summary(folder, found)
        columns, width = _headings(found)
        results, failed = folder.path / RESULTS, folder.path / FAILED
        lines, captured = found.journal.lines(), _captured(found)
        write_results(results, failed, columns, width, lines, summary.notices, found.labels, captured=captured)
        write_summary(folder.path / SUMMARY, summary)
        return summary


def _summary(folder: RunFolder, found: Rescued) -> Summary:
    told, rate = found.meta.get("input"), found.meta.get("rate_per_s")
    counts = found.journal.counts()
    return Summary(
        folder.run_id,
        folder.path,
        _text(found.meta.get("target"), "name"),
        _text(told, "path"),
        _text(told, "sha256"),
        sum(counts.values()) if found.rows is None else found.rows,
        counts,
        found.journal.sessions(),
        placed(found.journal.error_groups(), found.labels),
        float(rate) if isinstance(rate, int | float) else None,
        found.meta.get("rate_auto") is True,
        EXIT_ROWS_NOT_FINE,
        notices=list(found.losses),
        files=files_of(told),
        labels=found.labels,
    )


def _text(facts: Mapping[str, Any] | None, name: str) -> str:
    """One fact, or that it is lost."""
    text = facts.get(name) if isinstance(facts, dict) else None
    return text if isinstance(text, str) else "(not readable)"


def _captured(found: Rescued) -> list[str]:
    """The names of what was kept of replies, as far as they can be read."""
    reports = found.meta.get("reports")
    names = reports.get("captured") if isinstance(reports, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _headings(found: Rescued) -> tuple[list[str], int]:
    """The input's headings, or numbers in their place, and the most cells that a row has."""
    columns = found.meta.get("columns")
    if not isinstance(columns, list) or not all(isinstance(heading, str) for heading in columns):
        columns = [f"Column {number}" for number in range(1, found.width + 1)]
    return columns, max(found.width, len(columns))
