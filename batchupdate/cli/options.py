"""The options that mean the same everywhere, and how they become settings."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from batchupdate.errors import ConfigError
from batchupdate.spreadsheet.headers import normalise_heading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchupdate.config import Settings

R = TypeVar("R")

INPUT, SENDING, OUTPUT = "Reading the file", "Sending", "Output"

Files = Annotated[
    list[str],
    typer.Argument(
        help="Tables (.csv, .xlsx, .ods, .jsonl and more), a pattern such as 'exports/*.csv', or - for standard input.",
        metavar="FILE",
    ),
]
TargetName = Annotated[
    str | None, typer.Option("--target", "-t", help="A built-in target, or the path of your own target's YAML file.")
]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="A YAML file with settings.")]
BaseUrl = Annotated[str | None, typer.Option(help="The API's address, instead of the target's own.")]
RunsDir = Annotated[Path | None, typer.Option(help="Where runs are kept.  [default: batchupdate-runs]")]
Sheet = Annotated[str | None, typer.Option(help="The workbook's sheet.", rich_help_panel=INPUT)]
HeaderRow = Annotated[
    int | None, typer.Option(min=1, help="The number of the row with the headings.", rich_help_panel=INPUT)
]
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
Strictness = Annotated[
    str | None,
    typer.Option(
        help="How much suspicious cells weigh: strict, normal or lenient.  [default: normal]", rich_help_panel=INPUT
    ),
]
When = Annotated[
    list[str] | None,
    typer.Option(
        "--when",
        help='Only rows in which a column holds this text, or one of these: "COLUMN=value", "COLUMN=a|b". Repeatable.',
        rich_help_panel=INPUT,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first N rows only.", rich_help_panel=INPUT)]
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


def _sending(kind: Any, text: str, *names: str, **more: Any) -> Any:  # noqa: ANN401 - becomes an annotation
    return Annotated[kind | None, typer.Option(*names, help=text, rich_help_panel=SENDING, **more)]


_SENDING: dict[str, Any] = {
    "rate": _sending(str, "At most so many requests: 5/s, 600/min, auto, unlimited."),
    "max_rate": _sending(str, "What --rate auto must not exceed, such as 50/s."),
    "burst": _sending(int, "Requests that may leave at once.", min=1),
    "concurrency": _sending(int, "Requests in flight at most.", min=1),
    "timeout": _sending(float, "Seconds for a whole request."),
    "max_attempts": _sending(int, "Tries for one row at most.", min=1),
    "max_failures": _sending(str, "Stop when more rows fail: 25 or 10%.", metavar="N|P%"),
    "give_up_after": _sending(float, "Stop when nothing gets through for so many seconds.  [default: 600]"),
    "drain_timeout": _sending(float, "Seconds for what is in flight when asked to stop.  [default: 30]"),
    "allow_overlap": _sending(bool, "Even if another run is at work on this target.", "--allow-overlap"),
}
"""How to send: the same for every command that does."""
_ASKING = ("rate", "max_rate", "burst", "timeout", "max_attempts", "give_up_after")


def sending(command: Callable[..., R]) -> Callable[..., R]:
    """Gives a command all options about sending; it gets them as one argument `sending`, by the settings' names."""
    return _given(command, _SENDING)


def asking(command: Callable[..., R]) -> Callable[..., R]:
    """The same with those of them that matter where records are only read."""
    return _given(command, {name: _SENDING[name] for name in _ASKING})


def _given(command: Callable[..., R], options: Mapping[str, Any]) -> Callable[..., R]:
    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - typer calls it as the signature below says
        told = {name: kwargs.pop(name) for name in options}
        return command(*args, sending=told, **kwargs)

    own = inspect.signature(command, eval_str=True).parameters.values()
    added = [inspect.Parameter(name, _KEYWORD, default=None, annotation=kind) for name, kind in options.items()]
    kept = [one.replace(kind=_KEYWORD) for one in own if one.name != "sending"]
    wrapper.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined] # what typer looks at
    wrapper.__annotations__ = {one.name: one.annotation for one in [*kept, *added]}
    return wrapper


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def settings_from(
    config: Path | None,
    maps: list[str] | None = None,
    whens: list[str] | None = None,
    kept: Mapping[str, Any] | None = None,
    **options: object,
) -> Settings:
    """Settings from a command's options, the environment, the config file and an earlier run; see `load_settings`.

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
    if whens:
        nested["when"] = _conditions(whens)
    return load_settings({**flat, "input": nested}, config, kept=kept)


def _pair(text: str) -> tuple[str, str]:
    column, equals, name = text.rpartition("=")
    if not equals or not column.strip() or not name.strip():
        raise ConfigError(f"--map {text!r} is not of the form COLUMN=field.", 'For example: --map "New name=name"')
    return column.strip(), name.strip()


def _conditions(texts: list[str]) -> dict[str, tuple[str, ...]]:
    """What `--when` says, by column; all of it must be so."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        column, equals, told = text.partition("=")
        values = tuple(value.strip() for value in told.split("|"))
        if not equals or not column.strip():
            raise ConfigError(
                f"--when {text!r} is not of the form COLUMN=value.", 'For example: --when "action=update"'
            )
        if "" in values:
            hint = "For blank cells, and for values with a | in them, use 'when' in the config; see docs/mapping.md."
            raise ConfigError(f"--when {text!r} leaves a value out.", hint)
        known = {normalise_heading(one) for one in found}
        if normalise_heading(column) in known:
            hint = f'For one of several values, write --when "{column.strip()}=a|b".'
            raise ConfigError(f"--when names the column {column.strip()!r} twice.", hint)
        found[column.strip()] = values
    return found
