"""Runs are undone, over real sockets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from fakes import QuickClock
from guarded_contacts import IDS, KEYS, World
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_runs import in_flight_when_killed, key_refused_after, lines, outcomes

from batchupdate.errors import ConfigError
from batchupdate.run import execute, retry_job, undo_job
from batchupdate.runs.folder import RunFolder, all_runs
from batchupdate.runs.selection import Selection
from batchupdate.sandbox import Faults, Sandbox
from batchupdate.sandbox.records import ContactRecord, Records
from batchupdate.util import event_loop

pytestmark = pytest.mark.slow

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and not text.startswith(("<", "\\"))
)
CITY = st.none() | TEXTS
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "labels": st.lists(TEXTS, max_size=3),
            "address": st.fixed_dictionaries({"city": CITY, "zip": CITY}),
        }
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.counted("nothing")
@settings(max_examples=25, deadline=None)
@given(RECORDS, st.data())
def test_an_undo_gives_back_every_readable_field_and_the_undo_of_that_gives_the_state_of_the_run(
    records: list[dict[str, Any]], data: st.DataObject
) -> None:
    cell = st.one_of(st.just(""), TEXTS)
    rows = []
    for number in range(len(records)):
        address = data.draw(st.sampled_from([("", ""), ("Ulm", "1"), ("<null>", "2")]))
        labels = data.draw(st.sampled_from(["", "a", "b, c", "<empty>"]))
        rows.append([f"c{number}", data.draw(cell), labels, *address])

    async def story() -> None:
        contacts = tuple(ContactRecord(f"c{number}", fields) for number, fields in enumerate(records))
        with tempfile.TemporaryDirectory() as folder:
            async with Sandbox(records=Records(contacts=contacts), versions=True) as sandbox:
                world = World(sandbox, Path(folder))
                before = world.contacts()
                first = await world.run(["id", "name", "labels", "address.city", "address.zip"], *rows)
                after = world.contacts()
                if not any(line["_outcome"] == "updated" for line in lines(first)):
                    return
                undone = await world.undo(first)
                assert world.contacts() == before
                assert undone.exit_code == 0
                if any(line["_outcome"] == "updated" for line in lines(undone)):
                    await world.undo(undone)
                    assert world.contacts() == after

    event_loop.run(story())


async def test_what_somebody_has_changed_since_is_kept_and_both_values_are_named(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name"], ["c1", "Mine"], ["c2", "Mine"])
        world.somebody_renames(1, "Theirs")
        kept = await world.undo(first)
        assert outcomes(kept) == ["conflict", "updated"]
        error = lines(kept)[0]["_error"]
        assert '"Mine" after that run' in error or "'Mine' after that run" in error
        assert "Theirs" in error
        assert kept.undone == dict.fromkeys(kept.undone, 0) | {"restored": 1, "kept": 1}
        assert world.contact(1).fields["name"] == "Theirs"
        forced = await world.undo(first, force_rows=[("", 2, 2)])
        assert outcomes(forced) == ["updated", "unchanged"]
        assert world.contacts() == before
        await world.undo(forced)
        assert world.contact(1).fields["name"] == "Theirs"


async def test_a_run_that_read_nothing_can_t_be_undone_and_nothing_is_sent(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        for target, header, record_id in (
            ("langdock-integration", "name", IDS[0]),
            ("nairi-llm-integration", "Name", sandbox.records("nairi")[0].id),
        ):
            world = World(sandbox, tmp_path, target)
            first = await world.run(["id", header], [record_id, "New"], diff="never")
            assert outcomes(first) == ["updated"]
            sent = len(sandbox.applied)
            with pytest.raises(ConfigError, match=r"Nothing of the run .* can be restored") as error:
                await world.undo(first)
            if "nairi" in target:
                assert "has no request that reads these records" in error.value.message
            assert len(sandbox.applied) == sent
        assert len(list(all_runs(tmp_path / "runs"))) == 2


async def test_langdock_gets_name_and_description_back_and_is_said_to_keep_its_colour(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        world = World(sandbox, tmp_path, "langdock-integration")
        before = [world.langdock(number) for number in (0, 1)]
        header = ["id", "name", "description", "color"]
        first = await world.run_planned(header, [IDS[0], "New", "<null>", "#112233"], [IDS[1], "", "", "#112233"])
        assert outcomes(first) == ["updated"] * 2
        undone = await world.undo(first)
        now = world.langdock(0)
        assert (now.name, now.description) == (before[0].name, before[0].description)
        assert now.color == "#112233"
        assert outcomes(undone) == ["updated", "invalid"]
        assert lines(undone)[1]["_error"].startswith("can't be restored: color: the API does not return this field")
        assert undone.exit_code == 1
        assert undone.to_json()["undo"]["not_restored"] == [
            {"field": "color", "reason": "the API does not return this field", "rows": 2}
        ]
        assert undone.to_json()["undo_of"] == first.run_id


async def test_a_row_of_which_one_field_is_lost_ends_with_exit_code_1(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        first = await world.run(["id", "name", "note"], ["c1", "Mine", "hidden"])
        undone = await world.undo(first)
        assert outcomes(undone) == ["updated"]
        assert undone.exit_code == 1
        assert world.contact(1).note == "hidden"


async def test_of_half_a_run_only_what_was_sent_is_undone(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        with key_refused_after(sandbox, 2):
            half = await world.run(["id", "name"], *[[f"c{number}", "Mine"] for number in range(1, 6)])
        assert half.left
        sent = len(sandbox.applied)
        with undo_job(RunFolder(half.folder), world.kept, environ=KEYS) as job:
            assert any("is unfinished" in notice for notice in job.checkup.notices)
            undone = await execute(job)
        assert outcomes(undone) == ["updated"] * 2
        assert len(sandbox.applied) == sent + 2
        assert world.contacts() == before


async def test_an_undo_that_is_killed_is_resumed_or_given_again(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name"], *[[f"c{number}", "Mine"] for number in range(1, 6)])
        after = world.contacts()
        with key_refused_after(sandbox, len(sandbox.applied) + 3):
            stopped = await world.undo(first)
        in_flight_when_killed(stopped, [4])
        resumed = await world.resume(stopped)
        assert world.contacts() == before
        assert set(outcomes(resumed)) <= {"updated", "unchanged"}
        await world.undo(resumed)
        assert world.contacts() == [before[0], *after[1:]] or world.contacts() == after
        with key_refused_after(sandbox, len(sandbox.applied) + 3):
            await world.undo(first)
        await world.undo(first)
        assert world.contacts() == before


async def test_a_row_that_was_sent_again_keeps_what_was_read_before_its_first_try(tmp_path: Path) -> None:
    async with Sandbox(versions=True, faults=Faults.in_order("ok", "reset-after")) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name"], ["c1", "Mine"], max_attempts=1)
        assert outcomes(first) == ["unknown"]
        with retry_job(RunFolder(first.folder), Selection(), world.kept, environ=KEYS, clock=QuickClock()) as job:
            second = await execute(job)
        world.somebody_renames(1, "Mine")
        if outcomes(second) == ["updated"]:
            await world.undo(second)
            assert world.contacts() == before
