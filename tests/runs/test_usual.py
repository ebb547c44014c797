from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from whole_runs import KEYS, again, apply, settings_for, write

from batchupdate.config import Settings
from batchupdate.errors import InputError
from batchupdate.journal import Journal
from batchupdate.model import Outcome
from batchupdate.run import prepare
from batchupdate.runs import usual
from batchupdate.runs.folder import create
from batchupdate.runs.selection import Selection
from batchupdate.runs.usual import check_size
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Past:
    """A runs folder that is filled with runs, each a minute after the one before."""

    def __init__(self, folder: Path) -> None:
        self.runs_dir = folder
        self.count = 0

    def run(self, rows: int, cleared: int = 0, *, finished: bool = True, **more: Any) -> Journal:
        self.count += 1
        made = create(self.runs_dir, "nightly.csv", NOW + timedelta(minutes=self.count))
        journal = Journal.create(made.journal)
        meta: dict[str, Any] = {
            "input": {"path": "/data/nightly.csv", "sha256": "0"},
            "target": {"name": "crm"},
            "same": {"base_url": "https://a", "input": {}, "limit": None},
            "to_send": rows,
            "cleared": cleared,
            "finished": finished,
        }
        for name, value in more.items():
            meta[name] = {**meta[name], **value} if isinstance(value, dict) else value
        journal.seal(meta)
        return journal

    def runs(self, *sizes: int, **more: Any) -> None:
        for size in sizes:
            self.run(size, **more).close()

    def said(self, rows: int, cleared: int = 0, *, asks: bool = True, yes_really: bool = False, **more: Any) -> Any:
        settings = Settings(runs_dir=self.runs_dir, **more)
        with self.run(rows, cleared, finished=False) as journal:
            return check_size(journal, settings, asks=asks, yes_really=yes_really)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path / "runs")


def test_many_more_rows_than_usual_are_named(past: Past) -> None:
    past.runs(390, 400, 420)
    assert past.said(12_000) == ["Usually about 400 rows are sent; today 12,000."]
    assert past.said(2000) == [], "five times as many are not more than five times as many"
    assert past.said(2001) == ["Usually about 400 rows are sent; today 2,001."]
    assert past.said(3) == []


def test_a_few_more_rows_are_not_unusual_however_few_there_were(past: Past) -> None:
    past.runs(1, 0, 2)
    assert past.said(100) == []
    assert past.said(101) == ["Usually about 1 row is sent; today 101."]


def test_two_runs_are_no_past(past: Past) -> None:
    past.runs(4, 4)
    assert past.said(50_000) == []


def test_the_median_of_the_last_ten_counts(past: Past) -> None:
    past.runs(*[10] * 10, *[9000] * 4, *[1000] * 6)
    assert past.said(5001) == ["Usually about 1,000 rows are sent; today 5,001."]


@pytest.mark.parametrize(
    "other",
    [
        {"input": {"path": "/data/weekly.csv"}},
        {"target": {"name": "erp"}},
        {"same": {"base_url": "https://staging"}},
        {"same": {"limit": 5}},
        {"same": {"rows": "2-9"}},
        {"same": {"sample": 5}},
        {"same": {"input": {"query": "SELECT 1"}}},
        {"finished": False},
    ],
    ids=str,
)
def test_only_whole_and_finished_runs_of_the_same_kind_count(past: Past, other: dict[str, Any]) -> None:
    past.runs(5, 5, 5, **other)
    assert past.said(50_000) == []


@pytest.mark.slow
async def test_retries_do_not_count_for_their_rows_were_chosen(tmp_path: Path) -> None:
    many = tmp_path / "today" / "in.csv"
    many.parent.mkdir()
    rows = [f"00000000-0000-4000-8000-{number:012},New\n" for number in range(150)]
    many.write_text("".join(["id,name\n", *rows]), encoding="utf-8")
    async with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path, diff="never")
        last = await apply(write(tmp_path / "in.csv", 2), settings)
        for _ in range(3):
            last = await again(last, tmp_path, Selection([Outcome.UPDATED]))
        with prepare(many, settings, environ=KEYS) as job:
            assert job.unusual == []
        for _ in range(2):
            await apply(write(tmp_path / "in.csv", 2), settings)
        with (
            pytest.raises(InputError, match="Usually about 2 rows are sent; today 150"),
            prepare(many, settings, environ=KEYS),
        ):
            pass


def said_of(past: Past, path: str, rows: int = 50_000, **more: Any) -> list[str]:
    with past.run(rows, finished=False, input={"path": path}, **more) as journal:
        return check_size(journal, Settings(runs_dir=past.runs_dir), asks=True)


@pytest.mark.parametrize(
    ("paths", "new", "other"),
    [
        (["-"] * 3, "-", "<DataFrame of 3 rows and 2 columns>"),
        ([f"<DataFrame of {n} rows and 2 columns>" for n in (4, 5, 6)], "<DataFrame of 50000 rows and 2 columns>", "-"),
    ],
)
def test_pipes_and_frames_with_the_same_headings_have_a_past_of_their_own(
    past: Past, paths: list[str], new: str, other: str
) -> None:
    for path in paths:
        past.runs(5, input={"path": path}, columns=["id", "name"])
    assert said_of(past, new, columns=["id", "name"]) == ["Usually about 5 rows are sent; today 50,000."]
    assert said_of(past, new, columns=["id", "city"]) == []
    assert said_of(past, other, columns=["id", "name"]) == []


def test_the_digits_of_a_file_s_name_do_not_count(past: Past) -> None:
    for day in (26, 27, 28):
        past.runs(5, input={"path": f"/data/renames-2026-11-{day}.csv"})
    usual = ["Usually about 5 rows are sent; today 50,000."]
    assert said_of(past, "/other/renames-2026-12-1.csv") == usual
    assert said_of(past, "/data/renames.csv") == []
    assert said_of(past, "/data/renames-20261129.csv") == []
    past.runs(7, 7, 7, input={"path": r"C:\data\export_20261128.xlsx"})
    assert said_of(past, r"C:\data\export_20261129.xlsx") == ["Usually about 7 rows are sent; today 50,000."]


def test_the_place_of_the_file_does_not_matter_nor_a_run_that_can_not_be_read(past: Past) -> None:
    past.runs(5, 5, input={"path": "/elsewhere/nightly.csv"})
    past.runs(5)
    past.run(5).close()
    newest = max(past.runs_dir.iterdir())
    (newest / "journal.sqlite3").write_bytes(b"x" * 5000)
    assert past.said(50_000) == ["Usually about 5 rows are sent; today 50,000."]


def test_where_nobody_is_asked_what_is_unusual_is_refused_with_the_ways_out(past: Past) -> None:
    past.runs(400, 400, 400)
    with pytest.raises(InputError, match="Usually about 400 rows are sent; today 12,000") as refused:
        past.said(12_000, asks=False)
    assert "--yes-really" in refused.value.hint
    assert "max_rows" in refused.value.hint
    assert past.said(12_000, asks=False, yes_really=True) == ["Usually about 400 rows are sent; today 12,000."]
    assert past.said(12_000, asks=False, max_rows=12_000) == ["Usually about 400 rows are sent; today 12,000."]
    assert past.said(400, asks=False) == []


def test_more_rows_than_allowed_are_refused_with_or_without_a_past_and_a_person(past: Past) -> None:
    for asks in (False, True):
        with pytest.raises(InputError, match="12,001 rows are to be sent, and --max-rows allows 12,000"):
            past.said(12_001, asks=asks, max_rows=12_000)
    assert past.said(12_001, asks=False, max_rows=12_000, yes_really=True) == []


def test_many_more_cleared_cells_than_usual_are_named_and_no_limit_of_rows_allows_them(past: Past) -> None:
    past.runs(400, 400, 400, cleared=2)
    assert past.said(400, 300) == ["Usually about 2 cells clear a field; today 300."]
    with pytest.raises(InputError, match="2 cells clear a field; today 300") as refused:
        past.said(400, 300, asks=False, max_rows=1000)
    assert "max_rows" not in refused.value.hint
    assert past.said(400, 101) == []


def test_only_the_newest_runs_are_looked_at(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    past.runs(400, 400, 400)
    past.runs(*[1] * 5, target={"name": "erp"})
    monkeypatch.setattr(usual, "LOOKED_AT", 8)
    assert past.said(12_000) == [], "the newest eight are this run itself, five others, and two of the same kind"
    monkeypatch.setattr(usual, "LOOKED_AT", 10)
    assert past.said(12_000) == ["Usually about 400 rows are sent; today 12,000."]
