"""What runs came to, from their journals, now or long after."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE, BatchUpdateError, ConfigError, RunLocked
from batchupdate.journal import Journal
from batchupdate.journal.in_flight import NAME as IN_FLIGHT
from batchupdate.journal.in_flight import is_in_use
from batchupdate.model import SUCCEEDED, Outcome, files_of, labels_of
from batchupdate.reporter import Retried, RunDetails, RunRows, Stopped, Summary, placed, write_reports
from batchupdate.reporter.results_csv import SUCCESS
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.log import sessions_begun
from batchupdate.runs.metadata import OPTIONS, retries_unknown
from batchupdate.runs.results_xlsx import write_workbook
from batchupdate.runs.undo_csv import write_undo_csv
from batchupdate.runs.undone_rows import lines_of
from batchupdate.targets.precondition import NOTHING_SENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchupdate.model import Line
    from batchupdate.targets import Target


def rebuild_reports(folder: RunFolder, *, split: bool = False, xlsx: bool = False) -> Summary:
    """Rebuilds a run's reports from its journal; see `report`.

    Raises:
        ConfigError: there is no readable journal.
        RunLocked: another process is working on this run.
    """
    with folder.lock(), Journal.take_over(folder.journal, sessions_begun(folder.log)) as journal:
        summary = summarise(folder, journal)
        report(journal, summary, split=split, xlsx=xlsx)
        return summary


def report(journal: Journal, summary: Summary, *, split: bool = False, xlsx: bool = False) -> None:
    """Writes every report of a run. One that came to its own end is finished then, and not before.

    `split` and `xlsx` ask for reports beyond those that the run's settings want. A report that is there is always made
    anew, so that none is older than the others.
    """
    meta = journal.meta()
    wanted = meta.get("reports") or {}
    captured = wanted.get("captured") or ()
    split = split or wanted.get("split", False) or (summary.folder / SUCCESS).exists()
    lines = lines_of(journal)
    write_reports(summary, meta["columns"], meta["width"], lines, details_of(journal), split=split, captured=captured)
    write_undo_csv(summary.folder, journal, meta, summary.notices)
    write_workbook(journal, summary, meta, "asked" if xlsx else wanted.get("xlsx", "auto"), captured)
    journal.set_meta({"finished": summary.exit_code in {EXIT_OK, EXIT_ROWS_NOT_FINE}})


def conclude(
    folder: RunFolder,
    journal: Journal,
    counts: dict[Outcome, int],
    target: Target,
    key_from: str,
) -> Summary:
    """What a run came to that has just ended, with its reports written."""
    summary = summarise(folder, journal, counts)
    summary.notices.extend([*refused_with_403(summary, key_from), *created(journal, target)])
    report(journal, summary)
    return summary


def details_of(journal: Journal) -> RunDetails:
    """What a page shows of a run beside its summary."""
    meta = journal.meta()
    captured = (meta.get("reports") or {}).get("captured") or ()
    durations = journal.statistics.durations
    return RunDetails(meta["columns"], named_in(meta), captured, journal.pace, durations, journal.shown_rows)


def summary_of(folder: RunFolder) -> Summary:
    """What a run came to, or has come to so far.

    Raises:
        ConfigError: there is no readable journal.
    """
    with _settled(folder) as journal:
        return summarise(folder, journal)


@contextmanager
def _settled(folder: RunFolder) -> Iterator[Journal]:
    """Opens a run's journal as `resume` and `report` will find it, with what a killed process left in its map.

    One that a process is working on, or that can't be written to, is only read.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.lock())
            is_free = not is_in_use(folder.path / IN_FLIGHT)
        except (RunLocked, ConfigError):
            is_free = False
        journal = (
            Journal.take_over(folder.journal, sessions_begun(folder.log)) if is_free else Journal.open(folder.journal)
        )
        yield stack.enter_context(journal)


def _opened(folder: RunFolder) -> AbstractContextManager[Journal]:
    """The same for one of many runs: without a look at every page of one that was not killed."""
    return _settled(folder) if (folder.path / IN_FLIGHT).exists() else Journal.open(folder.journal)


@dataclass(frozen=True, slots=True)
class Overview:
    """A run in one line of a list.

    `succeeded` counts the rows that need nobody's attention, `by_retry` those that succeeded in a later run only, and
    `left` those that would be sent if it was resumed; `last_work` is the Unix time at which the run was last worked on,
    None if never.
    """

    target: str
    rows: int
    succeeded: int
    left: int
    state: Literal["succeeded", "finished", "unfinished", "unreadable"]
    last_work: float | None = None
    by_retry: int = 0


def overview(folder: RunFolder) -> Overview:
    """What a run's line in a list says; a run that can't be read has one too."""
    try:
        with _opened(folder) as journal:
            summary, left = summarise(folder, journal), journal.to_send()
    except BatchUpdateError:
        return Overview("", 0, 0, 0, "unreadable")
    succeeded = sum(count for outcome, count in summary.counts.items() if outcome in SUCCEEDED)
    last_work = summary.sessions.finished_at or summary.sessions.started_at
    state: Literal["succeeded", "finished", "unfinished"] = "finished"
    if left:
        state = "unfinished"
    elif succeeded == summary.rows:
        state = "succeeded"
    by_retry = sum(map(_newly_succeeded, summary.retries))
    return Overview(summary.target, summary.rows, succeeded, left, state, last_work, by_retry)


def _newly_succeeded(retried: Retried) -> int:
    return sum(count for outcome, count in (retried.ended or {}).items() if outcome in SUCCEEDED)


def retries_of(folder: RunFolder, journal: Journal, earlier: frozenset[str] = frozenset()) -> list[Retried]:
    """The runs that have sent rows of a run again, and how these rows ended there, or in still later runs.

    Args:
        folder: of the run.
        journal: of the run.
        earlier: the runs whose retries led here; none of them is looked at once more.
    """
    seen = earlier | {folder.run_id}
    return [
        Retried(run_id, given, None if run_id in seen else _ended(RunFolder(folder.path.parent / run_id), seen))
        for run_id, given in journal.given().items()
    ]


def _ended(folder: RunFolder, earlier: frozenset[str]) -> dict[Outcome, int] | None:
    """How a run's rows ended, each in the last run that has sent it; None if that can't be read."""
    try:
        with _opened(folder) as journal:
            counts = journal.counts()
            for later in retries_of(folder, journal, earlier):
                for outcome, count in later.given.items() if later.ended is not None else ():
                    counts[outcome] -= count
                for outcome, count in (later.ended or {}).items():
                    counts[outcome] += count
            return counts
    except BatchUpdateError:
        return None


def summarise(folder: RunFolder, journal: Journal, counts: dict[Outcome, int] | None = None) -> Summary:
    """What a run came to, from its journal; counting passes over all rows, so known counts are handed in."""
    counts = counts or journal.counts()
    meta, sessions = journal.meta(), journal.sessions()
    if not meta.get("sealed"):
        raise ConfigError(f"The run {folder.run_id} ended while its file was being read.", "Nothing was sent.")
    files = files_of(meta["input"])
    labels = labels_of(files)
    not_restored = meta.get("not_restored", ())
    ended_with = exit_code_of(counts, None, incomplete=bool(not_restored))
    return Summary(
        folder.run_id,
        folder.path,
        meta["target"]["name"],
        meta["input"]["path"],
        meta["input"]["sha256"],
        meta["rows"],
        counts,
        sessions,
        [] if _all_succeeded(counts) else placed(journal.error_groups(named_in(meta)), labels),
        meta["rate_per_s"],
        meta.get("rate_auto", False),
        ended_with if sessions.exit_code is None else sessions.exit_code,
        Stopped(**meta["stopped"]) if meta.get("stopped") else None,
        0 if _all_succeeded(counts) else journal.to_send(),
        meta.get("retry_of", ""),
        retries_of(folder, journal),
        notices=list(meta.get("read_back", ())),
        files=files,
        labels=labels,
        sample=meta.get("sample"),
        undo_of=meta.get("undo_of", ""),
        not_restored=not_restored,
        plan_of=meta.get("plan_of", ""),
        lasting=journal.lasting_conflicts(NOTHING_SENT) if counts[Outcome.CONFLICT] else {},
        repeatable=not counts[Outcome.UNKNOWN] or retries_unknown(meta),
        options=meta.get(OPTIONS, ()),
        kept=RunRows(
            meta["columns"], meta["width"], partial(_lines, folder), (meta.get("reports") or {}).get("captured") or ()
        ),
    )


def named_in(meta: Mapping[str, Any]) -> list[str]:
    """The headings and fields of a run, by its journal's facts."""
    return [*meta["columns"], *meta["target"].get("fields", ())]


def refused_with_403(summary: Summary, key_from: str) -> list[str]:
    """A sentence about the key where the API has refused every request with 403, as many do with a wrong key."""
    failed = summary.counts[Outcome.FAILED]
    forbidden = sum(group.count for group in summary.errors if group.http_status == HTTPStatus.FORBIDDEN)
    if (
        not key_from
        or not failed
        or forbidden != failed
        or summary.counts[Outcome.UPDATED] + summary.counts[Outcome.ACCEPTED]
    ):
        return []
    return [f"The API refused every request with 403. If that is because of the key: it comes from {key_from}."]


def created(journal: Journal, target: Target) -> list[str]:
    """A sentence about rows for which a PUT has made new records, as it may (RFC 9110, section 9.3.4)."""
    count = journal.created() if target.method == "PUT" else 0
    if not count:
        return []
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    sentence = f"{rows} answered with 201: the API made new records, for there were none with these ids."
    return [f"{sentence} If an id must be known, say 'must_exist: true' in the target."]


def _lines(folder: RunFolder) -> Iterator[Line]:
    """A run's rows, from its journal as it is by then."""
    with _settled(folder) as journal:
        yield from lines_of(journal)


def _all_succeeded(counts: Mapping[Outcome, int]) -> bool:
    return not any(count for outcome, count in counts.items() if outcome not in SUCCEEDED)


def exit_code_of(counts: Mapping[Outcome, int], ended: BatchUpdateError | None, *, incomplete: bool = False) -> int:
    """The exit code of a run with these outcomes, which ended early for the reason given, or did not.

    `incomplete` is whether rows that succeeded did not do all that they should.
    """
    if ended is not None:
        return ended.exit_code
    return EXIT_OK if _all_succeeded(counts) and not incomplete else EXIT_ROWS_NOT_FINE
