"""How a record's current state is read, as a target's YAML declares it under `read`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import Field

from batchupdate.config.json_path import JsonPath, UnexpectedReplyError, search
from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.place import Place
from batchupdate.targets.url_template import UrlTemplate, is_encoded_path

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping, Sequence

MISSING = object()
"""What a record has in the place of a field that it does not contain."""


class Read(Strict):
    """How a record's current state is read: GET at `path`, by default the target's own.

    `record` is where the record is in the reply, as a JMESPath expression. `fields` says where a field is in the
    record, unless it is where a change has it; `absent` are fields that the reply never contains.
    """

    path: str | None = None
    record: JsonPath = "@"
    fields: dict[str, JsonPath] = Field(default={})
    absent: tuple[str, ...] = Field(default=(), strict=False)

    def check(self, ids: Container[str], fields: Container[str]) -> None:
        """Refuses a path that can't be requested, or that names something else than the target's ids and fields.

        Args:
            ids: the names of the parts of a record's id, and of variables.
            fields: the names of the target's fields.

        Raises:
            MisplacedError: there is such a path or name.
        """
        check_shown_fields("read", self.fields, self.absent, fields)
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
        try:
            return isinstance(record, dict) and all(
                _equal(self.value(record, name, paths.get(name, (name,))), value)
                if name not in places
                else _found(self.value(record, name, places[name]), value)
                for name, value in wanted.items()
            )
        except UnexpectedReplyError:
            return False

    def value(self, record: object, name: str, where: Sequence[str] | Place) -> Any:  # noqa: ANN401 - any JSON value
        """What a record has in a field; `MISSING` where nothing is found.

        Args:
            record: as `record` finds it.
            name: of the field.
            where: the field is in a change: the members that lead to it, or its place.

        Raises:
            UnexpectedReplyError: what `fields` says can't be applied to the record.
        """
        if name in self.absent:
            return MISSING
        if name in self.fields or isinstance(where, Place):
            path = self.fields.get(name) or (where.jmespath if isinstance(where, Place) else "")
            value = search(path, record, f"read.fields.{name}")
            return MISSING if value is None else value  # JMESPath gives None for null and for nothing
        for member in where:
            if not isinstance(record, dict) or member not in record:
                return MISSING
            record = record[member]
        return record


def check_shown_fields(section: str, shown: Collection[str], absent: Sequence[str], fields: Container[str]) -> None:
    """Refuses names of fields that a target does not declare, where it says which of them a reply has.

    Args:
        section: of the declaration.
        shown: the names under its `fields`.
        absent: those under its `absent`.
        fields: the names of the target's fields.

    Raises:
        MisplacedError: there are such, or one is under both.
    """
    if strangers := [name for name in shown if name not in fields]:
        raise MisplacedError(f"{strangers[0]!r} is not declared under fields", section, "fields", strangers[0])
    for index, name in enumerate(absent):
        if name not in fields or name in shown:
            why = f"is under {section}.fields, too; keep one" if name in shown else "is not declared under fields"
            raise MisplacedError(f"{name!r} {why}", section, "absent", index)


def _found(found: object, value: object) -> bool:
    """Whether a value was found in its place, where nothing can be null (see `Read.value`)."""
    return value is None if found is MISSING else _equal(found, value)


def _equal(one: object, other: object) -> bool:
    """Whether two JSON values are equal; in Python, true equals 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    return one == other and isinstance(one, bool) is isinstance(other, bool)
