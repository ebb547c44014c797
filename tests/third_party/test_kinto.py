"""Kinto: merge patches and JSON patches that are guarded by ETags, with Basic authentication and its own pagination."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from typing import TYPE_CHECKING, Any

import pytest
from foreign_changes import COUNT, FIELDS, SEEDS, Api, record, tell
from real_servers import Answer, apply, ask, behind, errors, free_port, outcomes, pull, running, settings_for

from batchupdate import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp import web

pytestmark = [pytest.mark.slow, pytest.mark.third_party("kinto")]

# As https://docs.kinto-storage.org/ has it for a trial, with what is kept in memory.
CONFIG = """\
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.userid_hmac_secret = of-no-account
kinto.bucket_create_principals = system.Authenticated
kinto.paginate_by = 25
multiauth.policies = basicauth
multiauth.policy.basicauth.use = kinto.core.authentication.BasicAuthAuthenticationPolicy
"""
TARGET = """\
name: kinto-record
title: "Kinto: update a record"
path: {records}/{{id}}
auth: {{scheme: basic, user: ann, env: KINTO_PASSWORD}}
id: {{id: {{}}}}
fields:
  name: {{}}
  address.city: {{}}
  address.zip: {{nullable: true}}
body: {{format: {form}, wrap: [data]}}
read: {{record: data}}
precondition: {{header: If-Match, from: {version}}}
list:
  path: {records}
  records: data
  pagination: {{style: next, header: Next-Page}}
repeatable: true
"""
QUOTED = r"""join('', ['"', to_string(last_modified), '"'])"""  # the version as Kinto's If-Match wants it
KEY = {"KINTO_PASSWORD": "of-no-account"}
BOB = {"Authorization": "Basic " + base64.b64encode(b"bob:of-no-account").decode()}
ADDRESS = {"city": "Ulm", "zip": "89073"}


class Kinto:
    """A running Kinto, with Bob's collection of the records k0, k1 and so on, which others may write or read alone."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.bucket = url, f"/v1/buckets/{name}"
        self.collection = f"{self.bucket}/collections/contacts"

    def ask(self, place: str, method: str = "GET", body: object = None) -> Answer:
        return ask(self.url + self.collection + place, method, body, BOB)

    def fill(self, count: int, others_may: str = "write") -> None:
        others = {"permissions": {others_may: ["system.Authenticated"]}}
        assert ask(self.url + self.bucket, "PUT", others, BOB).status == 201
        assert self.ask("", "PUT").status == 201
        for number in range(count):
            self.write(f"k{number}", {"name": f"Old {number}", "address": ADDRESS, "kept": number})

    def write(self, key: str, record: dict[str, Any]) -> None:
        assert self.ask(f"/records/{key}", "PUT", {"data": record}).status in {200, 201}

    def records(self) -> dict[str, dict[str, Any]]:
        found, place = {}, "/records?_limit=25"
        while place:
            answer = self.ask(place)
            found.update({one.pop("id"): one for one in answer.body["data"]})
            _, _, place = answer.headers.get("next-page", "").partition(self.collection)
        for one in found.values():
            del one["last_modified"]
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config, port = tmp_path_factory.mktemp("kinto") / "kinto.ini", free_port()
    config.write_text(CONFIG.format(port=port), "utf-8")
    with running([sys.executable, "-m", "pyramid.scripts.pserve", config], port) as url:
        yield url


@pytest.fixture
def kinto(server: str) -> Kinto:
    return Kinto(server, secrets.token_hex(4))


def declared(kinto: Kinto, form: str, version: str = "etag") -> str:
    return TARGET.format(records=f"{kinto.collection}/records", form=form, version=json.dumps(version))


@pytest.mark.parametrize("version", ["etag", QUOTED], ids=["etag", "member"])
@pytest.mark.parametrize("form", ["merge-patch", "json-patch"])
async def test_a_record_that_somebody_changes_meanwhile_is_a_conflict_and_keeps_their_change(
    kinto: Kinto, tmp_path: Path, form: str, version: str
) -> None:
    kinto.fill(30)
    theirs = {"name": "Bob's", "address": ADDRESS}

    def meanwhile(request: web.Request) -> None:
        key = request.path.rpartition("/")[2]
        if request.method == "GET" and key in {"k3", "k17"}:
            kinto.write(key, theirs)

    rows = [{"id": f"k{n}", "name": f"New {n}", "address": {"zip": "<null>"}} for n in range(28)]
    rows.append({"id": "nobody", "name": "New"})
    async with behind(kinto.url, meanwhile) as url:
        summary = await apply(rows, settings_for(tmp_path, declared(kinto, form, version), url, diff="never"), KEY)

    changed = {"city": "Ulm", "zip": None} if form == "json-patch" else {"city": "Ulm"}
    expected = {f"k{n}": {"name": f"New {n}", "address": changed, "kept": n} for n in range(28)}
    expected |= {f"k{n}": {"name": f"Old {n}", "address": ADDRESS, "kept": n} for n in range(28, 30)}
    assert kinto.records() == {**expected, "k3": theirs, "k17": theirs}
    assert summary.counts[Outcome.UPDATED] == 26
    assert {key for key, became in outcomes(summary).items() if became == "conflict"} == {"k3", "k17"}
    assert errors(summary)["k3"] == (
        "412 somebody else has changed the record since its version was pulled or read: Resource was modified "
        "meanwhile; name was 'Old 3' just before, and is \"Bob's\" now; run it again"
    )
    assert errors(summary)["nobody"] == "404 there is no such record: Not Found"


async def test_the_pages_of_a_list_follow_its_next_page_header(kinto: Kinto, tmp_path: Path) -> None:
    kinto.fill(60)
    sheet = tmp_path / "now.jsonl"
    pulled = await pull(sheet, settings_for(tmp_path, declared(kinto, "merge-patch"), kinto.url), KEY)
    assert (pulled.records, pulled.pages) == (60, 3)
    lines = [json.loads(line) for line in sheet.read_text("utf-8").splitlines()]
    assert {line["id"]: line["name"] for line in lines} == {f"k{n}": f"Old {n}" for n in range(60)}


async def test_a_user_who_may_not_write_gets_the_servers_sentence_and_changes_nothing(
    kinto: Kinto, tmp_path: Path
) -> None:
    kinto.fill(3, others_may="read")
    before = kinto.records()
    rows = [{"id": f"k{n}", "name": f"New {n}"} for n in range(3)]
    summary = await apply(rows, settings_for(tmp_path, declared(kinto, "merge-patch"), kinto.url), KEY)
    assert summary.counts[Outcome.FAILED] == 3
    assert "This user cannot access this resource" in errors(summary)["k0"]
    assert kinto.records() == before


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("version", ["etag", QUOTED], ids=["etag", "member"])
async def test_no_change_of_another_process_is_overwritten_by_plan_run_and_undo(
    kinto: Kinto, tmp_path: Path, version: str, seed: int
) -> None:
    kinto.fill(0)
    ids = [f"k{number}" for number in range(COUNT)]
    for number, key in enumerate(ids):
        kinto.write(key, record(number))
    declared_fields = declared(kinto, "merge-patch", version)
    declared_fields = FIELDS.join(
        [declared_fields.split("fields:")[0], declared_fields[declared_fields.index("body:") :]]
    )
    records = f"{kinto.collection}/records"
    api = Api(kinto.url, records, declared_fields, versioned=True, wrap="data", environ=KEY, theirs=BOB)
    told, witness = await tell(tmp_path, api, ids, seed)
    assert told.wrong == []
    assert told.in_the_window == 0
    assert kinto.records() == witness.replayed({key: record(number) for number, key in enumerate(ids)})
    assert told.outcomes["run --plan"]["conflict"], "nobody was in the way"
    assert told.outcomes["run --plan"]["updated"]


async def test_a_record_that_somebody_makes_first_stays_as_they_made_it(kinto: Kinto, tmp_path: Path) -> None:
    kinto.fill(2)
    theirs = {"name": "Bob's"}

    def meanwhile(request: web.Request) -> None:
        if request.method == "GET" and request.path.endswith("/new1"):
            kinto.write("new1", theirs)

    target = declared(kinto, "json").replace("body:", "method: PUT\nbody:")
    rows = [{"id": key, "name": f"New {key}"} for key in ("k0", "new0", "new1")]
    async with behind(kinto.url, meanwhile) as url:
        summary = await apply(rows, settings_for(tmp_path, target, url, diff="never"), KEY)
    assert outcomes(summary) == {"k0": "updated", "new0": "updated", "new1": "conflict"}
    assert errors(summary)["new1"] == (
        "412 somebody else has made this record since it was not there: Resource was modified meanwhile; "
        'there was no such record just before, and there is one now: name is "Bob\'s"; run it again'
    )
    found = kinto.records()
    assert (found["new0"], found["new1"]) == ({"name": "New new0"}, theirs)
