"""Many records in one request, as a target's YAML declares it under `batch`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, JsonValue

from batchupdate.config.json_path import JsonPath
from batchupdate.config.settings import parse_size
from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.body import FIELDS, Body, BodyBuilder
from batchupdate.targets.value_types import HeaderValue
from batchupdate.targets.variables import check_common_path, used_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from batchupdate.targets.place import Place

Bytes = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=int | str), Field(ge=1000)]

PATH, NUMBER = "path", "request"
"""What a template can hold of each record besides its id: its path, and its number in the request, from 1."""

_SLOT = "\0records\0"

_SYNTAX = frozenset("/?&=()'\"")
"""In a text with one of these, an id could mean something else than a record: another path, or another parameter."""


class Batch(Strict):
    """An endpoint that changes many records with one request.

    `size` is how many records a request has at the most, and `max_bytes` how long its body is. `template` is the body:
    one of its lists holds a single item, in which `"{fields}"` stands, and that item is there once for each record. In
    it, `{name}` is a part of the record's id, `{path}` the record's own path, and `{request}` its number there. With
    `same_fields`, only rows that set the same fields share a request: for an API that clears in one record what only
    others of the request set.

    `results` (JMESPath) finds the list of results in the reply; without it, a success is one of all records. All that
    follows is about one result. `id` is whose it is: a record's id, or its number where the template has `{request}`; a
    list of them is a result of them all. `in_order` is for an API that leaves ids out, and has its results in the order
    of the records. `status` is where a result has a status of its own, and `headers` where it has headers. Otherwise a
    result is a failure where `success` is not true, or `error` finds something; `error` is its sentence as well. It
    can be sent again where `repeat` finds something. Without `results`, `success` is about the whole reply.
    """

    path: str
    method: Literal["POST", "PATCH", "PUT"] = "POST"
    size: int = Field(ge=2, le=10_000)
    max_bytes: Bytes | None = None
    same_fields: bool = False
    template: dict[str, JsonValue] | list[JsonValue]
    content_type: HeaderValue = "application/json"
    results: JsonPath | None = None
    id: JsonPath = "id"
    in_order: bool = False
    status: JsonPath | None = None
    headers: JsonPath | None = None
    success: JsonPath | None = None
    error: JsonPath | None = None
    repeat: JsonPath | None = None

    @property
    def numbered(self) -> bool:
        """Whether results are told apart by the records' numbers."""
        return f"{{{NUMBER}}}" in json.dumps(self.template)

    def check(self, ids: Collection[str], variables: Collection[str], body: Body) -> None:
        """Refuses what makes no request of many records, and results that nobody could tell apart.

        Raises:
            MisplacedError: there is such.
        """
        if body.format not in {"json", "merge-patch"}:
            raise MisplacedError(f"a batch is JSON, and the body's format is {body.format}; remove batch", "batch")
        check_common_path(self.path, variables, "batch", "it is that of all records")
        if taken := {PATH, NUMBER} & {*ids}:
            name = min(taken)
            raise MisplacedError(f"{{{name}}} has a meaning of its own in a batch; rename this id", "id", name)
        self._check_template({*ids}, {*variables})
        self._check_results(ids)

    def _check_template(self, ids: set[str], variables: set[str]) -> None:
        texts = [*_texts(_item(self.template))]
        for text in texts:
            if _SYNTAX & {*text} and (inside := [name for name in used_in(text) if name in ids]):
                message = f"an id is not encoded here; in place of {{{inside[0]}}}, write {{{PATH}}}: the record's path"
                raise MisplacedError(message, "batch", "template")
        if not {*ids, PATH} & {name for text in texts for name in used_in(text)}:
            message = f"the item does not say which record it is; put {{{min(ids)}}} or {{{PATH}}} into it"
            raise MisplacedError(message, "batch", "template")
        for text in _texts(_without_item(self.template)):
            if strangers := [name for name in used_in(text) if name not in variables]:
                message = f"{{{strangers[0]}}} means nothing outside the list's item, which is there for each record"
                raise MisplacedError(message, "batch", "template")

    def _check_results(self, ids: Collection[str]) -> None:
        if self.results is None:
            for name in ("status", "headers", "error", "repeat", "in_order", "id"):
                if name in self.model_fields_set:
                    raise MisplacedError(f"{name} is about one result; say with results where they are", "batch", name)
        elif len(ids) > 1 and not self.numbered and not self.in_order:
            message = "an id of several parts tells no results apart; put {request} into the template, or say in_order"
            raise MisplacedError(message, "batch", "id")

    def body_of(self, body: Body) -> Body:
        """How one record of a request is built."""
        return Body(format=body.format, template=_item(self.template), nested=body.nested)


class BatchRecord(NamedTuple):
    """A record on its way into a request: its fields as JSON, its path, and the parts of its id by name."""

    fields: str
    path: str
    ids: Mapping[str, str]


class BatchBuilder:
    """Builds the bodies of one target's batches.

    Args:
        batch: the declaration.
        body: how one record would be sent alone.
        paths: the members that lead to each field, by field name.
        places: where fields are to which members alone do not lead, by field name.
        ids: the names of the parts of a record's id.

    Raises:
        MisplacedError: the template is none.
    """

    def __init__(
        self,
        batch: Batch,
        body: Body,
        paths: Mapping[str, tuple[str, ...]],
        places: Mapping[str, Place],
        ids: Iterable[str],
    ) -> None:
        try:
            record = batch.body_of(body)
            record.check(paths, places)
        except MisplacedError as error:
            raise MisplacedError(str(error), "batch", "template") from error
        self._record = BodyBuilder(record, paths, places, {*ids, PATH, NUMBER})
        text = json.dumps(_without_item(batch.template), ensure_ascii=False, separators=(",", ":"))
        before, after = text.split(json.dumps(_SLOT))
        self._before, self._after = before.encode(), after.encode()
        self.ids = tuple(name for name in self._record.ids if name not in {PATH, NUMBER})
        """The parts of a record's id that stand in the body."""

    def build(self, records: Sequence[BatchRecord]) -> bytes:
        """The body for some records."""
        parts = (self._one(one, number) for number, one in enumerate(records, 1))
        return self._before + b",".join(parts) + self._after

    def length(self, record: BatchRecord) -> int:
        """The bytes that a record adds to a body, at the most."""
        return len(self._one(record, 10_000)) + 1

    @property
    def empty_length(self) -> int:
        """The bytes of a body without a record."""
        return len(self._before) + len(self._after)

    def _one(self, record: BatchRecord, number: int) -> bytes:
        return self._record.build(record.fields, {**record.ids, PATH: record.path, NUMBER: str(number)})


def _item(template: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """What a template has of each record: the only item of its outermost list with the fields in it.

    Raises:
        MisplacedError: there is no such list.
    """
    found = [part for part in _lists(template) if _has_fields(part)]
    alone = [*_texts(_without_item(template))].count(_SLOT) == 1
    if not found or not alone or len(found[0]) != 1 or not isinstance(found[0][0], dict):
        message = 'one list in the template has a single item with "{fields}" in it: [{id: "{id}", ...: "{fields}"}]'
        raise MisplacedError(message, "batch", "template")
    return found[0][0]


def _without_item(template: Any) -> Any:  # noqa: ANN401
    if isinstance(template, list):
        return [_SLOT] if _has_fields(template) else template
    if isinstance(template, dict):
        return {name: _without_item(part) for name, part in template.items()}
    return template


def _lists(part: Any) -> Iterable[list[Any]]:  # noqa: ANN401
    """The lists in a template, the outer ones first."""
    if isinstance(part, list):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _lists(inner)


def _has_fields(part: Any) -> bool:  # noqa: ANN401
    return FIELDS in _texts(part)


def _texts(part: Any) -> Iterable[str]:  # noqa: ANN401
    if isinstance(part, str):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _texts(inner)
