"""Where a plan is kept, how it is found again, and whether it is still the one that was approved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

from batchupdate.config.run_name import name_in_command
from batchupdate.errors import ConfigError
from batchupdate.runs.folder import RunFolder, as_named, create

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from batchupdate.model import PlanLine

NEW_PLAN = "Make a new plan with: batchupdate plan FILE"


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

    def never_ready(self) -> ConfigError:
        """The error for a plan that can't be run because its process ended too early, at whatever point."""
        return ConfigError(f"The plan {self.run_id} was never finished.", NEW_PLAN)


def create_plan(runs_dir: Path, input_name: str, now: datetime) -> PlanFolder:
    """Makes a new plan's folder.

    Raises:
        ConfigError: it can't be made.
    """
    return PlanFolder(create(runs_dir, f"{input_name}-plan", now).path)


def plan_in(path: Path) -> PlanFolder | None:
    """The plan that a folder holds, if it does."""
    folder = PlanFolder(path)
    return folder if folder.journal.is_file() else None


def find_plan(runs_dir: Path, plan: str) -> PlanFolder:
    """Finds a plan by its id, its folder, or one of its files.

    Raises:
        ConfigError: there is no such plan.
    """
    for path in (runs_dir / plan, Path(plan)):
        if folder := plan_in(as_named(path.parent if path.is_file() else path, runs_dir)):
            return folder
    for path in (runs_dir / plan, Path(plan)):
        if (path / "journal.sqlite3").exists():
            raise ConfigError(
                f"{plan} is a run, and no plan.", f"See it with: batchupdate show {name_in_command(path)}"
            )
    raise ConfigError(
        f"There is no plan {plan!r}, neither here nor in {runs_dir}.", "Make one with: batchupdate plan FILE"
    )


class PlanDigest:
    """What a plan is known by: the digest of all its rows, and of what is to become of them."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def of(self, lines: Iterable[PlanLine]) -> Iterator[PlanLine]:
        """Adds lines as they pass by."""
        for line in lines:
            self._digest.update(to_json(line))
            yield line

    def __str__(self) -> str:
        return self._digest.hexdigest()
