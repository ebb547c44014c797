from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.reporter.verification import RecordState, Verification, VerifiedRow

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_of_a_verification_are_those_that_were_written_also_under_a_second_name(tmp_path: Path) -> None:
    found = Verification("run-1", tmp_path, "things", "http://127.0.0.1", 1.0)
    found.lines = lambda: [VerifiedRow(2, "k1", RecordState.OURS, (), "")]
    found.write()
    assert found.files == [tmp_path / "verify.csv", tmp_path / "verify.json"]
    (tmp_path / "verify.csv").unlink()
    (tmp_path / "verify.csv").mkdir()  # nothing can be written there
    found.write()
    assert found.files == [tmp_path / "verify (2).csv", tmp_path / "verify.json"]
    assert "k1" in found.files[0].read_text("utf-8")
    assert found.notices == ["verify.csv is a folder; the new file is verify (2).csv."]
