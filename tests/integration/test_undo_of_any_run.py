"""Undone runs of all kinds, on real sockets: an API whose replies hold the record before the change, and others."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from fakes import QuickClock
from real_servers import listening
from whole_runs import lines, outcomes

from batchupdate.config import Settings, load_settings
from batchupdate.errors import ConfigError
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form
from batchupdate.run import compare_first, execute, prepare, undo_job
from batchupdate.runs.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow

BASE = """\
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {nullable: true}, city: {nullable: true}, seats: {type: integer, nullable: true}, note: {}}
repeatable: true
rate: unlimited
"""
READ, LIST, BEFORE = "read: {}\n", "list: {path: /things}\n", "before: old\n"
PUT = "method: PUT\nbody: {base: read, omit: [id]}\n"


class Things:
    """An API that replies to a change with the record before and after it; a PUT replaces the whole record.

    It takes a `note` and shows it nowhere.
    """

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {
            f"k{n}": {"name": f"Old {n}", "city": "Ulm", "seats": 12345678901234567890} for n in range(6)
        }
        self.statuses: dict[str, list[int]] = {}
        """By id, what a change is answered with first; one below 0 is answered after the change was made."""
        self.notes: dict[str, str] = {}
        self.changes = 0
        self.url = ""

    def state(self) -> dict[str, dict[str, Any]]:
        return {key: dict(record) for key, record in self.records.items()}

    async def all(self, _request: web.Request) -> web.Response:
        return web.json_response([{"id": key, **record} for key, record in self.records.items()])

    async def one(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        if request.method == "GET":
            return web.json_response({"id": key, **self.records[key]})
        status = queue.pop(0) if (queue := self.statuses.get(key)) else 200
        if status >= 400:
            return web.json_response({"error": "sorry"}, status=status)
        self.changes += 1
        old, body = self.records[key], await request.json()
        self.notes |= {key: body.pop("note")} if "note" in body else {}
        self.records[key] = body if request.method == "PUT" else {**old, **body}
        return web.json_response({"old": old, "new": self.records[key]}, status=abs(status))


@pytest.fixture
async def things() -> AsyncIterator[Things]:
    made, app = Things(), web.Application()
    one = "/things/{id}"
    app.add_routes([web.get("/things", made.all), web.get(one, made.one), web.patch(one, made.one)])
    app.add_routes([web.put(one, made.one)])
    async with listening(app) as made.url:
        yield made


class Desk:
    """A folder, a target, and files that are run and undone."""

    def __init__(self, things: Things, folder: Path, target: str) -> None:
        self.things, self.folder, self.target = things, folder, folder / "t.yaml"
        self.target.write_text(target, "utf-8")

    def settings(self, **more: Any) -> Settings:
        options = {"target": str(self.target), "base_url": self.things.url, "runs_dir": self.folder / "runs"}
        return Settings.model_validate({**options, "diff": "never", "concurrency": 1, **more})

    def kept(self, kept: Mapping[str, Any]) -> Settings:
        return load_settings({"runs_dir": self.folder / "runs"}, environ={}, kept=kept)

    def file(self, header: Sequence[str], *rows: Sequence[str], name: str = "in.csv") -> Path:
        with (self.folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return self.folder / name

    async def run(self, *sources: Path, **more: Any) -> Summary:
        with prepare(sources, self.settings(**more), environ={}, new=True, clock=QuickClock()) as job:
            return await execute(job)

    async def undo(self, summary: Summary, **more: Any) -> Summary:
        with undo_job(RunFolder(summary.folder), self.kept, environ={}, clock=QuickClock(), **more) as job:
            return await execute(job)


def errors(summary: Summary) -> list[str]:
    return [line["_error"] for line in lines(summary)]


def failed(summary: Summary) -> list[dict[str, str]]:
    with (summary.folder / "failed.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


# ---- replies that hold the record before the change ----


async def test_a_reply_that_holds_the_record_before_the_change_is_enough_to_undo_it(
    things: Things, tmp_path: Path
) -> None:
    desk, before = Desk(things, tmp_path, BASE + READ + BEFORE), things.state()
    del things.records["k2"]["city"]
    first = await desk.run(
        desk.file(
            ["id", "name", "city", "seats"], ["k0", "New", "", "7"], ["k1", "Mine", "", ""], ["k2", "", "Bonn", ""]
        )
    )
    assert outcomes(first) == ["updated"] * 3
    things.records["k1"]["name"] = "Theirs"
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated", "conflict", "updated"]
    assert things.records["k0"] == before["k0"], "every digit of the number, too"
    assert things.records["k1"]["name"] == "Theirs"
    assert things.records["k2"]["city"] is None


async def test_such_a_reply_may_hold_fields_that_a_read_does_not(things: Things, tmp_path: Path) -> None:
    desk, before = Desk(things, tmp_path, BASE + "read: {absent: [city, note]}\n" + BEFORE), things.state()
    first = await desk.run(desk.file(["id", "city", "note"], ["k0", "Bonn", "x"]))
    undone = await desk.undo(first)
    assert things.state() == before
    assert undone.to_json()["undo"]["not_restored"][0]["field"] == "note", "neither shows it: it is not cleared"
    assert things.notes["k0"] == "x"


async def test_without_a_read_such_an_undo_needs_force(things: Things, tmp_path: Path) -> None:
    desk, before = Desk(things, tmp_path, BASE + BEFORE), things.state()
    first = await desk.run(desk.file(["id", "name"], ["k0", "New"]))
    with pytest.raises(ConfigError, match="does not declare how one record is read") as refused:
        await desk.undo(first)
    assert "--force" in refused.value.hint
    await desk.undo(first, force=True)
    assert things.state() == before


async def test_a_reply_after_a_refused_try_counts_and_one_after_a_try_that_may_have_been_applied_does_not(
    things: Things, tmp_path: Path
) -> None:
    desk = Desk(things, tmp_path, BASE + READ + BEFORE)
    things.statuses = {"k0": [429], "k1": [-503]}
    first = await desk.run(desk.file(["id", "name"], ["k0", "New"], ["k1", "New"]))
    assert outcomes(first) == ["updated"] * 2
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated", "invalid"]
    assert "the reply to its change did not show what it was" in errors(undone)[1]
    assert (things.records["k0"]["name"], things.records["k1"]["name"]) == ("Old 0", "New")


async def test_a_reply_without_that_record_is_a_success_of_which_nothing_is_known(
    things: Things, tmp_path: Path
) -> None:
    desk = Desk(things, tmp_path, BASE + READ + "before: was\n")
    first = await desk.run(desk.file(["id", "name"], ["k0", "New"]))
    assert outcomes(first) == ["updated"]
    with pytest.raises(ConfigError, match="the reply to its change did not show what it was"):
        await desk.undo(first)


# ---- what the reports of an undo say ----


async def test_a_row_that_is_restored_in_part_names_the_fields_that_are_not(things: Things, tmp_path: Path) -> None:
    desk = Desk(things, tmp_path, BASE + "read: {absent: [note]}\n" + BEFORE)
    first = await desk.run(desk.file(["id", "name", "note"], ["k0", "New", "x"], ["k1", "New", ""]))
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated", "updated"]
    assert errors(undone) == ["not restored: note: the API does not return this field", ""]
    assert undone.results()["_error"].tolist() == errors(undone)
    assert (undone.exit_code, failed(undone)) == (1, [])
    again = await desk.undo(first)
    assert outcomes(again) == ["unchanged", "unchanged"]
    assert errors(again)[0].endswith("; not restored: note: the API does not return this field")


async def test_failed_csv_of_an_undo_restores_what_was_not_restored_and_never_does_again_what_was_undone(
    things: Things, tmp_path: Path
) -> None:
    desk, before = Desk(things, tmp_path, BASE + READ + BEFORE), things.state()
    rows = [[f"k{n}", "@New" if n else "New", ["", "Bonn", "<null>", "Ulm"][n]] for n in range(4)]
    first = await desk.run(
        desk.file(["Nr", "Neu", "Ort"], *rows), input={"columns": {"Nr": "id", "Neu": "name", "Ort": "city"}}
    )
    assert outcomes(first) == ["updated"] * 4
    things.records["k1"]["name"] = "Theirs"
    things.statuses = {"k2": [400], "k3": [400]}
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated", "conflict", "failed", "failed"]
    left = failed(undone)
    assert [row["_row"] for row in left] == ["3", "4", "5"]
    assert [(row["name"], row["city"], row["expected.name"]) for row in left] == [
        (f"Old {n}", "Ulm", "'@New") for n in (1, 2, 3)
    ]
    things.statuses = {}
    rest = await desk.run(undone.folder / "failed.csv")
    assert outcomes(rest) == ["conflict", "updated", "updated"]
    assert things.records["k1"] == {**before["k1"], "name": "Theirs", "city": "Bonn"}
    assert {key: record for key, record in things.state().items() if key != "k1"} == {
        key: record for key, record in before.items() if key != "k1"
    }


async def test_an_old_value_that_nobody_knows_can_be_typed_into_failed_csv(things: Things, tmp_path: Path) -> None:
    desk = Desk(things, tmp_path, BASE + "read: {absent: [note]}\n" + BEFORE)
    first = await desk.run(desk.file(["id", "name", "note"], ["k0", "New", ""], ["k1", "", "x"]))
    undone = await desk.undo(first)
    (row,) = failed(undone)
    assert (row["id"], row["name"], row["note"], row["_outcome"]) == ("k1", "", "", "invalid")
    done = await desk.run(desk.file(list(row), list({**row, "note": "was"}.values())))
    assert outcomes(done) == ["updated"]
    assert things.notes["k1"] == "was"


# ---- runs of all kinds ----


async def test_force_restores_every_record_whoever_has_changed_it(things: Things, tmp_path: Path) -> None:
    desk, before = Desk(things, tmp_path, BASE + READ + BEFORE), things.state()
    first = await desk.run(desk.file(["id", "name"], *[[f"k{n}", "New"] for n in range(3)]))
    things.records["k0"]["name"] = things.records["k2"]["name"] = "Theirs"
    assert outcomes(await desk.undo(first)) == ["conflict", "updated", "conflict"]
    forced = await desk.undo(first, force=True)
    assert outcomes(forced) == ["updated", "unchanged", "updated"]
    assert things.state() == before


async def test_a_target_that_has_only_a_list_shows_old_values_and_is_undone_with_force_alone(
    things: Things, tmp_path: Path
) -> None:
    desk, before = Desk(things, tmp_path, BASE + LIST), things.state()
    source = desk.file(["id", "name"], ["k0", "New"], ["k1", "New"])
    with prepare(source, desk.settings(diff="always"), environ={}, clock=QuickClock()) as job:
        first = await execute(await compare_first(job))
    assert outcomes(first) == ["updated"] * 2
    changes = things.changes
    with pytest.raises(ConfigError, match="so undo can't see whether somebody else has changed it since"):
        await desk.undo(first)
    assert things.changes == changes
    assert outcomes(await desk.undo(first, force=True)) == ["updated"] * 2
    assert things.state() == before


async def test_the_run_of_a_pulled_sheet_is_undone_by_its_old_columns(things: Things, tmp_path: Path) -> None:
    desk = Desk(things, tmp_path, BASE + READ + LIST)
    things.records["k3"]["city"] = None
    things.records["k4"]["city"] = ""
    before, sheet = things.state(), tmp_path / "things.csv"
    await pull_records(str(desk.target), desk.settings(), sheet, Form.CSV, environ={})
    with sheet.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["city"] = "Bonn"
    rows[0]["seats"] = "1"
    source = desk.file(list(rows[0]), *[list(row.values()) for row in rows], name="edited.csv")
    first = await desk.run(source, check_old="never")
    assert outcomes(first) == ["updated"] * 6
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated"] * 6
    assert things.state() == before


async def test_of_several_files_the_rows_to_force_are_named_with_their_file(things: Things, tmp_path: Path) -> None:
    desk, before = Desk(things, tmp_path, BASE + READ + BEFORE), things.state()
    first = await desk.run(
        desk.file(["id", "name"], ["k0", "New"], ["k1", "New"], name="a.csv"),
        desk.file(["id", "name"], ["k2", "New"], ["k3", "New"], name="b.csv"),
    )
    things.records["k0"]["name"] = things.records["k2"]["name"] = "Theirs"
    undone = await desk.undo(first, force_rows=[("b.csv", 2, 2)])
    assert outcomes(undone) == ["conflict", "updated", "updated", "updated"]
    assert [(row["_file"], row["_row"], row["name"]) for row in failed(undone)] == [("a.csv", "2", "Old 0")]
    forced = await desk.undo(first, force_rows=[("a.csv", 2, 2)])
    assert outcomes(forced) == ["updated", "unchanged", "unchanged", "unchanged"]
    assert things.state() == before


async def test_rows_that_were_merged_are_restored_together(things: Things, tmp_path: Path) -> None:
    desk, before = Desk(things, tmp_path, BASE + READ + BEFORE), things.state()
    source = desk.file(["id", "name", "city"], ["k0", "New", ""], ["k1", "New", ""], ["k0", "", "Bonn"])
    first = await desk.run(source, input={"on_duplicate": "merge"})
    assert outcomes(first) == ["updated"] * 3
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated"] * 3
    assert things.state() == before
    await desk.undo(undone)
    things.records["k0"]["name"] = "Theirs"
    kept = await desk.undo(first)
    assert outcomes(kept) == ["conflict", "updated", "conflict"]
    assert [(row["id"], row["name"], row["city"]) for row in failed(kept)] == [("k0", "Old 0", "Ulm")] * 2


async def test_a_put_of_the_whole_record_gives_the_old_values_back_and_keeps_what_else_has_changed(
    things: Things, tmp_path: Path
) -> None:
    desk, before = Desk(things, tmp_path, BASE + READ + PUT), things.state()
    first = await desk.run(desk.file(["id", "name", "city"], ["k0", "New", "<null>"], ["k1", "New", ""]))
    assert outcomes(first) == ["updated"] * 2
    things.records["k0"]["seats"] = 5
    undone = await desk.undo(first)
    assert outcomes(undone) == ["updated"] * 2
    assert things.state() == {**before, "k0": {**before["k0"], "seats": 5}}
