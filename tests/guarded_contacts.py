"""Contacts that are changed, undone and retried through the library, and what may come between."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fakes import QuickClock

from batchupdate.config import Settings, load_settings
from batchupdate.run import execute, plan, plan_run_job, prepare, resumed_job, retry_job, undo_job
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.plan_folder import find_plan
from batchupdate.runs.selection import Selection
from batchupdate.sandbox import CONTACTS_KEY, LANGDOCK_KEY, NAIRI_KEY, Sandbox, make_records
from batchupdate.sandbox.records import ContactRecord, LangdockRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary
    from batchupdate.run import Stop

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "NAIRI_API_KEY": NAIRI_KEY, "CONTACTS_API_KEY": CONTACTS_KEY}
IDS = [record.id for record in make_records().langdock]
CONTACTS = """\
name: guarded
title: "Contacts that are read before each change"
path: /contacts/{id}
auth: {env: CONTACTS_API_KEY}
id: {id: {}}
fields:
  name: {nullable: false}
  labels: {type: list}
  address.city: {nullable: true}
  address.zip: {nullable: true}
  note: {}
body: {nested: replace}
read: {absent: [note]}
list: {path: /contacts, records: contacts, absent: [note]}
precondition: {header: If-Match, from: etag}
repeatable: true
rate: unlimited
"""


FACTOR = 10
"""Time passes no faster: what was read is read once more before its change if that is long ago."""


class World:
    """A sandbox, a folder and a target: files are run, and runs undone."""

    def __init__(self, sandbox: Sandbox, folder: Path, target: str = "") -> None:
        self.sandbox, self.folder = sandbox, folder
        if not target:
            (folder / "guarded.yaml").write_text(CONTACTS, "utf-8")
        self.options: dict[str, Any] = {"target": target or str(folder / "guarded.yaml"), "runs_dir": folder / "runs"}
        self.options |= {"base_url": sandbox.url, "rate": "unlimited", "concurrency": 1}

    def kept(self, kept: Mapping[str, Any]) -> Settings:
        more = {name: self.options[name] for name in ("max_attempts",) if name in self.options}
        return load_settings({"runs_dir": self.folder / "runs", **more}, environ={}, kept=kept)

    async def run(self, header: Sequence[str], *rows: Sequence[str], **more: Any) -> Summary:
        source = self.folder / "in.csv"
        with source.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        with prepare(
            source, Settings.model_validate(self.options | more), environ=KEYS, new=True, clock=QuickClock(FACTOR)
        ) as job:
            return await execute(job)

    async def run_planned(self, header: Sequence[str], *rows: Sequence[str]) -> Summary:
        source = self.folder / "in.csv"
        with source.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        with prepare(source, Settings.model_validate(self.options), asks=True, environ=KEYS, plan=True) as job:
            made, ended = await plan(job)
        assert ended is None
        found = find_plan(self.folder / "runs", str(made.folder))
        with plan_run_job(found, self.kept, environ=KEYS) as job:
            return await execute(job)

    async def undo(self, summary: Summary, **more: Any) -> Summary:
        with undo_job(RunFolder(summary.folder), self.kept, environ=KEYS, clock=QuickClock(FACTOR), **more) as job:
            return await execute(job)

    async def retry(self, summary: Summary) -> Summary:
        with retry_job(
            RunFolder(summary.folder), Selection(), self.kept, environ=KEYS, clock=QuickClock(FACTOR)
        ) as job:
            return await execute(job)

    async def resume(self, summary: Summary) -> Summary:
        with resumed_job(RunFolder(summary.folder), self.kept, environ=KEYS, clock=QuickClock(FACTOR)) as job:
            return await execute(job)

    def contact(self, number: int) -> ContactRecord:
        found = self.sandbox.record("contacts", f"c{number}")
        assert isinstance(found, ContactRecord)
        return found

    def contacts(self) -> list[dict[str, Any]]:
        return [dict(one.fields) for one in self.sandbox.records("contacts") if isinstance(one, ContactRecord)]

    def langdock(self, number: int) -> LangdockRecord:
        found = self.sandbox.record("langdock", IDS[number])
        assert isinstance(found, LangdockRecord)
        return found

    def somebody_renames(self, number: int, name: str) -> None:
        contact = self.contact(number)
        self.sandbox.put(
            "contacts", replace(contact, fields={**contact.fields, "name": name}, version=contact.version + 1)
        )


@contextmanager
def foreign_after(world: World, method: str, number: int) -> Iterator[None]:
    """Somebody renames a contact just after the first request of a method for it."""
    meet, done = world.sandbox.meet, list[str]()

    def meeting(call: Any, *args: Any, **more: Any) -> Any:
        fate = meet(call, *args, **more)
        if call.method == method and call.path.endswith(f"/c{number}") and not done:
            done.append("renamed")
            world.somebody_renames(number, "Theirs")
        return fate

    world.sandbox.meet = meeting  # type: ignore[method-assign]
    yield
    world.sandbox.meet = meet  # type: ignore[method-assign]


@contextmanager
def changes_get(status: int, world: World, *numbers: int, applied: bool) -> Iterator[None]:
    """The first change of each of some contacts is answered with an error, whether it is applied or not."""
    meet, left = world.sandbox.meet, {f"/contacts/c{number}" for number in numbers}

    def meeting(call: Any, *args: Any, **more: Any) -> Any:
        if call.method != "PATCH" or call.path not in left:
            return meet(call, *args, **more)
        left.remove(call.path)
        fate = meet(call if applied else replace(call, method="GET", body=b""), *args, **more)
        return replace(fate, answer=replace(fate.answer, status=status))

    world.sandbox.meet = meeting  # type: ignore[method-assign]
    yield
    world.sandbox.meet = meet  # type: ignore[method-assign]


@contextmanager
def reads_at_most(sandbox: Sandbox, count: int, stop: Stop) -> Iterator[None]:
    """Asks for an end once so many requests have come."""
    meet = sandbox.meet

    def meeting(*args: Any, **more: Any) -> Any:
        if sandbox.counts.requests + 1 == count:
            stop.request(2)
        return meet(*args, **more)

    sandbox.meet = meeting  # type: ignore[method-assign]
    yield
    sandbox.meet = meet  # type: ignore[method-assign]


def unguarded(folder: Path) -> Path:
    """A target whose records are read one by one, and which takes no versions."""
    path = folder / "unguarded.yaml"
    lines_of = [line for line in CONTACTS.splitlines() if not line.startswith(("precondition:", "list:"))]
    path.write_text("\n".join(lines_of) + "\n", "utf-8")
    return path
