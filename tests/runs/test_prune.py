from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import claim

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal, Session
from batchupdate.model import Outcome, Result
from batchupdate.runs.folder import RunFolder, all_runs, create, find, point_latest
from batchupdate.runs.plan_folder import create_plan, find_plan
from batchupdate.runs.prune import Prunable, age, parse_age, plan_prune, remove

NOW = datetime(2026, 11, 21, 18, 45, tzinfo=UTC)
DAY = timedelta(days=1)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes, and links need a privilege")


def make(
    runs_dir: Path, began: timedelta, worked: timedelta | None = None, *, sent: int = 2, sealed: bool = True
) -> RunFolder:
    """A run of two rows that began so long ago, was worked on last so long ago, and sent so many of them."""
    folder = create(runs_dir, "renames.csv", NOW - began)
    with Journal.create(folder.journal) as journal:
        journal.add_rows([(n, [f"id-{n}"], f"id-{n}", f"/{n}", {"name": "x"}) for n in (2, 3)], [])
        if sealed:
            journal.seal({"rows": 2})
        if worked is not None:
            session = journal.begin_session((NOW - began).timestamp(), repeatable=True)
            requests = claim(journal, 0, sent)
            journal.commit([], [(Result(request.row, Outcome.UPDATED, 200, 1), True) for request in requests])
            journal.end_session(Session(session, (NOW - worked).timestamp()), 0)
    (folder.path / "results.csv").write_text("x" * 1000)
    return folder


def plan(runs_dir: Path, older_than: timedelta = 30 * DAY, *, unfinished: bool = False) -> list[RunFolder]:
    return [run.folder for run in plan_prune(runs_dir, older_than, NOW, include_unfinished=unfinished)]


# Ages, as people say them.


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12h", DAY / 2), ("30d", 30 * DAY), ("4w", 28 * DAY), (" 2 D ", 2 * DAY), ("0d", 0 * DAY), ("1W", 7 * DAY)],
)
def test_an_age_is_hours_days_or_weeks(text: str, expected: timedelta) -> None:
    assert parse_age(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "d", "30m", "30 days", "-3d", "1.5d", "3d2h", "1e3d", "٣d\n٣", "9" * 40 + "d"]
)
def test_what_is_no_age_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not an age\. Write hours, days or weeks, such as 12h, 30d or 4w"):
        parse_age(text)


def test_the_longest_age_is_older_than_everything(tmp_path: Path) -> None:
    make(tmp_path, 9000 * DAY, 9000 * DAY)
    assert plan(tmp_path, parse_age("999999w")) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (0, "just now"),
        (59.9, "just now"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 day"),
        (3.9 * 86_400, "3 days"),
        (364 * 86_400, "364 days"),
        (366 * 86_400, "1 year"),
        (900 * 86_400, "2 years"),
    ],
)
def test_an_age_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert age(seconds) == text


# Which runs may go.


def test_the_age_of_a_run_counts_from_the_end_of_its_last_work(tmp_path: Path) -> None:
    old = make(tmp_path, 90 * DAY, 31 * DAY)
    make(tmp_path, 90 * DAY, 29 * DAY)
    oldest = make(tmp_path, 99 * DAY, 98 * DAY)
    assert plan(tmp_path) == [oldest, old]


def test_a_run_just_as_old_as_said_may_go(tmp_path: Path) -> None:
    made = make(tmp_path, 30 * DAY, 30 * DAY)
    assert plan(tmp_path) == [made]


def test_a_run_without_any_work_is_as_old_as_its_name(tmp_path: Path) -> None:
    made = make(tmp_path, 31 * DAY)
    make(tmp_path, 29 * DAY)
    assert plan(tmp_path, unfinished=True) == [made]


def test_an_unfinished_run_may_go_only_if_that_is_asked_for(tmp_path: Path) -> None:
    made = make(tmp_path, 90 * DAY, 60 * DAY, sent=1)
    assert plan(tmp_path) == []
    assert plan(tmp_path, unfinished=True) == [made]


def test_a_run_that_can_not_be_read_counts_as_unfinished(tmp_path: Path) -> None:
    made = make(tmp_path, 90 * DAY, 60 * DAY)
    made.journal.write_bytes(b"no journal")
    assert plan(tmp_path) == []
    assert plan(tmp_path, unfinished=True) == [made]


def test_a_run_that_ended_while_it_was_reading_holds_nothing_to_go_on_with(tmp_path: Path) -> None:
    made = make(tmp_path, 90 * DAY, sealed=False)
    assert plan(tmp_path) == [made]


def test_a_run_that_somebody_works_on_never_goes(tmp_path: Path) -> None:
    made = make(tmp_path, 90 * DAY, 60 * DAY)
    with made.lock():
        assert plan(tmp_path, unfinished=True) == []
    assert plan(tmp_path) == [made]


def test_a_folder_that_never_got_a_journal_may_go_if_it_is_empty(tmp_path: Path) -> None:
    empty, locked, used = (create(tmp_path, "x.csv", NOW - 40 * DAY) for _ in range(3))
    create(tmp_path, "x.csv", NOW)
    (locked.path / ".lock").touch()
    (locked.path / ".lock.owner").write_text("{}")
    (used.path / "notes.txt").write_text("mine")
    assert sorted(plan(tmp_path), key=str) == sorted([empty, locked], key=str)


def test_nothing_but_runs_may_go(tmp_path: Path) -> None:
    for name in ("notes", "20200101-000000-backup", "20200101-000000-a-abcd.bak", ".hidden"):
        (tmp_path / name).mkdir()
        Journal.create(tmp_path / name / "journal.sqlite3").close()
    (tmp_path / "20200101-000000-a-abcd").write_text("a file")
    assert plan(tmp_path, unfinished=True) == []


@POSIX
def test_a_link_is_never_followed_out_of_the_runs_folder(tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere", 90 * DAY, 60 * DAY)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / elsewhere.run_id).symlink_to(elsewhere.path)
    assert plan(tmp_path / "runs") == []


def test_a_name_with_an_impossible_date_is_as_old_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "99999999-999999-x-abcd"
    folder.mkdir()
    os.utime(folder, (0, (NOW - 40 * DAY).timestamp()))
    assert plan(tmp_path) == [RunFolder(folder)]


def test_no_runs_folder_holds_nothing_and_a_file_is_told(tmp_path: Path) -> None:
    assert plan(tmp_path / "none") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is not a folder"):
        plan(tmp_path / "file")


# Their removal.


def planned(runs_dir: Path) -> list[Prunable]:
    return plan_prune(runs_dir, 30 * DAY, NOW, include_unfinished=True)


def test_removing_frees_what_was_planned_and_leaves_the_others(tmp_path: Path) -> None:
    old, new = make(tmp_path, 90 * DAY, 60 * DAY), make(tmp_path, DAY, DAY)
    before = {path: path.read_bytes() for path in new.path.iterdir()}
    (run,) = planned(tmp_path)
    assert run.size == sum(path.stat().st_size for path in old.path.iterdir())
    pruned = remove(tmp_path, [run])
    assert (pruned.removed, pruned.freed, pruned.notices) == ([old.run_id], run.size, [])
    assert list(all_runs(tmp_path)) == [new]
    assert not old.path.exists()
    assert {path: path.read_bytes() for path in new.path.iterdir() if not path.name.startswith(".lock")} == before


def test_planning_removes_nothing(tmp_path: Path) -> None:
    made = make(tmp_path, 90 * DAY, 60 * DAY)
    planned(tmp_path)
    assert find(tmp_path, made.run_id) == RunFolder(made.path.resolve())


def test_an_old_plan_goes_although_it_was_never_run_and_one_that_is_young_or_being_made_stays(tmp_path: Path) -> None:
    old, held, young = (create_plan(tmp_path, "renames.csv", NOW - age * DAY) for age in (60, 50, 2))
    for folder in (old, held, young):
        with Journal.create(folder.journal) as journal:
            journal.add_rows([(2, ["id-2"], "id-2", "/2", {"name": "x"})], [])
            journal.seal({"rows": 1})
        (folder.path / "plan.csv").write_text("x" * 1000)
    with held.lock():
        assert plan(tmp_path) == [old]
    may_go = planned(tmp_path)
    with held.lock():
        pruned = remove(tmp_path, may_go)
    assert pruned.removed == [old.run_id]
    assert pruned.freed > 1000
    assert f"The plan {held.run_id} stays: Another process" in pruned.notices[0]
    assert not old.path.exists()
    assert find_plan(tmp_path, held.run_id) == held
    assert find_plan(tmp_path, young.run_id) == young


def test_a_run_that_was_taken_up_since_the_plan_stays(tmp_path: Path) -> None:
    held, resumed = make(tmp_path, 90 * DAY, 60 * DAY), make(tmp_path, 90 * DAY, 50 * DAY, sent=1)
    runs = planned(tmp_path)
    with Journal.open(resumed.journal) as journal:
        session = journal.begin_session(NOW.timestamp(), repeatable=True)
        journal.end_session(Session(session, NOW.timestamp()), 0)
    with held.lock():
        pruned = remove(tmp_path, runs)
    assert pruned.removed == []
    assert sorted(all_runs(tmp_path), key=str) == sorted([held, resumed], key=str)
    assert f"The run {held.run_id} stays: Another process" in pruned.notices[0]
    assert f"The run {resumed.run_id} stays: It was worked on meanwhile." in pruned.notices[1]
    assert pruned.freed == 0


@POSIX
def test_what_a_link_within_a_run_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    made = make(tmp_path / "runs", 90 * DAY, 60 * DAY)
    (made.path / "link").symlink_to(tmp_path / "mine")
    (made.path / "folder").mkdir()
    (made.path / "folder" / "link").symlink_to(tmp_path / "mine")
    assert remove(tmp_path / "runs", planned(tmp_path / "runs")).removed == [made.run_id]
    assert (tmp_path / "mine" / "file").exists()


def test_a_removal_that_is_broken_off_leaves_a_run_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = make(tmp_path, 90 * DAY, 60 * DAY), make(tmp_path, 90 * DAY, 50 * DAY)
    unlink = Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path.parent == made.path and path.name == "results.csv":
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", held)
    pruned = remove(tmp_path, planned(tmp_path))
    assert pruned.removed == [other.run_id]
    assert pruned.notices == [f"The run {made.run_id} stays: The process cannot access the file."]
    with Journal.open(made.journal) as journal:
        assert journal.rows() == 2


def test_latest_leads_to_the_newest_run_that_is_left(tmp_path: Path) -> None:
    gone, left = make(tmp_path, 40 * DAY, 40 * DAY), make(tmp_path, 50 * DAY, DAY)
    point_latest(gone)
    remove(tmp_path, planned(tmp_path))
    assert find(tmp_path, "latest").run_id == left.run_id
    assert (tmp_path / "latest").resolve() == left.path.resolve()


def test_latest_stays_where_it_is_if_that_run_does(tmp_path: Path) -> None:
    make(tmp_path, 90 * DAY, 60 * DAY)
    left = make(tmp_path, 70 * DAY, DAY)
    make(tmp_path, DAY, DAY)
    point_latest(left)
    remove(tmp_path, planned(tmp_path))
    assert find(tmp_path, "latest").run_id == left.run_id


@pytest.mark.parametrize("link", [True, False])
def test_latest_goes_with_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "A required privilege is not held by the client")

    if not link:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    point_latest(make(tmp_path, 90 * DAY, 60 * DAY))
    remove(tmp_path, planned(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == []
