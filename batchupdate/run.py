"""The story on one page: read, check, write to the journal, send, report.

`check_file` stops after the second stage. `prepare` ends with a sealed journal in which every row stands; `execute`
works it off and reports. Between the two there is time to ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.engine import Job, Stop, work_off
from batchupdate.errors import UsageError
from batchupdate.ingest import Checkup, Ingest
from batchupdate.journal import Session
from batchupdate.model import Progress, files_of, labels_of
from batchupdate.reader import Table
from batchupdate.reader.sources import local_copies, open_tables
from batchupdate.reporter.annotated_xlsx import MOST_NOTES, write_annotated
from batchupdate.runs.begin import Prepared, known_secrets, prepare, quiet, read_options, target_of
from batchupdate.runs.facts import rate_facts
from batchupdate.runs.folder import point_latest
from batchupdate.runs.history import exit_code_of, report, summarise
from batchupdate.runs.log import run_log
from batchupdate.util.gc import fewer_collections
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from batchupdate.config import Settings
    from batchupdate.model import Problem
    from batchupdate.reporter import Summary


def check_file(
    source: str | Path | Sequence[str | Path],
    settings: Settings,
    *,
    on_problem: Callable[[Problem], None] = quiet,
    on_progress: Callable[[Progress], None] = quiet,
    environ: Mapping[str, str] | None = None,
    annotate: Path | None = None,
) -> Checkup:
    """Validates an input, one file or several, offline and in constant memory; every problem goes to `on_problem`.

    `annotate` is where a copy of a single file is written as a workbook, in which the cells with problems are coloured
    and noted.

    Raises:
        UsageError: the input, the config or the target can't be used.
    """
    notes: dict[int, list[Problem]] = {}

    def tell(problem: Problem) -> None:
        on_problem(problem)
        if annotate and len(notes) < MOST_NOTES:
            notes.setdefault(problem.row, []).append(problem)

    target = target_of(settings)
    secrets = known_secrets(target, settings, environ)
    with local_copies(source) as sources, open_tables(sources, read_options(settings), secrets.redact) as table:
        if annotate and not isinstance(table, Table):
            told = f"--annotate writes a copy of one file, and {len(sources)} are named."
            raise UsageError(told, "Check the file that is to be copied alone.")
        with fewer_collections(), Ingest(table, target, settings.input, secrets, tell, on_progress) as ingest:
            ingest.read(quiet)
            for _ in ingest.settle_duplicates():
                pass  # each is told as a problem
            if annotate and isinstance(table, Table):
                write_annotated(annotate, table.columns, table.header_row, table.batches(), notes, secrets.redact)
            return ingest.checkup


async def execute(
    prepared: Prepared,
    *,
    on_progress: Callable[[Progress], None] = quiet,
    stop: Stop | None = None,
    verbose: bool = False,
) -> Summary:
    """Sends what is to be sent, and writes the reports, also after a safety stop or an interruption."""
    folder, journal, clock, target = prepared.folder, prepared.journal, prepared.clock, prepared.target
    meta = journal.meta()
    labels = labels_of(files_of(meta["input"]))
    with run_log(folder.log, clock, prepared.secrets, labels, verbose=verbose) as log:
        prepared.begins()
        session = journal.begin_session(clock.unix(), repeatable=target.repeatable)
        journal.set_meta({**rate_facts(prepared.rate), "finished": False})
        total = prepared.to_send
        point_latest(folder)
        log.info("start", run=folder.run_id, target=target.name, to_send=total, version=__version__)
        job = Job(
            meta.get("nonce", folder.run_id),
            target,
            prepared.settings,
            prepared.base_url,
            prepared.key,
            prepared.secrets,
            clock,
            log,
            stop or Stop(),
            on_progress,
            labels,
        )
        with fewer_collections():
            traffic, ended = await work_off(journal, job, session, total)
        counts = journal.counts()
        exit_code = exit_code_of(counts, ended)
        journal.end_session(Session.at(session, clock.unix(), traffic), exit_code)
        log.info("end", exit_code=exit_code, sent=traffic.sent, throttled=traffic.throttled)
    on_progress(Progress("reporting", total, total, counts, traffic))
    summary = summarise(folder, journal, counts, ended.message if ended else "")
    report(journal, summary)
    return summary


async def run_file(
    source: str | Path | Sequence[str | Path],
    settings: Settings,
    *,
    new: bool = False,
    on_problem: Callable[[Problem], None] = quiet,
    on_progress: Callable[[Progress], None] = quiet,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Applies one file or several to one target, and returns what became of them; the same as the command `run --yes`.

    Args:
        source: a CSV or Excel file, or `-` for standard input; or several files, in the order in which they count.
        settings: the target, the rate, and everything else.
        new: start afresh even if the same run is unfinished.
        on_problem: is told every problem of a row.
        on_progress: is told how far the run is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: something can't be used; nothing was sent.
        RunLocked: another process holds the unfinished run.
    """
    with prepare(
        source, settings, new=new, on_problem=on_problem, on_progress=on_progress, environ=environ
    ) as prepared:
        return await execute(prepared, on_progress=on_progress)
