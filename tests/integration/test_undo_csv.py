"""`undo.csv`, run over real sockets: it gives records back what they had, to the character."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import openpyxl
import pytest
from aiohttp import web
from fakes import QuickClock
from hypothesis import example, given, settings
from hypothesis import strategies as st
from real_servers import listening
from whole_runs import lines, outcomes

from batchupdate.config import Settings
from batchupdate.run import execute, prepare
from batchupdate.spreadsheet.error_values import is_error_value
from batchupdate.util import event_loop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.reporter import Summary

pytestmark = pytest.mark.slow

TARGET = """\
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields: {name: {nullable: true}, city: {nullable: true}}
read: {}
before: old
repeatable: true
rate: unlimited
"""
Records = dict[str, dict[str, Any]]


class Desk:
    """Some records behind an API, and files that are run."""

    def __init__(self, records: Records, folder: Path, url: str, target: str = TARGET) -> None:
        self.records, self.folder = records, folder
        (folder / "t.yaml").write_text(target, "utf-8")
        self.options: dict[str, Any] = {"target": str(folder / "t.yaml"), "base_url": url, "runs_dir": folder / "runs"}

    async def run(self, source: Path, **more: Any) -> Summary:
        chosen = Settings.model_validate({**self.options, "diff": "never", "concurrency": 1, **more})
        with prepare(source, chosen, environ={}, new=True, clock=QuickClock()) as job:
            return await execute(job)

    async def set(self, changes: Mapping[str, Mapping[str, Any]]) -> Summary:
        source = self.folder / "in.jsonl"
        source.write_text("\n".join(json.dumps({"id": key, **fields}) for key, fields in changes.items()), "utf-8")
        return await self.run(source, input={"strictness": "lenient"})


def an_api(records: Records) -> web.Application:
    async def one(request: web.Request) -> web.Response:
        record = records.get(unquote(request.rel_url.raw_path.removeprefix("/things/")))
        if record is None:
            return web.json_response({"error": "not found"}, status=404)
        old = dict(record)
        if request.method == "PATCH":
            record |= await request.json()
        return web.json_response({**record, "old": old})

    app = web.Application()
    app.router.add_route("*", "/things/{id:.*}", one)
    return app


def copy(records: Records) -> Records:
    return {key: dict(record) for key, record in records.items()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


ODD = ["=1+1", "+49 30 1234", "-5", "@x", "'", "''=1", "'007", "007", "1e5", "12345678901234567890", "x;=1", "a\t'-b",
       "l1\n=l2", "l1\r\nl2", "<null>", "<empty>", "<absent>", "", " ", " x", "x\u00a0", "#N/A", "name", "Total",
       "true", "1/2", "\u200b", "\0", "MÃ¼ller", "\x01"]  # fmt: skip
TEXTS = st.sampled_from(ODD) | st.text(st.sampled_from("'=+-@;\t\n\r 07e.,<>ä\ufeff"), max_size=6) | st.text(max_size=6)
IDS = st.sampled_from(
    ["007", "1e5", "-5", "+x", "=1", "'5", "''", "1/2", "12345678901234567890", "a b", "ä"]
) | st.text(st.sampled_from("'=+-@07e.,ä"), min_size=1, max_size=6).filter(lambda text: text.strip(".") != "")
SET = TEXTS.filter(lambda text: "\0" not in text)  # no input can hold it
OLD = st.fixed_dictionaries({"name": st.none() | TEXTS, "city": st.none() | TEXTS})
NEW = st.fixed_dictionaries({"name": st.none() | SET, "city": st.none() | SET})


def can_be_a_cell(value: str | None) -> bool:
    if value is None or value == "":
        return True
    held = value not in {"<null>", "<empty>", "<absent>"} and not value.isspace() and "\0" not in value
    return held and not is_error_value(value)


@pytest.mark.counted("nothing")
@settings(max_examples=12, deadline=None)
@example({"007": ({"name": "=1+1", "city": "'"}, {"name": "+49 30 1234", "city": "''=1"})})
@given(st.dictionaries(IDS, st.tuples(OLD, NEW), min_size=1, max_size=5))
def test_undo_csv_gives_back_what_there_was_to_the_character_whatever_texts_and_ids_there_are(
    states: dict[str, tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    async def story() -> None:
        records = {key: dict(old) for key, (old, _) in states.items()}
        with tempfile.TemporaryDirectory() as folder:
            async with listening(an_api(records)) as url:
                desk = Desk(records, Path(folder), url)
                first = await desk.set({key: new for key, (_, new) in states.items()})
                after = copy(records)
                if not (first.folder / "undo.csv").exists():
                    return
                second = await desk.run(first.folder / "undo.csv")
                assert {*outcomes(second)} <= {"updated", "unchanged", "invalid"}
                for key, (old, _) in states.items():
                    for name, value in records[key].items():
                        assert value in (old[name], after[key][name]), "neither what it was nor what the run had set"
                    both = (*old.values(), *after[key].values())
                    if all(map(can_be_a_cell, both)):
                        assert records[key] == old

    event_loop.run(story())


async def test_it_holds_where_a_spreadsheet_program_has_saved_it_and_leaves_alone_what_somebody_has_changed(
    tmp_path: Path,
) -> None:
    before = {"007": {"name": "=1+1", "city": "-5"}, "1e5": {"name": "1e5", "city": "x"}}
    records = copy(before)
    async with listening(an_api(records)) as url:
        desk = Desk(records, tmp_path, url)
        first = await desk.set({key: {"name": "+49 30 1234", "city": "B"} for key in records})
        after = copy(records)
        with (first.folder / "undo.csv").open(newline="", encoding="utf-8-sig") as file:
            cells = list(csv.reader(file))
        with (tmp_path / "semicolons.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=";").writerows(cells)
        book = openpyxl.Workbook()
        for line in cells:
            book.active.append(line)  # type: ignore[union-attr] # a new workbook has an active sheet
        book.save(tmp_path / "saved.xlsx")
        for name in ("semicolons.csv", "saved.xlsx"):
            for key, record in after.items():
                records[key].update(record)
            assert outcomes(await desk.run(tmp_path / name)) == ["updated", "updated"]
            assert records == before
        for key, record in after.items():
            records[key].update(record)
        records["007"]["name"] = "+49 30 9999"
        kept = await desk.run(first.folder / "undo.csv")
        assert outcomes(kept) == ["conflict", "updated"]
        records["007"]["name"] = "+49 30 1234"
        again = await desk.run(kept.folder / "failed.csv")
        assert outcomes(again) == ["updated"]
        assert records == before


async def test_what_the_config_says_of_the_input_changes_nothing_of_it(tmp_path: Path) -> None:
    before = {"k1": {"name": "old <b>", "city": "NULL"}}
    records = copy(before)
    said = {
        "null_marker": "NULL",
        "decimal": ",",
        "columns": {"Title": {"field": "name", "transforms": ["upper"]}, "name": {"field": "city"}},
        "when": {"Title": "Old"},
    }
    async with listening(an_api(records)) as url:
        desk = Desk(records, tmp_path, url)
        source = tmp_path / "in.csv"
        source.write_text("id,Title,name\nk1,Old,Bonn\n", "utf-8")
        first = await desk.run(source, input=said)
        assert records == {"k1": {"name": "OLD", "city": "Bonn"}}
        assert outcomes(await desk.run(first.folder / "undo.csv", input=said)) == ["updated"]
        assert records == before


async def test_a_file_of_the_users_own_keeps_its_apostrophes_beside_expectations(tmp_path: Path) -> None:
    records: Records = {"k1": {"name": "'-old", "city": "x"}}
    async with listening(an_api(records)) as url:
        desk = Desk(records, tmp_path, url)
        source = tmp_path / "in.csv"
        source.write_text("\ufeffid,name,expected.name\nk1,'+49 30,'-old\n", "utf-8")
        assert outcomes(await desk.run(source)) == ["updated"]
        assert records["k1"]["name"] == "'+49 30"


async def test_where_the_value_that_was_set_can_not_be_expected_the_old_one_is_left_out(tmp_path: Path) -> None:
    records: Records = {"k1": {"name": "old", "city": "old"}}
    async with listening(an_api(records)) as url:
        desk = Desk(records, tmp_path, url)
        source = tmp_path / "in.csv"
        source.write_text("id,name,city\nk1,<null>,new\n", "utf-8")
        first = await desk.run(source, input={"null_marker": "NULL"})
        assert records["k1"]["name"] == "<null>"
        (row,) = rows_of(first.folder / "undo.csv")
        assert (row["name"], row["city"], row["_undo_of"]) == ("", "old", first.run_id)
        second = await desk.run(first.folder / "undo.csv")
        assert lines(second)[0]["_outcome"] == "updated"
        assert records["k1"] == {"name": "<null>", "city": "old"}
