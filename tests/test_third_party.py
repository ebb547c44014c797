"""A test that needs a program is skipped where there is none, and fails in CI, where nobody would notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "code", "said"), [({}, 0, " skipped"), ({"CI": "true"}, 1, " error")])
def test_a_missing_program_is_a_skip_for_people_and_a_failure_in_ci(ci: dict[str, str], code: int, said: str) -> None:
    one = ["-n", "1", "--dist", "loadfile", "-m", "third_party", "tests/api/test_client.py"]  # in a worker, as in CI
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *one]
    environ = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    done = subprocess.run(command, cwd=ROOT, env={**environ, **ci}, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout
    assert " passed" not in done.stdout
    assert "needs openssl; on Debian: apt-get install --no-install-recommends openssl" in done.stdout
