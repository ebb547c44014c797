from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]


@pytest.mark.slow
def test_demo_applies_the_samples_to_both_targets(cli: Cli, tmp_path: Path) -> None:
    result = cli("demo")
    assert result.exit_code == 0, result.output
    assert "langdock-renames.csv → langdock-integration" in result.stdout
    assert "nairi-renames.xlsx → nairi-llm-integration" in result.stdout
    assert len(list((tmp_path / "batchupdate-runs").glob("2*"))) == 2
