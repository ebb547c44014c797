"""Where a plan is kept, how it is found again, and whether it is still the one that was approved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError
from batchupdate.runs.folder import RunFolder, create

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

JSON, CSV, XLSX = "plan.json", "plan.csv", "plan.xlsx"


@dataclass(frozen=True, slots=True)
class PlanFolder(RunFolder):
    """The folder of a plan. Its journal has another name than that of a run, for nothing is ever sent from it."""

    @property
    def journal(self) -> Path:
        """The SQLite file."""
        return self.path / "plan.sqlite3"

    @property
    def log(self) -> Path:
        """The log: one JSON object a line."""
        return self.path / "plan.log"


def create_plan(runs_dir: Path, input_name: str, now: datetime) -> PlanFolder:
    """Makes a new plan's folder.

    Raises:
        ConfigError: it can't be made.
    """
    return PlanFolder(create(runs_dir, f"{input_name}-plan", now).path)


def find_plan(runs_dir: Path, plan: str) -> PlanFolder:
    """Finds a plan by its id, its folder, or one of its files.

    Raises:
        ConfigError: there is no such plan.
    """
    for path in (runs_dir / plan, Path(plan)):
        folder = PlanFolder((path.parent if path.is_file() else path).resolve())
        if folder.journal.exists():
            return folder
    if (Path(plan) / "journal.sqlite3").exists() or (runs_dir / plan / "journal.sqlite3").exists():
        raise ConfigError(f"{plan} is a run, and no plan.", "See it with: batchupdate show")
    raise ConfigError(
        f"There is no plan {plan!r}, neither here nor in {runs_dir}.", "Make one with: batchupdate plan FILE"
    )


def digest_of(lines: Iterable[object]) -> str:
    """What a plan is known by: the digest of all its rows, and of what is to become of them."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()
