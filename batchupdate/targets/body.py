"""How a row's fields become a request body, as a target's YAML declares it under `body`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets import field_path
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Body(Strict):
    """How the fields become a JSON body.

    `wrap: [properties]` gives `{"properties": {…}}`; `constants` are placed beside the wrapped fields.
    """

    wrap: tuple[str, ...] = Field(default=(), strict=False)
    constants: dict[str, JsonValue] = Field(default={})

    def check(self, paths: Iterable[tuple[str, ...]]) -> None:
        """Refuses a constant that a field or the wrapping would overwrite.

        Raises:
            MisplacedError: there is one.
        """
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
