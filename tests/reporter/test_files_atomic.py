"""Files appear whole or not at all, and for their owner alone."""

from __future__ import annotations

import json
import os
import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from batchupdate.errors import SafetyStop
from batchupdate.model import Line, Outcome
from batchupdate.reporter.files import replacing
from batchupdate.reporter.results_csv import write_results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = datetime(2026, 11, 21, 18, 45, 0, 123456, tzinfo=UTC).timestamp()


def line(number: int, cells: list[str], outcome: Outcome = Outcome.UPDATED, **facts: Any) -> Line:
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
    yield line(2, ["new"])
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
    with pytest.raises(SafetyStop, match="close the file"), replacing(tmp_path / "x.csv") as file:
        file.write("new")
    assert list(tmp_path.iterdir()) == []
