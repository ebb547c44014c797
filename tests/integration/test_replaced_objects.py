"""An API that replaces objects as a whole: no run takes away what a record has in one, over real sockets."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock
from guarded_contacts import KEYS, World
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_runs import lines, outcomes

from batchupdate.config import Settings
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form
from batchupdate.run import execute, plan_file, prepare
from batchupdate.sandbox import Sandbox
from batchupdate.sandbox.records import ContactRecord, Records
from batchupdate.util import event_loop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow

TARGET = """\
name: replaces
title: Contacts
path: /contacts/{id}
auth: {env: CONTACTS_API_KEY}
id: {id: {}}
fields:
  name: {}
  address.street: {nullable: true}
  address.city: {nullable: true}
  address.zip: {nullable: true}
body: {nested: replace}
read: {}
list: {path: /contacts, records: contacts}
repeatable: true
rate: unlimited
"""
GUARDED = TARGET + "precondition: {header: If-Match, from: etag}\n"
HOME = {"street": "High Street 4", "city": "Köln"}


def contacts(*addresses: Mapping[str, Any] | None) -> Records:
    fields = [
        {"name": f"Old {n}", "labels": [], "address": address and dict(address)} for n, address in enumerate(addresses)
    ]
    return Records(contacts=tuple(ContactRecord(f"c{n}", one) for n, one in enumerate(fields)))


class Desk(World):
    """The world with a target that replaces addresses."""

    def __init__(self, sandbox: Sandbox, folder: Path, target: str = TARGET) -> None:
        path = folder / "replaces.yaml"
        path.write_text(target, "utf-8")
        super().__init__(sandbox, folder, str(path))

    def somebody_moves(self, number: int, **address: Any) -> None:
        contact = self.contact(number)
        moved = {**(contact.fields["address"] or {}), **address}
        fields = {**contact.fields, "address": moved}
        self.sandbox.put("contacts", replace(contact, fields=fields, version=contact.version + 1))

    def address(self, number: int) -> Any:
        return self.contact(number).fields["address"]

    async def pull(self, edits: Mapping[str, Mapping[str, str]]) -> Path:
        path = self.folder / "pulled.csv"
        made = await pull_records(
            self.options["target"], Settings.model_validate(self.options), path, Form.CSV, force=True, environ=KEYS
        )
        self.notices = made.notices
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row | edits.get(row["id"], {}) for row in rows)
        return path

    async def run_file(self, path: Path, **more: Any) -> Summary:
        settings = Settings.model_validate(self.options | more)
        with prepare(path, settings, environ=KEYS, new=True, clock=QuickClock()) as job:
            return await execute(job)


async def test_what_somebody_has_added_to_an_object_since_the_pull_is_kept_and_named(tmp_path: Path) -> None:
    async with Sandbox(records=contacts(HOME, HOME)) as sandbox:
        desk = Desk(sandbox, tmp_path)
        sheet = await desk.pull({f"c{n}": {"address.city": "Essen"} for n in range(2)})
        desk.somebody_moves(0, zip="99999")
        summary = await desk.run_file(sheet)
        assert outcomes(summary) == ["conflict", "updated"]
        assert lines(summary)[0]["_error"] == (
            "nothing was sent: address.zip is '99999' now, and would be lost: the API replaces address as a whole, and "
            "this row does not set it; pull the records again"
        )
        assert desk.address(0) == {**HOME, "zip": "99999"}
        assert desk.address(1) == {**HOME, "city": "Essen"}


async def test_a_plan_names_what_a_row_would_take_away(tmp_path: Path) -> None:
    async with Sandbox(records=contacts(HOME, HOME)) as sandbox:
        desk = Desk(sandbox, tmp_path)
        sheet = await desk.pull({f"c{n}": {"address.city": "Essen"} for n in range(2)})
        desk.somebody_moves(0, zip="99999")
        plan = await plan_file(sheet, Settings.model_validate(desk.options), environ=KEYS)
        assert [row.state.value for row in plan.changes()] == ["conflict", "change"]


async def test_an_undo_keeps_a_record_to_whose_object_somebody_has_added_something(tmp_path: Path) -> None:
    async with Sandbox(records=contacts(HOME, HOME)) as sandbox:
        desk = Desk(sandbox, tmp_path)
        first = await desk.run_file(await desk.pull({f"c{n}": {"address.city": "Essen"} for n in range(2)}))
        assert outcomes(first) == ["updated", "updated"]
        desk.somebody_moves(0, zip="99999")
        undone = await desk.undo(first)
        assert outcomes(undone) == ["conflict", "updated"]
        assert "address.zip is '99999' now, and would be lost" in lines(undone)[0]["_error"]
        assert (undone.undone["restored"], undone.undone["kept"], undone.undone["unknowable"]) == (1, 1, 0)
        assert desk.address(0) == {"street": "High Street 4", "city": "Essen", "zip": "99999"}
        assert outcomes(await desk.undo(first, force_rows=[("", 2, 2)])) == ["updated", "unchanged"]
        assert desk.address(0) == HOME


@pytest.mark.parametrize("target", [TARGET, GUARDED], ids=["plain", "versions"])
async def test_a_member_that_the_target_does_not_declare_is_not_taken_away_unless_it_is_empty(
    tmp_path: Path, target: str
) -> None:
    full = {**HOME, "zip": "1"}
    held = contacts({**full, "country": "DE", "geo": {"lat": 1}}, {**full, "country": None}, full)
    async with Sandbox(records=held, versions=True) as sandbox:
        desk = Desk(sandbox, tmp_path, target)
        header = ["id", "address.street", "address.city", "address.zip", "expected.name"]
        expected = ["Old 0", "Old 1", "Old 2"] if target == TARGET else ["", "", ""]
        rows = [[f"c{n}", "A", "B", "2", expected[n]] for n in range(3)]
        summary = await desk.run(header, *rows)
        assert outcomes(summary) == ["conflict", "updated", "updated"]
        assert lines(summary)[0]["_error"] == (
            "nothing was sent: address.country would be lost: the API replaces address as a whole, and replaces does "
            "not declare it (address.geo would be lost as well); declare it under fields, or send whole records "
            "(body.base)"
        )
        assert desk.address(0) == {**full, "country": "DE", "geo": {"lat": 1}}
        forced = await desk.run(header, *rows[:1], check_old="never")
        assert outcomes(forced) == ["updated"]
        assert desk.address(0) == {"street": "A", "city": "B", "zip": "2"}


@pytest.mark.parametrize("count", [1, 5], ids=["one by one", "by the list"])
async def test_a_run_that_compares_first_finds_what_the_target_does_not_declare(tmp_path: Path, count: int) -> None:
    async with Sandbox(records=contacts(*[{**HOME, "zip": "1", "country": "DE"}] * count)) as sandbox:
        desk = Desk(sandbox, tmp_path)
        source = tmp_path / "plain.csv"
        with source.open("w", newline="", encoding="utf-8") as file:
            rows = [[f"c{n}", "New", *HOME.values(), "2" if n == 0 else "1"] for n in range(count)]
            csv.writer(file).writerows([["id", "name", *(f"address.{one}" for one in (*HOME, "zip"))], *rows])
        plan = await plan_file(source, Settings.model_validate(desk.options), environ=KEYS)
        found = [row.state.value for row in plan.changes()]
        # The address of the others stays as it is, so it is not sent, and nothing of it is lost.
        assert found == ["conflict", *["change"] * (count - 1)]


MEMBERS = ["street", "city", "zip", "country", "note"]
ADDRESSES = st.none() | st.dictionaries(st.sampled_from(MEMBERS), st.sampled_from(["a", "b", None, ""]))


@pytest.mark.counted("nothing")
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(ADDRESSES, ADDRESSES), min_size=1, max_size=4),
    st.lists(st.sampled_from(["name", "street", "city", "zip"]), min_size=4, max_size=4),
    st.sampled_from([TARGET, GUARDED]),
)
def test_no_run_of_a_pulled_sheet_takes_away_what_its_row_does_not_name(
    states: list[tuple[dict[str, Any] | None, dict[str, Any] | None]], edited: list[str], target: str
) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with Sandbox(records=contacts(*(one for one, _ in states)), versions=True) as sandbox:
                desk = Desk(sandbox, Path(folder), target)
                fields = [one if one == "name" else f"address.{one}" for one in edited]
                sheet = await desk.pull({f"c{n}": {field: "new"} for n, field in enumerate(fields)})
                for number, (_, later) in enumerate(states):
                    if later is not None:
                        desk.somebody_moves(number, **later)
                before = [desk.address(number) for number in range(len(states))]
                summary = await desk.run_file(sheet)
                for number, outcome in enumerate(outcomes(summary)):
                    had = {name: value for name, value in (before[number] or {}).items() if value}
                    has = desk.address(number) or {}
                    if outcome == "updated":
                        had.pop(edited[number], None)
                        assert {name: has.get(name) for name in had} == had
                    else:
                        assert has == (before[number] or {})

    event_loop.run(story())
