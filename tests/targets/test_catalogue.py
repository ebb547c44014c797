from __future__ import annotations

from typing import TYPE_CHECKING

from declarations import PLAIN

from batchupdate.targets import find_target

if TYPE_CHECKING:
    from pathlib import Path


def test_a_users_file_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(PLAIN)
    assert find_target(str(path)).name == "mine"
