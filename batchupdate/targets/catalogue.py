"""Finds a target by its name: built-in targets are YAML files beside this one, a user's own is a YAML file anywhere."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from batchupdate.config.yaml_file import load, parse
from batchupdate.errors import ConfigError
from batchupdate.targets.target import Target
from batchupdate.targets.variables import values_of
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.config import Settings

_FOLDER = resources.files("batchupdate.targets")


def builtin_names() -> list[str]:
    """The names of the targets that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))


def find_target(name: str) -> Target:
    """Finds a target by its built-in name, or reads it from a YAML file.

    Raises:
        ConfigError: there is no such target, or its file is wrong, with file and line.
    """
    names = builtin_names()
    if name in names:
        entry = _FOLDER / f"{name}.yaml"
        return parse(entry.read_bytes(), Target, "target", f"{name}.yaml")
    if name.endswith((".yaml", ".yml")):
        return load(Path(name), Target, "target")
    close = nearest(name, names) or [one for one in names if nearest(name, [one.partition("-")[0]])]
    hint = f"Did you mean {close[0]}?" if close else f"Built-in targets: {', '.join(names)}."
    raise ConfigError(f"There is no target {name!r}.", f"{hint} For your own target, give the path of its .yaml file.")


def target_of(settings: Settings, environ: Mapping[str, str] | None = None, *, offline: bool = False) -> Target:
    """The target that the settings name, with the values of its variables.

    Args:
        settings: with `target`, and `variables` by name.
        environ: where else variables are looked up; None for the process's own environment.
        offline: whether variables may have no value, because nothing is sent.

    Raises:
        ConfigError: they name none, or there is none of that name; or a variable has no value, or an impossible one.
    """
    if settings.target is None:
        raise ConfigError("No target is named.", "Name one with --target; list them with: batchupdate targets")
    return with_values(find_target(settings.target), settings, environ, needed=not offline)


def with_values(
    target: Target, settings: Settings, environ: Mapping[str, str] | None = None, *, needed: bool = True
) -> Target:
    """The same target with the values of its variables; see `target_of`."""
    found = os.environ if environ is None else environ
    return target.with_variables(values_of(target.name, target.variables, settings.variables, found, needed=needed))
