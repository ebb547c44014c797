"""The samples for cron, systemd, GitHub Actions, Kubernetes and Docker, as far as they can be tried without them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.main import get_command

from batchupdate.cli import app
from batchupdate.config import load_settings
from batchupdate.sandbox import LANGDOCK_KEY, make_records
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchupdate.sandbox import Sandbox

    Sandboxes = Callable[..., Sandbox]

SAMPLES = Path(__file__).parents[1] / "samples" / "schedule"
BIN = Path(sys.executable).parent
PINS = 'rules: {unpinned-uses: {config: {policies: {"*": ref-pin}}}}'
IDS = [record.id for record in make_records().langdock]


def words_of_samples() -> Iterator[tuple[str, list[str]]]:
    """The command lines of the samples, each with its place."""
    for line in (SAMPLES / "crontab").read_text("utf-8").splitlines():
        if match := re.match(r"[\d*/]\S*(?:\s+\S+){4}\s+batchupdate (.*)", line):
            yield "crontab", shlex.split(match[1])
    service = (SAMPLES / "batchupdate-nightly.service").read_text("utf-8")
    yield "service", shlex.split(re.findall(r"^ExecStart=\S+/batchupdate (.*)$", service, re.MULTILINE)[0])
    steps = yaml.safe_load((SAMPLES / "github-actions.yml").read_text("utf-8"))["jobs"]["apply"]["steps"]
    (step,) = [step["run"] for step in steps if step.get("run", "").startswith("batchupdate ")]
    yield "github-actions", shlex.split(step)[1:]
    job = yaml.safe_load((SAMPLES / "kubernetes-cronjob.yaml").read_text("utf-8"))
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    yield "kubernetes", container["args"]
    documents = list(yaml.safe_load_all((SAMPLES / "kubernetes-cluster.yaml").read_text("utf-8")))
    for one in (each for each in documents if each["kind"] == "Job"):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        yield "kubernetes-cluster", container["args"]


def test_the_samples_name_only_commands_and_options_that_exist_and_ask_nobody() -> None:
    found = list(words_of_samples())
    assert [place for place, _ in found].count("crontab") == 3
    for place, words in found:
        command, rest = get_command(app), words
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        context = command.make_context(command.name, [*rest], resilient_parsing=False)
        assert command.name == "worker" or context.params["yes"], place


def test_the_config_of_the_samples_is_valid() -> None:
    settings = load_settings(config=SAMPLES / "nightly.yaml", environ={})
    assert settings.notify.to[0].when == ("failure", "change")
    inbox = load_settings(config=SAMPLES / "inbox.yaml", environ={})
    assert inbox.notify.health is not None
    assert inbox.notify.health != settings.notify.health  # or the pings of one job hide that the other does not run


def test_the_samples_install_this_version() -> None:
    assert f"BATCHUPDATE_VERSION={__version__}" in (SAMPLES / "Dockerfile").read_text("utf-8")
    for name in ("kubernetes-cronjob.yaml", "kubernetes-cluster.yaml"):
        images = re.findall(r"image: \S+/batchupdate:(\S+)", (SAMPLES / name).read_text("utf-8"))
        assert set(images) == {__version__}


@pytest.mark.third_party("systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name in ("batchupdate-nightly.service", "batchupdate-nightly.timer"):
        text = (SAMPLES / name).read_text("utf-8").replace("/opt/batchupdate/bin/batchupdate", sys.executable)
        (tmp_path / name).write_text(text, encoding="utf-8")
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    said = subprocess.run([BIN / "hadolint", SAMPLES / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.parametrize("name", ["kubernetes-cronjob.yaml", "kubernetes-cluster.yaml"])
def test_kubernetes_takes_its_samples(name: str) -> None:
    validate = [BIN / "kubernetes-validate", "--strict", SAMPLES / name]
    said = subprocess.run(validate, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_workflow_for_github_has_no_known_weakness(tmp_path: Path) -> None:
    (tmp_path / "zizmor.yml").write_text(PINS, encoding="utf-8")
    check = [BIN / "zizmor", "--offline", "--quiet", "--config", tmp_path / "zizmor.yml"]
    said = subprocess.run([*check, SAMPLES / "github-actions.yml"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no cron")
@pytest.mark.parametrize("locale", ["C", "tr_TR.UTF-8", "de_DE.ISO-8859-1"])
def test_as_cron_runs_it_a_run_works_and_says_nothing_unless_something_failed(
    batchupdate_sandbox: Sandboxes, tmp_path: Path, locale: str
) -> None:
    sandbox, home = batchupdate_sandbox(), tmp_path / "home"
    home.mkdir()
    (tmp_path / "key").write_text(LANGDOCK_KEY, encoding="utf-8")
    (tmp_path / "nightly.yaml").write_text("target: langdock-integration\nkey_file: key\nrate: unlimited\n", "utf-8")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": locale, "SHELL": "/bin/sh"}

    def cron(rows: list[tuple[str, str]], *more: str) -> subprocess.CompletedProcess[str]:
        text = "id,name\n" + "".join(f"{record},{name}\n" for record, name in rows)
        (tmp_path / "nightly.csv").write_text(text, encoding="utf-8")
        words = ("run", "nightly.csv", "--config", "nightly.yaml", "--yes", "--quiet", "--base-url", sandbox.url, *more)
        script = f"exec {shlex.join([sys.executable, '-m', 'batchupdate', *words])} <&-"
        home.chmod(0o500)
        try:
            return subprocess.run(
                ["/bin/sh", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
            )
        finally:
            home.chmod(0o700)

    fine = cron([(IDS[0], "Grüße İstanbul"), (IDS[1], "İzmir")])
    assert (fine.returncode, fine.stdout, fine.stderr) == (0, "", "")
    assert sandbox.record("langdock", IDS[0]).name == "Grüße İstanbul"  # type: ignore[union-attr]
    failed = cron([(IDS[2], "Fine"), ("00000000-0000-4000-8000-000000000000", "Nobody")])
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "404" in failed.stderr
    refused = cron([(IDS[2], "Fine")], "--rate", "fast")
    assert (refused.returncode, "'fast' is not a rate" in refused.stderr) == (2, True)
    assert os.listdir(home) == []  # noqa: PTH208 - names alone
