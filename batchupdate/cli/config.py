"""`config`: what can be set."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from batchupdate.cli.console import reports_errors

app = typer.Typer(help="What can be set in a config file, and declared of a target.", no_args_is_help=True)


class File(StrEnum):
    """What a schema is for."""

    CONFIG = "config"
    TARGET = "target"


@app.command()
@reports_errors
def schema(
    file: Annotated[File, typer.Argument(help="The config file, or a target's declaration.")] = File.CONFIG,
) -> None:
    """Print the JSON Schema of a config file or a target.

    With it, editors complete the names and mark mistakes; those with the YAML language server do so in a file that
    begins with "# yaml-language-server: $schema=config.schema.json".

    Example:

      batchupdate config schema target > target.schema.json
    """
    import json

    from batchupdate.config import Settings
    from batchupdate.config.json_schema import json_schema
    from batchupdate.targets import Target

    if file is File.CONFIG:
        found = json_schema(Settings, "A config file of batchupdate")
    else:
        found = json_schema(Target, "A target of batchupdate: one update endpoint of one API")
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
