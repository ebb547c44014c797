"""A document's schemas in one plain form: references resolved, `allOf` merged, null and the alternatives settled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from batchupdate.targets.openapi.document import Document, Node

MAX_DEPTH = 30
SCALARS = frozenset({"string", "integer", "number", "boolean"})


class Schemas:
    """Makes schemas plain.

    Args:
        document: to which they belong.
        variant: which of several forms of the body to take, by name or by number from 1; '' for the first.
    """

    def __init__(self, document: Document, variant: str = "") -> None:
        self._document = document
        self._variant = variant
        self.variants: list[str] = []
        """The forms of the body among which one was chosen; empty where there is one."""

    def apart(self) -> Schemas:
        """For the same document, with forms of their own to choose from."""
        return Schemas(self._document)

    def plain(self, schema: object, *, body: bool = False, depth: int = 0) -> Node:
        """The schema with everything in one place.

        `type` is one type, `nullable` says whether null is allowed as well; there is no `$ref`, `allOf`, `oneOf` or
        `anyOf` any more. Members are not plain themselves.

        Args:
            schema: as the document has it.
            body: whether it is a whole body: of several objects one is chosen then, as the user says. Inside a body,
                several objects count as any object.
            depth: of schemas around it; below `MAX_DEPTH` all is allowed.

        Raises:
            ConfigError: there is no variant of this name.
        """
        if depth > MAX_DEPTH:
            return {}
        node = self._document.resolve(schema)
        made: Node = {name: value for name, value in node.items() if name not in {"allOf", "oneOf", "anyOf"}}
        _settle_null(made)
        for part in _list(node.get("allOf")):
            made = merged(made, self.plain(part, body=body, depth=depth + 1))
        for keyword in ("oneOf", "anyOf"):
            if parts := _list(node.get(keyword)):
                made = self._choose(made, parts, node.get("discriminator"), body=body, depth=depth)
        if "type" not in made:
            made["type"] = _type(made)
        return made

    def _choose(self, made: Node, parts: Sequence[object], discriminator: object, *, body: bool, depth: int) -> Node:
        branches = []
        for part in parts[:200]:
            branch = self.plain(part, body=body, depth=depth + 1)
            if branch.get("type") == "null":
                made["nullable"] = True
            else:
                branches.append((self._name(part, branch), branch, part))
        real = [one for one in branches if one[1].get("enum") != [""]]
        made["nullable"] = made.get("nullable") or any(branch.get("nullable") for _, branch, _ in real)
        if not real:
            return merged(made, branches[0][1]) if branches else made
        if len(real) == 1:
            return merged(made, real[0][1])
        if body:
            return self._chosen(made, real, discriminator)
        return merged(made, _any_of([branch for _, branch, _ in real]))

    def _chosen(self, made: Node, branches: Sequence[tuple[str, Node, object]], discriminator: object) -> Node:
        names = [name or str(number) for number, (name, _, _) in enumerate(branches, 1)]
        wanted, first = self._variant, not self.variants
        index = 0
        if first:
            self.variants = names
            if wanted in names:
                index = names.index(wanted)
            elif wanted.isdecimal() and 1 <= int(wanted) <= len(names):
                index = int(wanted) - 1
        _, chosen, part = branches[index]
        if isinstance(discriminator, dict) and isinstance(member := discriminator.get("propertyName"), str):
            value = _discriminated(discriminator.get("mapping"), part)
            if value:
                chosen = merged(chosen, {"properties": {member: {"const": value}}, "required": [member]})
        return merged(made, chosen)

    @staticmethod
    def _name(part: object, branch: Node) -> str:
        reference = part.get("$ref") if isinstance(part, dict) else None
        title = branch.get("title")
        return reference.rpartition("/")[2] if isinstance(reference, str) else title if isinstance(title, str) else ""


def _discriminated(mapping: object, part: object) -> str:
    """The value by which a document's discriminator knows this form."""
    reference = part.get("$ref") if isinstance(part, dict) else None
    if not isinstance(reference, str):
        return ""
    for value, target in mapping.items() if isinstance(mapping, dict) else ():
        if reference in {target, f"#/components/schemas/{target}"}:
            return str(value)
    return "" if isinstance(mapping, dict) else reference.rpartition("/")[2]


def _settle_null(node: Node) -> None:
    """One type, and `nullable` for all the ways to say null."""
    null = node.get("nullable") is True or node.get("x-nullable") is True
    kind = node.get("type")
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        null = null or len(others) < len(kind)
        node["type"] = "string" if "string" in others else others[0] if others else "null"
    values = node.get("enum")
    if isinstance(values, list) and None in values:
        null = True
        if left := [value for value in values if value is not None]:
            node["enum"] = left
        else:
            node["type"] = "null"
            del node["enum"]
    node["nullable"] = null


def _type(node: Node) -> str | None:
    """The type that a schema without one must mean."""
    if "properties" in node or "additionalProperties" in node:
        return "object"
    if "items" in node:
        return "array"
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list) and values:
        names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
        return names.get(type(values[0]))
    return "string" if {"minLength", "maxLength", "pattern", "format"} & set(node) else None


def merged(one: Node, other: Node) -> Node:
    """What both say: members and required ones of both, and of all else what the first says."""
    made = {**other, **{name: value for name, value in one.items() if value not in (None, "")}}
    if isinstance(other.get("type"), str) and one.get("type") is None:
        made["type"] = other["type"]
    first, second = properties_of(one), properties_of(other)
    if first or second:
        both = {name: {"allOf": [first[name], second[name]]} for name in first if name in second}
        made["properties"] = {**first, **second, **both}
    if needed := [*_list(one.get("required")), *_list(other.get("required"))]:
        made["required"] = list(dict.fromkeys(name for name in needed if isinstance(name, str)))
    made["nullable"] = bool(one.get("nullable") or other.get("nullable"))
    return made


def _any_of(branches: Sequence[Node]) -> Node:
    """What suits a cell, where a value may have one of several forms."""
    scalars = [branch for branch in branches if branch.get("type") in SCALARS]
    kinds = {branch["type"] for branch in scalars}
    if not scalars:
        arrays = [branch for branch in branches if branch.get("type") == "array"]
        if len(arrays) == 1 and len(branches) == 1:
            return arrays[0]
        return {"type": branches[0].get("type")} if branches[0].get("type") in {"object", "array"} else {}
    return scalars[0] if len(scalars) == 1 else _any_scalar(scalars, kinds)


def _any_scalar(scalars: Sequence[Node], kinds: Collection[str]) -> Node:
    values = [[one["const"]] if "const" in one else one.get("enum") for one in scalars]
    if len(kinds) == 1 and all(isinstance(each, list) for each in values):
        together = list(dict.fromkeys(value for each in values for value in each or ()))
        return {"type": scalars[0]["type"], "enum": together}
    texts = [branch for branch in scalars if branch["type"] == "string"]
    free = [branch for branch in texts if not branch.get("enum") and "const" not in branch]
    if texts and (free or "integer" not in kinds):
        words = [value for one in texts if one not in free for value in one.get("enum", [one.get("const")]) if value]
        return _word_or(words, free[0]) if len(free) == 1 else {"type": "string"}
    for kind in ("number", "integer"):  # a word or a number: in a sheet, the number
        if kind in kinds:
            return {"type": kind}
    return {"type": "boolean"}


def _word_or(words: Sequence[object], free: Node) -> Node:
    """A text that is one of some words, or else as `free` says."""
    if not words:
        return free
    pattern = free.get("pattern")
    if not isinstance(pattern, str) or not all(isinstance(word, str) for word in words):
        return {"type": "string"}
    either = "|".join(re.escape(str(word)) for word in words)
    return {"type": "string", "pattern": f"^(?:{either})$|{pattern}", "example": words[0]}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def properties_of(schema: Node) -> dict[str, Any]:
    """A plain schema's members; {} where it has none."""
    found = schema.get("properties")
    return {name: one for name, one in found.items() if isinstance(name, str)} if isinstance(found, dict) else {}


def required_of(schema: Node) -> set[str]:
    """The members that a plain schema requires. A list alone says so; Swagger has a truth value elsewhere."""
    return {name for name in _list(schema.get("required")) if isinstance(name, str)}


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that can be written down."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
