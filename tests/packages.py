"""Packages with targets, installed as pip would leave them, but into a folder of a test."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def install(
    folder: Path, module: str, text: str, entries: Mapping[str, str], *, name: str = "", version: str = "1.0"
) -> None:
    """Writes a module, and what pip writes of its distribution; `entries` are entry points by the targets' names."""
    (folder / f"{module}.py").write_text(text, "utf-8")
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # it knows a changed file by its second and its size
    sys.modules.pop(module, None)
    name = name or module.replace("_", "-")
    for old in folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
        (old / "METADATA").unlink()
        (old / "entry_points.txt").unlink()
        old.rmdir()
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = [f"{target} = {place}" for target, place in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[batchupdate.targets]", *lines, ""]), "utf-8")
