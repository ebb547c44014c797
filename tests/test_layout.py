"""The layout of the package: few names at its top, no file too long to read, and tests that mirror it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "batchupdate"
TOP = sorted(entry.name for entry in PACKAGE.iterdir() if entry.name != "__pycache__")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
ROOMS = sorted(entry.name for entry in PACKAGE.iterdir() if (entry / "__init__.py").exists())
TESTS = sorted(path for room in ROOMS for path in (ROOT / "tests" / room).rglob("test_*.py"))


def test_the_top_of_the_package_has_at_most_24_names() -> None:
    assert len(TOP) <= 24, TOP


def test_the_design_page_lists_every_room_of_the_package() -> None:
    page = (ROOT / "docs" / "design.md").read_text("utf-8")
    tree = page[page.index("```\nbatchupdate/") :].split("```")[1]
    listed = set(re.findall(r"^  (\w+)(?:/|\.py) ", tree, re.MULTILINE))
    assert listed == {name.removesuffix(".py") for name in TOP} - {"__init__", "__main__", "py.typed"}


def test_every_room_of_the_package_has_its_tests_in_a_folder_of_the_same_name() -> None:
    assert {path.relative_to(ROOT / "tests").parts[0] for path in TESTS} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT / "tests").as_posix())
def test_a_test_file_is_named_after_a_module_of_its_room(path: Path) -> None:
    room = PACKAGE / path.parent.relative_to(ROOT / "tests")
    modules = {module.stem for module in room.glob("*.py")} - {"__init__"} | {room.name}
    modules |= {folder.name for folder in room.iterdir() if folder.is_dir()}
    name = path.stem.removeprefix("test_")
    assert any(name == module or name.startswith(f"{module}_") for module in modules), sorted(modules)
