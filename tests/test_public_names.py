from __future__ import annotations

import subprocess
import sys

import pytest

import batchupdate


def test_the_public_names_are_exactly_these() -> None:
    assert set(batchupdate.__all__) == {
        "BatchUpdateError", "Checkup", "ConfigError", "InputError", "InternalError", "Interrupted", "Level", "Outcome",
        "Plan", "Problem", "Progress", "RunLocked", "SafetyStop", "Selection", "Settings", "Summary", "UsageError",
        "__version__", "check_file", "diff", "load_settings", "plan_file", "resume", "retry", "run_file", "run_plan",
        "undo", "verify",
    }  # fmt: skip


@pytest.mark.parametrize("name", batchupdate.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(batchupdate, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = batchupdate.nonsense  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_slow() -> None:
    program = "import sys, batchupdate; print({'pydantic', 'aiohttp', 'asyncio', 'yaml'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_the_package_runs_as_a_module() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "batchupdate", "--version"], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == f"batchupdate {batchupdate.__version__}"
