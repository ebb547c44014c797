"""What a parameter's schema says of its text: for a part of the id, and for what is the same in every request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchupdate.targets.openapi.examples import EMAIL, FORMATS, text_example
from batchupdate.targets.openapi.schema import is_number
from batchupdate.util.regex import compile_search

if TYPE_CHECKING:
    from batchupdate.targets.openapi.document import Node

_BY_FORMAT = {
    "uuid": r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    "email": EMAIL,
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "date-time": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)$",
}
_WHOLE = 1024


def text_rule(schema: Node) -> Node:
    """The `pattern` of a parameter's text, and an `example` where one is known; {} if any text will do.

    Args:
        schema: plain.
    """
    values = schema.get("enum")
    if isinstance(values, list) and (texts := [str(one) for one in values if isinstance(one, str | int | float)]):
        return _one_of(texts) if all(map(str.isprintable, texts)) else {}
    kind = schema.get("type")
    if kind == "boolean":
        return _one_of(["true", "false"])
    if kind in {"integer", "number"}:
        decimals = r"(?:\.[0-9]+)?" if kind == "number" else ""
        return {"pattern": f"^-?[0-9]+{decimals}$", "example": str(_number(schema))}
    return _of_text(schema)


def _of_text(schema: Node) -> Node:
    named, pattern, least = schema.get("format"), schema.get("pattern"), schema.get("minLength")
    if isinstance(pattern, str) and pattern.isprintable() and _is_usable(pattern):
        example = text_example(schema, pattern)
        return {"pattern": pattern} | ({"example": example} if example else {})
    if isinstance(named, str) and named in _BY_FORMAT:
        return {"pattern": _BY_FORMAT[named], "example": FORMATS[named]}
    long = isinstance(least, int) and 1 < least <= 200  # noqa: PLR2004 - one is what every text has
    return {"pattern": f"^.{{{least},}}$"} if long else {}


def _one_of(texts: list[str]) -> Node:
    return {"pattern": f"^(?:{'|'.join(map(re.escape, texts))})$", "example": texts[0]}


def _number(schema: Node) -> int:
    low, high = schema.get("minimum"), schema.get("maximum")
    if is_number(low) and low > _WHOLE:
        return int(low) + 1
    return int(high) if is_number(high) and high < _WHOLE else _WHOLE


def _is_usable(pattern: str) -> bool:
    try:
        compile_search(pattern)
    except ValueError:
        return False
    return True
