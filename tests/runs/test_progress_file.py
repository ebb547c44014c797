from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock

from batchupdate.model import Outcome, Progress, Traffic
from batchupdate.runs.progress_file import NAME, read_progress, shown_to_others

if TYPE_CHECKING:
    from pathlib import Path

HALF = Progress(
    "sending",
    5,
    10,
    {Outcome.UPDATED: 4, Outcome.FAILED: 1},
    Traffic(6, 1, 2, 3.5, 9.5),
    2.5,
    2.0,
    math.inf,
    4.0,
    "Slow.",
)


def test_another_process_sees_how_far_a_run_is_until_its_end(tmp_path: Path) -> None:
    passed_on: list[Progress] = []
    with shown_to_others(tmp_path, FakeClock(), passed_on.append) as show:
        assert read_progress(tmp_path) is None
        show(HALF)
        seen = read_progress(tmp_path)
        assert seen is not None
        assert seen.progress == HALF
        assert seen.at == FakeClock().unix()
    assert passed_on == [HALF]
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_written_twice_a_second_and_the_hook_called_each_time(tmp_path: Path) -> None:
    clock, passed_on = FakeClock(), list[Progress]()
    with shown_to_others(tmp_path, clock, passed_on.append) as show:
        for done in range(10):
            show(Progress("sending", done, 10))
            clock.time += 0.125
        seen = read_progress(tmp_path)
    assert seen is not None
    assert seen.progress.done == 8
    assert len(passed_on) == 10


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"at": 1, "traffic": {}, "counts": {"new": 1}}', '{"at": "x"}'])
def test_a_file_that_says_nothing_of_use_is_no_progress(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    assert read_progress(tmp_path) is None


def test_a_folder_that_can_not_be_written_to_keeps_no_run_from_going_on(tmp_path: Path) -> None:
    passed_on: list[Progress] = []
    with shown_to_others(tmp_path / "gone", FakeClock(), passed_on.append) as show:
        show(HALF)
    assert passed_on == [HALF]
