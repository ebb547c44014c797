"""The documentation as a site: it is built strictly, and its reference has all that the code has."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

import batchupdate
from batchupdate.cli import app
from batchupdate.config import Input, Settings
from batchupdate.config.notify import Notify
from batchupdate.model import Outcome
from batchupdate.targets import Target
from batchupdate.validator.problem_codes import PROBLEM_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the reference, made anew."""
    folder = tmp_path_factory.mktemp("reference")
    script = f"import pathlib, reference; reference.write(pathlib.Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", script], cwd=DOCS, check=True)
    return folder


def test_the_reference_has_every_command_and_every_option(reference: Path) -> None:
    page = (reference / "commands.md").read_text("utf-8")
    group = get_command(app)
    commands = dict(group.commands)  # type: ignore[attr-defined]
    for name in [name for name, command in commands.items() if hasattr(command, "commands")]:
        commands |= {f"{name} {one}": command for one, command in commands[name].commands.items()}
    for name, command in commands.items():
        if command.hidden or (hasattr(command, "commands") and not command.invoke_without_command):
            continue
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for option in command.params:
            if option.name != "help" and not getattr(option, "hidden", False):
                assert option.param_type_name == "argument" or option.opts[0] in section, f"{name}: {option.opts}"


def test_the_reference_has_every_setting_with_its_meaning(reference: Path) -> None:
    page = (reference / "settings.md").read_text("utf-8")
    for model in (Settings, Input, Notify):
        for name in model.model_fields:
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
            assert row.split(" | ")[-1].strip(" |"), name


def test_the_reference_has_every_key_of_a_target_and_every_outcome_code_and_public_name(reference: Path) -> None:
    target, outcomes, codes, library = (
        (reference / f"{name}.md").read_text("utf-8") for name in ("target", "outcomes", "problem_codes", "library")
    )
    assert [
        name for name in Target.model_fields if f"| `{Target.model_fields[name].alias or name}` |" not in target
    ] == []
    assert [one.value for one in Outcome if f"| `{one.value}` |" not in outcomes] == []
    assert [code for code in PROBLEM_CODES if f"| `{code}` |" not in codes] == []
    names = set(batchupdate.__all__) - {"__version__"}
    assert [name for name in names if f"### {name}\n" not in library] == []


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path, cannot: Callable[[str], None]) -> None:
    if not all(map(find_spec, ("sphinx", "myst_parser", "furo"))):
        cannot("needs Sphinx; pip install -c constraints.txt -e '.[docs]'")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", DOCS, tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    for page in ("index", "tutorial", "how_to/questions", "reference/commands", "plan", "limiter"):
        assert (tmp_path / "site" / f"{page}.html").exists()
    assert (tmp_path / "site" / "config.schema.json").exists()
