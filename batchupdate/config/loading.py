"""Where settings come from: options, the environment, a config file, and what an earlier run has kept."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from batchupdate.config.settings import Column, Input, Settings
from batchupdate.config.yaml_file import Strict, load, plain_message, suggestion
from batchupdate.errors import ConfigError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
PREFIX = "BATCHUPDATE_"
_OF_COLUMNS = {"columns", "constants", "computed", "when"}
"""Settings of the input with names of the user's own; they have no place in the environment."""

_OF_TARGETS = re.compile(r"^BATCHUPDATE_$|_(KEY|TOKEN|SECRET|PASSWORD|USER)$")
"""Variables that a target of the user's own may name for its credentials; they need not be settings."""

_FINITE = ConfigDict(allow_inf_nan=False)


def load_settings(
    options: Mapping[str, Any] | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    kept: Mapping[str, Any] | None = None,
) -> Settings:
    """Joins options, environment and config file, and below them what an earlier run has kept.

    Args:
        options: values by setting name, nested under `input` where they belong there; None counts as not given.
        config: the config file; None looks for nothing (a config file is always named).
        environ: the environment; None for the process's own.
        kept: of the run that is gone on with; see `Settings.kept`.

    Raises:
        ConfigError: one of them is wrong, with where it came from.
    """
    environ = os.environ if environ is None else environ
    from_file = _given(load(config, Settings, "config file")) if config else {}
    from_env = _from_environment(environ)
    merged = _merge(_merge(_merge(kept or {}, from_file), from_env), options or {})
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        sentences = []
        for item in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in item["loc"]).replace("_", "-") or "settings"
            if item["type"] == "extra_forbidden":
                sentences.append(f"There is no setting {name!r}.{suggestion(Settings, item['loc'])}")
            else:
                sentences.append(f"{name}: {plain_message(item)}.")
        raise ConfigError("\n".join(sentences)) from error


def with_kept(settings: Settings, kept: Mapping[str, Any]) -> Settings:
    """Settings that were made in a program, above those that an earlier run has kept; see `Settings.kept`.

    Raises:
        ConfigError: what was kept is wrong.
    """
    return load_settings(_given(settings), environ={}, kept=kept)


def _given(model: Strict) -> dict[str, Any]:
    """What a file says, without the defaults of what it leaves out."""
    values = {name: getattr(model, name) for name in model.model_fields_set}
    return {name: _given(value) if isinstance(value, Strict) else value for name, value in values.items()}


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        if value is None:
            continue
        old = merged.get(name)
        if name == "columns" and isinstance(value, dict):
            merged[name] = _merge_columns(old or {}, value)
        elif name == "when" and isinstance(value, dict):
            said = {normalise_heading(heading) for heading in value}
            rest = {one: wanted for one, wanted in (old or {}).items() if normalise_heading(one) not in said}
            merged[name] = rest | value
        elif name == "match":  # fewer fields would find other records, so they are not joined
            merged[name] = value
        else:
            merged[name] = _merge(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return merged


def _merge_columns(under: Mapping[str, Column], over: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of both; what `over` says about a column or a field wins."""
    old = {normalise_heading(heading): column for heading, column in under.items()}
    new = {normalise_heading(heading) for heading in over}
    taken = {normalise_heading(mapped) for mapped in over.values() if isinstance(mapped, str)}
    joined: dict[str, Any] = {
        heading: column
        for heading, column in under.items()
        if normalise_heading(heading) not in new and normalise_heading(column.field or "") not in taken
    }
    for heading, mapped in over.items():
        column = old.get(normalise_heading(heading))
        joined[heading] = column.model_copy(update={"field": mapped}) if column and isinstance(mapped, str) else mapped
    return joined


def environment_names() -> dict[str, tuple[str, ...]]:
    """Every environment variable that is read, with the place of its setting."""
    names: dict[str, tuple[str, ...]] = {}
    for name in Settings.model_fields:
        if name not in {"input", "notify", "variables", "capture"}:
            names[PREFIX + name.upper()] = (name,)
    for name in Input.model_fields:
        if name not in _OF_COLUMNS:
            names[f"{PREFIX}INPUT_{name.upper()}"] = ("input", name)
    return names


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = environment_names()
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in names and not _OF_TARGETS.search(variable):
            raise ConfigError(f"There is no setting {variable}.", _near(variable, names))
    for variable, loc in names.items():
        if text := environ.get(variable):
            inner = found
            for part in loc[:-1]:
                inner = inner.setdefault(part, {})
            inner[loc[-1]] = _typed(variable, loc, text)
    return found


def _near(variable: str, names: Iterable[str]) -> str:
    """What may have been meant by a variable that sets nothing; those of the section `input` are often cut short."""
    of_input = f"{PREFIX}INPUT_{variable.removeprefix(PREFIX)}"
    if of_input in names:
        return f"Did you mean {of_input}?"
    bare = [name.removeprefix(PREFIX) for name in names]
    close = nearest(variable.removeprefix(PREFIX), bare)
    return f"Did you mean {PREFIX}{close[0]}?" if close else "Remove it, or correct its name; see config.example.yaml."


def _typed(variable: str, loc: tuple[str, ...], text: str) -> object:
    """A text from the environment as the type that its setting wants; lax, since all there is are texts."""
    model: type[BaseModel] = Input if loc[0] == "input" else Settings
    info = model.model_fields[loc[-1]]
    wanted: Any = Annotated[info.annotation, info]
    try:
        return TypeAdapter(wanted, config=_FINITE).validate_python(text)
    except ValidationError as error:
        message = plain_message(error.errors(include_url=False, include_input=False)[0])
        raise ConfigError(f"The environment variable {variable} is invalid: {message}.") from error
