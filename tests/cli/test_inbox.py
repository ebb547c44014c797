from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.journal import Journal
from batchupdate.runs.inbox import TakenFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]
    Take = Callable[..., tuple[Result, Sandbox]]

NOBODY = ("00000000-0000-4000-8000-000000000000", "Nobody")


@pytest.fixture
def drop(renames: Renames) -> Callable[..., Path]:
    """Puts a file of renames into the inbox, as if it had been there for a while."""

    def put(name: str, count: int, *more: tuple[str, str]) -> Path:
        Path("inbox").mkdir(exist_ok=True)
        path = renames(count, *more, name=f"inbox/{name}")
        long_ago = time.time() - 60
        os.utime(path, (long_ago, long_ago))
        return path

    return put


@pytest.fixture
def take(cli: Cli, batchupdate_sandbox: Sandboxes) -> Callable[..., tuple[Result, Sandbox]]:
    """Takes what is in the inbox; the sandbox is the same one each time."""
    sandbox = batchupdate_sandbox()

    def call(*more: str, files: str = "inbox/*.csv", archive: str = "done") -> tuple[Result, Sandbox]:
        where = ("--archive", archive, "--failed", "failed", "--base-url", sandbox.url)
        run = ("run", files, "-t", "langdock-integration", "--rate", "unlimited", "--diff", "never")
        return cli(*run, *where, *(more or ("--yes",))), sandbox

    return call


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).glob("*"))


def test_each_file_is_a_run_of_its_own_and_goes_where_it_belongs(drop: Renames, take: Take) -> None:
    drop("b.csv", 2)
    drop("a.csv", 1, NOBODY)
    Path("inbox/c.csv").write_text("no,ids\n1,2\n", encoding="utf-8")
    os.utime("inbox/c.csv", (1, 1))
    drop("d.csv", 3)
    result, sandbox = take("--yes", "--json")
    assert result.exit_code == 2, result.stderr
    said = json.loads(result.stdout)
    assert [(Path(one["file"]).name, one["exit_code"]) for one in said["files"]] == [
        ("a.csv", 1),
        ("b.csv", 0),
        ("c.csv", 2),
        ("d.csv", 0),
    ]
    assert len(sandbox.applied) == 1 + 2 + 3
    assert names("inbox") == []
    assert names("done") == ["b.csv", "d.csv"]
    assert names("failed") == ["a.csv", "a.failed.csv", "c.csv", "c.csv.error.txt"]
    assert "Nobody" in Path("failed/a.failed.csv").read_text("utf-8")
    assert "id" in Path("failed/c.csv.error.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("heading", "setting"),
    [
        ("New name", ("--map", "New name=name")),
        ("name", ("--when", "action=rename")),
        ("other", ("--config", "computed.yaml")),
    ],
)
def test_a_file_without_a_column_that_the_settings_name_is_put_aside_by_its_name(
    drop: Renames, take: Take, heading: str, setting: tuple[str, str]
) -> None:
    Path("computed.yaml").write_text('input: {computed: {description: "{Team}"}}\n', encoding="utf-8")
    for name in ("a.csv", "b.csv", "c.csv"):
        path = drop(name, 2)
        if name != "b.csv":
            _, *rows = path.read_text(encoding="utf-8").splitlines()
            whole = [f"id,{heading},action,Team", *(f"{row},rename,Sales" for row in rows)]
            path.write_text("\n".join(whole), encoding="utf-8")
            os.utime(path, (1, 1))
    result, sandbox = take("--yes", "--quiet", *setting)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: inbox/b.csv: ")
    assert names("failed") == ["b.csv", "b.csv.error.txt"]
    assert (names("inbox"), names("done")) == ([], ["a.csv", "c.csv"])
    assert len(sandbox.applied) == 4


def test_an_empty_inbox_is_no_mistake_and_a_missing_folder_is_one(take: Take) -> None:
    Path("inbox").mkdir()
    result, _ = take()
    assert (result.exit_code, "There is no file to send." in result.stderr) == (0, True)
    assert take(files="elsewhere/*.csv")[0].exit_code == 2
    missing, _ = take(files="inbox/a.csv")
    assert (missing.exit_code, "There is no file inbox/a.csv." in missing.stderr) == (2, True)


def test_a_file_with_the_same_content_that_comes_again_is_sent_again(drop: Renames, take: Take) -> None:
    drop("a.csv", 2)
    assert take()[0].exit_code == 0
    drop("a.csv", 2)
    result, sandbox = take()
    assert result.exit_code == 0
    assert len(sandbox.applied) == 4
    assert names("done") == ["a (2).csv", "a.csv"]


def test_a_file_that_was_sent_and_not_moved_is_only_moved(drop: Renames, take: Take) -> None:
    drop("a.csv", 2)
    Path("done").write_text("in the way", encoding="utf-8")
    stuck, sandbox = take()
    assert stuck.exit_code == 2
    assert "can't be moved to done" in stuck.stderr
    assert "nothing is sent again" in " ".join(stuck.stderr.split())
    Path("done").unlink()
    result, _ = take()
    assert result.exit_code == 0
    assert "was sent already" in result.stderr
    assert (len(sandbox.applied), names("inbox"), names("done")) == (2, [], ["a.csv"])


def test_a_file_that_a_person_puts_back_is_sent_again(drop: Renames, take: Take) -> None:
    drop("a.csv", 1, NOBODY)
    assert take()[0].exit_code == 1
    Path("failed/a.csv").rename("inbox/a.csv")
    result, sandbox = take()
    assert result.exit_code == 1
    assert len(sandbox.applied) == 2


def test_a_stopped_run_leaves_its_file_and_all_others_where_they_are(drop: Renames, take: Take) -> None:
    drop("a.csv", 2)
    drop("b.csv", 2)
    _, sandbox = take("--dry-run")
    sandbox.revoke()
    stopped, _ = take()
    assert stopped.exit_code == 3
    assert names("inbox") == ["a.csv", "b.csv"]
    sandbox.restore()
    resumed, _ = take()
    assert resumed.exit_code == 0
    assert (names("inbox"), len(sandbox.applied)) == ([], 4)


def test_a_dry_run_moves_nothing(drop: Renames, take: Take) -> None:
    drop("a.csv", 2)
    drop("b.csv", 1, ("bad", "x"))
    result, sandbox = take("--dry-run", "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, [one["exit_code"] for one in said["files"]]) == (1, [0, 1])
    assert said["files"][0]["to_send"] == 2
    assert (names("inbox"), len(sandbox.requests)) == (["a.csv", "b.csv"], 0)


def test_a_file_that_grew_while_it_was_sent_stays_and_counts_as_a_new_one(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop("a.csv", 1)
    settled_by = TakenFile.settled_by

    def grows(self: TakenFile, *args: Any, **more: Any) -> str:
        why = settled_by(self, *args, **more)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{','.join(NOBODY)}\n")
        os.utime(path, (1, 1))
        return why

    monkeypatch.setattr(TakenFile, "settled_by", grows)
    result, _ = take()
    assert "has changed since it was read" in result.stderr
    assert (result.exit_code, names("inbox")) == (0, ["a.csv"])
    monkeypatch.undo()


def test_a_file_that_somebody_still_writes_to_is_waited_for_and_then_left(tmp_path: Path) -> None:
    path, slept = tmp_path / "a.csv", list[float]()
    path.write_text("id\n", encoding="utf-8")

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    def writes(seconds: float) -> None:
        slept.append(seconds)
        path.write_text("id,name\n", encoding="utf-8")

    assert TakenFile.once_quiet(path, sleep) == TakenFile.of(path)
    assert TakenFile.once_quiet(path, writes) is None
    assert all(4 < one <= 5 for one in slept)
    os.utime(path, (1, 1))
    assert TakenFile.once_quiet(path, writes) == TakenFile.of(path)
    assert len(slept) == 2


def test_a_shelf_on_another_file_system_gets_a_whole_copy(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop("a.csv", 2)
    text, rename = path.read_text("utf-8"), Path.rename

    def across(self: Path, place: Path) -> Path:
        if self.name == "a.csv":
            raise OSError(18, "Invalid cross-device link")
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", across)
    assert take()[0].exit_code == 0
    assert (names("inbox"), names("done")) == ([], ["a.csv"])
    assert Path("done/a.csv").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "-", "--archive", "done"), "- is no file that could be moved"),
        (("run", "https://example.com/a.csv", "--archive", "done"), "is no file that could be moved"),
        (("run", "a.csv", "--failed", "failed"), "--failed is given without --archive"),
    ],
)
def test_what_can_not_be_moved_is_a_sentence(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    result = cli(*arguments, "-t", "langdock-integration", "--yes")
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_file_that_another_process_took_meanwhile_is_left_out(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("a.csv", 1)
    drop("b.csv", 1)
    once_quiet = TakenFile.once_quiet.__func__  # type: ignore[attr-defined]

    def gone(cls: type[TakenFile], path: Path) -> TakenFile | None:
        if path.name == "a.csv":
            shutil.move(path, path.with_suffix(".taken"))
        found: TakenFile | None = once_quiet(cls, path)
        return found

    monkeypatch.setattr(TakenFile, "once_quiet", classmethod(gone))
    result, sandbox = take()
    assert (result.exit_code, len(sandbox.applied)) == (0, 1)
    assert "inbox/a.csv is left out: No such file or directory." in result.stderr


def test_a_file_that_another_process_has_just_sent_is_not_sent_again(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("a.csv", 2)
    Path("done").write_text("in the way", encoding="utf-8")
    assert take()[0].exit_code == 2  # sent, and not moved yet
    finished_run, looks = TakenFile.finished_run, iter(["too early"])

    def looks_too_early(self: TakenFile, *args: Any) -> Any:
        return None if next(looks, None) else finished_run(self, *args)

    monkeypatch.setattr(TakenFile, "finished_run", looks_too_early)
    result, sandbox = take()
    assert (result.exit_code, len(sandbox.applied), names("inbox")) == (0, 2, ["a.csv"])
    assert "another process has just sent it" in result.stderr


@pytest.mark.parametrize("by", ["replaced", "gone"])
def test_a_file_that_is_not_the_one_it_was_when_it_is_read_is_not_sent(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    path = drop("a.csv", 2)
    once_quiet = TakenFile.once_quiet.__func__  # type: ignore[attr-defined]

    def then_changed(cls: type[TakenFile], path: Path) -> TakenFile | None:
        found: TakenFile | None = once_quiet(cls, path)
        path.unlink() if by == "gone" else drop("a.csv", 3)
        return found

    monkeypatch.setattr(TakenFile, "once_quiet", classmethod(then_changed))
    result, sandbox = take()
    assert (result.exit_code, len(sandbox.applied)) == (0, 0), result.stderr
    assert path.exists() == (by == "replaced")
    assert not list(Path("batchupdate-runs").glob("2*"))


def test_failed_rows_that_somebody_is_correcting_are_not_replaced(drop: Renames, take: Take) -> None:
    drop("a.csv", 1, NOBODY)
    assert take()[0].exit_code == 1
    Path("failed/a.csv").unlink()
    Path("failed/a.failed.csv").write_text("id,name\ncorrected,by hand\n", encoding="utf-8")
    drop("a.csv", 1, NOBODY)
    assert take()[0].exit_code == 1
    assert names("failed") == ["a (2).csv", "a (2).failed.csv", "a.failed.csv"]
    assert "corrected" in Path("failed/a.failed.csv").read_text("utf-8")


def test_failed_rows_stand_once_beside_a_file_that_was_moved_at_the_second_try(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("a.csv", 1, NOBODY)
    rename = Path.rename

    def full(self: Path, place: Path) -> Path:
        if self.name == "a.csv":
            raise OSError(28, "No space left on device")
        return rename(self, place)

    def full_copy(*_: object) -> None:
        raise OSError(28, "No space left on device")

    copy2 = shutil.copy2
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        patch.setattr(shutil, "copy2", lambda a, b: full_copy() if a.name == "a.csv" else copy2(a, b))
        assert take()[0].exit_code == 2
    assert names("failed") == ["a.failed.csv"]
    result, sandbox = take()
    assert (result.exit_code, len(sandbox.requests)) == (1, 2)
    assert names("failed") == ["a.csv", "a.failed.csv"]


def test_json_has_the_files_before_the_one_that_can_not_be_moved(drop: Renames, take: Take) -> None:
    drop("a.csv", 1, NOBODY)
    drop("b.csv", 2)
    drop("c.csv", 2)
    Path("done").write_text("in the way", encoding="utf-8")
    result, _ = take("--yes", "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["exit_code"]) == (2, 2)
    assert [(Path(one["file"]).name, one["exit_code"]) for one in said["files"]] == [("a.csv", 1), ("b.csv", 2)]
    assert said["files"][1]["counts"]["updated"] == 2
    assert said["stopped"] == said["files"][1]["stopped"]
    assert "can't be moved to done" in said["stopped"]["message"]


def test_of_runs_without_a_file_to_move_none_is_opened_twice(
    drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        drop(f"{number}.csv", 1)
    assert take()[0].exit_code == 0
    opened, open_journal = list[Path](), Journal.open

    def note(path: Path) -> Journal:
        opened.append(path)
        return open_journal(path)

    monkeypatch.setattr(Journal, "open", note)
    taken, settled = TakenFile.of(drop("5.csv", 1)), set[str]()
    for _ in range(3):
        assert taken.finished_run(Path("batchupdate-runs"), settled) is None
    assert len(opened) == len(settled) == 4


def test_an_empty_inbox_is_told_to_the_health_check_and_to_nobody_else(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("inbox").mkdir()
    told = list[str]()

    async def ping(*args: Any) -> str:
        told.append(args[2])
        return ""

    async def send(*_: object) -> str:
        told.append("a message")
        return ""

    monkeypatch.setattr("batchupdate.runs.notify.health.ping", ping)
    monkeypatch.setattr("batchupdate.runs.notify.messages.send", send)
    monkeypatch.setenv("HEALTH", "http://127.0.0.1:1/secret")
    monkeypatch.setenv("CHAT", "json://127.0.0.1:1/secret")
    notify = (
        "{health: {env: HEALTH}, to: [{env: CHAT, when: [finish, change, failure, unusual]}], metrics_file: a.prom}"
    )
    Path("n.yaml").write_text(f"notify: {notify}\n", encoding="utf-8")
    assert take("--yes", "--config", "n.yaml")[0].exit_code == 0
    assert told == ["success"]
    assert "batchupdate_last_success_timestamp_seconds" in Path("a.prom").read_text("utf-8")


def test_a_file_that_can_not_be_moved_is_told(drop: Renames, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    drop("a.csv", 1)
    Path("done").write_text("in the way", encoding="utf-8")
    told = list[str]()

    async def ping(*args: Any) -> str:
        told.append(args[2])
        return ""

    monkeypatch.setattr("batchupdate.runs.notify.health.ping", ping)
    monkeypatch.setenv("HEALTH", "http://127.0.0.1:1/secret")
    Path("n.yaml").write_text("notify: {health: {env: HEALTH}}\n", encoding="utf-8")
    for _ in range(2):
        assert take("--yes", "--config", "n.yaml")[0].exit_code == 2
    assert told == ["start", "success", "failure", "failure"]


@pytest.mark.parametrize(
    ("files", "archive"), [("inbox/*.csv", "inbox"), ("inbox/*.csv", "inbox/../inbox"), ("**/*.csv", "inbox/done")]
)
def test_what_was_moved_is_not_taken_for_a_new_file_the_next_time(
    drop: Renames, take: Take, files: str, archive: str
) -> None:
    drop("a.csv", 1)
    take(files=files, archive=archive)
    result, sandbox = take(files=files, archive=archive)
    assert result.exit_code == 2
    assert "it would be sent each time" in result.stderr
    assert len(sandbox.applied) <= 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_signal_that_comes_when_a_run_has_sent_all_leaves_the_other_files_for_the_next_time(
    drop: Renames, take: Take
) -> None:
    drop("a.csv", 2)
    drop("b.csv", 3)
    kills = [sys.executable, "-c", "import os, signal; os.kill(os.getppid(), signal.SIGTERM)"]
    Path("c.yaml").write_text(json.dumps({"notify": {"on_finish": kills}}), encoding="utf-8")
    result, sandbox = take("--yes", "--json", "--config", "c.yaml")
    assert result.exit_code == 143, result.output
    said = json.loads(result.stdout)
    assert (said["exit_code"], said["stopped"]["code"]) == (143, "interrupted")
    assert [(Path(one["file"]).name, one["exit_code"]) for one in said["files"]] == [("a.csv", 0)]
    assert (names("done"), names("inbox"), len(sandbox.applied)) == (["a.csv"], ["b.csv"], 2)
