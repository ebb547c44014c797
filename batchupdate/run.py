"""The story on one page: check → ingest → (plan) → send → report. The command line and the library go through it.

`check_file` ends after the first stage. `prepare` ends with a `Job`: a sealed journal in which every row stands.
`compare` reads the records as they are now, and `execute` works the job off and reports. Between them there is time to
ask. A plan is a job that goes no further than `compare`, and can be run later (`runs.from_plan`). A job can also come
from an unfinished run (`runs.resume`) or from rows of an earlier one (`runs.retry`, `runs.undo`).
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.config import Settings
from batchupdate.config.loading import with_kept
from batchupdate.engine import Stop, work_off
from batchupdate.engine.matching import finder_for
from batchupdate.engine.planning import read_records, to_be_compared
from batchupdate.engine.record_reader import Reading, why_unreadable
from batchupdate.errors import InputError, Interrupted, UsageError
from batchupdate.ingest import Ingest, write_rows
from batchupdate.journal import Session
from batchupdate.model import Progress
from batchupdate.reader import ReadOptions, Table
from batchupdate.reader.files.temporary import CopyLimit
from batchupdate.reader.multi_file import open_tables
from batchupdate.reader.sources import local_copies, looks_of
from batchupdate.reporter.annotated_xlsx import MOST_NOTES, write_annotated
from batchupdate.runs.folder import find, point_latest
from batchupdate.runs.from_plan import plan_run_job
from batchupdate.runs.history import conclude, exit_code_of
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of, only_secrets
from batchupdate.runs.log import run_log
from batchupdate.runs.metadata import facts_of, session_facts
from batchupdate.runs.notify import Announcer
from batchupdate.runs.plan_folder import find_plan
from batchupdate.runs.planned import made_plan
from batchupdate.runs.progress_file import shown_to_others
from batchupdate.runs.read_first import refuse_unreadable
from batchupdate.runs.reopen import checkup_of, hold_target
from batchupdate.runs.resume import resumed_job
from batchupdate.runs.retry import retry_job
from batchupdate.runs.sample import sample_of
from batchupdate.runs.selection import Selection
from batchupdate.runs.undo import find_to_undo, undo_job
from batchupdate.runs.unfinished import begin, begin_plan, refuse_uncertain
from batchupdate.runs.usual import check_size
from batchupdate.targets.catalogue import target_of
from batchupdate.util.clock import Clock, SystemClock
from batchupdate.util.gc import fewer_collections
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.errors import BatchUpdateError
    from batchupdate.model import Problem
    from batchupdate.reader.sources import Given
    from batchupdate.reporter import Plan, Summary
    from batchupdate.validator.checkup import Checkup

__all__ = [
    "Job",
    "Stop",
    "check_file",
    "compare",
    "compare_first",
    "execute",
    "plan",
    "plan_file",
    "plan_run_job",
    "prepare",
    "resume",
    "resumed_job",
    "retry",
    "retry_job",
    "run_file",
    "run_plan",
    "undo",
    "undo_job",
]


def _ignore(_: object) -> None:
    """A hook for callers who don't want to be called."""


def check_file(
    source: Given | Sequence[Given],
    settings: Settings,
    *,
    on_problem: Callable[[Problem], None] = _ignore,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
    annotate: Path | None = None,
    say: Callable[[str], None] = _ignore,
) -> Checkup:
    """Validates an input, one file or several, offline and in constant memory; every problem goes to `on_problem`.

    `say` gets a sentence now and then while a long pipe or download is copied. `annotate` is where a copy of a single
    file is written as a workbook, in which the cells with problems are coloured and noted.

    Raises:
        UsageError: the input, the config or the target can't be used.
    """
    notes: dict[int, list[Problem]] = {}

    def pass_on(problem: Problem) -> None:
        on_problem(problem)
        if annotate and len(notes) < MOST_NOTES:
            notes.setdefault(problem.row, []).append(problem)

    target = target_of(settings, environ, offline=True)
    secrets = only_secrets(target, settings, environ, SystemClock()).secrets
    with (
        local_copies(source, settings.input.query, CopyLimit(settings.input.max_copy, say)) as sources,
        open_tables(sources, ReadOptions.of(settings), secrets.redact) as table,
    ):
        if annotate and not isinstance(table, Table):
            message = f"--annotate writes a copy of one file, and {len(sources)} are named."
            raise UsageError(message, "Check the file that is to be copied alone.")
        with fewer_collections(), Ingest(table, target, settings.input, secrets, pass_on, on_progress) as ingest:
            ingest.read(_ignore)
            for _ in ingest.settle_duplicates():
                pass  # each is reported as a problem
            if annotate and isinstance(table, Table):
                write_annotated(annotate, table.columns, table.header_row, table.batches(), notes, secrets.redact)
            return ingest.checkup


@contextmanager
def prepare(  # noqa: PLR0913 - what a run begins with, by name
    source: Given | Sequence[Given],
    settings: Settings,
    *,
    new: bool = False,
    yes_really: bool = False,
    asks: bool = False,
    keyless: bool = False,
    on_problem: Callable[[Problem], None] = _ignore,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    say: Callable[[str], None] = _ignore,
    plan: bool = False,
) -> Iterator[Job]:
    """Checks one file or several and writes them to a new run's journal; or opens the same run, left unfinished.

    A new run that is left before it was executed leaves nothing behind. `asks` is whether a person is shown the notices
    before it is executed: without, an input that was sent a moment ago is an error where repeating is not safe, and so
    is a run of many more rows than usual unless `yes_really`, which also lets a run exceed `max_rows`. With `keyless`
    no API key is asked for, unless ids have to be found; such a job is not to be executed. With `plan` the journal is
    that of a plan, from which nothing is sent (see `compare`). `say` gets a sentence now and then while a long pipe or
    download is copied.

    Raises:
        UsageError: something can't be used, or `strict` is set and a row is invalid. Nothing was sent.
        RunLocked: another process holds the unfinished run, or is working on this target.
    """
    clock = clock or SystemClock()
    sample = sample_of(settings)
    target = target_of(settings, environ)
    refuse_unreadable(target, settings, plan=plan)
    base_url = target.base(settings.base_url, allow_http=settings.allow_http)
    keyless_ids = keyless and not settings.input.match  # the API is asked for ids, even if nothing is sent
    credentials = (only_secrets if keyless_ids else credentials_of)(target, settings, environ, clock)
    secrets = credentials.secrets
    limit = CopyLimit(settings.input.max_copy, say)
    with local_copies(source, settings.input.query, limit) as sources, ExitStack() as stack:
        facts = facts_of(sources, target, settings, base_url)
        with open_tables(sources, ReadOptions.of(settings), secrets.redact) as table:
            if plan:
                begun = begin_plan(stack, facts, settings, clock.now())
            else:
                begun = begin(stack, facts, settings, target, clock.now(), new=new, asks=asks or keyless)
            if not (keyless or plan):
                hold_target(stack, settings, target, base_url)
            unusual: list[str] = []
            if begun.resumed:
                checkup = checkup_of(begun.journal.meta())
            else:
                if not (asks or keyless):
                    refuse_uncertain(table.notices)
                with (
                    fewer_collections(),
                    finder_for(table, target, settings, base_url, credentials, clock, on_progress) as finder,
                    Ingest(table, target, settings.input, secrets, on_problem, on_progress, finder) as ingest,
                ):
                    write_rows(ingest, begun.journal, {**facts, **looks_of(table, sources)}, sample)
                    checkup = ingest.checkup
                unusual = check_size(
                    begun.journal, settings, asks=asks, only_look=keyless or plan, yes_really=yes_really
                )
            checkup.notices += begun.notices
        if settings.strict and checkup.invalid:
            hint = "Correct them, or leave --strict out. Nothing was sent."
            raise InputError(f"{checkup.invalid} of {checkup.rows} rows are invalid, and --strict is set.", hint)
        yield Job(
            begun.folder,
            begun.journal,
            target,
            settings,
            base_url,
            credentials,
            clock,
            checkup,
            resumed=begun.resumed,
            unusual=unusual,
        )


async def compare(
    job: Job,
    *,
    on_progress: Callable[[Progress], None] = _ignore,
    stop: Stop | None = None,
    approve: bool = False,
) -> Reading:
    """Reads the records of a job's rows as they are now, before anything is sent; what is found stands in the journal.

    `approve` is whether this is for a plan, in which a row of which no record can be read is not sent.
    """
    with run_log(job.folder.log, job.clock, job.secrets, job.labels) as log:
        reading = await read_records(job, log, stop or Stop(), on_progress, approve=approve)
        log.info("compared", requests=reading.requests, pages=reading.pages, ended=str(reading.ended or ""))
    return reading


async def compare_first(
    job: Job, *, on_progress: Callable[[Progress], None] = _ignore, stop: Stop | None = None
) -> Job:
    """Compares a run's rows with their records if that is worth it (`diff`), a resumed one's anew; returns the job.

    A record that can't be read is no reason not to send a row: the API will say what it thinks of it.

    Raises:
        Interrupted: it was asked to stop.
        SafetyStop: the records can't be read, and `diff` is `always`.
    """
    if not to_be_compared(job):
        return job
    reading = await compare(job, on_progress=on_progress, stop=stop)
    job.checkup.notices += reading.notices
    if isinstance(reading.ended, Interrupted) or (reading.ended and job.settings.diff == "always"):
        raise reading.ended
    if reading.ended:
        job.checkup.notices.append(f"The records could not be compared with the rows first: {reading.ended.message}")
    burst = job.settings.burst or job.target.burst
    free_in_s = burst / job.rate.per_s if job.rate.limited and reading.requests else 0.0
    return replace(job, compared=True, not_before=job.clock.monotonic() + free_in_s)


async def plan(
    job: Job, *, on_progress: Callable[[Progress], None] = _ignore, stop: Stop | None = None
) -> tuple[Plan, BatchUpdateError | None]:
    """Makes a plan of a job that `prepare` has made for one; returns it, and why it ended early, or None.

    One that ended early can't be run.
    """
    why = why_unreadable(job.target)
    reading = Reading(notices=[why]) if why else await compare(job, on_progress=on_progress, stop=stop, approve=True)
    return made_plan(job, reading.requests, reading.notices, finished=reading.ended is None), reading.ended


async def plan_file(
    source: Given | Sequence[Given],
    settings: Settings,
    *,
    on_problem: Callable[[Problem], None] = _ignore,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Plan:
    """Shows what a file would change in the records as they are now; the same as the command `plan`.

    It sends no change. The plan's folder is what `run_plan` takes.

    Args:
        source: a file's path, `-` for standard input, or a pandas DataFrame; or several.
        settings: the target, the rate, and everything else.
        on_problem: is called with every problem of a row.
        on_progress: is called with how far it is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: something can't be used.
        SafetyStop: the records can't be read.
    """
    with prepare(
        source, settings, asks=True, on_problem=on_problem, on_progress=on_progress, environ=environ, plan=True
    ) as job:
        made, ended = await plan(job, on_progress=on_progress)
        if ended is not None:
            raise ended
        return made


async def run_plan(
    plan: str | Path,
    settings: Settings | None = None,
    *,
    new: bool = False,
    yes_really: bool = False,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Sends exactly what a plan shows; the same as the command `run --plan --yes`.

    A record that was changed since the plan was made is left alone: its row is a `conflict`.

    Args:
        plan: a plan's id, its folder, or its `plan.json`.
        settings: what is set here stands above what the plan has kept of its settings.
        new: start afresh even if the same run is unfinished.
        yes_really: send all rows even if they are many more than usual, or more than `max_rows`.
        on_progress: is called with how far the run is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: the plan was altered, is too old, or is of another input, target or API; or has unusually many rows.
        RunLocked: another process holds the unfinished run, or is working on its target.
    """
    settings = settings or Settings()
    folder = find_plan(settings.runs_dir, str(plan))
    settings_with = partial(with_kept, settings)
    with plan_run_job(folder, settings_with, new=new, yes_really=yes_really, environ=environ) as job:
        return await execute(job, on_progress=on_progress)


async def execute(
    job: Job,
    *,
    asks: bool = False,
    on_progress: Callable[[Progress], None] = _ignore,
    stop: Stop | None = None,
    verbose: bool = False,
) -> Summary:
    """Sends what is to be sent, and writes the reports, also after a safety stop or an interruption.

    Where there is a canary, its rows are sent first, and the others if few enough of them failed. With `asks`, the run
    ends after its canary in any case: a person decides, and it is executed again after `Job.let_canary_pass`.
    """
    stop, announcer = stop or Stop(), Announcer.of(job.settings)
    was_fine = await announcer.run_begins(job)
    summary = await _work(job, on_progress, stop, verbose=verbose)
    if summary.waits_after_canary and job.canary_allowed and not asks:
        job.let_canary_pass()
        summary = await _work(job, on_progress, stop, verbose=verbose)
    if not (asks and summary.waits_after_canary):
        await announcer.run_ended(job, summary, was_fine=was_fine)
    return summary


async def _work(job: Job, on_progress: Callable[[Progress], None], stop: Stop, *, verbose: bool) -> Summary:
    """Sends the canary, or, where there is none any more, all rows; and writes the reports."""
    job = job.as_tuned()
    folder, journal, clock, target = job.folder, job.journal, job.clock, job.target
    with (
        run_log(folder.log, clock, job.secrets, job.labels, verbose=verbose) as log,
        shown_to_others(folder.path, clock, on_progress) as show,
    ):
        job.on_start()
        session = job.begin_session()
        journal.set_meta({**session_facts(job.rate, verify=job.settings.verify), **job.report_facts})
        canary = job.begin_canary()
        total = canary.left(journal) if canary else job.to_send
        point_latest(folder)
        log.info("start", run=folder.run_id, target=target.name, to_send=total, version=__version__)
        try:
            traffic, ended = await work_off(
                job, session, total, log, stop, show, first_only=canary is not None, verbose=verbose
            )
        except asyncio.CancelledError as cancelled:  # Ctrl-C in a program of the user's, or a second one here
            cancelled.add_note(
                f"{job.to_send:,} rows are left; to resume: batchupdate resume {job.folder.command_name}"
            )
            raise
        if canary and ended is None:
            ended = job.why_canary_ended(canary)
        counts = journal.counts()
        exit_code = exit_code_of(counts, ended, incomplete=bool(journal.meta().get("not_restored")))
        if ended:
            journal.set_meta({"stopped": {"code": ended.code, "message": ended.message}})
        journal.end_session(Session.at(session, clock.unix(), traffic), exit_code)
        log.info("end", exit_code=exit_code, sent=traffic.sent, throttled=traffic.throttled)
    on_progress(Progress("reporting", total, total, counts, traffic))
    return conclude(folder, journal, counts, target, job.credentials.place)


async def run_file(
    source: Given | Sequence[Given],
    settings: Settings,
    *,
    new: bool = False,
    yes_really: bool = False,
    on_problem: Callable[[Problem], None] = _ignore,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Applies one file or several to one target, and returns what became of them; the same as the command `run --yes`.

    Args:
        source: a file's path, `-` for standard input, or a pandas DataFrame; or several, in the order in which they
            count.
        settings: the target, the rate, and everything else.
        new: start afresh even if the same run is unfinished.
        yes_really: send all rows even if they are many more than usual, or more than `max_rows`.
        on_problem: is called with every problem of a row.
        on_progress: is called with how far the run is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: something can't be used; nothing was sent.
        RunLocked: another process holds the unfinished run.
    """
    with prepare(
        source,
        settings,
        new=new,
        yes_really=yes_really,
        on_problem=on_problem,
        on_progress=on_progress,
        environ=environ,
    ) as job:
        return await execute(await compare_first(job, on_progress=on_progress), on_progress=on_progress)


async def resume(
    run: str | Path = "latest",
    settings: Settings | None = None,
    *,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Resumes an unfinished run from its journal, and returns what became of it; the same as the command `resume`.

    Args:
        run: a run's id, its folder, or `latest`.
        settings: what is set here stands above what the run has kept of its settings.
        on_progress: is called with how far the run is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: the run can't be resumed.
        RunLocked: another process holds it, or is working on its target.
    """
    settings = settings or Settings()
    with resumed_job(find(settings.runs_dir, str(run)), partial(with_kept, settings), environ=environ) as job:
        return await execute(await compare_first(job, on_progress=on_progress), on_progress=on_progress)


async def retry(
    run: str | Path,
    selection: Selection | None = None,
    settings: Settings | None = None,
    *,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Sends rows of an earlier run again, as a run of their own; the same as the command `retry --yes`.

    Args:
        run: a run's id, its folder, or `latest`.
        selection: which rows; None for all that failed, were unknown, conflicted or were not attempted.
        settings: what is set here stands above what the run has kept of its settings.
        on_progress: is called with how far the run is, a few times a second.
        environ: where the API key is looked up; None for the process's own environment.

    Raises:
        UsageError: the earlier run can't be read, or no row of it is selected.
        RunLocked: another process holds the earlier run, or is working on its target.
    """
    settings = settings or Settings()
    folder, selection = find(settings.runs_dir, str(run)), selection or Selection()
    with retry_job(folder, selection, partial(with_kept, settings), environ=environ) as job:
        return await execute(job, on_progress=on_progress)


async def undo(
    run: str | Path,
    settings: Settings | None = None,
    *,
    force: bool = False,
    on_progress: Callable[[Progress], None] = _ignore,
    environ: Mapping[str, str] | None = None,
) -> Summary:
    """Gives the records of an earlier run back what they were before it; the same as the command `undo --yes`.

    A record that somebody has changed since is left alone, unless `force` is set: its row is a `conflict`. All else is
    as with `retry`; it is an error if nothing can be restored, or `latest` is an undo that has not ended.
    """
    settings = settings or Settings()
    folder = find_to_undo(settings.runs_dir, str(run))
    with undo_job(folder, partial(with_kept, settings), force=force, environ=environ) as job:
        return await execute(job, on_progress=on_progress)
