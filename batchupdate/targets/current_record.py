"""How a record's current state is read, as a target's YAML declares it under `read`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.json_path import JsonPath, UnexpectedReplyError, search
from batchupdate.targets.url_template import UrlTemplate, is_encoded_path

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from batchupdate.targets.place import Place


class Read(Strict):
    """How a record's current state is read: GET at `path`, by default the target's own.

    `record` is where the record is in the reply, as a JMESPath expression.
    """

    path: str | None = None
    record: JsonPath = "@"

    def check(self, ids: Container[str]) -> None:
        """Refuses a path that can't be requested, or that names something else than the target's ids.

        Raises:
            MisplacedError: it is such a path.
        """
        if self.path is None:
            return
        template = UrlTemplate(self.path)
        if not self.path.startswith("/") or not is_encoded_path(
            "/" + template.fill(dict.fromkeys(template.variables, ""))
        ):
            raise MisplacedError("path must start with '/' and be percent-encoded", "read", "path")
        if strangers := [name for name in template.variables if name not in ids]:
            raise MisplacedError(
                f"path uses {{{strangers[0]}}}, which is not declared under id or variables", "read", "path"
            )

    def proves(
        self, reply: bytes, fields: str, paths: Mapping[str, Sequence[str]], places: Mapping[str, Place]
    ) -> bool:
        """Whether a reply proves that the record has the values that a row sets.

        A field that the reply does not contain proves nothing.

        Args:
            reply: the body of the reply to a read.
            fields: the row's fields, a JSON object by field name.
            paths: the members that lead to each field, by field name.
            places: where the fields are to which members alone do not lead.
        """
        try:
            record = search(self.record, json.loads(reply, parse_float=Decimal), "read.record")
        except (ValueError, RecursionError, UnexpectedReplyError):
            return False
        wanted = json.loads(fields, parse_float=Decimal)
        return isinstance(record, dict) and all(
            _equal(search(places[name].jmespath, record, "at"), value)
            if name in places
            else _has(record, paths.get(name, (name,)), value)
            for name, value in wanted.items()
        )


def _has(record: object, path: Sequence[str], value: object) -> bool:
    """Whether a record has this value at the end of the path."""
    for member in path:
        if not isinstance(record, dict) or member not in record:
            return False
        record = record[member]
    return _equal(record, value)


def _equal(one: object, other: object) -> bool:
    """Whether two JSON values are equal; in Python, true equals 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    return one == other and isinstance(one, bool) is isinstance(other, bool)
