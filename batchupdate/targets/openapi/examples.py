"""Examples of values: of what a document shows where that suits its own rules, and otherwise made of the rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from batchupdate.targets.openapi.schema import SCALARS, is_number, properties_of, required_of
from batchupdate.util.regex import compile_search

if TYPE_CHECKING:
    from batchupdate.targets.openapi.document import Node
    from batchupdate.targets.openapi.schema import Schemas

EMAIL = r"^[^@\s]+@[^@\s]+$"
MAX_DEPTH = 8
MAX_MEMBERS = 50
MAX_ITEMS = 10
SHOWN = 3
"""Members of a list's item where none is required: `[{}]` would tell nobody anything."""
MAX_TEXT = 1000
FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T18:45:00Z",
    "time": "18:45:00Z",
    "uuid": "550e8400-e29b-41d4-a716-446655440000",
    "uri": "https://www.example.com",
    "url": "https://www.example.com",
    "email": "ann@example.com",
    "hostname": "www.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}

_TEXTS = ["text", "1024", "1", "A1", "US", "en-US", "USD", "#1a73e8", "+14155550123", *FORMATS.values(), "12:00", "1.5"]
"""Tried where a text has a pattern, and the document no example of it."""


def json_example(schemas: Schemas, schema: object) -> str:
    """The shortest object, or a list of one item, that a schema allows; '' where it asks for nothing in particular.

    Args:
        schemas: of the document; not those of the body, for in each object one of several forms is chosen.
        schema: as the document has it.
    """
    value = _instance(schemas, schema, 0)
    if not isinstance(value, dict | list) or value in ({}, [], [None], [{}]):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT and text.isprintable() else ""


def text_example(schema: Node, pattern: str) -> str:
    """The document's own example of a text, if it suits the pattern and the lengths; else ''.

    Raises:
        ValueError: the pattern can't be used.
    """
    matches = compile_search(pattern)
    low, high = schema.get("minLength"), schema.get("maxLength")
    least, most = low if isinstance(low, int) else 1, high if isinstance(high, int) else MAX_TEXT
    shown = (schema.get("example"), schema.get("default"), *_listed(schema.get("examples")))
    texts = (one for one in shown if isinstance(one, str) and one.isprintable() and one.strip() == one)
    return next((one for one in texts if one and least <= len(one) <= most and matches(one)), "")


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _instance(schemas: Schemas, raw: object, depth: int) -> Any:  # noqa: ANN401 - JSON is anything
    """The smallest value that a schema allows; at `depth` 1, a list's item has some members in any case."""
    node = schemas.plain(raw)
    if node.get("type") not in SCALARS:
        node = schemas.plain(raw, body=True)
    if "const" in node or _listed(node.get("enum")):
        return node["const"] if "const" in node else node["enum"][0]
    kind = node.get("type")
    if depth > MAX_DEPTH:
        return {"array": [], "object": {}}.get(str(kind))
    if kind == "object":
        return _object(schemas, node, depth)
    if kind == "array":
        least = node.get("minItems")
        shown = depth == 0 and schemas.plain(node.get("items")).get("type") is not None
        count = least if isinstance(least, int) and 0 < least <= MAX_ITEMS else int(shown)
        item = _instance(schemas, node.get("items"), depth + 1) if count else None
        return [item] * count
    return _scalar(node, kind)


def _object(schemas: Schemas, node: Node, depth: int) -> Node:
    members = {name: one for name, one in properties_of(node).items() if schemas.plain(one).get("readOnly") is not True}
    required = required_of(node)
    names = [name for name in members if name in required] + sorted(required - set(properties_of(node)))
    least = node.get("minProperties")
    if depth == 1 and not names:
        names = [name for name, one in members.items() if schemas.plain(one).get("type") in SCALARS][:SHOWN]
    made = {name: _instance(schemas, members.get(name), depth + 1) for name in names[:MAX_MEMBERS]}
    for name in (*members, "key"):
        if isinstance(least, int) and len(made) < least and name not in made:
            more = node.get("additionalProperties")
            made[name] = _instance(schemas, members.get(name, more if isinstance(more, dict) else {}), depth + 1)
    return made


def _scalar(node: Node, kind: object) -> Any:  # noqa: ANN401 - JSON is anything
    if kind == "boolean":
        return True
    if kind in {"integer", "number"}:
        return _number(node)
    return _text(node) if kind == "string" else None if node.get("nullable") else "text"


def _number(node: Node) -> int | float:
    low, high, above = (node.get(name) for name in ("minimum", "maximum", "exclusiveMinimum"))
    if is_number(above):
        low = above + 1
    elif above is True and is_number(low):
        low += 1
    if is_number(low) and low > 1:
        return low
    return high if is_number(high) and high < 1 else 1


def _text(node: Node) -> str:
    pattern, least, most = node.get("pattern"), node.get("minLength"), node.get("maxLength")
    known = FORMATS.get(str(node.get("format")), "")
    if isinstance(pattern, str) and not known:
        try:
            return text_example(node, pattern) or text_example({**node, "examples": _TEXTS}, pattern) or "text"
        except ValueError:  # a pattern that can't be used
            return "text"
    made = known or text_example(node, "") or "text"
    made = made.ljust(least, "x") if isinstance(least, int) and least < MAX_TEXT else made
    return made[:most] if isinstance(most, int) and most > 0 else made
