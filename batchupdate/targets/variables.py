"""Parts of a target that are the same in every request and different for every customer: a site, a shop, a base.

They stand as `{name}` in a declaration and are filled in before anything else looks at it. So a target whose variables
have values is a target like any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.errors import ConfigError
from batchupdate.targets.url_template import is_encoded_path
from batchupdate.targets.value_types import Pattern, check_example
from batchupdate.util.regex import compile_search
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
NAME = r"^[a-z][a-z0-9_]*$"
MOST = 200
"""Characters of a value; longer ones are a mistake."""

_WHERE = (
    *("base_url", "path", "headers", "body", "batch.path", "batch.template", "read.path", "list.path", "list.body"),
    "search.path",
    *("auth.user", "auth.value", "auth.token_url"),
)
"""Where in a target variables may stand."""


class Variable(Strict):
    """Where a variable's value comes from, where neither an option nor the config gives it, and what it looks like.

    `env` is an environment variable; `default` is used where that is not set either.
    """

    env: str | None = None
    default: str | None = None
    pattern: Pattern | None = None
    example: str = ""
    description: str = Field(default="")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.pattern:
            check_example(self.example, self.pattern, None)
        return self


def used_in(text: str) -> list[str]:
    """The names that stand in braces in a text."""
    return [str(name) for name in PLACEHOLDER.findall(text)]


def check_variables(declared: Mapping[str, Variable], ids: Container[str], declaration: Mapping[str, Any]) -> None:
    """Refuses variables that nothing uses, and braces that stand for none.

    Args:
        declared: the variables.
        ids: the names of the parts of a record's id, which alone can stand in a path beside variables.
        declaration: the whole target, as JSON.

    Raises:
        MisplacedError: there are such.
    """
    used = set()
    for place, text in _texts(declaration):
        for name in used_in(text):
            used.add(name)
            if name in declared or (name == "key" and place[0] == "auth") or place[-1] == "path":
                continue  # a path is checked by its own section
            if place[:2] == ("body", "template") and (name in ids or name == "fields"):
                continue
            if place[:2] == ("batch", "template") and (name in ids or name in {"fields", "path", "request"}):
                continue
            what = (
                "a record's id can stand in a path or in body.template alone"
                if name in ids
                else "it is not declared under variables"
            )
            raise MisplacedError(f"{{{name}}} means nothing here: {what}", *place)
    for name in declared:
        if not re.fullmatch(NAME, name):
            message = "a variable's name consists of lower-case letters, digits and underscores"
            raise MisplacedError(message, "variables", name)
        if name in ids or name == "key":
            raise MisplacedError(f"{name!r} has another meaning already; choose another name", "variables", name)
        if name not in used:
            raise MisplacedError(f"nothing uses {{{name}}}; remove it here", "variables", name)


def check_common_path(path: str, variables: Container[str], section: str, because: str) -> None:
    """Refuses a path that is the same for all records and has something else than variables in it.

    Args:
        path: the path.
        variables: their names.
        section: where in a target it stands, under `path`.
        because: why it holds no id, as a sentence.

    Raises:
        MisplacedError: it has, or it can't be requested.
    """
    if strangers := [name for name in used_in(path) if name not in variables]:
        message = f"path uses {{{strangers[0]}}}, which is not declared under variables; {because}"
        raise MisplacedError(message, section, "path")
    if not is_encoded_path(path) or set("{}") & set(PLACEHOLDER.sub("", path)):
        raise MisplacedError("path must start with '/' and be percent-encoded", section, "path")


def _texts(declaration: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The texts in which variables may stand, each with its place."""
    for where in _WHERE:
        part: Any = declaration
        for name in where.split("."):
            part = (part or {}).get(name)
        yield from _leaves(tuple(where.split(".")), part)


def _leaves(place: tuple[str | int, ...], part: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:  # noqa: ANN401
    if isinstance(part, str):
        yield place, part
    elif isinstance(part, dict):
        for name, one in part.items():
            yield from _leaves((*place, name), one)
    elif isinstance(part, list):
        for index, one in enumerate(part):
            yield from _leaves((*place, index), one)


def used_alone_by(sections: Container[str], declaration: Mapping[str, Any]) -> frozenset[str]:
    """The names in braces that some sections alone use, so that nothing else needs them.

    Args:
        sections: their names.
        declaration: the whole target, as JSON.
    """
    used: dict[bool, set[str]] = {True: set(), False: set()}
    for place, text in _texts(declaration):
        used[place[0] in sections].update(used_in(text))
    return frozenset(used[True] - used[False])


def values_of(
    target: str,
    declared: Mapping[str, Variable],
    given: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    optional: Container[str] = (),
) -> dict[str, str]:
    """The value of each variable: as given, else from the environment, else its default.

    Args:
        target: the target's name, for messages.
        declared: its variables.
        given: values by name, from options and config.
        environ: the environment.
        optional: those that may have no value, because nothing is sent with them; an example stands in its place.

    Raises:
        ConfigError: one has no value or an impossible one, or a name is none of the target's.
    """
    if strangers := [name for name in given if name not in declared]:
        known = f"It has: {', '.join(declared)}." if declared else "It has none."
        raise ConfigError(f"The target {target} has no variable {strangers[0]!r}.", known)
    found = {}
    for name, variable in declared.items():
        value = given.get(name) or (environ.get(variable.env) if variable.env else None) or variable.default
        if not value and name in optional:
            value = variable.example or name
        if not value:
            meaning = f" ({variable.description})" if variable.description else ""
            example = variable.example or "VALUE"
            ways = f"--var {name}={example}, or 'variables: {{{name}: {example}}}' in the config"
            ways += f", or the environment variable {variable.env}" if variable.env else ""
            raise ConfigError(f"The target {target} needs a value for {name!r}{meaning}.", f"Give it by {ways}.")
        found[name] = _checked(name, value, variable)
    return found


def _checked(name: str, value: str, variable: Variable) -> str:
    if not value.isprintable() or value != value.strip() or set("{}") & set(value) or len(value) > MOST:
        raise ConfigError(f"The variable {name!r} can't be {quoted(value)}: it is one short line without braces.")
    if variable.pattern and not compile_search(variable.pattern)(value):
        shown = f", such as {variable.example}" if variable.example else f" (its pattern is {variable.pattern})"
        raise ConfigError(f"The variable {name!r} can't be {quoted(value)}: it must be a value of its kind{shown}.")
    return value


def filled(declaration: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A declaration, as JSON, with values in the places of its variables; in paths and URLs, percent-encoded."""
    done = dict(declaration)
    for place in _WHERE:
        section, _, member = place.partition(".")
        if done.get(section) is None:
            continue
        fill = _encoded(values) if section == "path" or member in {"path", "token_url"} else _plain(values)
        if section == "base_url":
            fill = _plain({name: value.rstrip("/") for name, value in values.items()})
        if not member:
            done[section] = _in(done[section], fill)
        elif done[section].get(member) is not None:
            done[section] = {**done[section], member: _in(done[section][member], fill)}
    return done


def _plain(values: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda found: values.get(found[1], found[0])


def _encoded(values: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda found: quote(values[found[1]], safe="") if found[1] in values else found[0]


def _in(part: Any, fill: Callable[[re.Match[str]], str]) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(part, str):
        return PLACEHOLDER.sub(fill, part)
    if isinstance(part, list):
        return [_in(one, fill) for one in part]
    if isinstance(part, dict):
        return {name: _in(one, fill) for name, one in part.items()}
    return part
