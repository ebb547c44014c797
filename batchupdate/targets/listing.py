"""How an API lists its records, as a target's YAML declares it under `list`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, JsonValue

from batchupdate.config.json_path import JsonPath, UnexpectedReplyError, is_true, search, text_of
from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.current_record import check_shown_fields
from batchupdate.targets.pagination import Pagination
from batchupdate.targets.place import Place
from batchupdate.targets.precondition import version_of
from batchupdate.targets.variables import check_common_path

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from batchupdate.targets.replaced_objects import ReplacedObjects

MAX_PAGES = 10_000
_is_plain_path = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII).fullmatch
_MISSING = object()


class ReadOnly(Strict):
    """Records that must not be edited: those in which `when` (JMESPath) finds something true; `because` is shown."""

    when: JsonPath
    because: str = Field(min_length=1)


class Record(NamedTuple):
    """One record of a list: the parts of its id, its fields, and why it must not be edited ('' if it may be).

    `version` is '' where the list does not say which version the record has. A field that the record does not contain
    is not among `fields`. It is `absent` where the record shows the object that would hold it: then it is known that
    there is no such member. `undeclared` is what it has beside the fields in objects that the API replaces as a whole,
    by the name of the object.
    """

    ids: tuple[str, ...]
    fields: Mapping[str, Any]
    locked: str
    absent: frozenset[str] = frozenset()
    version: str = ""
    undeclared: Mapping[str, Sequence[str]] = {}


def _pagination(value: object) -> object:
    return {"style": value} if isinstance(value, str) else value


class Listing(Strict):
    """How an API lists its records: GET at `path`, which may have a query; or POST with a JSON `body`.

    `records` finds the array of records in the reply. `id` and `fields` say where each id and field is in a record,
    unless it is under its own name (for the only id: or under `id`). `total` finds how many records there are in all,
    unless that is in a usual place. `absent` are fields that the list never contains.
    `version` is where a record's version is in it, for `precondition`, unless it is where that says.
    """

    section: ClassVar = "list"
    called: ClassVar = "the list"

    path: str
    method: Literal["GET", "POST"] = "GET"
    body: dict[str, JsonValue] = Field(default={})
    records: JsonPath = "@"
    id: dict[str, JsonPath] = Field(default={})
    fields: dict[str, JsonPath] = Field(default={})
    absent: tuple[str, ...] = Field(default=(), strict=False)
    version: JsonPath | None = None
    total: JsonPath | None = None
    pagination: Annotated[Pagination, BeforeValidator(_pagination, json_schema_input_type=str | Pagination)] = (
        Pagination()
    )
    max_pages: int = Field(default=MAX_PAGES, ge=1)
    fixed: tuple[ReadOnly, ...] = Field(default=(), strict=False)

    def check(self, ids: Container[str], fields: Container[str], variables: Container[str]) -> None:
        """Refuses a path that can't be requested, and names that the target does not declare.

        Raises:
            MisplacedError: there is such a path or name.
        """
        check_common_path(self.path, variables, "list", "it lists all records")
        if self.method == "GET" and (self.body or self.pagination.place == "body"):
            place = ("body",) if self.body else ("pagination", "in")
            raise MisplacedError("a GET has no body; write method: POST", "list", *place)
        self.check_names(ids, fields, "list")

    def check_names(self, ids: Container[str], fields: Container[str], where: str) -> None:
        """Refuses names that the target does not declare; `where` is the section that this is.

        Raises:
            MisplacedError: there are such.
        """
        if strangers := [name for name in self.id if name not in ids]:
            raise MisplacedError(f"{strangers[0]!r} is not declared under id", where, "id", strangers[0])
        check_shown_fields(where, self.fields, self.absent, fields)

    def records_in(self, reply: object) -> list[Mapping[str, Any]]:
        """The records of one page.

        Raises:
            UnexpectedReplyError: there is no list of objects where the declaration says.
        """
        found = search(self.records, reply, "records")
        where = "the reply" if self.records == "@" else f"what 'records' ({self.records}) finds in the reply"
        if not isinstance(found, list):
            what = "nothing" if found is None else _kind(found)
            raise UnexpectedReplyError(f"{where} should be the list of records, but is {what}")
        for number, record in enumerate(found, 1):
            if not isinstance(record, dict):
                raise UnexpectedReplyError(f"entry {number:,} of the list should be a record, but is {_kind(record)}")
        return found

    def reader(
        self,
        ids: tuple[str, ...],
        fields: Mapping[str, Sequence[str] | Place],
        version: str = "",
        replaced: ReplacedObjects | None = None,
    ) -> Callable[[Mapping[str, Any]], Record]:
        """What finds a record's ids and fields, under the target's names; it is asked for each record of the list.

        It raises UnexpectedReplyError for a record that has no id.

        Args:
            ids: the names of the parts of its id.
            fields: by name where each field is in a record: the members that lead to it, or its place.
            version: where its version is (JMESPath); '' where the list does not have it.
            replaced: the objects that the API replaces as a whole.
        """
        known = [
            (name, self._field(name, where), self._object(name, where))
            for name, where in fields.items()
            if name not in self.absent
        ]
        parts = [self._id(name, alone=len(ids) == 1) for name in ids]
        version_in = _finder(version, "list.version") if version else None

        def read(record: Mapping[str, Any]) -> Record:
            locked = ""
            if self.fixed:
                locked = next((one.because for one in self.fixed if is_true(search(one.when, record, "fixed"))), "")
            values, absent = {}, []
            for name, find, holder in known:
                if (value := find(record)) is not _MISSING:
                    values[name] = value
                elif holder and _member(record, holder) is not _MISSING:
                    absent.append(name)
            found = tuple([part(record) for part in parts])
            told = version_of(version_in(record)) if version_in else ""
            beside = replaced.undeclared(record, fields, self.fields) if replaced else {}
            return Record(found, values, locked, frozenset(absent), told, beside)

        return read

    def _id(self, name: str, *, alone: bool) -> Callable[[Mapping[str, Any]], str]:
        find = _finder(self.id[name], f"id.{name}") if name in self.id else None

        def read(record: Mapping[str, Any]) -> str:
            value = find(record) if find else record.get(name, record.get("id") if alone else None)
            if text := text_of(value):
                return text
            place = self.id.get(name, f"{name} or id" if alone and name != "id" else name)
            raise UnexpectedReplyError(
                f"a record has no id where one is expected ({place}); declare its place under {self.section}.id"
            )

        return read

    def _field(self, name: str, where: Sequence[str] | Place) -> Callable[[Mapping[str, Any]], Any]:
        path = self.fields.get(name)
        if path is None and not isinstance(where, Place):
            return _members(where)
        return _finder(where.jmespath if path is None and isinstance(where, Place) else path or "", f"fields.{name}")

    def _object(self, name: str, where: Sequence[str] | Place) -> Sequence[str]:
        """Where the outermost object is that holds a nested field; empty for other fields, or where that is unclear."""
        path = self.fields.get(name)
        if isinstance(where, Place):
            return (where.first,) if path is None else ()
        if path is not None and not _is_plain_path(path):
            return ()
        depth, place = len(where), where if path is None else tuple(path.split("."))
        return place[: len(place) - depth + 1] if 1 < depth <= len(place) else ()


def _finder(path: str, setting: str) -> Callable[[Mapping[str, Any]], Any]:
    """What finds the value that a JMESPath expression leads to; `_MISSING` if there is none."""
    if _is_plain_path(path):
        return _members(path.split("."))

    def find(record: object) -> Any:  # noqa: ANN401 - any JSON value
        value = search(path, record, setting)
        return _MISSING if value is None else value  # JMESPath gives None for null and for nothing

    return find


def _members(path: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    if len(path) == 1:
        (name,) = path
        return lambda record: record.get(name, _MISSING)
    return partial(_member, path=path)


def _member(record: object, path: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    """The value at the end of a path; `_MISSING` if there is none."""
    for name in path:
        if not isinstance(record, dict) or name not in record:
            return _MISSING
        record = record[name]
    return record


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with the keys {', '.join(map(repr, list(value)[:5]))}" if value else "an empty object"
    names: dict[type, str] = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
