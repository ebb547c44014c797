"""Rows whose PUT makes a record: two people can make the same one, and neither may overwrite the other's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from real_servers import apply, behind, errors, outcomes, settings_for

from batchupdate.model import PlanState
from batchupdate.run import plan_file, run_file, run_plan, undo
from batchupdate.sandbox import CONTACTS_KEY, Faults, Sandbox
from batchupdate.sandbox.apis import Call
from batchupdate.sandbox.records import ContactRecord

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

pytestmark = pytest.mark.slow

TARGET = """\
name: contacts
title: Contacts
method: PUT
path: /contacts/{id}
auth: {env: CONTACTS_API_KEY}
id: {id: {}}
fields: {name: {}, labels: {type: list}}
read: {}
list: {path: /contacts, records: contacts}
repeatable: true
"""
GUARD = "precondition: {from: etag}\n"
KEY = {"CONTACTS_API_KEY": CONTACTS_KEY}
THEIRS = {"name": "Somebody else's", "labels": []}
ROWS = [{"id": key, "name": f"New {key}", "labels": [key]} for key in ("c1", "c50", "c51")]


def somebody_makes(sandbox: Sandbox, record_id: str) -> None:
    call = Call("PUT", f"/contacts/{record_id}", json.dumps(THEIRS).encode(), "application/json")
    fate = sandbox.meet(call, f"Bearer {CONTACTS_KEY}")
    assert fate.answer
    assert fate.answer.status == 201


def names(sandbox: Sandbox) -> dict[str, Any]:
    return {one.id: one.fields["name"] for one in sandbox.records("contacts") if isinstance(one, ContactRecord)}


def rows_in(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text("id,name,labels\n" + "".join(f"{one['id']},{one['name']},x\n" for one in ROWS), "utf-8")
    return path


@pytest.mark.parametrize("guard", [GUARD, ""], ids=["etag", "none"])
async def test_a_record_that_somebody_makes_after_the_plan_stays_as_they_made_it(tmp_path: Path, guard: str) -> None:
    async with Sandbox(contacts=2, versions=bool(guard)) as sandbox:
        options = settings_for(tmp_path, TARGET + guard, sandbox.url)
        made = await plan_file(rows_in(tmp_path), options, environ=KEY)
        assert [row.state for row in made.changes()] == [PlanState.CHANGE, PlanState.CREATE, PlanState.CREATE]
        somebody_makes(sandbox, "c50")
        before = len(sandbox.requests)
        summary = await run_plan(made.folder, options, environ=KEY)
        sent = [request.id for request in sandbox.requests[before:] if request.method == "PUT"]
    assert names(sandbox) == {"c1": "New c1", "c2": "Contact 2", "c50": "Somebody else's", "c51": "New c51"}
    assert outcomes(summary) == {"c1": "updated", "c50": "conflict", "c51": "updated"}
    why = 'there was no such record in the plan, and there is one now: name is "Somebody else\'s"; make a new plan'
    if guard:
        refused = "412 somebody else has made this record since it was not there: the contact has changed"
        assert errors(summary)["c50"] == f"{refused}; {why}"
        assert sorted(sent) == ["c1", "c50", "c51"]
    else:
        assert errors(summary)["c50"] == f"nothing was sent: {why}"
        assert sorted(sent) == ["c1", "c51"]


@pytest.mark.parametrize("diff", ["never", "always"])
async def test_a_record_that_somebody_makes_between_its_read_and_its_put_stays_as_they_made_it(
    tmp_path: Path, diff: str
) -> None:
    async with Sandbox(contacts=2, versions=True) as sandbox:

        def meanwhile(request: web.Request) -> None:
            if request.method == "GET" and "c50" not in names(sandbox) and request.path != "/contacts":
                somebody_makes(sandbox, "c50")

        async with behind(sandbox.url, meanwhile) as url:
            options = settings_for(tmp_path, TARGET + GUARD, url, diff=diff, concurrency=1)
            summary = await apply(ROWS[1:], options, KEY)
    assert names(sandbox)["c50"] == "Somebody else's"
    assert outcomes(summary) == {"c50": "conflict", "c51": "updated"}
    assert 'there is one now: name is "Somebody else\'s"; run it again' in errors(summary)["c50"]


async def test_a_new_record_is_made_although_its_first_reply_was_lost_and_undo_has_nothing_to_restore(
    tmp_path: Path,
) -> None:
    faults = Faults.in_order("ok", "ok", "ok", "reset-after")
    async with Sandbox(contacts=2, versions=True, faults=faults) as sandbox:
        options = settings_for(tmp_path, TARGET + GUARD, sandbox.url, diff="never", concurrency=1)
        summary = await run_file(rows_in(tmp_path), options, environ=KEY)
        assert outcomes(summary) == {"c1": "updated", "c50": "updated", "c51": "updated"}
        back = await undo(summary.folder, options, environ=KEY)
        assert names(sandbox) == {"c1": "Contact 1", "c2": "Contact 2", "c50": "New c50", "c51": "New c51"}
    assert outcomes(back) == {"c1": "updated", "c50": "invalid", "c51": "invalid"}
    assert "there was no such record before that run" in errors(back)["c50"]


async def test_a_record_that_vanished_after_the_plan_is_not_made_again(tmp_path: Path) -> None:
    async with Sandbox(contacts=2, versions=True) as sandbox:
        options = settings_for(tmp_path, TARGET + GUARD, sandbox.url)
        made = await plan_file(rows_in(tmp_path), options, environ=KEY)
        del sandbox._contacts.records["c1"]
        summary = await run_plan(made.folder, options, environ=KEY)
    assert "c1" not in names(sandbox)
    assert outcomes(summary)["c1"] == "failed"


async def test_a_put_that_starts_from_the_record_makes_none_and_the_plan_says_so(tmp_path: Path) -> None:
    async with Sandbox(contacts=2, versions=True) as sandbox:
        options = settings_for(tmp_path, TARGET + GUARD + "body: {base: read, omit: [id, version]}\n", sandbox.url)
        made = await plan_file(rows_in(tmp_path), options, environ=KEY)
        states = [row.state for row in made.changes()]
        assert states == [PlanState.CHANGE, PlanState.NOT_THERE, PlanState.NOT_THERE]
