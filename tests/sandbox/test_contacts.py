"""The contacts of the sandbox: pages, versions, a field that can't be read, batches, and somebody else's changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchupdate.sandbox import CONTACTS_KEY, LANGDOCK_KEY, NAIRI_KEY
from batchupdate.sandbox.apis import Answer, Call
from batchupdate.sandbox.settings import Settings
from batchupdate.sandbox.world import World


def ask(world: World, method: str, path: str, body: object = None, **more: str) -> Answer:
    sent = b"" if body is None else json.dumps(body).encode()
    key = LANGDOCK_KEY if "integrations/v1" in path else NAIRI_KEY if "llm" in path else CONTACTS_KEY
    path, _, query = path.partition("?")
    fate = world.meet(Call(method, path, sent, "application/json", query, **more), f"Bearer {key}")
    assert fate.answer is not None
    return fate.answer


def data(answer: Answer) -> Any:
    return json.loads(answer.body)


def test_a_list_has_pages_with_the_next_beginning_and_the_total() -> None:
    world = World(Settings(contacts=7))
    assert len(data(ask(world, "GET", "/contacts"))["contacts"]) == 7
    found, after = [], ""
    for _ in range(3):
        page = data(ask(world, "GET", f"/contacts?limit=3{after}"))
        found += [one["id"] for one in page["contacts"]]
        after = f"&after={page['next']}"
        assert page["total"] == 7
    assert (found, page["next"]) == ([f"c{number}" for number in range(1, 8)], None)
    for wrong in ("limit=0", "limit=x", "limit=3&after=c99"):
        assert ask(world, "GET", f"/contacts?{wrong}").status == 400


def test_a_change_needs_the_version_that_the_record_has_where_there_are_versions() -> None:
    world = World(Settings(versions=True))
    read = ask(world, "GET", "/contacts/c1")
    assert (read.headers["ETag"], data(read)["version"]) == ('"c1-1"', 1)
    assert ask(world, "PATCH", "/contacts/c1", {"name": "A"}, if_match=read.headers["ETag"]).status == 200
    refused = ask(world, "PATCH", "/contacts/c1", {"name": "B"}, if_match=read.headers["ETag"])
    assert (refused.status, data(refused)) == (412, {"error": "the contact has changed"})
    assert data(ask(world, "GET", "/contacts/c1"))["name"] == "A"
    assert ask(world, "PATCH", "/contacts/c1", {"name": "C"}).headers["ETag"] == '"c1-3"'
    plain = World(Settings())
    assert "ETag" not in ask(plain, "GET", "/contacts/c1").headers
    assert ask(plain, "PATCH", "/contacts/c1", {"name": "A"}, if_match='"x"').status == 200


def test_a_put_replaces_a_contact_or_makes_it_and_can_be_made_to_do_only_one_of_them() -> None:
    world = World(Settings(versions=True))
    made = ask(world, "PUT", "/contacts/c99", {"name": "A"}, if_none_match="*")
    assert (made.status, made.headers["ETag"]) == (201, '"c99-1"')
    assert data(made) == {"id": "c99", "name": "A", "labels": [], "address": None, "version": 1}
    assert ask(world, "PUT", "/contacts/c99", {"name": "B"}, if_none_match="*").status == 412
    assert ask(world, "PUT", "/contacts/c98", {"name": "B"}, if_match="*").status == 412
    replaced = ask(world, "PUT", "/contacts/c1", {"labels": ["x"]}, if_match='"c1-1"')
    assert (replaced.status, data(replaced)["name"], data(replaced)["labels"]) == (200, "", ["x"])
    assert [(change.id, dict(change.fields)) for change in world.applied] == [
        ("c99", {"name": "A"}),
        ("c1", {"labels": ["x"]}),
    ]
    assert ask(World(Settings()), "PUT", "/contacts/c1", {"name": "B"}, if_none_match="*").status == 200


def test_a_note_can_be_written_and_no_reply_shows_it() -> None:
    world = World(Settings())
    answer = ask(world, "PATCH", "/contacts/c2", {"note": "secret", "name": "N"})
    assert answer.status == 200
    assert b"secret" not in answer.body + ask(world, "GET", "/contacts/c2").body + ask(world, "GET", "/contacts").body
    assert world.applied[-1].fields == {"name": "N", "note": "secret"}
    assert ask(world, "PATCH", "/contacts/c2", {"note": 3}).status == 400


def test_a_batch_changes_what_is_there_and_none_if_one_is_impossible() -> None:
    world = World(Settings())
    sent = {"contacts": [{"id": "c1", "name": "A"}, {"id": "c99", "name": "B"}, {"id": "c2", "labels": []}]}
    answer = ask(world, "POST", "/contacts/batch", sent)
    assert [(one["id"], one["status"]) for one in data(answer)["results"]] == [("c2", 200), ("c99", 404), ("c1", 200)]
    assert (answer.status, [change.id for change in world.applied]) == (207, ["c1", "c2"])
    assert world.counts.applied == 2
    sent["contacts"][2]["labels"] = None  # type: ignore[index]
    refused = ask(world, "POST", "/contacts/batch", sent)
    assert (refused.status, data(refused)["error"][:12]) == (400, "contacts[2]:")
    assert ask(world, "POST", "/contacts/batch", {"contacts": [{}] * 101}).status == 413
    assert ask(world, "POST", "/contacts/batch", {}).status == 400
    assert ask(world, "PATCH", "/contacts/batch", {}).status == 405
    assert world.counts.applied == 2


@pytest.mark.parametrize(
    ("path", "api"),
    [("/contacts", "contacts"), ("/integrations/v1/get", "langdock"), ("/api/public/v1/integrations/llm/x", "nairi")],
)
def test_a_second_writer_changes_records_meanwhile_the_same_ones_for_the_same_seed(path: str, api: str) -> None:
    worlds = [World(Settings(second_writer=0.5, seed=seed)) for seed in (3, 3, 4)]
    for world in worlds:
        before = {record.id: record for record in world.records(api)}
        for _ in range(40):
            ask(world, "GET", path)
        changes = world.changed_elsewhere
        assert 8 < len(changes) < 32
        assert {change.api for change in changes} == {api}
        assert not world.applied
        changed = {record.id for record in world.records(api) if record != before[record.id]}
        assert changed == {change.id for change in changes}
    told = [[(change.seq, change.id, change.fields) for change in world.changed_elsewhere] for world in worlds]
    assert told[0] == told[1] != told[2]
    assert len(data(worlds[0].control(Call("GET", "/_sandbox/changed-elsewhere")))) == len(told[0])
    worlds[0].reset()
    assert not worlds[0].changed_elsewhere
    assert not World(Settings()).changed_elsewhere
    with pytest.raises(ValueError, match="it is a chance from 0 to 1"):
        Settings(second_writer=2)
