from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from batchupdate.cli import app
from batchupdate.sandbox import LANGDOCK_KEY, NAIRI_KEY, make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

IDS = [record.id for record in make_records().langdock]


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder and keys of its own, and a terminal wide enough to compare lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LANGDOCK_API_KEY", LANGDOCK_KEY)
    monkeypatch.setenv("NAIRI_API_KEY", NAIRI_KEY)


@pytest.fixture
def cli() -> Callable[..., Result]:
    """Runs a command in this process."""

    def call(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=text)

    return call


@pytest.fixture
def renames(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of renames: the first so many records, and any rows beside."""

    def write(count: int = 3, *more: tuple[str, str], name: str = "renames.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "name"])
            writer.writerows((record, f"Renamed {number}") for number, record in enumerate(IDS[:count]))
            writer.writerows(more)
        return path

    return write
