"""pandas at the edge: from a DataFrame to DataFrames, through the library."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from fakes import QuickClock
from typer.testing import CliRunner

from batchupdate.config import Settings
from batchupdate.errors import ConfigError, InputError
from batchupdate.run import check_file, execute, prepare, run_file
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import summary_of
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

KEYS = {"LANGDOCK_API_KEY": LANGDOCK_KEY}
IDS = [record.id for record in make_records().langdock]


def settings_for(sandbox: Sandbox | None, folder: Path, **more: Any) -> Settings:
    url = sandbox.url if sandbox else "http://127.0.0.1:9"
    common = {"target": "langdock-integration", "base_url": url, "runs_dir": folder / "runs", "rate": "unlimited"}
    return Settings.model_validate(common | more)


async def test_a_frame_goes_in_and_its_results_come_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"name": ["One", "x" * 41, "Three"], "note": [1.5, np.nan, 2.0]}, index=pd.Index(IDS[:3], name="id")
    )
    async with Sandbox() as sandbox:
        summary = await run_file(frame, settings_for(sandbox, tmp_path), environ=KEYS)
        assert sandbox.record("langdock", IDS[0]).name == "One"
    results = summary.results()
    assert list(results.columns) == [
        "id", "name", "note", "_row", "_id", "_outcome", "_http_status", "_attempts", "_error", "_request_id",
        "_finished_at", "_duration_ms",
    ]  # fmt: skip
    assert {name: str(dtype) for name, dtype in results.dtypes.items() if name != "_outcome"} == {
        "id": "string", "name": "string", "note": "string", "_row": "Int64", "_id": "string", "_http_status": "Int64",
        "_attempts": "Int64", "_error": "string", "_request_id": "string", "_finished_at": "datetime64[ns, UTC]",
        "_duration_ms": "Float64",
    }  # fmt: skip
    assert isinstance(results["_outcome"].dtype, pd.CategoricalDtype)
    assert results["_outcome"].tolist() == ["updated", "invalid", "updated"]
    assert results["_row"].tolist() == [1, 2, 3]
    assert results["note"].tolist() == ["1.5", "", "2"]
    assert results["_http_status"].tolist() == [200, pd.NA, 200]
    assert results["_finished_at"].isna().tolist() == [False, True, False]
    assert frame.iloc[results.loc[results["_outcome"] == "invalid", "_row"] - 1].index.tolist() == [IDS[1]]
    assert summary.input_path == "<DataFrame of 3 rows and 2 columns>"
    assert summary.run_id.rsplit("-", 1)[0].endswith("-dataframe")


async def test_results_in_chunks_are_the_results(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": IDS[:7], "name": [f"N{number}" for number in range(7)]})
    async with Sandbox() as sandbox:
        summary = await run_file(frame, settings_for(sandbox, tmp_path), environ=KEYS)
    chunks = list(summary.results(chunksize=3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    pd.testing.assert_frame_equal(pd.concat(chunks), summary.results())
    again = summary_of(RunFolder(summary.folder))
    pd.testing.assert_frame_equal(again.results(), summary.results())


async def test_figures_over_time_are_those_of_the_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": IDS[:20], "name": [f"N{number}" for number in range(20)]})
    async with Sandbox() as sandbox:
        summary = await run_file(frame, settings_for(sandbox, tmp_path), environ=KEYS)
    results, figures, timeline = summary.results(), summary.durations(), summary.timeline("1h")
    assert list(figures.index) == ["count", "mean", "p50", "p95", "p99", "max"]
    assert figures["count"] == 20
    assert figures["p50"] == pytest.approx(results["_duration_ms"].median())
    assert figures["max"] == results["_duration_ms"].max()
    assert timeline["updated"].sum() == 20
    assert timeline["failed"].sum() == 0
    assert timeline["rows_per_s"].sum() == pytest.approx(20 / 3600)
    assert str(timeline.index.dtype) == "datetime64[ns, UTC]"


async def test_the_same_frame_goes_on_with_the_run_that_it_left(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": IDS[:5], "name": [f"N{number}" for number in range(5)]})
    settings = settings_for(None, tmp_path, max_attempts=1, give_up_after=0.001)
    async with Sandbox() as sandbox:
        with prepare(frame, settings, environ=KEYS, clock=QuickClock()) as job:
            stopped = await execute(job)
        assert stopped.exit_code == 3
        with prepare(frame.copy(), settings, environ=KEYS, clock=QuickClock()) as job:
            assert job.resumed
            assert job.folder.run_id == stopped.run_id
        with prepare(frame.replace({"N1": "M1"}), settings, environ=KEYS, clock=QuickClock()) as job:
            assert not job.resumed
            assert not [notice for notice in job.checkup.notices if "changed" in notice]
        assert sandbox.applied == []


async def test_a_query_is_run_and_its_password_is_nowhere(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as database, database:
        database.execute("CREATE TABLE renames (id TEXT, name TEXT)")
        database.executemany("INSERT INTO renames VALUES (?, ?)", [(IDS[0], "One"), (IDS[1], "Two")])
    url = f"sql+sqlite:///file:{tmp_path}/crm.db?uri=true&password=s3cret"
    plain = f"sql+sqlite:///{tmp_path}/crm.db?timeout=7"
    query = "SELECT id, name FROM renames ORDER BY name"
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, input={"query": query})
        with pytest.raises(InputError, match="no file") as caught:
            await run_file(url, settings, environ=KEYS)
        assert "s3cret" not in str(caught.value)
        summary = await run_file(plain, settings, environ=KEYS)
    assert summary.results()["_outcome"].tolist() == ["updated", "updated"]
    assert summary.input_path == f"sql+sqlite:///{tmp_path}/crm.db: {query}"
    assert "-query-" in summary.run_id
    kept = b"".join(path.read_bytes() for path in summary.folder.iterdir())
    assert b"timeout=7" not in kept


def test_the_command_line_takes_widths_and_a_query(tmp_path: Path) -> None:
    from batchupdate.cli import app  # noqa: PLC0415 - for this test alone

    (tmp_path / "a.txt").write_text(f"{'id':36}  name\n{IDS[0]}  Ann\n")
    (tmp_path / "a.db").touch()
    wide = CliRunner().invoke(app, ["check", str(tmp_path / "a.txt"), "-t", "langdock-integration", "--widths", "38,9"])
    assert (wide.exit_code, "1 row" in wide.output) == (0, True)
    asked = ["check", f"sql+sqlite:///{tmp_path}/a.db", "-t", "langdock-integration"]
    refused = CliRunner().invoke(app, [*asked, "--query", "DROP TABLE x"])
    assert (refused.exit_code, "only a SELECT" in refused.output) == (2, True)
    rows = CliRunner().invoke(app, [*asked, "--query", f"SELECT '{IDS[0]}' AS id, 'Ann' AS name"])
    assert (rows.exit_code, "1 row" in rows.output) == (0, True)


def check(frame: pd.DataFrame, tmp_path: Path, **more: Any) -> pd.DataFrame:
    return check_file(frame, settings_for(None, tmp_path, **more)).problems()


def test_a_floating_point_number_is_no_id_and_no_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [IDS[0], 7.0], "name": pd.Series([7.0, "x"], dtype=object)})
    problems = check(frame, tmp_path)
    assert problems[["code", "row", "column", "cell", "address"]].to_numpy().tolist() == [
        ["id_as_number", 1, "name", "7", "df.loc[0, 'name']"],
        ["id_as_number", 2, "id", "7", "df.loc[1, 'id']"],
    ]
    assert (problems["level"] == "error").all()


def test_a_row_with_a_floating_point_text_keeps_its_id(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [IDS[0], IDS[0]], "name": pd.Series([7.0, "x"], dtype=object)})
    assert set(check(frame, tmp_path)["code"]) == {"id_as_number", "duplicate_id"}


TARGET = """
name: things
title: Things
base_url: http://127.0.0.1:9
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  price: {type: number}
  count: {type: integer}
  label: {}
"""


@pytest.fixture
def things(tmp_path: Path) -> Settings:
    (tmp_path / "things.yaml").write_text(TARGET)
    return settings_for(None, tmp_path, target=str(tmp_path / "things.yaml"), allow_http=True)


def test_a_floating_point_number_is_a_number(things: Settings) -> None:
    frame = pd.DataFrame({"id": [1, 2], "price": [1.5, np.nan], "count": [3.0, 4.0]})
    assert check_file(frame, things).problems().empty
    frame = pd.DataFrame({"id": [1.0], "label": [2.5], "count": [3.5]})
    assert sorted(check_file(frame, things).problems()["column"]) == ["count", "id", "label"]


def test_lenient_lets_a_floating_point_number_pass_with_a_warning(things: Settings) -> None:
    lenient = things.model_copy(update={"input": things.input.model_copy(update={"strictness": "lenient"})})
    found = check_file(pd.DataFrame({"id": [1.0], "count": [3]}), lenient)
    assert (found.invalid, found.warnings) == (0, 1)


def test_the_same_goes_for_a_file_of_pandas(things: Settings, tmp_path: Path) -> None:
    pd.DataFrame({"id": [1.0, 2.0], "count": [3, 4]}).to_parquet(tmp_path / "a.parquet")
    problems = check_file(tmp_path / "a.parquet", things).problems()
    assert problems["code"].tolist() == ["id_as_number", "id_as_number"]


def test_infinity_and_objects_matter_only_in_columns_that_are_used(things: Settings) -> None:
    frame = pd.DataFrame({"id": ["a"], "price": [np.inf], "note": [np.inf], "other": [object()], "label": [{1, 2}]})
    problems = check_file(frame, things).problems()
    assert problems[["code", "column"]].to_numpy().tolist() == [
        ["infinite_number", "price"],
        ["unreadable_value", "label"],
    ]


def test_every_problem_is_kept_also_beyond_what_memory_holds(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"no-{number}" for number in range(4500)], "name": "x"})
    found: list[int] = []
    checkup = check_file(frame, settings_for(None, tmp_path), on_problem=lambda problem: found.append(problem.row))
    problems = checkup.problems()
    assert problems["row"].tolist() == found == list(range(1, 4501))
    assert [len(chunk) for chunk in checkup.problems(chunksize=2000)] == [2000, 2000, 500]
    assert checkup.problems(chunksize=2000) is not None


def test_without_problems_the_frame_has_its_columns(tmp_path: Path) -> None:
    problems = check(pd.DataFrame({"id": IDS[:1], "name": ["x"]}), tmp_path)
    assert (len(problems), list(problems)[:4]) == (0, ["code", "level", "file", "row"])


def test_an_index_that_was_meant_as_the_id_is_named_in_the_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        check(pd.DataFrame({"name": ["x"]}, index=IDS[:1]), tmp_path)
    assert "No column holds the id" in caught.value.message
    assert "df.index.name = 'id'" in caught.value.hint


def test_a_damaged_run_says_where_its_results_are(tmp_path: Path) -> None:
    from dataclasses import replace  # noqa: PLC0415 - for this test alone

    frame = pd.DataFrame({"id": IDS[:1], "name": ["x"]})
    with prepare(frame, settings_for(None, tmp_path), environ=KEYS, clock=QuickClock()) as job:
        kept = summary_of(job.folder)
        with pytest.raises(ConfigError, match="is damaged"):
            replace(kept, kept=None).results()


RUN = """
import asyncio, batchupdate, os
settings = batchupdate.Settings(target="langdock-integration", base_url=os.environ["URL"], rate="unlimited")
print(asyncio.run(batchupdate.run_file("in.csv", settings)).counts[batchupdate.Outcome.UPDATED], "row updated")
"""


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("from batchupdate.cli import app; app(['--help'])", "check"),
        ("from batchupdate.cli import app; app(['check', 'in.csv', '-t', 'langdock-integration'])", "1 row"),
        (RUN, "1 row updated"),
    ],
    ids=["help", "check", "run"],
)
async def test_pandas_is_not_loaded_where_no_frame_is_asked_for(tmp_path: Path, program: str, shown: str) -> None:
    (tmp_path / "in.csv").write_text(f"id,name\n{IDS[0]},Ann\n")
    guarded = f"import sys\ntry:\n  exec({program!r})\nexcept SystemExit: pass\n"
    ending = "print('LOADED', {'pandas', 'numpy', 'pyarrow', 'sqlalchemy'} & set(sys.modules))"
    async with Sandbox() as sandbox:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            guarded + ending,
            cwd=tmp_path,
            env={"URL": sandbox.url, **KEYS, "PATH": "/usr/bin"},
            stdout=asyncio.subprocess.PIPE,
        )
        written, _ = await process.communicate()
    text = written.decode()
    assert shown in text
    assert text.strip().endswith("LOADED set()")


def test_a_computed_id_is_not_made_of_a_floating_point_number(things: Settings) -> None:
    computed = things.input.model_validate({"computed": {"label": "no {number}"}})
    found = check_file(pd.DataFrame({"id": ["a"], "number": [7.0]}), things.model_copy(update={"input": computed}))
    assert found.problems()["code"].tolist() == ["id_as_number"]


def test_a_frame_beside_a_file_has_its_floating_point_numbers_found(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"id,name\n{IDS[0]},7\n")
    frame = pd.DataFrame({"name": [7.0], "id": IDS[1:2]})
    problems = check_file([tmp_path / "a.csv", frame], settings_for(None, tmp_path)).problems()
    assert problems[["code", "file", "row"]].to_numpy().tolist() == [["id_as_number", "DataFrame 2", 1]]
