"""Two runs beside each other, through the library."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from fakes import QuickClock
from whole_runs import IDS, KEYS, settings_for

import batchupdate
from batchupdate.errors import UsageError
from batchupdate.run import execute, prepare
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchupdate.reporter import Summary


async def apply(sandbox: Sandbox, folder: Path, *files: Sequence[Sequence[str]], **more: Any) -> Summary:
    sources = []
    for number, rows in enumerate(files):
        sources.append(folder / f"{'ab'[number]}.csv")
        with sources[-1].open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "name", "description"], *rows])
    settings = settings_for(sandbox, folder, diff="never", **more)
    with prepare(sources, settings, environ=KEYS, new=True, clock=QuickClock()) as job:
        return await execute(job)


async def test_a_frame_has_each_field_that_differs_and_tells_null_from_what_is_not_set(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        old = await apply(
            sandbox,
            tmp_path,
            [[IDS[0], "A", "x"], [IDS[1], "Same", ""], [IDS[2], "A" * 41, ""], [IDS[3], "Gone", ""], [IDS[4], "N", ""]],
        )
        new = await apply(
            sandbox,
            tmp_path,
            [[IDS[5], "New", ""], [IDS[4], "N", "<null>"], [IDS[2], "A", ""], [IDS[1], "Same", ""], [IDS[0], "B", "y"]],
        )
    found = batchupdate.diff(old.folder, new.run_id, batchupdate.Settings(runs_dir=tmp_path / "runs"))
    assert found.counts == {"outcome": 1, "fields": 2, "only_in_first": 1, "only_in_second": 1}
    frame = found.to_frame()
    shown = frame[["kind", "old_row", "new_row", "old_outcome", "new_outcome", "field", "old", "new"]]
    assert shown.astype(object).fillna("-").to_numpy().tolist() == [
        ["fields", 2, 6, "updated", "updated", "name", "A", "B"],
        ["fields", 2, 6, "updated", "updated", "description", "x", "y"],
        ["outcome", 4, 4, "invalid", "updated", "name", "-", "A"],
        ["only_in_first", 5, "-", "updated", "-", "", "-", "-"],
        ["fields", 6, 3, "updated", "updated", "description", "-", "-"],
        ["only_in_second", "-", 2, "-", "updated", "", "-", "-"],
    ]
    assert frame["id"].tolist() == [IDS[0], IDS[0], IDS[2], IDS[3], IDS[4], IDS[5]]
    cleared = frame.iloc[4]
    assert cleared["old"] is pd.NA
    assert cleared["new"] is None
    assert "at most 40" in frame.iloc[2]["old_error"]


async def test_the_frames_in_chunks_are_the_frame_and_two_equal_runs_give_one_without_rows(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        rows = [[record, "A", "d"] for record in IDS[:7]]
        old = await apply(sandbox, tmp_path, rows)
        new = await apply(sandbox, tmp_path, [[record, "B", "e"] for record, *_ in rows])
    found = batchupdate.diff(old.folder, new.folder)
    parts = list(found.to_frame(chunksize=4))
    assert [len(part) for part in parts] == [4, 4, 4, 2]
    pd.testing.assert_frame_equal(pd.concat(parts), found.to_frame())
    same = batchupdate.diff(old.folder, old.folder)
    assert (same.exit_code, len(same.to_frame())) == (0, 0)
    assert same.to_frame().dtypes.to_dict() == found.to_frame().dtypes.to_dict()


async def test_rows_of_several_files_name_their_file(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        old = await apply(sandbox, tmp_path, [[IDS[0], "A", ""]], [[IDS[1], "A", ""]])
        new = await apply(sandbox, tmp_path, [[IDS[1], "B", ""], [IDS[0], "A", ""]])
    frame = batchupdate.diff(old.folder, new.folder).to_frame()
    assert frame[["old_file", "old_row", "new_file", "new_row"]].to_numpy().tolist() == [["b.csv", 2, "", 2]]


async def test_a_frame_that_is_left_in_the_middle_does_not_change_the_counts(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        old = await apply(sandbox, tmp_path, [[record, "A", ""] for record in IDS[:5]])
        new = await apply(sandbox, tmp_path, [[record, "B", ""] for record in IDS[:5]])
    found = batchupdate.diff(old.folder, new.folder)
    next(iter(found.to_frame(chunksize=2)))
    assert found.counts["fields"] == 5


def test_a_run_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        batchupdate.diff("one", "other", batchupdate.Settings(runs_dir=tmp_path))
