"""Datasette: the gallery's targets against its write API, with a signed token and ids of any characters."""

from __future__ import annotations

import json
import sqlite3
import string
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from real_servers import apply, errors, free_port, outcomes, pull, running, settings_for

from batchupdate import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batchupdate import Settings

pytestmark = [pytest.mark.slow, pytest.mark.third_party("datasette")]

SECRET = "of-no-account"
MAY = {name: {"id": "ann"} for name in ("insert-row", "update-row", "delete-row")}
ODD = [
    "a/b c",
    "a.b~c",
    "ü%2F",
    "100%",
    "a,b",
    "-x",
    "..",
    "?q=1#f",
    "1+1",
    "日本",
    "~2F",
    "it's",
    '"',
    "a\\b",
    "0",
    "_",
]
PAGE = 40


class Datasette:
    """A running Datasette with the database `data`, and that database itself."""

    def __init__(self, url: str, token: str, file: Path) -> None:
        self.url, self.token, self.file = url, token, file

    def make_table(self, name: str, ids: Iterable[str]) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute(f"DROP TABLE IF EXISTS {name}")
            database.execute(f"CREATE TABLE {name} (id TEXT PRIMARY KEY, name TEXT NOT NULL, notes INTEGER) STRICT")
            values = ((key, f"Old {number}", number) for number, key in enumerate(ids))
            database.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", values)  # noqa: S608 - our own name

    def rows(self, table: str) -> dict[str, tuple[Any, ...]]:
        """The other columns of each row, by its id."""
        with closing(sqlite3.connect(self.file)) as database:
            return {key: tuple(row) for key, *row in database.execute(f"SELECT * FROM {table}")}  # noqa: S608

    def environ(self, table: str) -> dict[str, str]:
        return {"DATASETTE_TOKEN": self.token, "DATASETTE_DATABASE": "data", "DATASETTE_TABLE": table}

    def settings(self, folder: Path, target: str = "datasette-row", **more: Any) -> Settings:
        return settings_for(folder, target, self.url, **more)


@pytest.fixture(scope="module")
def datasette(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datasette]:
    folder, port, program = tmp_path_factory.mktemp("datasette"), free_port(), [sys.executable, "-m", "datasette"]
    database, config = folder / "data.db", folder / "datasette.json"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    config.write_text(json.dumps({"permissions": MAY, "settings": {"max_returned_rows": PAGE}}), "utf-8")
    signing = [*program, "create-token", "ann", "--secret", SECRET]
    token = subprocess.run(signing, capture_output=True, text=True, check=True).stdout.strip()
    with running([*program, "serve", database, "-c", config, "--secret", SECRET, "-p", str(port)], port) as url:
        yield Datasette(url, token, database)


async def test_rows_are_updated_and_what_the_database_refuses_is_failed_with_its_reason(
    datasette: Datasette, tmp_path: Path
) -> None:
    ids = [*ODD, *(f"k{n}" for n in range(40))]
    datasette.make_table("contacts", ids)
    rows: list[dict[str, Any]] = [{"pk": key, "name": f"New {key}"} for key in ids[:50]]
    rows += [{"pk": "k35", "name": "New", "notes": "twelve"}, {"pk": "k36", "name": "<null>"}]
    rows += [{"pk": "no/such", "name": "New"}]
    summary = await apply(rows, datasette.settings(tmp_path), datasette.environ("contacts"))

    expected = {key: (f"New {key}" if n < 50 else f"Old {n}", n) for n, key in enumerate(ids)}
    assert datasette.rows("contacts") == expected
    assert summary.counts[Outcome.UPDATED] == 50
    assert summary.counts[Outcome.FAILED] == 3
    said = errors(summary)
    assert said["k35"].endswith("cannot store TEXT value in INTEGER column contacts.notes")
    assert said["k36"].endswith("NOT NULL constraint failed: contacts.name")
    assert said["no/such"] == "404 there is no such record: Record not found: ['no/such']"


@settings(max_examples=5, phases=[Phase.generate])  # shrinking would repeat the run many times
@given(ids=st.lists(st.text(string.printable[:94] + "éłω日😀", min_size=1, max_size=9), min_size=9, unique=True))
async def test_an_id_of_any_characters_reaches_its_own_row(
    datasette: Datasette, tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    datasette.make_table("anything", ids)
    rows = [{"pk": key, "name": f"New {number}"} for number, key in enumerate(ids)]
    folder = tmp_path_factory.mktemp("run")
    summary = await apply(rows, datasette.settings(folder), datasette.environ("anything"))
    became = outcomes(summary)
    assert set(became.values()) <= {"updated", "invalid"}, errors(summary)  # formulas and 1e100 are no ids in a sheet
    named = {"updated": "New", "invalid": "Old"}
    assert datasette.rows("anything") == {key: (f"{named[became[key]]} {n}", n) for n, key in enumerate(ids)}


async def test_many_rows_in_one_request_end_as_each_would_alone(datasette: Datasette, tmp_path: Path) -> None:
    ids = [*ODD, *(f"k{n}" for n in range(284))]
    datasette.make_table("many", ids)
    rows: list[dict[str, Any]] = [
        {"pk": key, "name": f"New {n}", **({"notes": n + 1000} if n % 3 else {})} for n, key in enumerate(ids)
    ]
    rows[57]["notes"], rows[199]["name"] = "fifty-seven", "<null>"
    rows.append({"pk": "new/1", "name": "Made"})
    settings = datasette.settings(tmp_path, "datasette-upsert", concurrency=4)
    summary = await apply(rows, settings, datasette.environ("many"))

    expected = {
        key: (f"New {n}", n + 1000 if n % 3 else n) for n, key in enumerate(ids)
    }  # a blank cell leaves its column
    refused = {ids[57]: ("Old 57", 57), ids[199]: ("Old 199", 199)}
    assert datasette.rows("many") == {**expected, **refused, "new/1": ("Made", None)}
    assert {key for key, became in outcomes(summary).items() if became == "failed"} == {*refused}
    said = errors(summary)
    assert said[ids[57]].endswith("cannot store TEXT value in INTEGER column many.notes")
    assert said[ids[199]].endswith("NOT NULL constraint failed: many.name")
    assert summary.counts[Outcome.UPDATED] == 299
    assert summary.sessions.traffic.sent < 60


async def test_all_pages_of_a_table_are_pulled(datasette: Datasette, tmp_path: Path) -> None:
    ids = [*(f"{key}{n}" for key in ODD for n in range(9)), *ODD]
    datasette.make_table("pages", ids)
    sheet = tmp_path / "now.jsonl"
    pulled = await pull(sheet, datasette.settings(tmp_path), datasette.environ("pages"))
    assert (pulled.records, pulled.pages) == (160, 4)
    lines = [json.loads(line) for line in sheet.read_text("utf-8").splitlines()]
    assert {line["pk"]: line["name"] for line in lines} == {key: f"Old {n}" for n, key in enumerate(ids)}


async def test_a_token_that_the_server_did_not_sign_stops_the_run(datasette: Datasette, tmp_path: Path) -> None:
    datasette.make_table("guarded", ["1", "2"])
    environ = {**datasette.environ("guarded"), "DATASETTE_TOKEN": datasette.token[:-1]}
    rows = [{"pk": "1", "name": "New"}, {"pk": "2", "name": "New"}]
    summary = await apply(rows, datasette.settings(tmp_path, concurrency=1), environ)
    assert summary.exit_code == 3
    assert "Invalid token signature" in errors(summary)["1"]
    assert datasette.rows("guarded") == {"1": ("Old 0", 0), "2": ("Old 1", 1)}
