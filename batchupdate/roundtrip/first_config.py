"""The first config for a spreadsheet: what is in the file, which targets fit it, and the config's text."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from batchupdate.config import Secrets, Settings
from batchupdate.config.yaml_file import parse
from batchupdate.errors import BatchUpdateError, UsageError
from batchupdate.reader import ReadOptions
from batchupdate.reader.excel.sheet import SheetNotice
from batchupdate.reader.multi_file import open_tables
from batchupdate.reader.sources import local_copies
from batchupdate.reader.table import Table
from batchupdate.targets import builtin_names, find_target, gallery_names
from batchupdate.targets.auth import SecretPlace
from batchupdate.targets.packages import packaged_targets
from batchupdate.targets.variables import values_of
from batchupdate.util.text import one_line
from batchupdate.validator import map_columns
from batchupdate.validator.columns.proposal import propose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.targets import Target

LOOKED_AT = 50
"""Rows that are looked at, to see what a column holds."""
WIDE = 110
"""Characters of a line of comment."""
CELL_MOST = 200
"""Characters of a cell or a heading in a comment."""

# The same words stand in config.example.yaml; a test compares them.
COMMON_INPUT = (
    (
        "A blank cell leaves the field as it is. These two texts send JSON null and an empty string.",
        ("null_marker: <null>", "empty_marker: <empty>"),
    ),
    (
        "Only rows in which these columns contain this text, or one of these; all other rows end unchanged.",
        ("when: {action: update, region: [EMEA, APAC]}",),
    ),
    (
        (
            "Two rows for one record: error (neither is sent), last (only the last is), or merge (one request with "
            "the fields of both; a later row wins)."
        ),
        ("on_duplicate: error",),
    ),
)
COMMON = (
    (
        (
            "How many requests may be sent: 5/s, 600/min, 1000/h or unlimited; auto finds out what the API allows and "
            "stays just below it. The default is the target's own. max_rate is what auto must not exceed."
        ),
        ("rate: auto", "max_rate: 10/s"),
    ),
    (
        "Stop when more rows than this fail: a number (25) or a share (10%, which counts from the 20th row on).",
        ("max_failures: 10%",),
    ),
    ("Only the first rows.", ("limit: 20",)),
    ("Send nothing if any row is invalid.", ("strict: false",)),
)
"""What is most often wanted: a sentence, and the settings that it is about."""


class Survey(NamedTuple):
    """What was seen of a file: its headings, its first rows, its sheets where it has several, and what to say of it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    sheets: Sequence[str]
    sheet: str | None
    notices: Sequence[str]

    def sample(self, index: int) -> str:
        """The first cell of a column that is not blank."""
        return next((row[index] for row in self.rows if index < len(row) and row[index].strip()), "")


class Fit(NamedTuple):
    """How well a target fits a file.

    `sure` and `guessed` count its ids and fields that have a column, by its heading or as a guess; `fits` says that all
    ids have one, and a field for sure.
    """

    name: str
    title: str
    sure: int
    guessed: int
    fits: bool


def survey(source: str, settings: Settings) -> Survey:
    """Looks at a file's headings and its first rows.

    Raises:
        InputError: it can't be read, or two columns have one heading.
    """
    options = settings.input
    reading = ReadOptions(
        options.sheet, options.encoding, options.delimiter, LOOKED_AT, options.header_row, options.widths
    )
    with local_copies(source, options.query) as sources, open_tables(sources, reading, Secrets().redact) as table:
        table.refuse_twins_of(frozenset(index for index, heading in enumerate(table.columns) if heading))
        rows = [row.cells for row in next(iter(table.batches(LOOKED_AT)), [])]
        about_sheets = next((notice for notice in table.notices if isinstance(notice, SheetNotice)), None)
        notices = [notice for notice in table.notices if notice is not about_sheets]
        sheet = table.sheet if isinstance(table, Table) else None
        return Survey(table.columns, rows, about_sheets.sheets if about_sheets else (), sheet, notices)


def fitting_targets(found: Survey | None) -> list[Fit]:
    """All targets that have a name, those first that fit the file best.

    A target that can't be used, or that a file contradicts, is left out.
    """
    names = [*builtin_names(), *gallery_names()]
    names += [package.target for package in packaged_targets() if package.target not in names]
    fits = []
    for name in names:
        try:
            target = find_target(name)
            proposed = propose(found.columns, found.rows, target) if found else []
        except BatchUpdateError:
            continue
        sure, guessed = (
            {one.name for one in proposed if one.name and one.sure is is_sure} for is_sure in (True, False)
        )
        fits_all = set(target.id) <= sure | guessed and bool(sure - set(target.id))
        fits.append(Fit(name, target.title, len(sure), len(guessed), fits_all))
    return sorted(fits, key=lambda fit: (-fit.fits, -fit.sure, -fit.guessed))


def key_variables(target: Target) -> list[str]:
    """The environment variables that a target's credentials come from."""
    names: dict[str, None] = {}
    for part in target.auth.parts:
        places = [part.user, part.client_id, part.client_secret, part.refresh_token, part.private_key, part.subject]
        for name in (part.env, *(place.env for place in places if isinstance(place, SecretPlace))):
            if name:
                names[name] = None
    return [*names]


def missing_variables(target: Target, given: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The variables of a target that have no value yet.

    Raises:
        ConfigError: one that is given is none of the target's, or can't be what it is.
    """
    known = {
        name: rule
        for name, rule in target.variables.items()
        if given.get(name) or (rule.env and environ.get(rule.env)) or rule.default
    }
    strangers = {name: value for name, value in given.items() if name not in target.variables}
    optional = target.variables if strangers else ()
    values_of(target.name, target.variables if strangers else known, {**given}, environ, optional=optional)
    return [name for name in target.variables if name not in known and name not in target.list_variables]


@dataclass(frozen=True, slots=True)
class FirstConfig:
    """A config that is to be written.

    `file` is the input as its user calls it, None for none. `called` is what `target` is called, a name or a path.
    `columns` are what is to be set, by heading; `guesses` what may be, and `unused` the headings that set nothing.
    `input_options` and `options` are settings that were given. `variables` without a value are None.
    """

    file: str | None
    called: str
    target: Target
    columns: Mapping[str, str] = field(default_factory=dict)
    guesses: Mapping[str, str] = field(default_factory=dict)
    unused: Sequence[str] = ()
    variables: Mapping[str, str | None] = field(default_factory=dict)
    input_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """The config, to be written at `path`.

        Raises:
            UsageError: it can't be used, as by a heading that YAML has no way to write.
        """
        lines = [*self._head(path), *self._target(), *self._variables(), *self._input(), *self._options()]
        text = "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
        parse(text.encode("utf-8", "surrogatepass"), Settings, "config", path)
        return text

    def check(self, found: Survey | None, path: str) -> None:
        """Refuses a config by which the file could not be run.

        Raises:
            UsageError: it is such a config.
        """
        settings = parse(self.text(path).encode("utf-8", "surrogatepass"), Settings, "config", path)
        if found is None:
            return
        mapped = map_columns(found.columns, self.target, settings.input)
        made = {one.heading: one.name for one in mapped.mapped if one.index < mapped.width}
        if stray := next((heading for heading in made if heading not in self.columns), None):
            raise UsageError(
                f"The column {stray!r} sets {made[stray]!r} by its heading, so it can't be left out.",
                "Rename it in the file, or let another column set that.",
            )

    def _head(self, path: str) -> Iterator[str]:
        what = f"{_shown(self.called)} ({_shown(self.target.title)})"
        yield from _comment(f"{_shown(self.file)} changes {what}." if self.file else f"Changes {what}.")
        yield from _comment("Written by batchupdate init. It is used with:")
        file = shlex.quote(_shown(self.file)) if self.file else "FILE"
        for command in ("check", "run"):
            yield f"#   batchupdate {command} {file} --config {shlex.quote(_shown(path))}"
        yield from _comment(
            "Options on the command line, and variables such as BATCHUPDATE_RATE, win over this file. A # at the "
            "beginning of a line turns the line off."
        )
        yield ""

    def _target(self) -> Iterator[str]:
        yield from _comment(f"What to update. Its fields: batchupdate targets show {shlex.quote(_shown(self.called))}")
        yield f"target: {_yaml(self.called)}"
        yield ""
        if names := key_variables(self.target):
            those = f"variable {names[0]}" if len(names) == 1 else f"variables {', '.join(names)}"
            yield from _comment(f"The API key never stands here: it comes from the environment {those}.")
            yield ""

    def _variables(self) -> Iterator[str]:
        if not self.variables:
            return
        yield from _comment("Values for the variables of the target.")
        unset = all(value is None for value in self.variables.values())
        yield "# variables:" if unset else "variables:"
        for name, value in self.variables.items():
            rule = self.target.variables[name]
            about = f"   # {_shown(rule.description)}" if rule.description else ""
            if value is None:
                yield f"#   {name}: {_yaml(rule.example or 'VALUE')}{about}"
            else:
                yield f"  {name}: {_yaml(value)}{about}"
        yield ""

    def _input(self) -> Iterator[str]:
        yield from _comment("How to read the input.")
        yield "input:"
        if "sheet" in self.input_options:
            yield f"  sheet: {_yaml(self.input_options['sheet'])}"
        if self.columns:
            yield from _comment(
                "Which column sets which field; letter case, spaces, - and _ in a heading don't matter.", "  "
            )
            yield "  columns:"
            for heading, name in self.columns.items():
                yield f"    {_yaml(heading)}: {_yaml(name)}{'   # the id' if name in self.target.id else ''}"
        if self.guesses:
            yield from _comment("Guesses; take the # away to use one.", "    ")
            for heading, name in self.guesses.items():
                yield f"    # {_yaml(heading)}: {_yaml(name)}"
        if self.unused:
            names = ", ".join(_shown(heading) for heading in self.unused)
            yield from _comment(f"These columns of the file set nothing: {names}.", "  ")
        if match := self.input_options.get("match"):
            yield from _comment("The file has no ids: records are found by what these fields have now.", "  ")
            yield f"  match: {_yaml(match)}"
        yield ""
        others = {name: value for name, value in self.input_options.items() if name not in {"sheet", "match"}}
        yield from _common(COMMON_INPUT, others, "  ")

    def _options(self) -> Iterator[str]:
        yield from _common(COMMON, self.options)


def _common(settings: Sequence[tuple[str, Sequence[str]]], given: Mapping[str, Any], margin: str = "") -> Iterator[str]:
    """Settings that are often wanted, turned off where they are not given; then what else is given."""
    left = dict(given)
    for sentence, lines in settings:
        yield from _comment(sentence, margin)
        for line in lines:
            name = line.partition(":")[0]
            yield f"{margin}{name}: {_yaml(left.pop(name))}" if name in left else f"{margin}# {line}"
        yield ""
    if left:
        yield from (f"{margin}{name}: {_yaml(value)}" for name, value in left.items())
        yield ""


def _comment(text: str, margin: str = "") -> Iterator[str]:
    for line in textwrap.wrap(text, WIDE - len(margin), break_long_words=False, break_on_hyphens=False):
        yield f"{margin}# {line}"


def _shown(text: str) -> str:
    """Somebody else's text in a comment, which it can't leave."""
    return one_line(text, CELL_MOST)


def _yaml(value: Any) -> str:  # noqa: ANN401 - any setting
    """A value on one line; a text is quoted where YAML would take it for something else."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(name)}: {_yaml(one)}" for name, one in value.items()) + "}"
    style = None if str(value).isprintable() else '"'  # which escapes the ends of lines
    text = yaml.safe_dump(value, default_flow_style=True, default_style=style, allow_unicode=True, width=float("inf"))
    return str(text).removesuffix("...\n").strip()
