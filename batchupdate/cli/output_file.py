"""What `template` and `pull` share: the file that they write, and what to do with it next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.errors import UsageError

if TYPE_CHECKING:
    from batchupdate.targets import Target

Output = Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.  [default: <target>.xlsx]")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")]


def check_command(path: Path, target: str) -> str:
    """The command that checks the file."""
    return f"batchupdate check {shlex.quote(str(path))} --target {shlex.quote(target)}"


def default_path(target: Target, suffix: str) -> Path:
    """What the file is called where no name is given."""
    return Path(f"{target.name}.{suffix}")


def refuse_stdout(output: Path | None) -> None:
    """Refuses `-`.

    Raises:
        UsageError: it is the output.
    """
    if output is not None and str(output) == "-":
        raise UsageError(
            "A sheet can't be written to standard output: the file appears only when it is complete.",
            "Give it a file's name.",
        )
