"""A test that needs a program is skipped where there is none, and fails in CI, where nobody would notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


# A plugin of pytest's that leaves nothing of the servers that this Python could run.
WITHOUT_SERVERS = "import sys; sys.modules.update(dict.fromkeys(['datasette', 'kinto', 'rest_framework']))"


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "code", "said"), [({}, 0, " skipped"), ({"CI": "true"}, 1, " error")])
def test_a_missing_program_is_a_skip_for_people_and_a_failure_in_ci(
    tmp_path: Path, ci: dict[str, str], code: int, said: str
) -> None:
    (tmp_path / "without_servers.py").write_text(WITHOUT_SERVERS, "utf-8")
    in_a_worker = ["-p", "no:cacheprovider", "-p", "without_servers", "-n", "1", "--dist", "loadfile"]  # as in CI
    where = ["tests/api/test_client.py", "tests/third_party"]
    command = [sys.executable, "-m", "pytest", *in_a_worker, "-m", "third_party", *where]
    environ = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tmp_path), environ.get("PYTHONPATH")]))
    done = subprocess.run(command, cwd=ROOT, env={**environ, **ci}, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout
    assert " passed" not in done.stdout
    assert "needs openssl; on Debian: apt-get install --no-install-recommends openssl" in done.stdout
    for server in ("datasette", "django", "kinto"):
        assert f"needs {server}; pip install -c constraints.txt -e '.[test]'" in done.stdout
    assert "needs json-server; with Node.js: npm install --global json-server@0.17" in done.stdout
