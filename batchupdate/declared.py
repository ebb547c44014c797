"""What users declare in YAML: loaded safely, checked strictly, with the line of every mistake.

Both the config file and a target's declaration pass through `load`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES = 1_000_000


class Strict(BaseModel):
    """A frozen model that refuses keys it doesn't know and values of the wrong type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, stricter: a key may stand once, and there are no aliases (few unfold to gigabytes)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # missing in the stubs
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not supported", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.MarkedYAMLError(problem="a key must be a plain word", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} stands here twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


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
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The {what} {path} can't be read: {error.strerror or error}.") from error
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
        raise ConfigError(f"{line}: this is not valid YAML: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"The {what} {place} is not valid YAML: {error}.") from error
    if not isinstance(data, dict):
        raise ConfigError(f"The {what} {place} must be a list of settings such as 'name: value'.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentences(error, model, node, place))) from error


def _sentences(error: ValidationError, model: type[BaseModel], node: yaml.Node | None, place: str) -> list[str]:
    found = []
    for item in error.errors(include_url=False, include_input=False):
        loc = [part for part in item["loc"] if not (isinstance(part, str) and _is_branch(part))]
        line = _line(node, loc)
        name = ".".join(str(part) for part in loc) or "the file"
        if item["type"] == "extra_forbidden":
            text = f"there is no setting {name!r}.{_suggest(model, loc)}"
        else:
            text = f"{name}: {item['msg'].removeprefix('Value error, ')}."
        found.append(f"{place}:{line}: {text}")
    return found


def _is_branch(part: str) -> bool:
    """Whether a part of pydantic's location names a branch of a union, which is no place in the file."""
    return part in {"str", "int", "float", "bool"} or "[" in part or part.startswith("function-")


def _line(node: yaml.Node | None, loc: Sequence[int | str]) -> int:
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _suggest(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    known: list[str] = []
    current: Any = model
    for part in loc[:-1]:
        info = current.model_fields.get(str(part)) if _is_model(current) else None
        current = info.annotation if info else None
    if _is_model(current):
        known = [info.alias or name for name, info in current.model_fields.items()]
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known here: {', '.join(known)}." if known else ""


def _is_model(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)
