"""Finds a target by its name: a YAML file beside this one, in the gallery, of an installed package, or a user's own.

The built-in targets are beside this file. The gallery was written from the documentation of well-known APIs, and nobody
has tried it on each of them.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from batchupdate.config.yaml_file import load, parse
from batchupdate.errors import ConfigError
from batchupdate.targets.packages import is_packaged, load_packaged, packaged_declaration, packaged_targets
from batchupdate.targets.target import Target
from batchupdate.targets.variables import values_of
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from importlib.resources.abc import Traversable

    from batchupdate.config import Settings

_BUILT_IN = resources.files("batchupdate.targets")
_GALLERY = _BUILT_IN / "gallery"


def builtin_names() -> list[str]:
    """The names of the built-in targets."""
    return _names(_BUILT_IN)


def gallery_names() -> list[str]:
    """The names of the targets of the gallery."""
    return _names(_GALLERY)


def _names(folder: Traversable) -> list[str]:
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def find_target(name: str) -> Target:
    """Finds a target by its name, or reads it from a YAML file.

    A target that comes along goes before one of the same name in another package.

    Raises:
        ConfigError: there is no such target, or its file is wrong, with file and line; or its package is.
    """
    return parse(declaration_of(name), Target, "target", f"{name}.yaml") if _is_name(name) else _own(name)


def declaration_of(name: str) -> bytes:
    """The YAML of a target that comes along, or with another package.

    Raises:
        ConfigError: there is no such target, or it is more than YAML.
    """
    if not _is_name(name):
        if not _is_file(name) and is_packaged(name):
            return packaged_declaration(name)
        raise ConfigError(f"{name} is a file of your own already.", "Copy that.")
    folder = _BUILT_IN if name in builtin_names() else _GALLERY
    return (folder / f"{name}.yaml").read_bytes()


def _is_name(name: str) -> bool:
    return name in builtin_names() or name in gallery_names()


def _own(name: str) -> Target:
    if _is_file(name):
        return load(Path(name), Target, "target").with_hooks(None)
    if is_packaged(name):
        return load_packaged(name)
    raise _unknown(name)


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _unknown(name: str) -> ConfigError:
    names = [*builtin_names(), *gallery_names(), *(package.target for package in packaged_targets())]
    close = nearest(name, names) or [one for one in names if nearest(name, [one.partition("-")[0]])]
    own = "For your own target, give the path of its .yaml file."
    hint = f"Did you mean {close[0]}? {own}" if close else f"{own} List the others with: batchupdate targets"
    return ConfigError(f"There is no target {name!r}.", hint)


def target_of(settings: Settings, environ: Mapping[str, str] | None = None, *, offline: bool = False) -> Target:
    """The target that the settings name, with the values of its variables.

    Args:
        settings: with `target`, and `variables` by name.
        environ: where else variables are looked up; None for the process's own environment.
        offline: whether variables may have no value, because nothing is sent; those that only `list` and `search` use
            may, unless ids are found through these.

    Raises:
        ConfigError: they name none, or there is none of that name; or a variable has no value, or an impossible one.
    """
    if settings.target is None:
        raise ConfigError("No target is named.", "Name one with --target; list them with: batchupdate targets")
    target = find_target(settings.target)
    not_needed = frozenset() if settings.input.match else target.list_variables
    return with_values(target, settings, environ, optional=target.variables if offline else not_needed)


def with_values(
    target: Target,
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    *,
    optional: Container[str] = (),
) -> Target:
    """The same target with the values of its variables, but for `optional` ones; see `target_of`."""
    found = os.environ if environ is None else environ
    return target.with_variables(values_of(target.name, target.variables, settings.variables, found, optional=optional))
