"""Targets that other packages bring along, found through the entry points of the group `batchupdate.targets`.

Only names are looked at until a target is asked for: its package is imported then, and no other. docs/python_targets.md
is the guide for those who write one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import ValidationError

from batchupdate.config.yaml_file import parse, plain_message
from batchupdate.errors import ConfigError
from batchupdate.targets.hooks import MESSAGE_MOST, Hooks, Package
from batchupdate.targets.target import Target
from batchupdate.util.text import listed, one_line

GROUP = "batchupdate.targets"


def packaged_targets() -> list[Package]:
    """The targets of installed packages, by name; none of them is imported."""
    return sorted((_package(entry) for entry in entry_points(group=GROUP)), key=lambda one: (one.target, one.name))


def is_packaged(name: str) -> bool:
    """Whether an installed package has a target of this name."""
    return bool(entry_points(group=GROUP, name=name))


def load_packaged(name: str) -> Target:
    """The target of this name, with its package's code.

    Raises:
        ConfigError: no package has it, or several have; or it can't be loaded, or is wrong.
    """
    return _load(name)[0]


def _load(name: str) -> tuple[Target, object]:
    """A target with its package's code, and its declaration as the package gives it."""
    package, made = _loaded(name)
    declaration: object = getattr(made, "declaration", made)
    target = _declared(declaration, package)
    if target.name != name:
        message = f"The package {package} calls its target {name!r} among its entry points, and {target.name!r} inside."
        raise ConfigError(message, "Both must be the same.")
    code = Hooks(package, made) if made is not declaration else None
    return target.with_hooks(code if code and code.names else None), declaration


def packaged_declaration(name: str) -> bytes:
    """The YAML of a target that is nothing else.

    Raises:
        ConfigError: it can't be loaded, or has code.
    """
    import yaml  # noqa: PLC0415 - to write YAML is rarely wanted

    target, declaration = _load(name)
    if target.hooks:
        made = ", ".join(target.hooks.names)
        raise ConfigError(f"The target {name} is more than a declaration: its package has code ({made}).")
    if isinstance(declaration, str | Traversable):
        return _text(declaration)
    plain = target.model_dump(mode="json", exclude_unset=True)
    return str(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)).encode()


def hooks_again(kept: Mapping[str, str]) -> Hooks:
    """The code that a run's target has had, as it is installed now; its version can be another.

    Args:
        kept: the `Package` as the run's journal keeps it.

    Raises:
        ConfigError: it is not installed any more, or can't be loaded.
    """
    before = Package(**kept)
    if not any(package.name == before.name for package in packaged_targets() if package.target == before.target):
        message = f"This run needs the target {before.target} of the package {before}, which is not installed."
        raise ConfigError(message, f"Install it with: pip install '{before.name}=={before.version}'")
    package, made = _loaded(before.target)
    return Hooks(package, made)


def _package(entry: EntryPoint) -> Package:
    return Package(entry.dist.name, entry.dist.version, entry.name) if entry.dist else Package("?", "?", entry.name)


def _loaded(name: str) -> tuple[Package, object]:
    """What an entry point leads to."""
    found = {_package(entry): entry for entry in entry_points(group=GROUP, name=name)}
    if not found:
        raise ConfigError(f"No package has a target {name!r}.")
    if len(found) > 1:
        names = listed([str(package) for package in found])
        raise ConfigError(f"Several packages have a target {name!r}: {names}.", "Uninstall all but one of them.")
    ((package, entry),) = found.items()
    try:
        made = entry.load()
    except (Exception, SystemExit) as error:
        said = one_line(str(error), MESSAGE_MOST)
        message = f"The target {name} of the package {package} can't be loaded"
        raise ConfigError(f"{message} ({entry.value}): {type(error).__name__}{f': {said}' if said else ''}.") from error
    if isinstance(made, type):
        raise ConfigError(f"The target {name} of the package {package} is a class.", "It must be an object of it.")
    return package, made


def _declared(declaration: object, package: Package) -> Target:
    """A declaration in any of its forms."""
    what = f"the target {package.target} of the package {package}"
    if isinstance(declaration, Target):
        return declaration
    if isinstance(declaration, str | Traversable):
        return parse(_text(declaration), Target, "target", f"{package}: {package.target}")
    if not isinstance(declaration, Mapping):
        wanted = "YAML text, the path of a YAML file, a dict or a Target"
        found = type(declaration).__name__
        raise ConfigError(f"The declaration of {what} is {found}; it must be {wanted}.")
    try:
        return Target.model_validate_json(json.dumps(declaration))
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise ConfigError(f"The declaration of {what} can't be written as JSON: {error}.") from error
        raise ConfigError(
            "\n".join(f"{package}: {package.target}: {_sentence(one)}" for one in error.errors())
        ) from error


def _sentence(item: Any) -> str:  # noqa: ANN401 - pydantic's own
    if item["type"] == "extra_forbidden":
        return f"there is no setting {'.'.join(map(str, item['loc']))!r}."
    return f"{'.'.join(map(str, item['loc'])) or 'the target'}: {plain_message(item)}."


def _text(declaration: str | Traversable) -> bytes:
    return declaration.encode() if isinstance(declaration, str) else declaration.read_bytes()
