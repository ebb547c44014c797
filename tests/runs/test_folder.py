from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batchupdate.errors import ConfigError, RunLocked
from batchupdate.journal import Journal
from batchupdate.runs import folder
from batchupdate.runs.folder import RunFolder, all_runs, create, find, point_latest

NOW = datetime(2026, 11, 21, 18, 45, tzinfo=UTC)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes, and links need a privilege")


def make(runs_dir: Path, name: str = "renames.csv", now: datetime = NOW) -> RunFolder:
    made = create(runs_dir, name, now)
    Journal.create(made.journal).close()
    return made


# Its name.


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("renames.csv", "renames"),
        ("Q3 Renames (final).XLSX", "q3-renames-final"),
        ("../../etc/passwd", "passwd"),
        ("übersicht.csv", "bersicht"),
        ("名前.csv", "run"),
        ("---.csv", "run"),
        ("", "run"),
        ("-", "run"),
        ("a" * 39 + " b" * 9 + ".csv", "a" * 39),
    ],
)
def test_a_run_is_named_by_time_and_input(tmp_path: Path, name: str, slug: str) -> None:
    made = create(tmp_path, name, NOW)
    assert re.fullmatch(rf"20261121-184500-{slug}-[0-9a-f]{{4}}", made.run_id)
    assert made.path.parent == tmp_path


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(folder.secrets, "token_hex", lambda _: next(drawn))
    assert create(tmp_path, "x.csv", NOW).run_id[-4:] == "aaaa"
    assert create(tmp_path, "x.csv", NOW).run_id[-4:] == "bbbb"


@POSIX
def test_the_runs_folder_and_the_run_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = create(tmp_path / "deep" / "runs", "x.csv", NOW)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700


def test_a_runs_folder_that_is_a_file_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("no folder")
    with pytest.raises(ConfigError, match=r"runs can't be used: .*exists.* Name another one with --runs-dir"):
        create(tmp_path / "runs", "x.csv", NOW)


def test_an_unused_run_is_removed_whole(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.remove()
    made.remove()
    assert list(tmp_path.iterdir()) == []


# Its lock.

HOLD = """
import sys
from pathlib import Path
from batchupdate.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_another_process_holds_is_locked_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    made = make(tmp_path)
    command = [sys.executable, "-c", HOLD, str(made.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunLocked, match=f"working on the run {made.run_id}") as caught, made.lock():
            pass
        assert caught.value.exit_code == 4
        other.kill()
        other.wait()
        with made.lock():
            pass


def test_the_lock_is_let_go_at_the_end_also_after_an_error(tmp_path: Path) -> None:
    made = make(tmp_path)
    with pytest.raises(ZeroDivisionError), made.lock():
        raise ZeroDivisionError
    with made.lock(), pytest.raises(RunLocked), made.lock():
        pass
    with made.lock():
        pass


@POSIX
def test_the_lock_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = make(tmp_path)
    with made.lock():
        assert stat.S_IMODE((made.path / ".lock").stat().st_mode) == 0o600


@POSIX
def test_who_holds_a_run_is_not_written_through_a_planted_link(tmp_path: Path) -> None:
    made = make(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (made.path / ".lock.owner").symlink_to(victim)
    with made.lock():
        assert not (made.path / ".lock.owner").is_symlink()
    assert victim.read_text() == "mine"


def test_a_folder_that_is_gone_or_can_not_be_locked_gives_a_sentence(tmp_path: Path) -> None:
    made = make(tmp_path)
    (made.path / ".lock").mkdir()
    with pytest.raises(ConfigError, match="can't be locked"), made.lock():
        pass


# Finding it again.


@POSIX
def test_a_link_latest_that_leads_to_itself_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("latest")
    with pytest.raises(ConfigError, match="There are no runs"):
        find(tmp_path, "latest")
    made = make(tmp_path)
    assert find(tmp_path, "latest").run_id == made.run_id


def test_runs_are_listed_newest_first_and_nothing_else_is_a_run(tmp_path: Path) -> None:
    old, new = make(tmp_path, "b.csv"), make(tmp_path, "a.csv", NOW + timedelta(seconds=1))
    create(tmp_path, "no-journal.csv", NOW)
    (tmp_path / "notes").mkdir()
    (tmp_path / "20261121-184500-file-abcd").write_text("")
    point_latest(new)
    assert list(all_runs(tmp_path)) == [new, old]


def test_a_runs_folder_that_is_missing_holds_no_runs(tmp_path: Path) -> None:
    assert list(all_runs(tmp_path / "none")) == []


@POSIX
def test_a_folder_of_somebody_else_is_passed_over(tmp_path: Path) -> None:
    mine = make(tmp_path, "mine.csv")
    theirs = make(tmp_path, "theirs.csv")
    theirs.path.chmod(0)
    root = os.geteuid() == 0
    if root:
        for above in [tmp_path, *tmp_path.parents]:
            if above.stat().st_mode & 0o777 == 0o700:  # pytest's own folders
                above.chmod(0o755)
        mine.path.chmod(0o755)
        os.seteuid(65534)
    try:
        assert list(all_runs(tmp_path)) == [mine]
        with pytest.raises(ConfigError, match="no run"):
            find(tmp_path, theirs.run_id)
    finally:
        if root:
            os.seteuid(0)
        theirs.path.chmod(0o700)


def test_a_run_is_found_by_id_by_folder_and_as_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(tmp_path / "runs")
    point_latest(made)
    monkeypatch.chdir(tmp_path)
    for name in (made.run_id, str(made.path), f"runs/{made.run_id}", "latest", "runs/latest"):
        found = find(tmp_path / "runs", name)
        assert found.path.resolve() == made.path.resolve()
        assert found.run_id == made.run_id


@pytest.mark.parametrize("name", ["nonsense", "", ".", "..", "a\0b", "20261121-184500-x-abcd"])
def test_what_is_no_run_gives_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="There is no run"):
        find(tmp_path, name)


def test_latest_of_nothing_gives_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There are no runs in"):
        find(tmp_path, "latest")


# The link `latest`.


def test_latest_is_the_run_that_was_worked_on_last(tmp_path: Path) -> None:
    old, new = make(tmp_path, "z.csv"), make(tmp_path, "a.csv", NOW + timedelta(seconds=1))
    for worked_on in (new, old, new):
        point_latest(worked_on)
        assert find(tmp_path, "latest").run_id == worked_on.run_id
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_no_older_run_is_taken_for_the_latest_if_that_is_gone(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    newest = make(tmp_path, "b.csv", NOW + timedelta(seconds=1))
    point_latest(newest)
    newest.path.rename(tmp_path / "archived")
    with pytest.raises(ConfigError, match=f"stands for the run {newest.run_id}, which is not in"):
        find(tmp_path, "latest")


@POSIX
def test_latest_is_a_link_that_survives_moving_the_runs_folder(tmp_path: Path) -> None:
    made = make(tmp_path / "runs")
    point_latest(made)
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").readlink() == Path(made.run_id)
    assert find(tmp_path / "moved", "latest").run_id == made.run_id


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)


def test_where_links_need_a_privilege_latest_is_a_file_with_the_runs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make(tmp_path, "z.csv"), make(tmp_path, "a.csv", NOW)
    without_links(monkeypatch)
    for worked_on in (new, old):
        point_latest(worked_on)
        assert (tmp_path / "latest").read_text() == worked_on.run_id + "\n"
        assert find(tmp_path, "latest").run_id == worked_on.run_id


@pytest.mark.parametrize("content", ["", "../elsewhere", "\0", "x" * 100_000])
def test_a_latest_that_names_no_run_gives_way_to_the_newest(tmp_path: Path, content: str) -> None:
    made = make(tmp_path)
    (tmp_path / "latest").write_text(content)
    assert find(tmp_path, "latest").run_id == made.run_id


def test_latest_of_bytes_that_are_no_text_gives_way_to_the_newest(tmp_path: Path) -> None:
    made = make(tmp_path)
    (tmp_path / "latest").write_bytes(b"\xff\xfe\xff")
    assert find(tmp_path, "latest").run_id == made.run_id


def test_a_folder_in_latests_place_is_left_alone_and_stops_nothing(tmp_path: Path) -> None:
    made = make(tmp_path)
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "keep").write_text("x")
    point_latest(made)
    assert (tmp_path / "latest" / "keep").read_text() == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([made.run_id, "latest"])
    assert find(tmp_path, "latest").run_id == made.run_id


def test_a_latest_that_can_not_be_made_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(tmp_path)
    without_links(monkeypatch)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    point_latest(made)
    assert not (tmp_path / "latest").exists()


def test_a_unique_beginning_of_an_id_is_enough(tmp_path: Path) -> None:
    at = datetime(2026, 11, 21, 18, 45, tzinfo=UTC)
    made = [create(tmp_path, name, at + timedelta(days=day)) for day, name in enumerate(["one", "two", "three"])]
    for one in made:
        Journal.create(one.journal).close()
    assert find(tmp_path, "20261122") == made[1]
    assert find(tmp_path, made[2].run_id[:-1]) == made[2]
    with pytest.raises(ConfigError, match=r"3 runs begin with '2026112': 2026112\d-.*Type more of the id"):
        find(tmp_path, "2026112")
    with pytest.raises(ConfigError, match="There is no run '2025'"):
        find(tmp_path, "2025")
