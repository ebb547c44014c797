"""How a row's fields become a request body, as a target's YAML declares it under `body`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets import field_path
from batchupdate.targets.value_types import HeaderValue
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_JSON_TYPE = re.compile(r"application/(?:json|[a-z0-9!#$&^_.-]+\+json)")


def _json_type(text: str) -> str:
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    if media_type == "application/json-patch+json":
        raise ValueError("a JSON Patch is a list of operations, and the body is an object with the fields to set")
    if not _JSON_TYPE.fullmatch(media_type) or set(parameters) - {"charset=utf-8"}:
        raise ValueError("the body is JSON in UTF-8; write application/json, or a type that ends with +json")
    return text


class Body(Strict):
    """How the fields become a JSON body.

    `wrap: [properties]` gives `{"properties": {…}}`; `constants` are placed beside the wrapped fields.
    `content_type` is what the API calls that JSON, such as `application/merge-patch+json` (RFC 7396).

    `nested` says what the API does with an object inside the body: `replace` it as a whole, so that members which are
    not sent are lost, or `merge` it with what is there. Without it, nothing is known.
    """

    wrap: tuple[str, ...] = Field(default=(), strict=False)
    constants: dict[str, JsonValue] = Field(default={})
    content_type: Annotated[HeaderValue, AfterValidator(_json_type)] = "application/json"
    nested: Literal["replace", "merge"] | None = None

    def check(self, paths: Iterable[tuple[str, ...]]) -> None:
        """Refuses a constant that a field or the wrapping would overwrite, and wrapping in one name with dots.

        Raises:
            MisplacedError: there is one.
        """
        for index, name in enumerate(self.wrap):
            if "." in name:
                message = f"a dot means nothing here; for objects in objects, write [{', '.join(name.split('.'))}]"
                raise MisplacedError(message, "body", "wrap", index)
        taken = set(self.wrap[:1]) or {path[0] for path in paths}
        if twice := [name for name in self.constants if name in taken]:
            raise MisplacedError("the body has this member already; remove it", "body", "constants", twice[0])


class BodyBuilder:
    """Builds the request bodies of one target.

    Args:
        body: the declaration.
        paths: the members that lead to each field, by field name.
    """

    def __init__(self, body: Body, paths: Mapping[str, tuple[str, ...]]) -> None:
        self._paths = paths
        self._nested = any(path != (name,) for name, path in paths.items())
        self._head, self._tail = "", ""
        self._members = ""
        """The constants as members of the fields' own object, where nothing wraps that."""
        constants = "".join(f"{_dumps(name)}:{_dumps(value)}," for name, value in body.constants.items())
        if body.wrap:
            self._head = "".join(
                "{" + (constants if depth == 0 else "") + _dumps(name) + ":" for depth, name in enumerate(body.wrap)
            )
            self._tail = "}" * len(body.wrap)
        else:
            self._members = constants

    def build(self, fields: str) -> bytes:
        """The body for a row's fields: the JSON text of an object with a member for each field, by field name."""
        if self._nested:
            fields = exact_json.dumps(field_path.nest(exact_json.loads(fields), self._paths))
        if self._members:
            fields = f"{{{self._members}{fields[1:]}" if fields != "{}" else f"{{{self._members[:-1]}}}"
        return f"{self._head}{fields}{self._tail}".encode()


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
