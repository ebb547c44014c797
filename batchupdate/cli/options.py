"""The options that mean the same everywhere, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from batchupdate.config import Settings

INPUT, SENDING, OUTPUT = "Reading the file", "Sending", "Output"

File = Annotated[str, typer.Argument(help="A .csv, .xlsx or .xls file, or - for standard input.", metavar="FILE")]
TargetName = Annotated[
    str | None, typer.Option("--target", "-t", help="A built-in target, or the path of your own target's YAML file.")
]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="A YAML file with settings.")]
BaseUrl = Annotated[str | None, typer.Option(help="The API's address, instead of the target's own.")]
RunsDir = Annotated[Path | None, typer.Option(help="Where runs are kept.  [default: batchupdate-runs]")]
Sheet = Annotated[str | None, typer.Option(help="The workbook's sheet.", rich_help_panel=INPUT)]
Encoding = Annotated[str | None, typer.Option(help="The text file's encoding.", rich_help_panel=INPUT)]
Delimiter = Annotated[str | None, typer.Option(help="What separates a text file's columns.", rich_help_panel=INPUT)]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help='Which column sets which field: "COLUMN=field". Repeatable.', rich_help_panel=INPUT),
]
OnDuplicate = Annotated[
    str | None,
    typer.Option(help="Two rows for one record: error, last or merge.  [default: error]", rich_help_panel=INPUT),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first N rows only.", rich_help_panel=INPUT)]
RateLimit = Annotated[
    str | None,
    typer.Option("--rate", help="At most so many requests: 5/s, 600/min, unlimited.", rich_help_panel=SENDING),
]
Burst = Annotated[int | None, typer.Option(min=1, help="Requests that may leave at once.", rich_help_panel=SENDING)]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Requests in flight at most.", rich_help_panel=SENDING)]
Timeout = Annotated[float | None, typer.Option(help="Seconds for a whole request.", rich_help_panel=SENDING)]
MaxAttempts = Annotated[int | None, typer.Option(min=1, help="Tries for one row at most.", rich_help_panel=SENDING)]
MaxFailures = Annotated[
    str | None, typer.Option(help="Stop when more rows fail: 25 or 10%.", rich_help_panel=SENDING, metavar="N|P%")
]
StrictRows = Annotated[
    bool | None, typer.Option("--strict", help="Send nothing if any row is invalid.", rich_help_panel=SENDING)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
New = Annotated[bool, typer.Option("--new", help="Start afresh, even if the same run is unfinished.")]
Json = Annotated[
    bool, typer.Option("--json", help="The summary as JSON, alone, on standard output.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No messages but errors.", rich_help_panel=OUTPUT)]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every request.", rich_help_panel=OUTPUT)]


def settings_from(config: Path | None, maps: list[str] | None = None, **options: object) -> Settings:
    """Settings from a command's options, the environment and the config file; see `load_settings`.

    Options named `input_*` belong to the section `input`.
    """
    from batchupdate.config import load_settings

    nested: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if name.startswith("input_"):
            nested[name.removeprefix("input_")] = value
        else:
            flat[name] = value
    if maps:
        nested["columns"] = dict(_pair(text) for text in maps)
    return load_settings({**flat, "input": nested}, config)


def _pair(text: str) -> tuple[str, str]:
    column, equals, name = text.rpartition("=")
    if not equals or not column.strip() or not name.strip():
        raise ConfigError(f"--map {text!r} is not of the form COLUMN=field.", 'For example: --map "New name=name"')
    return column.strip(), name.strip()
