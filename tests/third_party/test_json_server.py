"""json-server: PATCH and PUT of records that it keeps in a file, and lists with X-Total-Count and Link headers."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SEARCHED
from foreign_changes import COUNT, FIELDS, SEEDS, Api, record, tell
from real_servers import apply, ask, errors, free_port, outcomes, pull, running, settings_for

from batchupdate import Outcome
from batchupdate.errors import SafetyStop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.third_party("json-server")]

TARGET = """\
name: contacts
title: json-server's contacts
path: /contacts/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {max_length: 20}
  seats: {type: integer, nullable: true}
  address.city: {}
  address.zip: {}
  tags: {type: list}
read: {}
list:
  path: /contacts
  pagination: {style: page, parameter: _page, size_parameter: _limit, size: 50}
repeatable: true
"""
PATCH = TARGET + "body: {nested: replace}\n"
PUT = TARGET + "method: PUT\nbody: {base: read}\n"
IDS = ["a/b ?", "ü&ö=1", "100%", *(f"k{number}" for number in range(117))]

Records = dict[str, dict[str, Any]]


def of_first_page(pagination: str) -> str:
    """A declaration that asks for the first 50 records, and for the others as `pagination` says."""
    before, after = PATCH.split("list:\n")[0], PATCH.split("size: 50}\n")[1]
    return f"{before}list: {{path: '/contacts?_page=1&_limit=50', pagination: {pagination}}}\n{after}"


class JsonServer:
    """A running json-server, and the file that it keeps its records in."""

    def __init__(self, url: str, file: Path) -> None:
        self.url, self._file = url, file

    def records(self) -> Records:
        return {record["id"]: record for record in json.loads(self._file.read_text("utf-8"))["contacts"]}


def made() -> Records:
    address = {"city": "Ulm", "zip": "89073"}
    return {
        key: {"id": key, "name": f"Old {n}", "seats": n, "address": address, "tags": ["a"], "kept": {"by": "nobody"}}
        for n, key in enumerate(IDS)
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JsonServer]:
    file, port = tmp_path / "db.json", free_port()
    file.write_text(json.dumps({"contacts": list(made().values())}), "utf-8")
    program = shutil.which("json-server", path=SEARCHED)
    assert program
    with running([program, "--quiet", "--host", "127.0.0.1", "--port", str(port), file], port) as url:
        yield JsonServer(url, file)


@pytest.mark.parametrize("declared", [PATCH, PUT], ids=["patch", "put"])
async def test_the_file_of_the_server_is_what_the_outcomes_say(
    server: JsonServer, tmp_path: Path, declared: str
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": key, "name": f"New {n}", "seats": n + 1, "address": {"city": "Köln", "zip": str(n)}}
        for n, key in enumerate(IDS[:100])
    ]
    rows += [{"id": key, "name": "too long " * 9} for key in IDS[100:105]]
    rows += [{"id": key, "seats": "<null>", "tags": ["x, y", "z"]} for key in IDS[105:110]]
    rows += [{"id": f"nobody-{n}", "name": "New"} for n in range(10)]
    summary = await apply(rows, settings_for(tmp_path, declared, server.url))

    expected, became = made(), outcomes(summary)
    for row in rows:
        if became[row["id"]] == "updated":
            expected[row["id"]].update({field: None if value == "<null>" else value for field, value in row.items()})
    assert server.records() == expected
    assert summary.counts[Outcome.UPDATED] == 105
    assert summary.counts[Outcome.INVALID] == 5
    assert summary.counts[Outcome.FAILED] == 10
    assert errors(summary)["nobody-0"] == "404 there is no such record"


@pytest.mark.parametrize("declared", [PATCH, of_first_page("link")], ids=["page", "link"])
async def test_a_pulled_sheet_has_all_pages_and_a_run_of_it_sends_the_edited_rows_alone(
    server: JsonServer, tmp_path: Path, declared: str
) -> None:
    settings = settings_for(tmp_path, declared, server.url)
    sheet = tmp_path / "contacts.csv"
    pulled = await pull(sheet, settings)
    assert (pulled.records, pulled.pages) == (120, 3)

    with sheet.open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    assert {line["id"] for line in lines} == set(IDS)
    for line in lines[:3]:
        line["name"] = "Edited"
    with sheet.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    summary = await apply(sheet, settings)
    assert summary.counts[Outcome.UPDATED] == 3
    assert summary.counts[Outcome.UNCHANGED] == 117
    assert server.records() == {
        key: {**old, "name": "Edited"} if key in IDS[:3] else old for key, old in made().items()
    }


async def test_a_list_that_ends_before_its_total_is_no_sheet(server: JsonServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, of_first_page("none"), server.url)
    with pytest.raises(SafetyStop, match="ends after 50 records, but the API reports 120"):
        await pull(tmp_path / "contacts.csv", settings)
    assert not (tmp_path / "contacts.csv").exists()


async def test_a_patch_that_it_answers_with_200_and_ignores_is_found_when_it_is_read_back(
    server: JsonServer, tmp_path: Path
) -> None:
    ignored = TARGET + "body: {format: merge-patch}\n"  # a type of which it parses no bodies
    rows: list[dict[str, Any]] = [{"id": key, "name": "New"} for key in IDS[:3]]
    trusted = await apply(rows, settings_for(tmp_path, ignored, server.url))
    assert trusted.counts[Outcome.UPDATED] == 3
    summary = await apply(rows, settings_for(tmp_path, ignored, server.url, verify=True))
    assert server.records() == made()
    assert summary.counts[Outcome.FAILED] == 3
    assert errors(summary)[IDS[0]] == "the API answered 200, but the record still has name 'Old 0' (read back)"


@pytest.mark.parametrize("seed", SEEDS)
async def test_of_what_another_process_changes_only_that_in_the_window_before_a_change_is_overwritten(
    server: JsonServer, tmp_path: Path, seed: int
) -> None:
    ids = IDS[-COUNT:]
    for number, key in enumerate(ids):
        assert ask(f"{server.url}/contacts/{key}", "PUT", record(number)).status == 200
    target = PATCH[: PATCH.index("fields:")] + FIELDS + PATCH[PATCH.index("read:") :]
    api = Api(server.url, "/contacts", target, versioned=False)
    told, witness = await tell(tmp_path, api, ids, seed)
    assert told.wrong == []
    found = {
        key: {name: one[name] for name in ("name", "labels")} for key, one in server.records().items() if key in ids
    }
    assert found == witness.replayed({key: record(number) for number, key in enumerate(ids)})
    assert told.outcomes["run --plan"]["conflict"], "nobody was in the way"
    assert told.outcomes["run --plan"]["updated"]
