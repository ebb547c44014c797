"""The options of the commands: each is declared once, with the setting that it makes."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from batchupdate.cli import completion
from batchupdate.errors import ConfigError
from batchupdate.spreadsheet.headers import normalise_heading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchupdate.config import Settings

R = TypeVar("R")


def option_name(parameter: str) -> str:
    """A command's parameter as it is typed."""
    return f"--{parameter.strip('_').replace('_', '-')}"


_TARGET = "A built-in target, or the path of your own target's YAML file."

# What a command is about, and how it answers: arguments of their own, for each command uses them in its own way.

_FILES = typer.Argument(
    help="Tables (.csv, .xlsx, .ods, .jsonl and more), a pattern such as 'exports/*.csv', or - for standard input.",
    metavar="FILE",
)
Files = Annotated[list[str], _FILES]
MaybeFiles = Annotated[list[str] | None, _FILES]
TargetName = Annotated[str, typer.Argument(help=_TARGET, metavar="TARGET", autocompletion=completion.targets)]
RunName = Annotated[
    str,
    typer.Argument(
        help="A run's id or the beginning of it, its folder, or the word latest.",
        metavar="RUN",
        autocompletion=completion.runs,
    ),
]
RunsDir = Annotated[Path, typer.Option(envvar="BATCHUPDATE_RUNS_DIR", help="Where runs are kept.")]
RUNS_DIR = Path("batchupdate-runs")

INPUT, SENDING, OUTPUT = "Reading the file", "Sending", "Output"
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
YesReally = Annotated[
    bool,
    typer.Option("--yes-really", help="Don't ask, even if the run has many more rows than usual, or than --max-rows."),
]
New = Annotated[bool, typer.Option("--new", help="Start a new run, even if the same run is unfinished.")]
Json = Annotated[
    bool, typer.Option("--json", help="The summary as JSON, alone, on standard output.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No messages but errors.", rich_help_panel=OUTPUT)]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every request.", rich_help_panel=OUTPUT)]


class Setting(NamedTuple):
    """An option that makes a setting: what typer needs to know of it, and where it stands among the settings.

    `read` makes the setting's value of what was typed; None takes it as it is.
    """

    annotation: Any
    place: tuple[str, ...]
    read: Callable[[Any], Any] | None = None


def _setting(
    place: str,
    kind: Any,  # noqa: ANN401 - becomes an annotation
    text: str,
    *names: str,
    read: Callable[[Any], Any] | None = None,
    **more: Any,  # noqa: ANN401 - typer's own
) -> Setting:
    """Declares one; `place` is its setting, such as `input.sheet`."""
    return Setting(Annotated[kind | None, typer.Option(*names, help=text, **more)], tuple(place.split(".")), read)


def _pairs(texts: list[str]) -> dict[str, str]:
    """What `--map` says, as field by column."""
    return dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    column, equals, name = text.rpartition("=")
    if not equals or not column.strip() or not name.strip():
        raise ConfigError(f"--map {text!r} is not of the form COLUMN=field.", 'For example: --map "New name=name"')
    return column.strip(), name.strip()


def _matches(texts: list[str]) -> dict[str, str | None]:
    """What `--match` says, as column by field; None where the headings are to say it."""
    found: dict[str, str | None] = {}
    for text in texts:
        column, equals, name = (part.strip() for part in text.rpartition("="))
        if not name or (equals and not column):
            raise ConfigError(
                f"--match {text!r} is neither a FIELD nor COLUMN=field.", 'For example: --match "Old name=name"'
            )
        if name in found:
            raise ConfigError(f"--match names the field {name!r} twice.", "Keep one of them.")
        found[name] = column or None
    return found


def _variables(texts: list[str]) -> dict[str, str]:
    """What `--var` says, as value by name."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ConfigError(f"--var {text!r} is not of the form NAME=VALUE.", "For example: --var site=acme")
        found[name.strip()] = value.strip()
    return found


def _conditions(texts: list[str]) -> dict[str, tuple[str, ...]]:
    """What `--when` says, as values by column; all of it must be so."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        column, equals, wanted = text.partition("=")
        values = tuple(value.strip() for value in wanted.split("|"))
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


# Options that make settings, in groups that commands share.

CONFIG = {
    "config": Setting(Annotated[Path | None, typer.Option("--config", "-c", help="A YAML file with settings.")], ())
}
TARGET = {
    "target": _setting("target", str, _TARGET, "--target", "-t", autocompletion=completion.targets),
}
VARIABLES = {
    "var": _setting(
        "variables",
        list[str],
        "A value for a variable of the target: NAME=VALUE. Repeatable.",
        "--var",
        read=_variables,
    ),
}
BASE_URL = {"base_url": _setting("base_url", str, "The API's address, instead of the target's own.")}
RUNS = {"runs_dir": _setting("runs_dir", Path, "Where runs are kept.  [default: batchupdate-runs]")}
READING = {
    "sheet": _setting("input.sheet", str, "The workbook's sheet.", rich_help_panel=INPUT),
    "header_row": _setting(
        "input.header_row", int, "The number of the row with the headings.", min=1, rich_help_panel=INPUT
    ),
    "encoding": _setting("input.encoding", str, "The text file's encoding.", rich_help_panel=INPUT),
    "delimiter": _setting("input.delimiter", str, "What separates a text file's columns.", rich_help_panel=INPUT),
    "widths": _setting(
        "input.widths", str, "The widths of a text file's columns, where they are fixed: 8,20,5.", rich_help_panel=INPUT
    ),
    "query": _setting("input.query", str, "What to read from a database: one SELECT.", rich_help_panel=INPUT),
    "map_": _setting(
        "input.columns",
        list[str],
        'Which column sets which field: "COLUMN=field". Repeatable.',
        "--map",
        read=_pairs,
        rich_help_panel=INPUT,
    ),
    "match": _setting(
        "input.match",
        list[str],
        'Find the ids by a field\'s present value: FIELD, or "COLUMN=field". Repeatable; all must agree.',
        "--match",
        metavar="FIELD",
        read=_matches,
        rich_help_panel=INPUT,
    ),
    "on_duplicate": _setting(
        "input.on_duplicate",
        str,
        "Two rows for one record: error, last or merge.  [default: error]",
        autocompletion=completion.choices("error", "last", "merge"),
        rich_help_panel=INPUT,
    ),
    "strictness": _setting(
        "input.strictness",
        str,
        "How much suspicious cells weigh: strict, normal or lenient.  [default: normal]",
        autocompletion=completion.choices("strict", "normal", "lenient"),
        rich_help_panel=INPUT,
    ),
    "hidden_rows": _setting(
        "input.hidden_rows",
        str,
        "Rows that the spreadsheet hides or filters out: send, skip or error.  [default: send]",
        autocompletion=completion.choices("send", "skip", "error"),
        rich_help_panel=INPUT,
    ),
    "max_copy": _setting(
        "input.max_copy",
        str,
        "How much of a pipe or a URL is copied at most: 500MB, 20GB.  [default: 4GB]",
        rich_help_panel=INPUT,
    ),
    "when": _setting(
        "input.when",
        list[str],
        'Only rows in which a column holds this text, or one of these: "COLUMN=value", "COLUMN=a|b". Repeatable.',
        "--when",
        read=_conditions,
        rich_help_panel=INPUT,
    ),
    "limit": _setting("limit", int, "The first N rows only.", min=1, rich_help_panel=INPUT),
}
FOR_FAILED_ROWS = {
    **TARGET,
    **VARIABLES,
    **CONFIG,
    **BASE_URL,
    **RUNS,
    **{name: READING[name] for name in ("map_", "match", "on_duplicate", "strictness", "when")},
}
"""What a run of the file that has the failed rows of another one needs, and not how that one's file was read."""
ROWS = {"rows": _setting("rows", str, "These rows only: 10-20,31 or b.csv:4-9.", metavar="ROWS", rich_help_panel=INPUT)}
"""Which rows of a file are meant, for commands that check all of it."""
CHECKING = {**TARGET, **VARIABLES, **CONFIG, **READING, **ROWS}
SAMPLE = {
    "sample": _setting(
        "sample", int, "So many of the rows that can be sent, drawn at random.", min=1, rich_help_panel=SENDING
    ),
    "sample_seed": _setting(
        "sample_seed", int, "Draw the same sample again: the seed that was shown.", min=0, rich_help_panel=SENDING
    ),
}
BLAST_RADIUS = {
    **SAMPLE,
    "max_rows": _setting("max_rows", int, "Refuse a run that sends more rows.", min=1, rich_help_panel=SENDING),
}
"""How much a new run may change."""
STRICT = {
    "strict": _setting("strict", bool, "Send nothing if any row is invalid.", "--strict", rich_help_panel=SENDING)
}
ASKING = {
    "rate": _setting("rate", str, "At most so many requests: 5/s, 600/min, auto, unlimited.", rich_help_panel=SENDING),
    "max_rate": _setting("max_rate", str, "What --rate auto must not exceed, such as 50/s.", rich_help_panel=SENDING),
    "burst": _setting("burst", int, "Requests that may leave at once.", min=1, rich_help_panel=SENDING),
    "timeout": _setting("timeout", float, "Seconds for a whole request.", rich_help_panel=SENDING),
    "max_attempts": _setting("max_attempts", int, "Tries for one row at most.", min=1, rich_help_panel=SENDING),
    "give_up_after": _setting(
        "give_up_after",
        float,
        "Stop when nothing gets through for so many seconds.  [default: 600]",
        rich_help_panel=SENDING,
    ),
}
"""How to send requests, also those that only read."""
CONCURRENCY = {
    "concurrency": _setting("concurrency", int, "Requests in flight at most.", min=1, rich_help_panel=SENDING),
}
CHANGING = {
    **ASKING,
    **CONCURRENCY,
    "workers": _setting(
        "workers", int, "Send with so many processes (docs/scale-out.md).", min=1, rich_help_panel=SENDING
    ),
    "cluster": _setting(
        "cluster",
        str,
        "With --workers: listen here for worker processes of other machines: tls://HOST:PORT.",
        metavar="ADDRESS",
        rich_help_panel=SENDING,
    ),
    "cluster_certs": _setting(
        "cluster_certs",
        Path,
        "With --cluster: the folder of the coordinator's certificates (batchupdate cluster-certs).",
        metavar="DIR",
        rich_help_panel=SENDING,
    ),
    "batch_size": _setting(
        "batch_size", int, "Rows in one request, where the target has batches.", min=1, rich_help_panel=SENDING
    ),
    "max_failures": _setting(
        "max_failures", str, "Stop when more rows fail: 25 or 10%.", metavar="N|P%", rich_help_panel=SENDING
    ),
    "canary": _setting(
        "canary",
        int,
        "Send so many rows first, and the others once these have succeeded.",
        min=1,
        rich_help_panel=SENDING,
    ),
    "canary_max_failures": _setting(
        "canary_max_failures",
        int,
        "So many rows of the canary may fail where nobody is asked.  [default: 0]",
        min=0,
        rich_help_panel=SENDING,
    ),
    "drain_timeout": _setting(
        "drain_timeout",
        float,
        "Seconds for what is in flight when asked to stop.  [default: 30]",
        rich_help_panel=SENDING,
    ),
    "check_old": _setting(
        "check_old",
        str,
        "Compare old values of a pulled sheet with the records first: auto, always or never.  [default: auto]",
        autocompletion=completion.choices("auto", "always", "never"),
        rich_help_panel=SENDING,
    ),
    "send": _setting(
        "send",
        str,
        "Which fields go out of a row whose record was read: changed or all.  [default: changed]",
        autocompletion=completion.choices("changed", "all"),
        rich_help_panel=SENDING,
    ),
    "verify": _setting(
        "verify",
        bool,
        "Read each record back after its change, and mark what was not applied.",
        "--verify/--no-verify",
        rich_help_panel=SENDING,
    ),
    "allow_overlap": _setting(
        "allow_overlap",
        bool,
        "Even if another run is working on this target.",
        "--allow-overlap",
        rich_help_panel=SENDING,
    ),
}
"""How to send changes."""
TUNING = {
    **{name: ASKING[name] for name in ("rate", "max_rate", "give_up_after")},
    "max_failures": CHANGING["max_failures"],
}
"""What can be changed in a run that is at work."""
REPORTING = {
    "results": _setting(
        "results",
        str,
        "split writes success.csv, failed.csv and not_attempted.csv, too: one or split.  [default: one]",
        autocompletion=completion.choices("one", "split"),
        rich_help_panel=OUTPUT,
    ),
    "results_xlsx": _setting(
        "results_xlsx",
        str,
        "Write results.xlsx: auto (up to 25,000 rows), always or never.  [default: auto]",
        autocompletion=completion.choices("auto", "always", "never"),
        rich_help_panel=OUTPUT,
    ),
}
"""Which reports to write."""
DIFF = {
    "diff": _setting(
        "diff",
        str,
        "Read the records first, and send only what changes: auto, always or never.  [default: auto]",
        autocompletion=completion.choices("auto", "always", "never"),
        rich_help_panel=SENDING,
    ),
    "plan_max_age": _setting("plan_max_age", float, "Hours for which a plan can be run.  [default: 24]"),
}
"""How to begin a run."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed of the options that make settings."""

    config: Path | None
    values: Mapping[tuple[str, ...], Any]
    typed: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, kept: Mapping[str, Any] | None = None, **more: Any) -> Settings:  # noqa: ANN401 - any setting
        """Settings from these options, the environment, the config file and an earlier run; see `load_settings`.

        `kept` is what the earlier run has kept of its settings, and `more` are settings that count as options.
        """
        from batchupdate.config import load_settings

        options: dict[str, Any] = dict(more)
        for place, value in self.values.items():
            inner = options
            for part in place[:-1]:
                inner = inner.setdefault(part, {})
            inner[place[-1]] = value
        return load_settings(options, self.config, kept=kept)

    def words(self, group: Mapping[str, Setting]) -> list[str]:
        """What was typed of a group of options, as the words of another command; `shlex.join` makes them a text."""
        found = []
        for name in group:
            value = self.typed.get(name)
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    found += [option_name(name), str(one)]
        return found


NOTHING = Given(None, {})


def of(*groups: Mapping[str, Setting]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Gives a command the options of some groups; it gets what was typed as one argument, `given`."""
    settings = {name: setting for group in groups for name, setting in group.items()}

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(command)
        def wrapper(*args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - typer calls it as the signature below says
            typed = {name: kwargs.pop(name) for name in settings}
            values = {settings[name].place: _read(settings[name], typed[name]) for name in typed if name != "config"}
            return command(*args, given=Given(typed.get("config"), values, typed), **kwargs)

        own = [one.replace(kind=_KEYWORD) for one in inspect.signature(command, eval_str=True).parameters.values()]
        arguments = [one for one in own if one.default is inspect.Parameter.empty and one.name != "given"]
        others = [one for one in own if one.default is not inspect.Parameter.empty]
        added = [
            inspect.Parameter(name, _KEYWORD, default=None, annotation=setting.annotation)
            for name, setting in settings.items()
        ]
        parameters = [*arguments, *added, *others]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer looks at
        wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapper

    return decorate


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _read(setting: Setting, value: object) -> object:
    if setting.read is None:
        return value
    return setting.read(value) if value else None
