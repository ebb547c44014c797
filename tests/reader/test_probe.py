from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from workbooks import xlsb

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def test_an_xlsb_that_takes_for_ever_is_refused(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_args: object, **_options: object) -> None:
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(subprocess, "run", run)
    assert "can't be read within" in refused(xlsb([["id"], ["1"]]), "a.xlsb")
