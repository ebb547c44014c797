"""Finds the operations of a document that update one record: PATCH, PUT or POST with a path variable and a body."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchupdate.errors import UsageError
from batchupdate.util.nearest import nearest
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.targets.openapi.document import Document, Node

METHODS = ("PATCH", "PUT", "POST")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_JSON = re.compile(r"application/(?:[\w!#$&^.-]+\+)?json|text/json|\*/\*|application/\*")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Content:
    """A body or a reply: its schema, not resolved yet, and its media type.

    `repeats` says that in a form, each item of a list has the list's own name.
    """

    schema: object
    media_type: str
    example: object = None
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its request, and the document's own node for all else."""

    method: str
    path: str
    node: Node = field(repr=False)
    parameters: Sequence[Node] = field(repr=False)
    servers: object = field(default=None, repr=False)
    bodies: Sequence[Content] = field(default=(), repr=False)

    @property
    def operation_id(self) -> str:
        """Its id; '' where it has none."""
        return _text(self.node.get("operationId"))

    @property
    def summary(self) -> str:
        """What it does, on one line."""
        return one_line(_text(self.node.get("summary")) or _text(self.node.get("description")), 80)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"{self.method} {self.path}"

    @property
    def variables(self) -> list[str]:
        """The variables of its path."""
        return PLACEHOLDER.findall(self.path)

    def parameter(self, place: str, name: str) -> Node:
        """A parameter; {} if it is not described."""
        found = (one for one in self.parameters if one.get("in") == place and one.get("name") == name)
        return next(found, {})

    @property
    def body(self) -> Content | None:
        """The body in the form that suits a spreadsheet best; None if it has only others."""
        return best(self.bodies)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def best(contents: Sequence[Content]) -> Content | None:
    """JSON before other kinds of it, before a form; None if there is none of these."""

    def rank(content: Content) -> int:
        kind = content.media_type
        if kind == "application/json":
            return 0
        if kind in {"application/json-patch+json", FORM}:
            return 3 if kind == FORM else 2
        return 1 if _JSON.fullmatch(kind) else 9

    ranked = sorted(contents, key=rank)
    return ranked[0] if ranked and rank(ranked[0]) < 9 else None  # noqa: PLR2004 - none of them


def operations_of(document: Document) -> list[Operation]:
    """The operations that update one record, in the document's order."""
    paths = [path for path in document.root["paths"] if isinstance(path, str) and "{" in path]
    found = (operation_at(document, method, path) for path in paths for method in METHODS)
    return [one for one in found if one is not None and one.bodies]


def operation_at(document: Document, method: str, path: str) -> Operation | None:
    """The operation with this method and path, of whatever kind; None if there is none."""
    item = document.resolve(document.root["paths"].get(path))
    node = item.get(method.lower())
    if not isinstance(node, dict):
        return None
    parameters: dict[tuple[str, str], Node] = {}
    for declared in (item.get("parameters"), node.get("parameters")):
        for one in declared if isinstance(declared, list) else ():
            parameter = document.resolve(one)
            if isinstance(parameter.get("name"), str):
                parameters[_text(parameter.get("in")), parameter["name"]] = parameter
    servers = node.get("servers") or item.get("servers") or document.root.get("servers")
    bodies = _bodies(document, node, list(parameters.values()))
    return Operation(method, path, node, tuple(parameters.values()), servers, tuple(bodies))


def find_operation(operations: Sequence[Operation], wanted: str) -> Operation:
    """The operation that the user names: by its id, or as `PATCH /contacts/{id}`.

    Raises:
        UsageError: there is none, or there are several.
    """
    method, _, path = wanted.partition(" ")
    exact = [
        one for one in operations if wanted == one.operation_id or (method.upper(), path) == (one.method, one.path)
    ]
    found = exact or [one for one in operations if wanted == one.path]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{wanted!r} means several operations.", f"Write one of: {', '.join(f.name for f in found)}.")
    names = [one.operation_id or one.name for one in operations]
    close = nearest(wanted, names)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"The document has no update operation {wanted!r}.", f"{hint}List them with --list.")


def _bodies(document: Document, node: Node, parameters: Sequence[Node]) -> Iterator[Content]:
    if document.version != "2":
        yield from contents(document, node.get("requestBody"))
        return
    consumes = node.get("consumes") or document.root.get("consumes") or []
    kinds = [_media_type(kind) for kind in consumes if isinstance(kind, str)]
    form = [one for one in parameters if one.get("in") == "formData"]
    for one in parameters:
        if one.get("in") == "body":
            for kind in kinds or ["application/json"]:
                yield Content(one.get("schema", {}), kind)
    if form:
        properties = {one["name"]: {**one, "required": None} for one in form}
        required = [one["name"] for one in form if one.get("required") is True]
        files = any(one.get("type") == "file" for one in form)
        kind = FORM if not files and (FORM in kinds or not kinds) else (kinds or ["multipart/form-data"])[0]
        repeats = any(one.get("collectionFormat") == "multi" for one in form)
        schema = {"type": "object", "properties": properties, "required": required}
        yield Content(schema, kind, repeats=repeats)


def contents(document: Document, node: object) -> Iterator[Content]:
    """What OpenAPI 3 has under `content`, in a request's body or a reply."""
    content = document.resolve(node).get("content")
    for kind, one in content.items() if isinstance(content, dict) else ():
        if isinstance(kind, str):
            media = document.resolve(one)
            repeats = '"deepObject"' not in json.dumps(media.get("encoding"), default=str)
            yield Content(media.get("schema", {}), _media_type(kind), example_of(document, media), repeats)


def example_of(document: Document, media: Mapping[str, Any]) -> object:
    """An example of the whole body, where the document has one."""
    if "example" in media:
        return media["example"]
    examples = media.get("examples")
    first = next(iter(examples.values()), None) if isinstance(examples, dict) else None
    return document.resolve(first).get("value")


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def reply_of(document: Document, operation: Operation) -> tuple[object, Node]:
    """The schema of a successful reply in JSON, not resolved yet, and its headers; (None, {}) where there is none."""
    responses = operation.node.get("responses")
    for status, node in responses.items() if isinstance(responses, dict) else ():
        if str(status) in {"200", "2XX", "2xx", "201", "default"}:
            reply = document.resolve(node)
            found = best(list(contents(document, node))) if document.version != "2" else None
            schema = found.schema if found else reply.get("schema")
            headers = reply.get("headers")
            return schema, headers if isinstance(headers, dict) else {}
    return None, {}
