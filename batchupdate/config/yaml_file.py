"""What users declare in YAML: loaded safely, checked strictly, with the line of every mistake.

Both the config file and a target's declaration pass through `load`.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeGuard, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from batchupdate.errors import ConfigError
from batchupdate.util.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

MAX_BYTES = 1_000_000


class Strict(BaseModel):
    """A frozen model that refuses keys it doesn't know and values of the wrong type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


def one_or_more(value: object) -> object:
    """A single text as a list of it, for settings that take either."""
    return (value,) if isinstance(value, str) else value


class MisplacedError(ValueError):
    """A mistake that a check of the whole model finds; `loc` are the names and numbers down to its place."""

    def __init__(self, message: str, *loc: str | int) -> None:
        super().__init__(message)
        self.loc = loc


M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, stricter: a key must be unique, and there are no aliases (a few unfold to gigabytes)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # missing in the stubs
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not supported; write the value out", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a plain word", problem_mark=key_node.start_mark)
            if isinstance(key, bool):  # YAML 1.1 takes these words for yes and no
                message = f"{key_node.value!r} means {str(key).lower()} in YAML; put quotes around it"
                raise yaml.MarkedYAMLError(problem=message, problem_mark=key_node.start_mark)
            if key in seen:
                message = f"{key!r} occurs twice here; keep one of them"
                raise yaml.MarkedYAMLError(problem=message, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - as above
        try:
            made = super().construct_object(node, deep=deep)
            if isinstance(made, str):
                made.encode()  # YAML can write half a character (a lone surrogate)
            return made  # noqa: TRY300 - as above
        except (ValueError, LookupError, AttributeError) as error:  # PyYAML trips over 2026-13-45 and over !!int ''
            message = f"{node.value!r} can't be read; if it is text, put quotes around it"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=node.start_mark) from error


def load(path: Path, model: type[M], what: str) -> M:
    """Reads one YAML file into a strict model.

    Args:
        path: the file, UTF-8.
        model: what it must look like.
        what: what to call it in a sentence, such as "config file".

    Raises:
        ConfigError: the file can't be read, is no YAML, or breaks the model; with file and line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"The {what} {path} can't be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ConfigError(f"The {what} {str(path)!r} can't be read: this is not a path.") from error
    return parse(raw, model, what, str(path))


def parse(raw: bytes, model: type[M], what: str, place: str) -> M:
    """Reads YAML text into a strict model; see `load`. `place` names the text in messages."""
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"The {what} {place} is larger than {MAX_BYTES:,} bytes.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"The {what} {place} is not UTF-8 text (byte {error.start + 1}).") from error
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            data = loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{place}:{mark.line + 1}" if mark else place
        message = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{line}: this is not valid YAML: {message}.") from error
    except yaml.reader.ReaderError as error:
        line = f"{place}:{text.count(chr(10), 0, error.position) + 1}"
        raise ConfigError(f"{line}: this line contains a control character, which YAML does not allow.") from error
    except RecursionError as error:
        raise ConfigError(f"The {what} {place} is nested too deeply.") from error
    if not isinstance(data, dict):
        raise ConfigError(f"The {what} {place} must contain one setting per line, such as 'name: value'.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentences(error, model, node, place))) from error


def _sentences(error: ValidationError, model: type[BaseModel], node: yaml.Node | None, place: str) -> list[str]:
    found = []
    for item in error.errors(include_url=False, include_input=False):
        cause = item.get("ctx", {}).get("error")
        loc = (*item["loc"], *(cause.loc if isinstance(cause, MisplacedError) else ()))
        names, line = _where(node, loc, missing=item["type"] == "missing")
        text = f"{'.'.join(names) or 'the file'}: {plain_message(item)}."
        if item["type"] == "extra_forbidden":
            text = f"there is no setting {'.'.join(names)!r}.{suggestion(model, loc)}"
        found.append((line, f"{place}:{line}: {text}"))
    return [text for _, text in sorted(found, key=lambda pair: pair[0])]


_PLAIN = {
    "missing": "this setting is missing; add it",
    "string_type": "this must be text; put quotes around it",
    "model_type": "this must be settings, such as 'name: value'",
    "dict_type": "this must be settings, such as 'name: value'",
    "int_type": "this must be a whole number",
    "int_parsing": "this must be a whole number",
    "int_from_float": "this must be a whole number",
    "float_type": "this must be a number",
    "float_parsing": "this must be a number",
    "finite_number": "this must be a finite number",
    "bool_type": "this must be true or false",
    "bool_parsing": "this must be true or false",
    "tuple_type": "this must be a list, such as [one, two]",
    "list_type": "this must be a list, such as [one, two]",
    "path_type": "this must be the path of a file or folder",
    "literal_error": "this must be {expected}",
    "enum": "this must be {expected}",
    "greater_than": "this must be more than {gt:g}",
    "greater_than_equal": "this must be at least {ge:g}",
    "less_than": "this must be less than {lt:g}",
    "less_than_equal": "this must be at most {le:g}",
    "string_too_short": "this must have at least {min_length} characters",
    "string_pattern_mismatch": "this must match the pattern {pattern}",
    "string_too_long": "this must have at most {max_length} characters",
    "too_short": "this must have at least {min_length} entries",
}
"""Pydantic's kinds of error in plain words; its own sentences speak of tuples and parsing."""


def plain_message(item: ErrorDetails) -> str:
    """What is wrong with a setting, as the second half of a sentence."""
    template, context = _PLAIN.get(item["type"]), item.get("ctx", {})
    if template is None:
        return item["msg"].removeprefix("Value error, ")
    if context.get("min_length") == 1:
        return "this must not be empty"
    return template.format_map(context)


def _where(node: yaml.Node | None, loc: Sequence[int | str], *, missing: bool) -> tuple[list[str], int]:
    """The names down to a place in the file, and its line. What pydantic adds for its own branches is left out."""
    names: list[str] = []
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                continue
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            continue
        names.append(str(part))
    return [*names, *map(str, loc[-1:])] if missing else names, line


def suggestion(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    """What may have been meant by a setting that doesn't exist, as a sentence; '' if it is not clear."""
    current: Any = model
    for part in loc[:-1]:
        current = _below(current, part)
    if not _is_model(current):
        return ""
    known = list(current.model_fields)
    close = nearest(str(loc[-1]), known)
    return f" Did you mean {close[0]!r}?" if close else f" Known settings: {', '.join(known)}."


def _below(annotation: object, part: int | str) -> object:
    """The type under a name or number in a model, dictionary or tuple."""
    if _is_model(annotation):
        info = annotation.model_fields.get(str(part))
        below: object = info.annotation if info else None
    elif get_origin(annotation) is dict:
        below = get_args(annotation)[1]
    else:
        below = next(iter(get_args(annotation)), None)
    while get_origin(below) in {Annotated, Union, UnionType}:
        below = get_args(below)[0]
    return below


def _is_model(thing: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(thing, type) and issubclass(thing, BaseModel)
