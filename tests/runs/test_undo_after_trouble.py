"""Undos of runs that did not go well, and undos that did not."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fakes import QuickClock
from guarded_contacts import KEYS, World, changes_get, foreign_after, reads_at_most, unguarded
from whole_runs import in_flight_when_killed, key_refused_after, lines, outcomes

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.run import Stop, compare, compare_first, execute, prepare, run_file
from batchupdate.runs.undo import find_to_undo
from batchupdate.sandbox import Faults, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


async def test_a_change_that_was_applied_in_spite_of_its_500_is_updated_after_a_stop_and_is_undone(
    tmp_path: Path,
) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        with changes_get(500, world, 1, applied=True), key_refused_after(sandbox, 1):
            stopped = await world.run_planned(["id", "name"], ["c1", "Mine"], ["c2", "Mine"])
        assert outcomes(stopped)[0] == "failed"
        resumed = await world.resume(stopped)
        assert outcomes(resumed) == ["updated", "updated"]
        assert "an earlier attempt may have been applied" in lines(resumed)[0]["_error"]
        assert [change.id for change in sandbox.applied] == ["c1", "c2"]
        await world.undo(resumed)
        assert world.contacts() == before


async def test_the_retry_of_a_row_that_got_a_500_and_was_applied_finds_that_and_can_be_undone(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        world.options["max_attempts"] = 1
        with changes_get(500, world, 1, applied=True):
            first = await world.run_planned(["id", "name"], ["c1", "Mine"])
        assert outcomes(first) == ["failed"]
        second = await world.retry(first)
        assert outcomes(second) == ["updated"]
        assert len(sandbox.applied) == 1
        await world.undo(second)
        assert world.contacts() == before


async def test_rows_that_failed_and_may_have_been_applied_are_undone_too(tmp_path: Path) -> None:
    async with Sandbox(versions=True, faults=Faults.in_order("ok", "500-after", "ok", "500")) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name"], ["c1", "Mine"], ["c2", "Mine"], ["c99", "Mine"], max_attempts=1)
        assert outcomes(first) == ["failed"] * 3
        undone = await world.undo(first)
        assert outcomes(undone) == ["updated", "unchanged"], "the third one was refused"
        assert world.contacts() == before


async def test_a_row_whose_read_back_was_denied_by_a_foreign_change_is_looked_at_by_the_undo(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        with foreign_after(world, "PATCH", 1):
            first = await world.run(["id", "name"], ["c1", "Mine"], ["c2", "Mine"], verify=True)
        assert outcomes(first) == ["failed", "updated"]
        kept = await world.undo(first)
        assert outcomes(kept) == ["conflict", "updated"]
        assert world.contact(1).fields["name"] == "Theirs"


@pytest.mark.parametrize("planned", [True, False])
async def test_what_somebody_has_changed_after_a_try_of_ours_is_kept_and_not_taken_for_the_old_value(
    tmp_path: Path, *, planned: bool
) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        name = world.contact(1).fields["name"]
        with changes_get(500, world, 1, applied=True), foreign_after(world, "PATCH", 1):
            first = await (world.run_planned if planned else world.run)(["id", "name"], ["c1", "Mine"])
        assert outcomes(first) != ["updated"]
        kept = await world.undo(first)
        assert outcomes(kept) == ["conflict"]
        error = lines(kept)[0]["_error"]
        assert "Theirs" in error
        assert (first.folder / "undo.csv").read_text("utf-8-sig").count(str(name)) == 1
        assert world.contact(1).fields["name"] == "Theirs"


async def test_a_change_between_the_read_and_the_restoring_is_kept_and_both_values_are_named(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        first = await world.run(["id", "name"], ["c1", "Mine"])
        with foreign_after(world, "GET", 1):
            kept = await world.undo(first)
        assert outcomes(kept) == ["conflict"]
        error = lines(kept)[0]["_error"]
        assert error.startswith("412 ")
        assert "Mine" in error
        assert "Theirs" in error
        assert world.contact(1).fields["name"] == "Theirs"


async def test_the_retry_of_an_undo_is_an_undo_and_keeps_what_somebody_has_changed_since(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name", "note"], *[[f"c{n}", "Mine", "hidden"] for n in (1, 2, 3)])
        world.options["max_attempts"] = 1
        with changes_get(422, world, 1, 2, 3, applied=False):
            undone = await world.undo(first)
        assert outcomes(undone) == ["failed"] * 3
        world.somebody_renames(2, "Theirs")
        again = await world.retry(undone)
        assert outcomes(again) == ["updated", "conflict", "updated"]
        assert (again.undo_of, again.retry_of) == (first.run_id, undone.run_id)
        assert again.to_json()["undo"]["not_restored"] == undone.to_json()["undo"]["not_restored"] != []
        expected = [record["name"] for record in before]
        expected[1] = "Theirs"
        assert [record["name"] for record in world.contacts()] == expected
        final = await world.undo(again)
        assert outcomes(final) == ["updated", "updated"], "the undo of that sets again what the run had set"
        assert [world.contact(n).fields["name"] for n in (1, 2, 3)] == ["Mine", "Theirs", "Mine"]


async def test_the_failed_csv_of_an_undo_restores_what_it_names_and_overwrites_nothing(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name", "labels"], ["c1", "Mine", "a"], ["c2", "Mine", "b"], ["c3", "Mine", ""])
        world.somebody_renames(1, "Theirs")
        with key_refused_after(sandbox, len(sandbox.applied) + 1):
            stopped = await world.undo(first)
        assert outcomes(stopped) == ["conflict", "updated", "failed"]
        failed = stopped.folder / "failed.csv"
        left = lines(stopped)
        assert left[2]["name"] == before[2]["name"]
        assert left[2]["expected.name"] == "Mine"
        settings_of_all = Settings.model_validate(world.options)
        with prepare(failed, settings_of_all, environ=KEYS, new=True, clock=QuickClock()) as job:
            again = await execute(job)
        assert outcomes(again) == ["conflict", "updated"]
        assert [world.contact(n).fields["name"] for n in (1, 2, 3)] == ["Theirs", before[1]["name"], before[2]["name"]]


async def test_the_rows_that_one_request_carried_have_its_old_values_in_the_reports_of_the_undo(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        merged = {"input": {"on_duplicate": "merge"}}
        first = await world.run(
            ["id", "name", "labels"], ["c1", "Mine", ""], ["c2", "x", ""], ["c1", "", "a"], **merged
        )
        undone = await world.undo(first)
        assert [line["name"] for line in lines(undone)] == [before[n]["name"] for n in (0, 1, 0)]
        assert world.contacts() == before


async def test_an_undo_sets_nothing_that_the_run_has_left_out_because_it_was_so_already(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        source = tmp_path / "in.csv"
        source.write_text(f"id,name,labels[0]\nc1,{before[0]['name']},elsewhere\n", encoding="utf-8")
        settings = Settings.model_validate(world.options | {"diff": "always"})
        first = await run_file(source, settings, environ=KEYS)
        assert "name" not in sandbox.applied[-1].fields
        await world.undo(first)
        assert "name" not in sandbox.applied[-1].fields
        assert world.contacts() == before


async def test_latest_is_not_undone_where_it_is_itself_an_undo(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name"], ["c1", "Mine"], ["c2", "Mine"], ["c3", "Mine"])
        with key_refused_after(sandbox, len(sandbox.applied) + 1):
            stopped = await world.undo(first)
        sent = len(sandbox.applied)
        with pytest.raises(ConfigError, match=r"is itself an undo, of .*, and has not ended") as error:
            find_to_undo(tmp_path / "runs", "latest")
        assert f"resume {tmp_path / 'runs' / stopped.run_id}" in str(error.value.hint)
        assert len(sandbox.applied) == sent
        resumed = await world.resume(stopped)
        assert world.contacts() == before
        with pytest.raises(ConfigError, match=r"is itself an undo, of [^,]*\.") as ended:
            find_to_undo(tmp_path / "runs", "latest")
        assert f"undo {tmp_path / 'runs' / resumed.run_id}" in str(ended.value.hint)


async def test_a_run_that_was_killed_while_it_compared_compares_all_its_rows_when_it_goes_on(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path, str(unguarded(tmp_path)))
        before = world.contacts()
        source = tmp_path / "in.csv"
        with source.open("w", newline="", encoding="utf-8") as file:
            names = [["c1", "Mine"], ["c2", before[1]["name"]], ["c3", "Mine"], ["c4", before[3]["name"]]]
            csv.writer(file).writerows([["id", "name"], *names])
        options = Settings.model_validate(world.options | {"diff": "always"})
        stop = Stop()
        with prepare(source, options, environ=KEYS, clock=QuickClock()) as job:
            with reads_at_most(sandbox, 2, stop):
                await compare(job, stop=stop)
            aside = tmp_path / "as it was killed"
            shutil.copytree(job.folder.path, aside)
            place = job.folder.path
        assert not place.exists()
        aside.rename(place)
        earlier = len(sandbox.requests)
        with prepare(source, options, environ=KEYS, clock=QuickClock()) as job:
            assert job.resumed
            summary = await execute(await compare_first(job))
        assert outcomes(summary) == ["updated", "unchanged", "updated", "unchanged"]
        asked = Counter(request.id for request in sandbox.requests[earlier:] if request.method == "GET")
        assert asked == {"c1": 1, "c2": 1, "c3": 1, "c4": 1}
        await world.undo(summary)
        assert world.contacts() == before


async def test_a_read_whose_body_is_garbage_is_repeated_so_that_the_old_value_is_known(tmp_path: Path) -> None:
    async with Sandbox(versions=True, faults=Faults.in_order("garbage-body")) as sandbox:
        world = World(sandbox, tmp_path)
        before = world.contacts()
        first = await world.run(["id", "name"], ["c1", "Mine"])
        assert outcomes(first) == ["updated"]
        assert [request.method for request in sandbox.requests] == ["GET", "GET", "PATCH"]
        await world.undo(first)
        assert world.contacts() == before
    async with Sandbox(versions=True, faults="garbage-body=1") as sandbox:
        world = World(sandbox, tmp_path)
        failed = await world.run(["id", "name"], ["c1", "Mine"], max_attempts=2)
        assert outcomes(failed) == ["failed"]
        assert "its change was not sent: the reply to the read is not JSON" in lines(failed)[0]["_error"]
        assert sandbox.applied == []


async def test_a_foreign_change_before_the_second_try_of_a_versioned_record_is_kept(tmp_path: Path) -> None:
    async with Sandbox(versions=True) as sandbox:
        world = World(sandbox, tmp_path)
        with changes_get(500, world, 1, applied=False), foreign_after(world, "PATCH", 1):
            first = await world.run(["id", "name", "labels"], ["c1", "Mine", "a"])
        assert outcomes(first) == ["unknown"]
        assert world.contact(1).fields["name"] == "Theirs"
        await world.undo(first)
        assert world.contact(1).fields["name"] == "Theirs"


async def test_a_foreign_change_before_the_second_try_is_the_old_value_where_no_version_guards_it(
    tmp_path: Path,
) -> None:
    async with Sandbox(versions=False) as sandbox:
        target = unguarded(tmp_path)
        target.write_text(target.read_text("utf-8").replace("nested: replace", "base: read"), "utf-8")
        world = World(sandbox, tmp_path, str(target))
        labels = world.contact(1).fields["labels"]
        with changes_get(500, world, 1, applied=False), foreign_after(world, "PATCH", 1):
            first = await world.run(["id", "name", "labels"], ["c1", "Mine", "a"])
        assert outcomes(first) == ["updated"]
        assert world.contact(1).fields["name"] == "Mine"
        await world.undo(first)
        assert (world.contact(1).fields["name"], world.contact(1).fields["labels"]) == ("Theirs", labels)


@pytest.mark.parametrize("way", ["resume", "retry"])
@pytest.mark.parametrize("versions", [True, False])
async def test_an_unknown_row_of_a_plan_is_looked_up_and_guarded_by_the_plan_when_it_is_sent_again(
    tmp_path: Path, versions: bool, way: str
) -> None:
    async with Sandbox(versions=versions) as sandbox:
        world = World(sandbox, tmp_path, "" if versions else str(unguarded(tmp_path)))
        as_planned = [world.contact(number) for number in (1, 2, 3, 4)]
        first = await world.run_planned(["id", "name"], *[[f"c{number}", "Mine"] for number in (1, 2, 3, 4)])
        in_flight_when_killed(first, [3, 4, 5])
        sandbox.put("contacts", as_planned[2])  # its request never arrived
        world.somebody_renames(3 + 1, "Theirs")
        sent = len(sandbox.applied)
        again = await (world.resume(first) if way == "resume" else world.retry(first))
        found = dict(zip((line["id"] for line in lines(again)), lines(again), strict=True))
        assert found["c2"]["_outcome"] == "updated", "it was applied, and that was seen"
        assert found["c3"]["_outcome"] == "updated"
        assert [change.id for change in sandbox.applied[sent:]] == ["c3"]
        assert found["c4"]["_outcome"] == "unknown"
        assert "may have been applied" in found["c4"]["_error"]
        assert world.contact(4).fields["name"] == "Theirs"
        once_more = await world.retry(again)
        assert outcomes(once_more) == ["unknown"]
        assert world.contact(4).fields["name"] == "Theirs"
