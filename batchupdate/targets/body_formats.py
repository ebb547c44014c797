"""Bodies that are not one JSON object: JSON Patch (RFC 6902), and web forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def json_patch(fields: Mapping[str, Any], wrap: Sequence[str], paths: Mapping[str, Sequence[str]]) -> str:
    """An operation for each field.

    `add` sets a member whether or not it is there already (RFC 6902, section 4.1). The object that holds it must exist.

    Args:
        fields: the row's values by field name.
        wrap: the members that lead to the object with the fields.
        paths: the members that lead to each field in it, by field name.
    """
    operations = [
        {"op": "add", "path": _pointer((*wrap, *paths[name])), "value": value} for name, value in fields.items()
    ]
    return exact_json.dumps(operations)


def _pointer(members: Sequence[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + member.replace("~", "~0").replace("/", "~1") for member in members)


def form(body: Mapping[str, Any] | Sequence[Any], *, repeated: bool = False) -> str:
    """A JSON value as `application/x-www-form-urlencoded`, nested as Stripe, Rails and PHP have it.

    A member of an object is `address[city]` and an item `labels[0]`. An empty text, null and an empty list are an empty
    text, which clears a field. What the brackets mean is not encoded, so that it stays readable.

    Args:
        body: an object, or a list.
        repeated: whether the items of a list have its own name, `labels=x&labels=y`, as HTML's forms have it.
    """
    return "&".join(f"{name}={quote_plus(text)}" for name, text in _pairs("", body, repeated=repeated))


def _pairs(name: str, value: Any, *, repeated: bool) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and value:
        for member, inner in value.items():
            part = quote_plus(member)
            yield from _pairs(f"{name}[{part}]" if name else part, inner, repeated=repeated)
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from _pairs(name if repeated else f"{name}[{position}]", inner, repeated=repeated)
    elif name:
        yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value in (None, [], {}) else exact_json.dumps(value)
