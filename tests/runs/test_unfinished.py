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
from batchupdate.targets.idempotency import Idempotency

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


def input_of(*files: tuple[str, str]) -> dict[str, Any]:
    """What a journal keeps of an input of these files, each with its path and its content."""
    digests = [{"name": path[-5:], "path": path, "sha256": content} for path, content in files]
    if len(files) == 1:
        return digests[0]
    return {"path": ", ".join(path for path, _ in files), "sha256": "".join(c for _, c in files), "files": digests}


def run_of(
    folder: Path,
    now: datetime,
    *,
    done: bool = True,
    finished: bool | None = True,
    named: datetime | None = None,
    **facts: Any,
) -> RunFolder:
    """A run of one row that was worked on at a time."""
    run = create(folder, "in.csv", named or now)
    with Journal.create(run.journal) as journal:
        journal.add_rows([(2, ["x"], "x", "/x", {})], [])
        journal.seal({**FACTS, **facts, **run.facts()})
        session = journal.begin_session(now.timestamp() - 1, repeatable=True)
        if done:
            journal.commit([2], [(Result(2, Outcome.UPDATED, 200, 1), True)])
        journal.end_session(Session(session, now.timestamp()), 0)
        if finished is not None:
            journal.set_meta({"finished": finished})
    return run


def again(
    folder: Path, now: datetime, target: Target = REPEATABLE, *, new: bool = False, asks: bool = False, **facts: Any
) -> Begun:
    with ExitStack() as stack:
        return begin(stack, {**FACTS, **facts}, Settings(runs_dir=folder), target, now, new=new, asks=asks)


def killed_of(folder: Path, now: datetime, *, sent: int = 2, **facts: Any) -> RunFolder:
    """A run of three rows that was killed when the requests of some had left, one of them unanswered."""
    run = create(folder, "in.csv", now)
    with Journal.create(run.journal) as journal:
        journal.add_rows([(row, [f"{row}"], f"{row}", f"/{row}", {}) for row in (2, 3, 4)], [])
        journal.seal({**FACTS, **facts, **run.facts()})
        journal.begin_session(now.timestamp() - 1, repeatable=False)
        for row in range(2, 2 + sent):
            journal.commit([row], [(Result(2, Outcome.UPDATED, 200, 1), True)] if row > 2 else [])
    return run


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
    assert f"batchupdate retry {run.command_name}; or send all rows again with --new" in error.value.hint
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


ONE, A, B = ("/data/in.csv", "ab"), ("/data/a.csv", "1"), ("/data/b.csv", "2")


@pytest.mark.parametrize(
    ("before", "now", "same", "differs"),
    [
        ([ONE], [(ONE[0], "other")], {}, "in.csv has changed since"),
        ([A, B], [A, (B[0], "other")], {}, "b.csv has changed since"),
        ([A, B], [(A[0], "x"), (B[0], "y")], {}, "a.csv and b.csv have changed since"),
        ([A], [A, B], {}, "not all its files were the same"),
        ([A, B], [("/data/moved.csv", "1")], {}, "not all its files were the same"),
        ([A, B], [("/data/moved.csv", "1"), (B[0], "z")], {}, "b.csv has changed since"),
        ([A, B], [B, A], {}, "the order of its files was different"),
        ([ONE], [ONE], {"limit": 5}, "--limit was different"),
        ([ONE], [(ONE[0], "other")], {"strict": True}, "in.csv has changed since and --strict was different"),
    ],
)
def test_an_input_that_was_changed_since_a_kill_stops_everybody_but_a_person_where_repeating_is_not_safe(
    tmp_path: Path,
    before: list[tuple[str, str]],
    now: list[tuple[str, str]],
    same: dict[str, Any],
    differs: str,
) -> None:
    run = killed_of(tmp_path, EPOCH, input=input_of(*before))
    asked: dict[str, Any] = {"input": input_of(*now), "same": {**FACTS["same"], **same}}
    with pytest.raises(ConfigError) as error:
        again(tmp_path, EPOCH, ONCE_ONLY, **asked)
    assert error.value.message.startswith(f"The run {run.run_id} of th")
    assert f"has 2 rows left, but {differs}. 2 of its rows were sent before, or may have been." in error.value.message
    assert f"batchupdate resume {run.command_name}; or send all rows, those 2 once more, with --new" in error.value.hint
    assert len(list(tmp_path.glob("2*"))) == 1
    for begun in (again(tmp_path, EPOCH, ONCE_ONLY, asks=True, **asked), again(tmp_path, EPOCH, **asked)):
        assert not begun.resumed
        assert [differs in notice for notice in begun.notices] == [True]
    assert again(tmp_path, EPOCH, ONCE_ONLY, new=True, **asked).notices == []


def test_what_the_api_recognises_by_keys_of_a_run_is_not_safe_to_repeat_in_another_run(tmp_path: Path) -> None:
    killed_of(tmp_path, EPOCH)
    by_key = REPEATABLE.model_copy(update={"idempotency": Idempotency(header="Idempotency-Key")})
    with pytest.raises(ConfigError, match="has changed since"):
        again(tmp_path, EPOCH, by_key, input=input_of((ONE[0], "other")))
    assert again(tmp_path, EPOCH, by_key).resumed


@pytest.mark.parametrize(("path", "target"), [("/data/other.csv", FACTS["target"]), (ONE[0], {"name": "another"})])
def test_an_unfinished_run_of_something_else_is_no_hindrance(tmp_path: Path, path: str, target: dict[str, str]) -> None:
    killed_of(tmp_path, EPOCH, target=target)
    begun = again(tmp_path, EPOCH, ONCE_ONLY, input=input_of((path, "other")))
    assert (begun.resumed, begun.notices) == (False, [])


def test_two_inputs_of_standard_input_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    killed_of(tmp_path, EPOCH, input=input_of(("-", "monday")))
    assert again(tmp_path, EPOCH, ONCE_ONLY, input=input_of(("-", "tuesday"))).notices == []


def test_a_changed_input_of_which_nothing_was_sent_yet_is_only_named(tmp_path: Path) -> None:
    killed_of(tmp_path, EPOCH, sent=0)
    begun = again(tmp_path, EPOCH, ONCE_ONLY, input=input_of((ONE[0], "other")))
    assert [("3 rows left" in notice, "sent before" in notice) for notice in begun.notices] == [(True, False)]


def test_a_run_that_was_left_is_history_once_its_file_was_sent_in_a_later_state(tmp_path: Path) -> None:
    killed_of(tmp_path, EPOCH)
    run_of(tmp_path, EPOCH + timedelta(days=1), input=input_of((ONE[0], "tuesday")))
    begun = again(tmp_path, EPOCH + timedelta(days=2), ONCE_ONLY, input=input_of((ONE[0], "wednesday")))
    assert (begun.resumed, begun.notices) == (False, [])


def test_a_later_run_of_a_part_of_a_file_does_not_hide_the_one_that_was_left(tmp_path: Path) -> None:
    killed_of(tmp_path, EPOCH)
    run_of(tmp_path, EPOCH + timedelta(days=1), same={**FACTS["same"], "limit": 1})
    with pytest.raises(ConfigError, match="2 of its rows were sent before"):
        again(tmp_path, EPOCH + timedelta(days=2), ONCE_ONLY, input=input_of((ONE[0], "other")))
