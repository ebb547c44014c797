"""Which run the same command resumes, and what it does about one that has just ended."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes import EPOCH

from batchupdate import Settings
from batchupdate.errors import ConfigError
from batchupdate.journal import Journal, Session
from batchupdate.model import Outcome, Result
from batchupdate.runs.folder import RunFolder, create
from batchupdate.runs.unfinished import JUST_ENDED_S, Begun, begin
from batchupdate.targets import find_target

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from batchupdate.targets import Target

REPEATABLE = find_target("langdock-integration")
ONCE_ONLY = REPEATABLE.model_copy(update={"repeatable": False})
FACTS: dict[str, Any] = {
    "input": {"path": "/data/in.csv", "sha256": "ab"},
    "same": {"target": "x"},
    "target": {"name": "langdock-integration"},
}


def run_of(
    folder: Path, now: datetime, *, done: bool = True, finished: bool | None = True, named: datetime | None = None
) -> RunFolder:
    """A run of one row that was worked on at a time."""
    run = create(folder, "in.csv", named or now)
    with Journal.create(run.journal) as journal:
        journal.add_rows([(2, ["x"], "x", "/x", {})], [])
        journal.seal({**FACTS, **run.facts()})
        session = journal.begin_session(now.timestamp() - 1, repeatable=True)
        if done:
            journal.commit([2], [(Result(2, Outcome.UPDATED, 200, 1), True)])
        journal.end_session(Session(session, now.timestamp()), 0)
        if finished is not None:
            journal.set_meta({"finished": finished})
    return run


def again(folder: Path, now: datetime, target: Target = REPEATABLE, *, new: bool = False, asks: bool = False) -> Begun:
    with ExitStack() as stack:
        return begin(stack, dict(FACTS), Settings(runs_dir=folder), target, now, new=new, asks=asks)


@pytest.mark.parametrize("finished", [False, None])
def test_a_run_with_nothing_left_that_was_not_finished_is_resumed(tmp_path: Path, *, finished: bool | None) -> None:
    run = run_of(tmp_path, EPOCH, finished=finished)
    begun = again(tmp_path, EPOCH, ONCE_ONLY)
    assert (begun.folder, begun.resumed) == (run, True)


@pytest.mark.parametrize(
    ("seconds", "ago"), [(3, "less than a minute ago"), (60, "1 minute ago"), (899, "14 minutes ago")]
)
def test_a_run_that_has_just_ended_is_named_to_a_person_and_stops_everybody_else_where_repeating_is_not_safe(
    tmp_path: Path, seconds: int, ago: str
) -> None:
    run = run_of(tmp_path, EPOCH)
    now = EPOCH + timedelta(seconds=seconds)
    with pytest.raises(ConfigError, match=f"The run {run.run_id} has sent this file, and ended {ago}") as error:
        again(tmp_path, now, ONCE_ONLY)
    assert f"batchupdate retry {run.run_id}; or send all rows again with --new" in error.value.hint
    for begun in (again(tmp_path, now, ONCE_ONLY, asks=True), again(tmp_path, now)):
        assert not begun.resumed
        assert begun.notices == [
            f"The run {run.run_id} has sent this file, and ended {ago}. This is a new run, and sends all rows again."
        ]
    assert again(tmp_path, now, ONCE_ONLY, new=True).notices == []


@pytest.mark.parametrize("seconds", [JUST_ENDED_S, 86_400])
def test_a_run_that_ended_longer_ago_is_no_hindrance(tmp_path: Path, seconds: int) -> None:
    run_of(tmp_path, EPOCH)
    begun = again(tmp_path, EPOCH + timedelta(seconds=seconds), ONCE_ONLY)
    assert (begun.resumed, begun.notices) == (False, [])


def test_a_finished_run_whose_name_lies_in_the_future_does_not_hide_one_that_was_left_later(tmp_path: Path) -> None:
    run_of(tmp_path, EPOCH, named=EPOCH + timedelta(days=400))
    left = run_of(tmp_path, EPOCH + timedelta(hours=1), done=False, finished=False)
    begun = again(tmp_path, EPOCH + timedelta(hours=2), ONCE_ONLY)
    assert (begun.folder, begun.resumed) == (left, True)


def test_a_run_that_was_left_and_done_anew_since_is_not_resumed(tmp_path: Path) -> None:
    run_of(tmp_path, EPOCH, done=False, finished=False)
    run_of(tmp_path, EPOCH + timedelta(hours=1))
    assert not again(tmp_path, EPOCH + timedelta(hours=2), ONCE_ONLY).resumed


def test_a_copied_run_is_not_resumed_beside_the_one_that_it_was_made_of(tmp_path: Path) -> None:
    runs, copies = tmp_path / "runs", tmp_path / "copies"
    run = run_of(runs, EPOCH, done=False, finished=False)
    shutil.copytree(runs, copies)
    with pytest.raises(ConfigError, match=f"is a copy of the run in {run.path}") as error:
        again(copies, EPOCH)
    assert f"--runs-dir {runs}" in error.value.hint
    assert again(runs, EPOCH).resumed


def test_a_run_that_was_moved_is_resumed_and_known_in_its_new_place(tmp_path: Path) -> None:
    runs, moved = tmp_path / "runs", tmp_path / "moved"
    run_of(runs, EPOCH, done=False, finished=False)
    runs.rename(moved)
    assert again(moved, EPOCH).resumed
    shutil.copytree(moved, runs)
    with pytest.raises(ConfigError, match="is a copy of the run"):
        again(runs, EPOCH)
