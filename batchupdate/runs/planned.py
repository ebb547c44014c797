"""A plan that is finished: counted, written down, and known by its digest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchupdate.journal import Journal
from batchupdate.model import files_of, labels_of
from batchupdate.reader.sources import file_digest
from batchupdate.reporter.plan_files import JSON, write_plan
from batchupdate.reporter.plan_rows import planned_rows
from batchupdate.reporter.plan_summary import Plan
from batchupdate.runs.plan_folder import PlanDigest, PlanFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from batchupdate.model import Outcome, PlanLine, PlannedRow
    from batchupdate.runs.job import Job


def made_plan(job: Job, requests: int, notices: Sequence[str], *, finished: bool) -> Plan:
    """Counts a plan, and writes its files; one that is `finished` can be run from then on."""
    assert isinstance(job.folder, PlanFolder)  # noqa: S101 - `prepare` made it for a plan
    folder, journal = job.folder, job.journal
    meta, now = journal.meta(), job.clock.unix()
    plan = _plan(folder, meta, requests, now)
    plan.notices += [*job.checkup.notices, *notices]
    if not finished:
        return plan
    write_plan(folder.path, plan, _counted(plan, journal.plan_lines()))
    written = {JSON: file_digest(folder.path / JSON)}
    kept = {"made_at": now, "digest": plan.digest, "requests": requests, "files": written}
    journal.set_meta({"plan": {**kept, "target": job.settings.target}})
    return plan


def _counted(plan: Plan, lines: Iterable[PlanLine]) -> Iterator[PlannedRow]:
    """The rows of a plan, whose figures and digest stand when they have passed."""
    digest = PlanDigest()
    yield from plan.count(planned_rows(digest.of(lines)))
    plan.digest = str(digest)


def _plan(folder: PlanFolder, meta: Mapping[str, Any], requests: int, made_at: float) -> Plan:
    return Plan(
        folder.run_id,
        folder.path,
        meta["target"]["name"],
        meta["same"]["base_url"],
        meta["input"]["path"],
        meta["input"]["sha256"],
        meta["rows"],
        requests,
        made_at,
        labels=labels_of(files_of(meta["input"])),
        lines=partial(_lines, folder),
    )


def _lines(folder: PlanFolder, *outcomes: Outcome) -> Iterator[PlanLine]:
    """A plan's rows from its journal, all or those with some outcomes."""
    with Journal.open(folder.journal) as journal:
        yield from journal.plan_lines(*outcomes)
