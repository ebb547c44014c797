"""Somebody else changes records while they are planned, changed and restored: no such change may be overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from foreign_changes import COUNT, FIELDS, SEEDS, Api, record, tell

from batchupdate.sandbox import CONTACTS_KEY, Sandbox
from batchupdate.sandbox.records import ContactRecord, Records

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.counted("nothing")]

TARGET = f"""\
name: contacts
title: Contacts
path: /contacts/{{id}}
auth: {{env: CONTACTS_API_KEY}}
id: {{id: {{}}}}
{FIELDS}read: {{}}
repeatable: true
list: {{path: /contacts, records: contacts}}
"""
GUARD = "precondition: {from: etag}\n"
LISTED = TARGET.replace("contacts}\n", "contacts, version: '%s'}\n") % (
    """join('''', [''"'', id, ''-'', to_string(version), ''"''])"""
)
IDS = [f"c{number}" for number in range(COUNT)]


def sandbox_with(*, versions: bool) -> Sandbox:
    contacts = tuple(ContactRecord(key, record(number)) for number, key in enumerate(IDS))
    return Sandbox(records=Records((), (), contacts), versions=versions)


def api_of(sandbox: Sandbox, target: str, *, versions: bool) -> Api:
    key = {"CONTACTS_API_KEY": CONTACTS_KEY}
    return Api(sandbox.url, "/contacts", target, versions, "", key, {"Authorization": f"Bearer {CONTACTS_KEY}"})


@pytest.mark.parametrize(("seed", "faults"), [(seed, 0.0) for seed in SEEDS] + [(seed, 0.1) for seed in SEEDS[::2]])
@pytest.mark.parametrize("target", [LISTED + GUARD, TARGET + GUARD, TARGET], ids=["listed", "etag", "none"])
async def test_no_foreign_change_is_overwritten_and_every_row_says_what_became_of_it(
    tmp_path: Path, target: str, seed: int, faults: float
) -> None:
    await prove(tmp_path, target, seed, faults=faults)


async def test_nor_is_one_overwritten_by_worker_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACTS_API_KEY", CONTACTS_KEY)
    await prove(tmp_path, TARGET + GUARD, 1, workers=2)


async def prove(folder: Path, target: str, seed: int, *, faults: float = 0.0, **more: Any) -> None:
    versions = GUARD in target
    async with sandbox_with(versions=versions) as sandbox:
        api = api_of(sandbox, target, versions=versions)
        told, witness = await tell(folder, api, IDS, seed, faults=faults, **more)
        found = {one.id: dict(one.fields) for one in sandbox.records("contacts") if isinstance(one, ContactRecord)}
    assert told.wrong == []
    assert found == witness.replayed({key: record(number) for number, key in enumerate(IDS)})
    assert told.theirs > 10
    assert told.outcomes["run --plan"]["conflict"], "nobody was in the way"
    assert told.outcomes["run --plan"]["updated"]
    if versions:
        assert told.in_the_window == 0
