"""The body of an operation: what stands around the fields (envelope, constants, the record's id), and the fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets.openapi.operations import FORM, PLACEHOLDER
from batchupdate.targets.openapi.schema import properties_of, required_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.targets.openapi.document import Node
    from batchupdate.targets.openapi.fields import FieldReader, Found
    from batchupdate.targets.openapi.operations import Operation

_MAX_STEPS = 5


class Undeclarable(ConfigError):  # noqa: N818 - it says what the operation is
    """An operation can't become a target; the message says why."""


@dataclass(slots=True)
class Step:
    """One object of the envelope: its constants, and the member that leads on, which may be a list of one."""

    constants: Node
    member: str | None
    is_list: bool = False


@dataclass(slots=True)
class Shape:
    """How a body looks: the declaration's `body`, and the fields.

    `open_schema` is the schema of members that the document does not name, where it allows them.
    """

    body: Node
    fields: list[Found]
    wrap: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    open_schema: Node | None = None


def shape_of(
    operation: Operation,
    reader: FieldReader,
    ids: Mapping[str, str],
    record: object,
    *,
    inside_maps: bool = False,
) -> Shape:
    """How an operation's body looks.

    Args:
        operation: of a document.
        reader: reads the fields.
        ids: the target's names of the path's variables, by the document's.
        record: the schema of the record, as it is read: a JSON Patch has no other. None if it is not known.
        inside_maps: whether the user names the members of an object that the document leaves open, so that these are
            fields; otherwise the object itself is one.

    Raises:
        Undeclarable: it has no fields, or is of a kind that has none.
    """
    content = operation.body
    if content is None:
        kinds = ", ".join(sorted({one.media_type for one in operation.bodies}))
        raise Undeclarable(f"Its body is {kinds}, and not JSON or a form.")
    kind: Node = {}
    schema = reader.schemas.plain(content.schema, body=True)
    if content.media_type == FORM:
        kind["format"] = "form"
    elif _is_json_patch(reader, schema) or content.media_type == "application/json-patch+json":
        return _json_patch(content.media_type, reader, record)
    elif content.media_type == "application/merge-patch+json":
        kind["format"] = "merge-patch"
    elif content.media_type.endswith("+json"):
        kind["content_type"] = content.media_type
    if not properties_of(schema) and isinstance(example := content.example or schema.get("example"), dict):
        schema = _from_example(example)
        reader.notes.append("The document does not describe the body; the fields are those of its example.")
    steps, inner = _envelope(reader, schema, operation, ids, inside_maps=inside_maps)
    members = reader.writable(inner)
    constants, rest = _constants(members, required_of(inner), operation, _ids_in(steps, operation, ids))
    fields = reader.read(rest, required_of(inner))
    if kind.get("format") == "form" and content.repeats and any(one.rule.get("type") == "list" for one in fields):
        kind["lists"] = "repeated"  # OpenAPI 3.0, "Encoding Object": style form, explode true
    more = inner.get("additionalProperties")
    is_open = more is not False and (more is not None or not members)
    if not fields and not is_open:
        raise Undeclarable("Its body has no members that can be set.")
    steps.append(Step(constants, None))
    if is_open and isinstance(more, dict):
        open_schema: Node | None = reader.schemas.plain(more)
    else:
        open_schema = {"type": "string"} if is_open else None
    wrap = tuple(step.member for step in steps if step.member)
    return Shape(kind | _around(steps), fields, wrap, steps, open_schema)


def _json_patch(media_type: str, reader: FieldReader, record: object) -> Shape:
    body = {"format": "json-patch"}
    if media_type != "application/json-patch+json":
        body["content_type"] = media_type
    schema = reader.schemas.plain(record)
    members = reader.writable(schema)
    if not members:
        raise Undeclarable("Its body is a JSON Patch, and the document does not describe the record.")
    return Shape(body, reader.read(members, set()), open_schema={"type": "string"})


def _is_json_patch(reader: FieldReader, schema: Node) -> bool:
    """Whether a body is a list of operations of RFC 6902, whatever it is called."""
    items = properties_of(reader.schemas.plain(schema.get("items"))) if schema.get("type") == "array" else {}
    known = reader.schemas.plain(items.get("op")).get("enum")
    if isinstance(known, list) and "add" not in known:
        raise Undeclarable("Its body is a list of operations of the API's own, and not a record's fields.")
    return {"op", "path"} <= set(items)


def _from_example(example: Mapping[str, Any]) -> Node:
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    properties: Node = {}
    for name, value in example.items():
        inner = _from_example(value) if isinstance(value, dict) and value else {}
        properties[str(name)] = inner or {"type": kinds.get(type(value), "string")}
    return {"type": "object", "properties": properties}


def _envelope(
    reader: FieldReader, schema: Node, operation: Operation, ids: Mapping[str, str], *, inside_maps: bool
) -> tuple[list[Step], Node]:
    """The objects around the fields, and the schema of the object that has them."""
    steps: list[Step] = []
    if schema.get("type") == "array":
        items = reader.schemas.plain(schema.get("items"), body=True)
        if not properties_of(items):
            raise Undeclarable("Its body is a list, and not an object with members.")
        reader.notes.append("The body is a list; each request sends one item.")
        steps.append(Step({}, None, is_list=True))
        schema = items
    elif schema.get("type") not in {"object", None}:
        raise Undeclarable(f"Its body is a single {schema.get('type')}, and not an object with members.")
    while len(steps) < _MAX_STEPS:
        members = reader.writable(schema)
        constants, rest = _constants(members, required_of(schema), operation, _ids_in(steps, operation, ids))
        if len(rest) != 1:
            break
        name, only = next(iter(rest.items()))
        is_list = only.get("type") == "array" and _is_in(name, operation.path)
        inner = reader.schemas.plain(only.get("items") if is_list else only.get("$raw"), body=True)
        if inner.get("type") != "object" or not (reader.writable(inner) or (inside_maps and _is_map(inner))):
            break
        steps.append(Step(constants, name, is_list))
        schema = inner
    return steps, schema


def _is_map(schema: Node) -> bool:
    """Whether an object has any members, with values of one kind, as `properties` of HubSpot has."""
    return isinstance(schema.get("additionalProperties"), dict)


def _is_in(name: str, path: str) -> bool:
    """Whether a list is called as the path calls its records: then it is an envelope for one of them."""
    return normalise_heading(name) in {normalise_heading(part) for part in path.split("/")}


def _ids_in(steps: Sequence[Step], operation: Operation, ids: Mapping[str, str]) -> Mapping[str, str]:
    """The ids that an object may repeat: one that is called as nothing in the path is another record's."""
    member = normalise_heading(steps[-1].member or "") if steps else ""
    parts = [normalise_heading(part) for part in operation.path.split("/") if "{" not in part]
    if not member or member == "data" or any(part and (part + "s").startswith(member) for part in parts):
        return ids
    return {}


def _constants(
    members: Mapping[str, Node], required: set[str], operation: Operation, ids: Mapping[str, str]
) -> tuple[Node, dict[str, Node]]:
    """The members that are the same in every row, or a part of the record's id; and the others.

    Where nothing else is left, they are what a row sets: an id is another record's then.
    """
    constants: Node = {}
    same: dict[str, str] = {}
    for name, schema in members.items():
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if name in required and isinstance(values, list) and len(values) == 1 and _is_constant(values[0]):
            constants[name] = values[0]
        elif variable := _same_id(name, operation, ids):
            same[name] = variable
    if len(constants) + len(same) == len(members):
        if not same:
            return {}, dict(members)
        return constants, {name: members[name] for name in same}
    rest = {name: schema for name, schema in members.items() if name not in constants and name not in same}
    for name, variable in same.items():
        if name in required and members[name].get("type") in {"string", None}:
            constants[name] = f"{{{variable}}}"
        elif name in required:
            rest[name] = members[name]
    return constants, rest


def _same_id(name: str, operation: Operation, ids: Mapping[str, str]) -> str:
    """The variable of the path that a member repeats; '' if there is none."""
    *_, last = operation.variables
    at_end = operation.path.rstrip("/").endswith("}")
    if name == "id":
        return ids.get(last, "") if at_end and operation.method != "POST" else ""
    for variable in operation.variables:
        if normalise_heading(name) == normalise_heading(variable) and normalise_heading(name):
            return ids.get(variable, "")
    return ""


def _is_constant(value: object) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and not PLACEHOLDER.search(value))


def _around(steps: Sequence[Step]) -> Node:
    """The declaration of what stands around the fields: `wrap`, where that suffices, or `template`."""
    names = [step.member for step in steps[:-1] if step.member]
    plain = not any(step.constants or step.is_list for step in steps) and not any("." in name for name in names)
    if plain:
        return {"wrap": names} if names else {}
    inner: Any = {**steps[-1].constants, "...": "{fields}"} if steps[-1].constants else "{fields}"
    for step in reversed(steps[:-1]):
        inner = [inner] if step.is_list else inner
        inner = {**step.constants, step.member: inner} if step.member else inner
    if inner == "{fields}":
        return {}
    return {"template": inner}
