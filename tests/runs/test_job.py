from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from whole_runs import (
    KEYS,
    settings_for,
    write,
)

from batchupdate.errors import RunLocked
from batchupdate.run import prepare
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path


async def test_two_runs_of_one_target_do_not_overlap_unless_that_is_allowed(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.csv", 1), write(tmp_path / "b.csv", 2)
    async with Sandbox() as sandbox, Sandbox() as elsewhere:
        settings = settings_for(sandbox, tmp_path)
        with prepare(one, settings, environ=KEYS):
            with (
                pytest.raises(RunLocked, match=rf"\({os.getpid()} on .*, since 2.*\) is working on the target"),
                prepare(other, settings, environ=KEYS),
            ):
                pass
            with prepare(other, settings.model_copy(update={"allow_overlap": True}), environ=KEYS):
                pass
            with prepare(other, settings_for(elsewhere, tmp_path), environ=KEYS):
                pass
            with prepare(other, settings, keyless=True, environ=KEYS):
                pass  # only looks
        with prepare(other, settings, environ=KEYS):
            pass
