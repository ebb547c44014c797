from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_but_its_owner_can_read_it_and_it_follows_no_link(tmp_path: Path) -> None:
    with open_new(tmp_path / "new") as file:
        file.write("ä")
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert (tmp_path / "new").read_bytes() == "ä".encode()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in ("new", "link"):
        with pytest.raises(FileExistsError):
            open_new(tmp_path / taken)
    assert not (tmp_path / "elsewhere").exists()
