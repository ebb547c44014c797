"""The workflows in .github say what the package says, and a release is refused where its tag is not the version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((WORKFLOWS / name).read_text("utf-8"))
    return loaded


def test_every_supported_python_is_tested_on_every_system() -> None:
    matrix = workflow("test.yml")["jobs"]["python"]["strategy"]["matrix"]
    supported = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if re.search(r"Python :: \d+\.\d+", line)]
    assert matrix["python"] == supported
    assert PROJECT["requires-python"] == f">={supported[0]}"
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    for left_out in matrix["exclude"]:
        steps = workflow("test.yml")["jobs"]["all"]["steps"]
        assert left_out["python"] in [step["with"].get("python-version") for step in steps if "with" in step]


def test_the_workflow_and_the_guide_run_the_tests_as_make_does() -> None:
    (how,) = re.findall(r"^PYTEST := (-m pytest .+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    steps = workflow("test.yml")["jobs"]["python"]["steps"]
    assert f'python {how} -m "$SELECT"' in [step.get("run") for step in steps]
    windows = " ".join((ROOT / "CONTRIBUTING.md").read_text("utf-8").split()).partition("On Windows")[2]
    assert f'run `python {how} -m "not third_party and not torture"`' in windows


@pytest.mark.skipif(shutil.which("bash") is None, reason="the workflow's steps are for bash")
@pytest.mark.parametrize(
    ("tag", "built", "code"),
    [("v1.2.3", "1.2.3", 0), ("v1.2.4", "1.2.3", 1), ("v1.2", "1.2.3", 1), ("v1.2.3", "1.2.3rc1", 1)],
)
def test_a_release_needs_a_tag_that_is_the_version(tmp_path: Path, tag: str, built: str, code: int) -> None:
    steps = workflow("release.yml")["jobs"]["build"]["steps"]
    (script,) = (step["run"] for step in steps if step.get("name") == "Check that the tag is the version")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"batchupdate-{built}.tar.gz").touch()
    environ = {**os.environ, "GITHUB_REF_NAME": tag}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert done.returncode == code
    assert bool(code) == (tag.encode() in done.stderr)


def test_only_the_job_that_publishes_may_prove_who_it_is_and_none_may_write() -> None:
    for path in WORKFLOWS.iterdir():
        loaded = workflow(path.name)
        assert loaded["permissions"] == {}
        for name, job in loaded["jobs"].items():
            publishes = (path.name, name) == ("release.yml", "publish")
            assert job["permissions"] == ({"id-token": "write"} if publishes else {"contents": "read"})


def test_ruff_has_one_version_in_pre_commit_and_everywhere_else() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][-1]["hooks"]
    assert [hook["additional_dependencies"] for hook in hooks] == [[f"ruff=={PINNED['ruff']}"]] * 2
