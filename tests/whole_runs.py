"""Whole runs through the library: a file is applied, resumed and retried, and its results are read."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fakes import QuickClock

from batchupdate.config import Settings, load_settings
from batchupdate.journal import Journal
from batchupdate.run import execute, prepare, resumed_job, retry_job
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.selection import Selection
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records
from batchupdate.sandbox.records import LangdockRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "ONCE_KEY": LANGDOCK_KEY}
IDS = [record.id for record in make_records().langdock]
ONCE = """\
name: once
title: "An API where repeating is not safe"
path: /integrations/v1/{id}
auth: {scheme: bearer, env: ONCE_KEY}
id: {id: {format: uuid}}
fields: {name: {}}
repeatable: false
"""


def write(path: Path, count: int, name: str = "New") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "name"], *([record, f"{name} {n}"] for n, record in enumerate(IDS[:count]))])
    return path


def settings_for(sandbox: Sandbox, folder: Path, **more: Any) -> Settings:
    options = {"target": "langdock-integration", "base_url": sandbox.url, "runs_dir": folder / "runs"}
    return Settings.model_validate({**options, "rate": "unlimited", "concurrency": 1, **more})


def with_kept(folder: Path, **more: Any) -> Callable[[Mapping[str, Any]], Settings]:
    return lambda kept: load_settings({"runs_dir": folder / "runs", **more}, environ={}, kept=kept)


async def apply(source: Path, settings: Settings) -> Summary:
    with prepare(source, settings, environ=KEYS, clock=QuickClock()) as prepared:
        return await execute(prepared)


async def go_on(summary: Summary, folder: Path, **more: Any) -> Summary:
    slower = QuickClock(10)  # a look-up that takes long on a busy machine is not to be given up
    with resumed_job(RunFolder(summary.folder), with_kept(folder, **more), environ=KEYS, clock=slower) as job:
        return await execute(job)


async def again(summary: Summary, folder: Path, selection: Selection | None = None, **more: Any) -> Summary:
    of, settings = RunFolder(summary.folder), with_kept(folder, **more)
    with retry_job(of, selection or Selection(), settings, environ=KEYS, clock=QuickClock()) as prepared:
        return await execute(prepared)


@contextmanager
def key_refused_after(sandbox: Sandbox, count: int) -> Iterator[None]:
    """Lets the API refuse its key once it has applied so many changes."""
    meet = sandbox.meet

    def refusing(*args: Any, **more: Any) -> Any:
        if len(sandbox.applied) == count:
            sandbox.revoke()
        return meet(*args, **more)

    sandbox.meet = refusing  # type: ignore[method-assign]
    yield
    sandbox.meet = meet  # type: ignore[method-assign]
    sandbox.restore()


def lines(summary: Summary) -> list[dict[str, str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def outcomes(summary: Summary) -> list[str]:
    return [line["_outcome"] for line in lines(summary)]


def changed_elsewhere(sandbox: Sandbox, record_id: str) -> None:
    record = sandbox.record("langdock", record_id)
    assert isinstance(record, LangdockRecord)
    sandbox.put("langdock", replace(record, name="Somebody else's"))


def in_flight_when_killed(summary: Summary, rows: Sequence[int]) -> None:
    """Leaves the journal as a kill would have: these rows claimed, and nothing known of them."""
    with Journal.open(summary.folder / "journal.sqlite3") as journal:
        chosen = json.dumps(rows)
        journal._connection.execute("DELETE FROM result WHERE key IN (SELECT value FROM json_each(?))", (chosen,))
        journal._connection.execute("UPDATE session SET exit_code = NULL")
