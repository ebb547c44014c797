"""What the shell completes: the names of targets, the ids of runs, and the words of an option."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - typer looks at the annotations at run time

if TYPE_CHECKING:
    from collections.abc import Callable


def targets(incomplete: str) -> list[str]:
    """The targets that come with the program or with packages and begin like this, and the YAML files here."""
    from batchupdate.targets.catalogue import builtin_names, gallery_names
    from batchupdate.targets.packages import packaged_targets

    packaged = [package.target for package in packaged_targets()]
    files = [path.name for pattern in ("*.yaml", "*.yml") for path in Path().glob(pattern)]
    return [
        name for name in [*builtin_names(), *gallery_names(), *packaged, *sorted(files)] if name.startswith(incomplete)
    ]


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """The runs that begin like this, newest first, in the folder that the command line names, or the usual one."""
    from batchupdate.errors import BatchUpdateError
    from batchupdate.runs.folder import LATEST, all_runs

    try:
        found = [folder.run_id for folder in all_runs(Path(context.params.get("runs_dir") or "batchupdate-runs"))]
    except BatchUpdateError:
        return []
    return [name for name in [LATEST, *found] if name.startswith(incomplete)]


def choices(*words: str) -> Callable[[str], list[str]]:
    """Completes one of some words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]
