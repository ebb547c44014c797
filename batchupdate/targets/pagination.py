"""How an API lists its records, as a target's YAML declares it under `list`.

`Listing` says where the records stand in a reply, and where each id and field stands in a record. `Pagination` says how
the next page is asked for.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import jmespath
from pydantic import BeforeValidator, Field, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets import field_path
from batchupdate.targets.texts import JsonPath

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_PAGES = 10_000
_QUERY_NAME = r"^[A-Za-z0-9_.~\[\]$-]+$"
_plain_path = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII).fullmatch

Style = Literal["none", "cursor", "page", "offset", "next", "link"]

_OPTIONS: dict[str, frozenset[str]] = {
    "parameter": frozenset({"cursor", "page", "offset"}),
    "next": frozenset({"cursor", "next"}),
    "more": frozenset({"cursor"}),
    "first": frozenset({"page", "offset"}),
    "size_parameter": frozenset({"page", "offset"}),
    "size": frozenset({"page", "offset"}),
    "pages": frozenset({"page"}),
    "total": frozenset({"offset"}),
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "cursor": ("parameter", "next"),
    "page": ("parameter",),
    "offset": ("parameter",),
    "next": ("next",),
}

_MISSING = object()


class Pagination(Strict):
    """How the next page of a list is asked for.

    `parameter` is the query parameter that says which page, and `next` finds, as JMESPath in the whole reply, what it
    is for the next one (`cursor`; `data[-1].id` is Stripe's `starting_after`), or the next page's URL (`next`). `more`
    says whether there is one. `first` is the first page's number or offset; `size` is asked for by `size_parameter`.
    `pages` and `total` find how many pages or records there are. `link` follows the header `Link: <…>; rel="next"`
    (RFC 8288).
    """

    style: Style = "none"
    parameter: str | None = Field(default=None, pattern=_QUERY_NAME)
    next: JsonPath | None = None
    more: JsonPath | None = None
    first: int | None = Field(default=None, ge=0)
    size_parameter: str | None = Field(default=None, pattern=_QUERY_NAME)
    size: int | None = Field(default=None, ge=1)
    pages: JsonPath | None = None
    total: JsonPath | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, styles in _OPTIONS.items():
            if getattr(self, name) is not None and self.style not in styles:
                raise MisplacedError(f"{name} goes with style {' or '.join(sorted(styles))}, not {self.style}", name)
        for name in _NEEDED.get(self.style, ()):
            if getattr(self, name) is None:
                raise MisplacedError(f"style {self.style} needs {name}", "style")
        if self.size_parameter and self.size is None:
            raise MisplacedError("say under size how many records a page is to have", "size_parameter")
        return self


class Fixed(Strict):
    """Records that must not be edited: those in which `when` (JMESPath) finds something true, and `because` of what."""

    when: JsonPath
    because: str = Field(min_length=1)


class Found(NamedTuple):
    """What one record of a list says: its id's parts, its fields, and why it must not be edited ('' if it may be).

    A field that the record does not have is not among `fields`.
    """

    ids: tuple[str, ...]
    fields: Mapping[str, Any]
    locked: str


class UnfitError(ValueError):
    """A reply, or a record, is not as the declaration says; the text says why."""


def _pagination(value: object) -> object:
    return {"style": value} if isinstance(value, str) else value


class Listing(Strict):
    """How an API lists its records: GET at `path`, which may carry a query.

    `records` finds the array in the reply. `id` and `fields` say where each stands in one record, where that is not
    under its own name (an id: else under `id`); `absent` are the fields that no record of the list has.
    """

    path: str
    records: JsonPath = "@"
    id: dict[str, JsonPath] = Field(default={})
    fields: dict[str, JsonPath] = Field(default={})
    absent: tuple[str, ...] = Field(default=(), strict=False)
    pagination: Annotated[Pagination, BeforeValidator(_pagination)] = Pagination()
    max_pages: int = Field(default=MOST_PAGES, ge=1)
    fixed: tuple[Fixed, ...] = Field(default=(), strict=False)

    def records_in(self, reply: object) -> list[Mapping[str, Any]]:
        """The records of one page.

        Raises:
            UnfitError: there is no list of objects where the declaration says.
        """
        found = look_up(self.records, reply, "records")
        where = "the reply itself" if self.records == "@" else f"what 'records' ({self.records}) finds in the reply"
        if not isinstance(found, list):
            what = "nothing" if found is None else f"{_kind(found)}"
            raise UnfitError(f"{where} is to be the list of records, and is {what}")
        for number, record in enumerate(found, 1):
            if not isinstance(record, dict):
                raise UnfitError(f"entry {number:,} of the list is to be a record, and is {_kind(record)}")
        return found

    def read(self, record: Mapping[str, Any], ids: tuple[str, ...], fields: tuple[str, ...]) -> Found:
        """What one record says, for the target's ids and fields of these names.

        Raises:
            UnfitError: it has no id.
        """
        locked = next((one.because for one in self.fixed if is_true(look_up(one.when, record, "fixed"))), "")
        values = {}
        for name in fields:
            if name not in self._absent and (value := self._field(name, record)) is not _MISSING:
                values[name] = value
        return Found(tuple(self._id(name, record, alone=len(ids) == 1) for name in ids), values, locked)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return frozenset(self.absent)

    def _id(self, name: str, record: Mapping[str, Any], *, alone: bool) -> str:
        if name in self.id:
            value = look_up(self.id[name], record, f"id.{name}")
        else:
            value = record.get(name, record.get("id") if alone else None)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value:
            place = self.id.get(name, f"{name} or id" if alone and name != "id" else name)
            raise UnfitError(f"a record has no id where it is to stand ({place}); say under list.id where it does")
        return value

    def _field(self, name: str, record: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        path = self.fields.get(name)
        if path is None:
            return _walk(record, field_path.split(name))
        if _plain_path(path):
            return _walk(record, path.split("."))
        value = look_up(path, record, f"fields.{name}")
        return _MISSING if value is None else value  # null and not there can't be told apart


def _walk(record: object, names: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    """What stands under some names, one below the other; `_MISSING` where the last one is not there."""
    for name in names:
        if not isinstance(record, dict) or name not in record:
            return _MISSING
        record = record[name]
    return record


def look_up(path: str, within: object, setting: str) -> Any:  # noqa: ANN401 - any JSON value
    """What a JMESPath expression finds; `setting` names it in a sentence.

    Raises:
        UnfitError: it can't be used on what is there, such as a function on a value of another type.
    """
    try:
        return jmespath.search(path, within)
    except (jmespath.exceptions.JMESPathError, RecursionError, ArithmeticError, TypeError, ValueError) as error:
        told = str(error).partition("\n")[0] or type(error).__name__
        raise UnfitError(f"'{setting}' ({path}) can't be used on what the API sent: {told}") from error


def is_true(value: object) -> bool:
    """Whether JMESPath takes a value for true: 0 is, what is empty is not."""
    return value is not None and value is not False and value not in ("", [], {})


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with the keys {', '.join(map(repr, list(value)[:5]))}" if value else "an empty object"
    names: dict[type, str] = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
