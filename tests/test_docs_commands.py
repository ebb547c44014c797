"""The docs do what they say: the commands of each page are run, in order, and what they print is compared."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from docs_console import Command

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/[a-z]*.md"))]
PAGES = [
    page
    for page in PAGES
    if "reference" not in page.parts and re.search(r"^ *\$ ", page.read_text("utf-8"), re.MULTILINE)
]


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind"),
]


def traffic_aside(command: Command) -> Command:
    """The demo's output without how many of its requests met a fault: that depends on how fast they follow."""
    for name in "shown", "printed":
        said = " ".join(getattr(command, name).split())
        setattr(command, name, re.sub(r"\d+ requests in [\d.]+ s[^.]*\.(\d s spent waiting\.)?", "TRAFFIC", said))
    return command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    from docs_console import Reader, differs  # noqa: PLC0415 - it can't be imported on Windows

    text = page.read_text("utf-8")
    with ExitStack() as rests:
        reader = Reader(tmp_path, rests=rests)
        commands = reader.follow(text)
    typed = [line.strip().removeprefix("$ ") for line in text.splitlines() if line.lstrip().startswith("$ ")]
    known = [command.typed for command in (*commands, *reader.not_run)]
    assert [line for line in typed if not any(one.startswith(line.rstrip("\\ ")) for one in known)] == []
    assert len(typed) == len(known)
    commands = [traffic_aside(command) if command.typed == "batchupdate demo" else command for command in commands]
    assert "".join(map(differs, commands)) == ""


@pytest.mark.parametrize("some", ["fixed 60 s, 1", "token bucket 5, 1/s", "nginx burst 0, 10/s"])
def test_the_table_of_the_limiter_is_what_the_simulation_prints(some: str) -> None:
    """A part of it: all of it takes two minutes."""
    table = (ROOT / "docs" / "limiter.md").read_text("utf-8")
    simulation = [sys.executable, ROOT / "benchmarks" / "limiter_sim.py", "--only", some]
    printed = subprocess.run(simulation, capture_output=True, text=True, check=True).stdout
    heading, *lines, _ = printed.splitlines()
    assert lines
    assert [line for line in (heading, *lines) if f"\n{line}\n" not in table] == []
