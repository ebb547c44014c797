from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from whole_runs import (
    KEYS,
    ONCE,
    apply,
    settings_for,
    write,
)

from batchupdate.errors import ConfigError
from batchupdate.run import prepare
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_file_that_was_left_unfinished_with_other_settings_is_told(tmp_path: Path) -> None:
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    source = write(tmp_path / "in.csv", 3)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path, target=str(tmp_path / "once.yaml"))
        stopped = await apply(source, settings)
        (tmp_path / "once.yaml").write_text(ONCE.replace("name: {}", "name: {max_length: 80}"), "utf-8")
        with pytest.raises(ConfigError, match=f"The run {stopped.run_id} of this file has 3 rows left"):
            await apply(source, settings)
        with prepare(source, settings, new=True, environ=KEYS) as prepared:
            assert not prepared.resumed
        (tmp_path / "once.yaml").write_text(ONCE.replace("repeatable: false", "repeatable: true\nrules: []"), "utf-8")
        with prepare(source, settings, environ=KEYS) as prepared:
            assert any(stopped.run_id in notice and "its target" in notice for notice in prepared.checkup.notices)
