from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from reports import NO_DETAILS

from batchupdate.errors import SafetyStop
from batchupdate.model import Line, Outcome, Sessions, Traffic
from batchupdate.reporter import Summary, write_reports
from batchupdate.reporter.atomic_write import replacing, replacing_all
from batchupdate.reporter.results_csv import write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT = datetime(2026, 11, 21, 18, 45, 0, 123456, tzinfo=UTC).timestamp()
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes and no such limits")


def line(number: int) -> Line:
    return Line(number, '["a"]', "a", "updated", 200, 1, "", "", "", None, None)


def summary_of(folder: Path, rows: int) -> Summary:
    counts = {**dict.fromkeys(Outcome, 0), Outcome.UPDATED: rows}
    sessions = Sessions(Traffic(), None, None, 0.0, None)
    return Summary("run", folder, "target", "in.csv", "", rows, counts, sessions, [], None, auto=False, exit_code=0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets files be held as Excel holds them on Windows: they can't be replaced."""

    def hold(*held: str, also_new_ones: bool = False) -> None:
        replace = os.replace

        def refuse(source: object, target: str | Path) -> None:
            if Path(target).name in held and (also_new_ones or Path(target).exists()):
                raise PermissionError(13, "The process cannot access the file", str(target))
            replace(source, target)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "replace", refuse)

    return hold


# A file that another program holds.


def test_a_report_that_is_open_elsewhere_gets_a_second_name_and_the_user_is_told(
    tmp_path: Path, hold: Callable[..., None]
) -> None:
    (tmp_path / "results.csv").write_text("old")
    hold("results.csv")
    summary = summary_of(tmp_path, 1)
    write_reports(summary, ["Id"], 1, [line(2)], NO_DETAILS)
    assert summary.notices == ["results.csv is open in another program, or protected; the new file is results (2).csv."]
    assert (tmp_path / "results.csv").read_text() == "old"
    assert (tmp_path / "results (2).csv").read_bytes().endswith(b"a,2,a,updated,200,1,,,,\r\n")
    assert names(tmp_path) == ["failed.csv", "report.html", "results (2).csv", "results.csv", "summary.json"]


def test_every_report_can_be_held_and_each_is_told(tmp_path: Path, hold: Callable[..., None]) -> None:
    held = ("results.csv", "failed.csv", "summary.json")
    for name in held:
        (tmp_path / name).write_text("old")
    hold(*held)
    summary = summary_of(tmp_path, 1)
    write_reports(summary, ["Id"], 1, [line(2)], NO_DETAILS)
    assert [notice.split()[0] for notice in summary.notices] == list(held)
    assert [(tmp_path / name).read_text() for name in held] == ["old"] * 3
    assert json.loads((tmp_path / "summary (2).json").read_text())["run_id"] == "run"


def test_a_second_name_that_is_taken_is_never_written_over(tmp_path: Path, hold: Callable[..., None]) -> None:
    for name in ("x.csv", "x (2).csv"):
        (tmp_path / name).write_text("mine")
    hold("x.csv")
    notices: list[str] = []
    with replacing(tmp_path / "x.csv", notices) as file:
        file.write("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "x.csv": "mine",
        "x (2).csv": "mine",
        "x (3).csv": "new",
    }
    assert notices[0].endswith("he new file is x (3).csv.")


def test_once_the_file_is_closed_it_is_replaced_again_and_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    (tmp_path / "x (2).csv").write_text("from then")
    notices: list[str] = []
    with replacing(tmp_path / "x.csv", notices) as file:
        file.write("new")
    assert (tmp_path / "x.csv").read_text() == "new"
    assert (tmp_path / "x (2).csv").read_text() == "from then"
    assert notices == []


def test_a_folder_in_the_place_of_a_report_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.csv").mkdir()
    (tmp_path / "results.csv" / "mine").write_text("")
    summary = summary_of(tmp_path, 1)
    write_reports(summary, ["Id"], 1, [line(2)], NO_DETAILS)
    assert summary.notices == ["results.csv is a folder; the new file is results (2).csv."]
    assert (tmp_path / "results.csv" / "mine").exists()


@POSIX
def test_a_second_name_too_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with replacing(tmp_path / "x.csv") as file:
        file.write("new")
    assert stat.S_IMODE((tmp_path / "x (2).csv").stat().st_mode) == 0o600


def test_a_folder_that_takes_no_file_at_all_ends_in_a_sentence_and_without_a_search(
    tmp_path: Path, hold: Callable[..., None]
) -> None:
    (tmp_path / "x.csv").write_text("old")
    hold("x.csv", "x (2).csv", also_new_ones=True)
    with pytest.raises(SafetyStop, match="Close the file"), replacing(tmp_path / "x.csv") as file:
        file.write("new")
    assert names(tmp_path) == ["x.csv"]


def test_any_other_trouble_is_no_reason_for_a_second_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.csv").write_text("old")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(SafetyStop, match="Input/output error"), replacing(tmp_path / "x.csv"):
        pass
    assert names(tmp_path) == ["x.csv"]


# A disk that gets full.


def test_no_report_is_replaced_before_all_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("results.csv", "failed.csv"):
        (tmp_path / name).write_text("old")
    synced = iter([None, OSError(28, "No space left on device")])

    def full_at_the_second(_: int) -> None:
        if error := next(synced):
            raise error

    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(SafetyStop, match=r"The disk is full.* batchupdate report") as caught:
        write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, [line(2)])
    assert caught.value.exit_code == 3
    assert tmp_path.name in caught.value.hint
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"results.csv": "old", "failed.csv": "old"}


FILL = """
import resource, sys
from pathlib import Path
from batchupdate.errors import SafetyStop
from batchupdate.model import Line
from batchupdate.reporter.results_csv import write_results
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
lines = (Line(n, '["' + "x" * 90 + '"]', "a", "updated", 200, 1, "", "", "", None, None) for n in range(2, 2002))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
try:
    write_results(folder / "results.csv", folder / "failed.csv", ["Id"], 1, lines)
except SafetyStop as stop:
    print(stop)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))  # what measures coverage writes at the end
"""


@POSIX
@pytest.mark.parametrize("limit", [0, 40, 100, 5_000, 200_000])
def test_a_limit_of_the_system_leaves_the_old_reports_whole_and_nothing_beside_them(tmp_path: Path, limit: int) -> None:
    for name in ("results.csv", "failed.csv"):
        (tmp_path / name).write_text("old")
    command = [sys.executable, "-c", FILL, str(tmp_path), str(limit)]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "The disk is full; it has no " in child.stdout
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"results.csv": "old", "failed.csv": "old"}


# What a killed process leaves.


def test_what_a_killed_process_left_half_written_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    mine = [".x.csv.mine-too", ".y.csv.0123abcd", "x.csv.0123abcd"]
    for name in (*mine, ".x.csv.0123abcd", ".x.csv.ffffffff"):
        (tmp_path / name).write_text("half")
    with replacing(tmp_path / "x.csv") as file:
        file.write("new")
    assert names(tmp_path) == sorted([*mine, "x.csv"])


def test_an_end_in_the_middle_leaves_nothing_half(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Line]:
        yield line(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, interrupted())
    assert names(tmp_path) == []


def test_files_come_out_in_the_order_of_their_paths(tmp_path: Path) -> None:
    with replacing_all([tmp_path / "a", tmp_path / "b"]) as (first, second):
        first.write("a")
        second.write("b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]


def full_line(number: int, cells: list[str], outcome: Outcome = Outcome.UPDATED, **facts: Any) -> Line:
    blank: dict[str, Any] = {
        "record_id": f"id-{number}",
        "http_status": 200,
        "attempts": 1,
        "error": "",
        "request_id": "r-1",
        "location": "",
        "finished_at": AT,
        "duration_ms": 12.5,
    }
    return Line(number=number, cells=json.dumps(cells), outcome=outcome.value, **{**blank, **facts})


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["=1+1", "'", "''=x", "'plain", "007", "NA", "a,b", 'q"q', "x\ny", "x\r\ny", "<null>", "#N/A", "\ufeff"]
)


def failing(error: Exception) -> Iterator[Line]:
    yield full_line(2, ["new"])
    raise error


@pytest.mark.parametrize(
    "error", [SafetyStop("The journal is damaged."), KeyError("bug"), OSError(28, "No space left")]
)
def test_a_report_that_can_not_be_finished_leaves_the_old_ones(tmp_path: Path, error: Exception) -> None:
    for name in ("results.csv", "failed.csv"):
        (tmp_path / name).write_text("old")
    expected = SafetyStop if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        write_results(tmp_path / "results.csv", tmp_path / "failed.csv", ["Id"], 1, failing(error))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"results.csv": "old", "failed.csv": "old"}


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    with replacing(tmp_path / "x.csv") as file:
        file.write("new")
        file.flush()
        assert (tmp_path / "x.csv").read_text() == "old"
    assert (tmp_path / "x.csv").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_a_report_is_for_its_owner_alone_even_if_the_old_one_was_not(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    (tmp_path / "x.csv").chmod(0o644)
    with replacing(tmp_path / "x.csv") as file:
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.name != "x.csv"} == {0o600}
        file.write("new")
    assert stat.S_IMODE((tmp_path / "x.csv").stat().st_mode) == 0o600


def test_a_folder_that_is_gone_gives_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(SafetyStop, match=r"x.csv can't be written: No such file.* batchupdate report"),
        replacing(tmp_path / "gone" / "x.csv"),
    ):
        pass


def test_a_folder_that_is_a_file_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SafetyStop, match="can't be written: Not a directory"), replacing(tmp_path / "file" / "x.csv"):
        pass


def test_a_file_that_another_program_holds_gives_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(SafetyStop, match="Close the file"), replacing(tmp_path / "x.csv") as file:
        file.write("new")
    assert list(tmp_path.iterdir()) == []
