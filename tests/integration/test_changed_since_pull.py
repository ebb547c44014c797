"""Pulled sheets whose records somebody else changes before they are run, on real sockets."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening
from whole_runs import in_flight_when_killed

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.model import Outcome
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form
from batchupdate.run import execute, prepare, resume, retry, run_file
from batchupdate.sandbox import CONTACTS_KEY, LANGDOCK_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow

PLAIN = """\
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {nullable: true}
  seats: {type: number}
  due: {type: datetime}
  tags: {type: list}
  address.city: {}
  hidden: {}
body: {nested: merge}
read: {absent: [hidden]}
list: {path: /things, absent: [hidden]}
rate: unlimited
repeatable: true
"""
GUARDED = PLAIN + "precondition: {header: If-Match, from: version}\n"
LISTED_ETAG = PLAIN.replace("absent: [hidden]}\nrate", "absent: [hidden], version: _etag}\nrate") + (
    "precondition: {header: If-Match, from: etag}\n"
)


FACTOR = 5
"""Time passes no faster: on a busy machine, a record would have been read so long ago that it is read once more."""


class Things:
    """An API with versions: a PATCH merges, and fails with 412 if `If-Match` names another version."""

    def __init__(self, count: int) -> None:
        self.records: dict[str, dict[str, Any]] = {
            f"k{n}": {
                "name": f"Old {n}",
                "seats": 1.50,
                "due": "2026-11-21T18:45:00Z",
                "tags": ["a", "b"],
                "address": {"city": "Ulm"},
            }
            for n in range(count)
        }
        self.versions: dict[str, int | str] = dict.fromkeys(self.records, 1)
        self.asked: list[tuple[str, str]] = []
        self.bodies: dict[str, Any] = {}
        self.guards: dict[str, str | None] = {}
        self.statuses: dict[tuple[str, str], list[int]] = {}
        """By method and id: what is answered first. A status below 0 is answered after the change was applied."""
        self.before_read: Callable[[str], None] = lambda _: None
        self.before_change: Callable[[str], None] = lambda _: None
        self.after_read: Callable[[str], None] = lambda _: None
        self.url = ""

    def foreign(self, key: str, **fields: Any) -> None:
        self.records[key] |= fields
        self._bump(key)

    def _bump(self, key: str) -> None:
        version = self.versions[key]
        self.versions[key] = version + 1 if isinstance(version, int) else f"{version}+"

    def shown(self, key: str) -> dict[str, Any]:
        etag = f'"{self.versions[key]}"'
        return {"id": key, "version": self.versions[key], "_etag": etag, **self.records[key]}

    async def all(self, _request: web.Request) -> web.Response:
        return web.json_response([self.shown(key) for key in self.records])

    async def get(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.asked.append(("GET", key))
        self.before_read(key)
        if queue := self.statuses.get(("GET", key)):
            return web.json_response({"error": "sorry"}, status=queue.pop(0))
        answer = web.json_response(self.shown(key), headers={"ETag": f'"{self.versions[key]}"'})
        self.after_read(key)
        return answer

    async def patch(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.asked.append(("PATCH", key))
        self.guards[key] = guard = request.headers.get("If-Match")
        status = queue.pop(0) if (queue := self.statuses.get(("PATCH", key))) else 200
        if status >= 400:
            return web.json_response({"error": "sorry"}, status=status)
        if guard and guard not in {str(self.versions[key]), f'"{self.versions[key]}"'}:
            return web.json_response({"error": "another version"}, status=412)
        body = await request.json()
        self.before_change(key)
        self.bodies[key] = body
        for name, value in body.items():
            self.records[key][name] = {**(self.records[key][name] or {}), **value} if isinstance(value, dict) else value
        self._bump(key)
        return web.json_response({}, status=abs(status))

    def count(self, method: str) -> int:
        return sum(one == method for one, _ in self.asked)


@pytest.fixture
async def things() -> AsyncIterator[Things]:
    made = Things(6)
    async for one in served(made):
        yield one


async def served(made: Things) -> AsyncIterator[Things]:
    app = web.Application()
    app.add_routes(
        [web.get("/things", made.all), web.get("/things/{id}", made.get), web.patch("/things/{id}", made.patch)]
    )
    async with listening(app) as made.url:
        yield made


class Sheet:
    """A target and its pulled sheet, as a CSV or otherwise."""

    def __init__(self, things: Things, folder: Path, target: str) -> None:
        self.things, self.folder = things, folder
        self.target = folder / "t.yaml"
        self.target.write_text(target, "utf-8")
        self.path = folder / "things.csv"

    def settings(self, **more: Any) -> Settings:
        return Settings.model_validate(
            {"target": str(self.target), "base_url": self.things.url, "runs_dir": self.folder / "runs", **more}
        )

    async def pull(self) -> None:
        await pull_records(str(self.target), self.settings(), self.path, Form.CSV, force=True, environ={})

    def rows(self) -> list[dict[str, str]]:
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))

    def edit(self, edits: dict[str, dict[str, str]]) -> None:
        rows = self.rows()
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row | edits.get(row["id"], {}) for row in rows)

    async def run(self, **more: Any) -> Summary:
        with prepare(self.path, self.settings(**more), new=True, environ={}, clock=QuickClock(FACTOR)) as job:
            return await execute(job)


async def pulled(things: Things, folder: Path, target: str = PLAIN) -> Sheet:
    sheet = Sheet(things, folder, target)
    await sheet.pull()
    things.asked.clear()
    return sheet


def results(summary: Summary) -> dict[str, tuple[str, str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["id"]: (row["_outcome"], row["_error"]) for row in csv.DictReader(file)}


# ---- without a version: old values are compared ----


async def test_what_somebody_else_has_changed_since_the_pull_is_a_conflict_and_stays(
    things: Things, tmp_path: Path
) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": {"name": "New"}, "k1": {"name": "New"}})
    things.foreign("k0", name="Somebody else's")
    things.foreign("k1", seats=9)  # another field, which the row does not set
    summary = await sheet.run()
    found = results(summary)
    assert found["k0"][0] == "conflict"
    assert found["k0"][1] == (
        "nothing was sent: name was 'Old 0' when it was pulled, and is \"Somebody else's\" now; pull the records again"
    )
    assert found["k1"] == ("updated", "")
    assert things.records["k0"]["name"] == "Somebody else's"
    assert things.records["k1"]["name"] == "New"
    assert sorted(things.asked) == [("GET", "k0"), ("GET", "k1"), ("PATCH", "k1")]
    assert summary.sessions.traffic.sent == 3


async def test_a_record_that_has_the_new_values_already_is_unchanged_and_not_sent(
    things: Things, tmp_path: Path
) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": {"name": "New", "seats": "2.0"}, "k1": {"name": "New", "seats": "3"}})
    things.foreign("k0", name="New", seats=2)
    things.foreign("k1", name="New")
    found = results(await sheet.run())
    assert found["k0"] == ("unchanged", "the record already has these values")
    assert found["k1"][0] == "updated"
    assert things.count("PATCH") == 1


@pytest.mark.parametrize(
    ("edit", "foreign", "outcome"),
    [
        ({"seats": "2"}, {"seats": 1.5}, "updated"),
        ({"seats": "2"}, {"seats": 1.51}, "conflict"),
        ({"due": "2027-01-01T00:00:00Z"}, {"due": "2026-11-21T19:45:00.000+01:00"}, "updated"),
        ({"due": "2027-01-01T00:00:00Z"}, {"due": "2026-11-21T18:45:01Z"}, "conflict"),
        ({"tags": "c"}, {"tags": ["b", "a"]}, "conflict"),
        ({"tags": "c"}, {"tags": ["a, b"]}, "conflict"),
        ({"tags": "c"}, {"tags": ["a", "b"]}, "updated"),
        ({"name": "New"}, {"name": "Old 0 "}, "updated"),  # the pulled cell was trimmed
        ({"name": "New"}, {"name": ""}, "conflict"),
        ({"name": "New"}, {"name": None}, "conflict"),
        ({"name": "<null>"}, {"name": None}, "unchanged"),
        ({"name": "<null>"}, {"name": ""}, "conflict"),
        ({"address.city": "Bonn"}, {"address": {"city": "Ulm", "zip": "1"}}, "updated"),
        ({"address.city": "Bonn"}, {"address": {"zip": "1"}}, "conflict"),
        ({"address.city": "Bonn"}, {"address": None}, "conflict"),
        ({"address.city": "Bonn"}, {"address": {"city": "Bonn"}}, "unchanged"),
    ],
)
async def test_old_values_are_compared_by_what_they_mean(
    things: Things, tmp_path: Path, edit: dict[str, str], foreign: dict[str, Any], outcome: str
) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": edit})
    things.foreign("k0", **foreign)
    assert results(await sheet.run())["k0"][0] == outcome
    assert things.count("PATCH") == (outcome == "updated")


async def test_nothing_is_read_for_a_field_that_the_reply_to_a_read_never_has(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": {"hidden": "x"}, "k1": {"hidden": "y", "name": "New"}})
    assert {outcome for outcome, _ in [results(await sheet.run())[key] for key in ("k0", "k1")]} == {"updated"}
    assert ("GET", "k0") not in things.asked
    assert ("GET", "k1") in things.asked


async def test_never_sends_without_reading_and_overwrites(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": {"name": "New"}})
    things.foreign("k0", name="Somebody else's")
    assert results(await sheet.run(check_old="never"))["k0"][0] == "updated"
    assert things.asked == [("PATCH", "k0")]


async def test_an_ordinary_file_is_sent_without_reading(things: Things, tmp_path: Path) -> None:
    sheet = Sheet(things, tmp_path, PLAIN)
    sheet.path.write_text("id,name\nk0,New\n", "utf-8")
    assert results(await sheet.run(check_old="always"))["k0"][0] == "updated"
    assert things.asked == [("PATCH", "k0")]


async def test_always_is_refused_where_no_record_can_be_read(things: Things, tmp_path: Path) -> None:
    sheet = Sheet(things, tmp_path, PLAIN.replace("read: {absent: [hidden]}\n", ""))
    sheet.path.write_text("id,name\nk0,New\n", "utf-8")
    with pytest.raises(
        ConfigError, match=r"--check-old always compares old values .* does not declare how a record is"
    ):
        await sheet.run(check_old="always")
    assert not things.asked


async def test_a_read_that_fails_is_repeated_and_costs_the_change_no_attempt(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({f"k{n}": {"name": "New"} for n in range(3)})
    things.statuses = {("GET", "k0"): [500], ("GET", "k1"): [429], ("GET", "k2"): [403]}
    found = results(await sheet.run())
    assert [found[key][0] for key in ("k0", "k1", "k2")] == ["updated", "updated", "failed"]
    assert "403 the key has no permission to read this record" in found["k2"][1]
    assert "--check-old never" in found["k2"][1]
    with (tmp_path / "runs" / "latest" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [row["_attempts"] for row in csv.DictReader(file)][:3] == ["1", "1", "0"]


async def test_an_own_change_whose_answer_was_lost_is_no_conflict(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({f"k{n}": {"name": "New"} for n in range(3)})
    things.statuses = {("PATCH", f"k{n}"): [-500] for n in range(3)}  # applied, and answered with 500
    reads = {"k1": 0}

    def meddle(key: str) -> None:
        if key == "k1" and (reads.update(k1=reads["k1"] + 1) or reads["k1"]) == 2:
            things.foreign("k1", name="Somebody else's")

    things.before_read = meddle
    summary = await sheet.run()
    found = results(summary)
    assert found["k0"] == (
        "updated",
        "an earlier attempt may have been applied, and the record has the row's values now",
    )
    assert found["k1"][0] == "unknown"  # whether the change was applied before is not known
    assert things.records["k1"]["name"] == "Somebody else's"
    assert things.count("PATCH") == 3


async def test_a_killed_run_looks_its_rows_up_before_it_calls_anything_a_conflict(
    things: Things, tmp_path: Path
) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({f"k{n}": {"name": "New"} for n in range(3)})
    summary = await sheet.run()
    in_flight_when_killed(summary, [2, 3, 4])
    things.foreign("k1", name="Somebody else's")
    things.foreign("k2", name="Old 2")  # as if it had never been applied
    things.asked.clear()
    again = await resume(summary.folder, sheet.settings(), environ={})
    found = results(again)
    assert [found[key][0] for key in ("k0", "k1", "k2")] == ["updated", "unknown", "updated"]
    assert things.records["k1"]["name"] == "Somebody else's"
    assert things.records["k2"]["name"] == "New"
    assert [key for method, key in things.asked if method == "PATCH"] == ["k2"]


async def test_a_retry_knows_the_old_values_as_well(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": {"name": "New"}, "k1": {"name": "New"}})
    things.statuses = {("PATCH", "k0"): [400], ("PATCH", "k1"): [400]}
    summary = await sheet.run()
    things.foreign("k0", name="Somebody else's")
    found = results(await retry(summary.folder, None, sheet.settings(), environ={}))
    assert (found["k0"][0], found["k1"][0]) == ("conflict", "updated")
    assert things.records["k0"]["name"] == "Somebody else's"


async def test_rows_that_are_merged_keep_the_old_values_of_each(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path)
    (row, *_) = sheet.rows()
    with sheet.path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerows([row | {"name": "New"}, row | {"seats": "2"}])
    things.foreign("k0", name="Somebody else's")
    summary = await sheet.run(input={"on_duplicate": "merge"})
    assert summary.counts[Outcome.CONFLICT] == 2
    things.foreign("k0", name="Old 0")
    summary = await sheet.run(input={"on_duplicate": "merge"})
    assert summary.counts[Outcome.UPDATED] == 2
    assert things.bodies["k0"] == {"name": "New", "seats": 2}


async def test_a_key_in_a_record_is_not_told(things: Things, tmp_path: Path) -> None:
    target = PLAIN.replace("{scheme: none}", "{scheme: bearer, env: THE_KEY}")
    key = "sk-very-secret-0123456789"
    sheet = Sheet(things, tmp_path, target)
    await pull_records(str(sheet.target), sheet.settings(), sheet.path, Form.CSV, environ={"THE_KEY": key})
    sheet.edit({"k0": {"name": "New"}})
    things.foreign("k0", name=f"it is {key}, and {'long ' * 2000}")
    summary = await run_file(sheet.path, sheet.settings(), environ={"THE_KEY": key})
    error = results(summary)["k0"][1]
    assert error.startswith("nothing was sent: name was")
    assert key not in error
    assert len(error) < 500


# ---- with a version ----


@pytest.mark.parametrize("target", [GUARDED, LISTED_ETAG])
async def test_the_version_of_the_pull_guards_the_change_without_a_read(
    things: Things, tmp_path: Path, target: str
) -> None:
    sheet = await pulled(things, tmp_path, target)
    assert sheet.rows()[0]["_version"] == ("1" if target == GUARDED else '"1"')
    sheet.edit({"k0": {"name": "New"}, "k1": {"name": "New"}})
    things.foreign("k0", seats=9)  # even another field
    found = results(await sheet.run())
    assert found["k0"] == (
        "conflict",
        (
            "412 somebody else has changed the record since its version was pulled or read: another version; "
            "nothing that this row sets has changed"
        ),
    )
    assert found["k1"] == ("updated", "")
    assert things.asked.count(("GET", "k0")) == 1, "only to say what has changed"
    assert things.count("GET") == 1
    assert things.records["k0"]["name"] == "Old 0"


@pytest.mark.parametrize("form", list(Form))
async def test_any_version_comes_back_from_a_sheet_as_it_was(things: Things, tmp_path: Path, form: Form) -> None:
    versions = ["007", "12e3", "=1+1", "-x", "a,b;'c", 'W/"b"']
    things.versions = dict(zip(things.records, versions, strict=True))
    sheet = Sheet(things, tmp_path, GUARDED)
    sheet.path = tmp_path / f"things.{form.value}"
    await pull_records(str(sheet.target), sheet.settings(), sheet.path, form, environ={})
    summary = await sheet.run(input={"constants": {"hidden": "x"}})  # edits every row
    assert summary.counts[Outcome.UPDATED] == len(versions)
    assert things.guards == dict(zip(things.records, versions, strict=True))
    assert things.count("GET") == 0


async def test_the_versions_of_a_workbook_are_hidden(things: Things, tmp_path: Path) -> None:
    sheet = Sheet(things, tmp_path, GUARDED)
    await pull_records(str(sheet.target), sheet.settings(), tmp_path / "t.xlsx", Form.XLSX, environ={})
    table = openpyxl.load_workbook(tmp_path / "t.xlsx")["changes"]
    hidden = {}
    for column in table.iter_cols(max_row=1):
        letter = column[0].column_letter
        spans = [one for one in table.column_dimensions.values() if one.min <= column[0].column <= one.max]
        hidden[column[0].value] = any(one.hidden for one in spans), letter
    assert hidden["_version"][0]
    assert not hidden["name"][0]


async def test_a_row_without_a_version_is_read_for_it_and_its_old_values_are_compared(
    things: Things, tmp_path: Path
) -> None:
    sheet = await pulled(things, tmp_path, GUARDED)
    sheet.edit({f"k{n}": {"name": "New", "_version": ""} for n in range(2)})
    things.foreign("k0", name="Somebody else's")
    things.foreign("k1", seats=9)
    found = results(await sheet.run())
    assert (found["k0"][0], found["k1"][0]) == ("conflict", "updated")
    assert things.guards == {"k1": "2"}


async def test_always_compares_old_values_although_a_version_guards_them(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path, GUARDED)
    sheet.edit({"k0": {"name": "New"}, "k1": {"name": "New"}})
    things.foreign("k0", name="Somebody else's")
    found = results(await sheet.run(check_old="always"))
    assert (found["k0"][0], found["k1"][0]) == ("conflict", "updated")
    assert things.asked.count(("PATCH", "k0")) == 0
    assert things.guards == {"k1": "1"}


async def test_after_a_lost_answer_a_record_is_read_before_its_old_version_is_named_again(
    things: Things, tmp_path: Path
) -> None:
    sheet = await pulled(things, tmp_path, GUARDED)
    sheet.edit({"k0": {"name": "New"}, "k1": {"name": "New"}})
    things.statuses = {("PATCH", "k0"): [-500], ("PATCH", "k1"): [500]}  # the second one was not applied
    found = results(await sheet.run())
    assert found["k0"][0] == found["k1"][0] == "updated"
    assert things.asked.count(("PATCH", "k0")) == 1
    assert things.asked.count(("PATCH", "k1")) == 2


async def test_a_version_in_an_ordinary_file_guards_its_row(things: Things, tmp_path: Path) -> None:
    sheet = Sheet(things, tmp_path, GUARDED)
    sheet.path.write_text("id,name,_version\nk0,New,1\nk1,New,7\nk2,New,\n", "utf-8")
    found = results(await sheet.run())
    assert [found[key][0] for key in ("k0", "k1", "k2")] == ["updated", "conflict", "updated"]
    assert things.asked.count(("GET", "k2")) == things.count("GET") == 1


async def test_a_status_that_is_declared_as_a_conflict_is_one(things: Things, tmp_path: Path) -> None:
    sheet = await pulled(things, tmp_path, PLAIN + "statuses: {409: {outcome: conflict, means: it has changed}}\n")
    sheet.edit({"k0": {"name": "New"}})
    things.statuses = {("PATCH", "k0"): [409]}
    assert results(await sheet.run())["k0"] == ("conflict", "409 it has changed: sorry")


# ---- fields in lists ----

IN_LISTS = """\
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  Colour: {at: "custom[?id==1].value"}
  Size: {at: "custom[?id==2].value"}
body: {nested: replace}
read: {}
list: {path: /things}
rate: unlimited
repeatable: true
"""


async def test_fields_in_items_of_a_list_are_pulled_compared_and_sent_together(things: Things, tmp_path: Path) -> None:
    items = [{"id": 1, "value": "red"}, {"id": 2, "value": "9"}]
    for key in things.records:
        things.foreign(key, custom=[dict(item) for item in items])
    things.foreign("k2", custom=[{"id": 1, "value": "red"}])
    things.foreign("k3", custom=[*items, {"id": 7, "value": "only here"}])
    sheet = Sheet(things, tmp_path, IN_LISTS)
    found = await pull_records(str(sheet.target), sheet.settings(), sheet.path, Form.CSV, environ={})
    assert any("custom[?id==7], which things does not declare" in notice for notice in found.notices)
    assert sheet.rows()[2]["_old.Size"] == "<absent>"
    sheet.edit({f"k{n}": {"Colour": "blue"} for n in range(3)})
    things.foreign("k1", custom=[{"id": 1, "value": "red"}, {"id": 2, "value": "10"}])
    summary = await sheet.run()
    assert [results(summary)[f"k{n}"][0] for n in range(3)] == ["updated", "conflict", "updated"]
    assert things.records["k0"]["custom"] == [{"id": 1, "value": "blue"}, {"id": 2, "value": "9"}]
    assert things.records["k2"]["custom"] == [{"id": 1, "value": "blue"}]


# ---- what is said before ----


@pytest.mark.parametrize(("check", "reads"), [("auto", 2), ("always", 2), ("never", 0)])
async def test_a_job_says_how_many_records_it_reads_first(
    things: Things, tmp_path: Path, check: str, reads: int
) -> None:
    sheet = await pulled(things, tmp_path)
    sheet.edit({"k0": {"name": "New"}, "k1": {"seats": "2"}, "k2": {"hidden": "x"}})
    with prepare(sheet.path, sheet.settings(check_old=check), environ={}) as job:
        assert (job.to_send, job.to_read) == (3, reads)
        await execute(job)
    assert things.count("GET") == reads


# ---- another writer at random moments ----


@pytest.mark.parametrize("check", ["auto", "always"])
@pytest.mark.parametrize("target", [PLAIN, GUARDED], ids=["plain", "guarded"])
@pytest.mark.parametrize("seed", range(3))
async def test_no_foreign_change_that_was_made_before_our_read_is_overwritten_and_called_updated(
    tmp_path: Path, seed: int, target: str, check: str
) -> None:
    chance = random.Random(f"{seed} {check}")  # noqa: S311 - a test
    things = Things(40)
    other = OtherWriter(things, chance)
    for key in things.records:
        if chance.random() < 0.3:
            things.statuses["PATCH", key] = [chance.choice([500, -500, 429, 503, 400])]
        if chance.random() < 0.2:
            things.statuses["GET", key] = [chance.choice([500, 429])]
    async for _ in served(things):
        sheet = await pulled(things, tmp_path, target)
        sheet.edit({key: {"name": f"New {key}"} for key in things.records if chance.random() < 0.8})
        for _number in range(10):
            other.meddle()
        other.watch()
        summary = await sheet.run(check_old=check, concurrency=chance.choice([1, 4]))
    assert sum(summary.counts.values()) == len(things.records)
    assert min(summary.counts[one] for one in (Outcome.CONFLICT, Outcome.UPDATED)) > 0
    assert not other.overwritten
    unsent = [key for key, (outcome, _) in results(summary).items() if outcome in {"conflict", "unchanged"}]
    assert not set(unsent) & things.bodies.keys()


class OtherWriter:
    """Changes random records at random moments, and notes which of its changes were overwritten although we knew."""

    def __init__(self, things: Things, chance: random.Random) -> None:
        self.things, self.chance = things, chance
        self.unseen: set[str] = set()
        """Records that were changed after our last read of them."""
        self.overwritten: list[str] = []

    def watch(self) -> None:
        self.things.before_read = lambda _: self.meddle()
        self.things.after_read = self.unseen.discard
        self.things.before_change = self.look

    def meddle(self) -> None:
        for key in self.chance.sample(sorted(self.things.records), 3):
            if self.chance.random() < 0.3:
                names = [f"Foreign {self.chance.random()}", f"New {key}", f"Old {key[1:]}"]
                self.things.foreign(key, name=self.chance.choice(names))
                self.unseen.add(key)

    def look(self, key: str) -> None:
        is_foreign = self.things.records[key]["name"].startswith("Foreign")
        if is_foreign and (self.things.guards[key] or key not in self.unseen):
            self.overwritten.append(key)
        self.meddle()


@pytest.mark.parametrize("seed", range(2))
async def test_in_the_sandbox_no_change_of_a_second_writer_that_a_read_has_shown_is_overwritten(
    batchupdate_sandbox: Any, tmp_path: Path, seed: int
) -> None:
    sandbox = batchupdate_sandbox(
        second_writer=0.5,
        seed=seed,
        faults="500=0.1,500-after=0.1,reset-after=0.1,503-retry-after=0.05@0.1",
    )
    options = {"target": "langdock-integration", "base_url": sandbox.url, "runs_dir": tmp_path / "runs"}
    settings = Settings.model_validate({**options, "rate": "unlimited", "concurrency": 4})
    environ = {"LANGDOCK_API_KEY": LANGDOCK_KEY}
    path = tmp_path / "pulled.csv"
    await pull_records("langdock-integration", settings, path, Form.CSV, environ=environ, clock=QuickClock())
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row if row["_locked"] else row | {"name": f"New {n}"} for n, row in enumerate(rows))
    with prepare(path, settings, environ=environ, clock=QuickClock()) as job:
        summary = await execute(job)
    assert sum(summary.counts.values()) == len(rows)
    assert summary.counts[Outcome.CONFLICT] > 0
    assert summary.counts[Outcome.UPDATED] > 0
    written = [(one.seq + 0.5, one.id, True) for one in sandbox.changed_elsewhere if "name" in one.fields]
    written += [(one.seq, one.id, False) for one in sandbox.applied]
    reads = {(one.seq, one.id) for one in sandbox.requests if one.method == "GET" and one.id and one.status == 200}
    for change in sandbox.applied:
        seen = max(seq for seq, record in reads if record == change.id and seq < change.seq)
        before = sorted(one for one in written if one[1] == change.id and one[0] < seen)
        assert not (before and before[-1][2]), (change, before)


@pytest.mark.parametrize(("check", "sizes"), [("auto", [1, 1, 1]), ("never", [3])])
async def test_rows_that_are_compared_first_go_one_by_one_where_others_go_in_batches(
    batchupdate_sandbox: Any, tmp_path: Path, check: str, sizes: list[int]
) -> None:
    sandbox = batchupdate_sandbox()
    target = str(Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml")
    options = {"target": target, "base_url": sandbox.url, "runs_dir": tmp_path / "runs", "check_old": check}
    settings = Settings.model_validate({**options, "rate": "unlimited"})
    environ, path = {"CONTACTS_API_KEY": CONTACTS_KEY}, tmp_path / "pulled.csv"
    await pull_records(target, settings, path, Form.CSV, environ=environ)
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | ({"name": f"New {n}"} if n < 3 else {}) for n, row in enumerate(rows))
    with prepare(path, settings, environ=environ) as job:
        assert job.to_read == (3 if check == "auto" else 0)
        summary = await execute(job)
    assert summary.counts[Outcome.UPDATED] == 3
    changes = [json.loads(one.body)["contacts"] for one in sandbox.requests if one.method == "POST"]
    assert [len(contacts) for contacts in changes] == sizes
