"""A plan that is finished: counted, written down, and known by its digest."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from batchupdate.journal import Journal
from batchupdate.model import files_of, labels_of
from batchupdate.reporter.plan_files import write_plan_csv, write_plan_json
from batchupdate.reporter.plan_rows import planned_rows
from batchupdate.reporter.plan_summary import Plan
from batchupdate.reporter.plan_xlsx import write_plan_xlsx
from batchupdate.runs.plan_folder import CSV, JSON, XLSX, PlanFolder, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from batchupdate.model import PlanLine
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
    plan.digest = digest_of(journal.plan_content())
    write_plan_csv(folder.path / CSV, plan.count(planned_rows(journal.plan_lines())), plan.labels, plan.notices)
    write_plan_xlsx(folder.path / XLSX, plan, lambda: planned_rows(journal.plan_lines()), plan.notices)
    write_plan_json(folder.path / JSON, plan, planned_rows(journal.plan_lines()), plan.notices)
    written = hashlib.sha256((folder.path / JSON).read_bytes()).hexdigest()
    kept = {"made_at": now, "digest": plan.digest, "requests": requests, "files": {JSON: written}}
    journal.set_meta({"plan": {**kept, "target": job.settings.target}})
    return plan


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


def _lines(folder: PlanFolder) -> Iterator[PlanLine]:
    """A plan's rows, from its journal."""
    with Journal.open(folder.journal) as journal:
        yield from journal.plan_lines()
