"""What a field may hold, as a target's YAML declares it under `fields`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets import field_path
from batchupdate.targets.place import Place, PlaceText, Step
from batchupdate.targets.value_types import Pattern, TimeFormat, Zone, check_example, check_json

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUE_WORDS = frozenset({"true", "yes", "1"})
FALSE_WORDS = frozenset({"false", "no", "0"})

_WHOLE = re.compile(r"0|-?[1-9][0-9]*").fullmatch

FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime", "enum", "list", "json"]

# The types that each option is for; options that are not listed here are for all types.
_OPTIONS: dict[str, frozenset[str]] = {
    "min_length": frozenset({"string"}),
    "max_length": frozenset({"string"}),
    "pattern": frozenset({"string"}),
    "example": frozenset({"string", "json"}),
    "format": frozenset({"string"}),
    "enum": frozenset({"string", "enum", "integer"}),
    "ignore_case": frozenset({"enum"}),
    "minimum": frozenset({"integer", "number"}),
    "maximum": frozenset({"integer", "number"}),
    "true_words": frozenset({"boolean"}),
    "false_words": frozenset({"boolean"}),
    "input_formats": frozenset({"date", "datetime"}),
    "timezone": frozenset({"datetime"}),
    "items": frozenset({"list"}),
    "separator": frozenset({"list"}),
    "trimmed": frozenset({"string"}),
    "unordered": frozenset({"list"}),
    "min_items": frozenset({"list"}),
    "max_items": frozenset({"list"}),
    "json_type": frozenset({"json"}),
}


class FieldRule(Strict):
    """What one field accepts, and as which JSON value a cell is sent. Lengths count characters.

    `example` is a text that matches the pattern, or the JSON of a field of this type; messages and templates show it.
    `true_words` and `false_words` are accepted besides true, yes, 1 and false, no, 0, in any letter case.
    `input_formats` (in the syntax of Python's strptime) are read besides ISO 8601. `timezone` is `required`, or the
    IANA zone of times that name none. `at` is where the field is in a record and in the body, where its name does not
    say that; see `Place`. `items` is the rule for each item of a list, `json_type` the type of a JSON text.
    `trimmed` says that the API removes blanks at both ends of a text, `unordered` that the order of a list does not
    count; so a record that differs in no more than that has the value already.
    """

    type: FieldType = "string"
    required: bool = False
    nullable: bool = False
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    pattern: Pattern | None = None
    example: str = ""
    format: Literal["url", "hex-color", "uuid"] | None = None
    enum: tuple[str, ...] | None = Field(default=None, strict=False, min_length=1)
    ignore_case: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    true_words: tuple[str, ...] = Field(default=(), strict=False)
    false_words: tuple[str, ...] = Field(default=(), strict=False)
    input_formats: tuple[TimeFormat, ...] = Field(default=(), strict=False)
    timezone: Zone | None = None
    items: FieldRule | None = None
    separator: str = Field(default=",", min_length=1)
    min_items: int | None = Field(default=None, ge=0)
    max_items: int | None = Field(default=None, ge=1)
    json_type: Literal["object", "array"] | None = None
    trimmed: bool = False
    unordered: bool = False
    at: PlaceText | None = None
    description: str = ""
    aliases: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, types in _OPTIONS.items():
            if self.type not in types and getattr(self, name) != type(self).model_fields[name].default:
                raise MisplacedError(f"{name} is for type {' or '.join(sorted(types))}, not {self.type}", name)
        for least, most in (("min_length", "max_length"), ("minimum", "maximum"), ("min_items", "max_items")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise MisplacedError(f"{least} must not be larger than {most}", least)
        if self.type == "json":
            check_json(self.example, self.json_type)
        else:
            check_example(self.example, self.pattern, self.format)
        if self.type == "enum" and self.enum is None:
            raise MisplacedError("type enum needs the list of its values in enum", "type")
        if self.type == "integer" and (odd := [value for value in self.enum or () if not _WHOLE(value)]):
            raise MisplacedError(f'{odd[0]!r} is not a whole number; write it in quotes, as "12"', "enum")
        if self.items and (self.items.type in {"list", "json"} or self.items.required or self.items.nullable):
            raise MisplacedError("an item can't be a list or JSON, and can't be required or nullable", "items")
        self._words_differ()
        return self

    def _words_differ(self) -> None:
        true, false = ({word.casefold() for word in words} for words in (self.true_words, self.false_words))
        if both := (true | TRUE_WORDS) & (false | FALSE_WORDS):
            raise MisplacedError(f"{min(both)!r} would mean both true and false", "false_words")
        if self.enum and self.ignore_case and len({word.casefold() for word in self.enum}) < len(self.enum):
            raise MisplacedError("two values differ only in their letter case", "ignore_case")

    @property
    def clearable(self) -> bool:
        """Whether `<empty>` may be sent: an empty string, or a list without items."""
        if self.type == "list":
            return not self.min_items
        if self.type == "enum" or self.enum is not None:
            return "" in (self.enum or ())
        return self.type == "string" and not self.min_length

    @property
    def empty(self) -> str | list[Any]:
        """The value that `<empty>` sends."""
        return [] if self.type == "list" else ""


def paths_of(fields: Mapping[str, FieldRule]) -> dict[str, tuple[str, ...]]:
    """Where each field is in the body and in a record: the members that lead to it, the outermost first.

    Those to which members alone do not lead are left out; see `places_of`.
    """
    paths = {name: Place.parse(rule.at).members if rule.at else field_path.split(name) for name, rule in fields.items()}
    return {name: path for name, path in paths.items() if path is not None}


def places_of(fields: Mapping[str, FieldRule]) -> dict[str, Place]:
    """Where the fields are to which members alone do not lead."""
    places = {name: Place.parse(rule.at) for name, rule in fields.items() if rule.at}
    return {name: place for name, place in places.items() if place.members is None}


def parts_of(paths: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The fields that lie inside another field, by the name of that one."""
    name_of = {path: name for name, path in paths.items()}
    inner: dict[str, tuple[str, ...]] = {}
    for name, path in paths.items():
        for depth in range(1, len(path)):
            if whole := name_of.get(path[:depth]):
                inner[whole] = (*inner.get(whole, ()), name)
    return inner


def objects_of(paths: Mapping[str, tuple[str, ...]], places: Mapping[str, Place]) -> dict[str, tuple[str, ...]]:
    """The fields that lie inside an object or a list, or set it as a whole, by the name of the outermost one.

    An API that replaces nested objects and lists needs all of them together.
    """
    inner: dict[str, tuple[str, ...]] = {}
    for name, path in paths.items():
        inner[path[0]] = (*inner.get(path[0], ()), name)
    nested = {path[0] for path in paths.values() if len(path) > 1}
    for name, place in places.items():
        inner[place.first] = (*inner.get(place.first, ()), name)
        nested.add(place.first)
    return {name: fields for name, fields in inner.items() if name in nested}


def check_nested(nested: str | None, parts: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses an object that is declared both as a whole and by its members, where the API replaces objects.

    Raises:
        MisplacedError: there is one.
    """
    if nested == "replace" and parts:
        whole, inner = next(iter(parts.items()))
        message = (
            f"with 'nested: replace', a row sends all members of {whole!r} together, so declare either {whole!r} or "
            "its members; remove one of them"
        )
        raise MisplacedError(message, "fields", inner[0])


def check_paths(fields: Mapping[str, FieldRule]) -> None:
    """Refuses a field whose name leads nowhere, or into another field that has no members.

    Raises:
        MisplacedError: a field's name can't be a path, or contradicts another field.
    """
    for name, rule in fields.items():
        if rule.at is not None:
            continue
        try:
            field_path.split(name)
        except ValueError as error:
            raise MisplacedError(str(error), "fields", name) from error
        if index := field_path.INDEX.search(name):
            whole = name[: index.start()] or name
            raise MisplacedError(
                "an item of an array can't be a field. For an array of plain values, declare "
                f"{whole!r} with type list, which has the columns {whole}[0], {whole}[1] and so on; "
                "for any other array, declare it with type json",
                "fields",
                name,
            )
    _check_places(fields)
    for whole, parts in parts_of(paths_of(fields)).items():
        rule = fields[whole]
        if rule.type != "json" or rule.json_type == "array":
            kind = "an array" if rule.json_type else rule.type
            message = f"{whole!r} is declared as {kind}, which has no members; make it type json, or remove one of them"
            raise MisplacedError(message, "fields", parts[0])
        if needed := [name for name in (whole, *parts) if fields[name].required]:
            message = f"a row sets {whole!r} either as a whole or by its members, so {needed[0]!r} can't be required"
            raise MisplacedError(message, "fields", needed[0])


def _check_places(fields: Mapping[str, FieldRule]) -> None:
    """Refuses fields in the place of another, and lists where there is one value, or the other way round."""
    paths, places = paths_of(fields), places_of(fields)
    owners: dict[tuple[Step, ...], str] = {}
    for name, path in paths.items():
        _refuse_same(name, owners.setdefault(path, name))
    for name, place in places.items():
        if place.is_of_list and fields[name].type != "list":
            message = "[] goes through the items of a list; make the field type list, or write [0] for the first item"
            raise MisplacedError(message, "fields", name, "at")
        _refuse_same(name, owners.setdefault(place.shared, name))
        for other, path in paths.items():
            if path == place.members_before[: len(path)] or path[: len(place.members_before)] == place.members_before:
                message = f"{other!r} sets what holds this field, or is in the place of its list; remove one of them"
                raise MisplacedError(message, "fields", name, "at")


def _refuse_same(name: str, other: str) -> None:
    if name != other:
        raise MisplacedError(f"this is where {other!r} is, too; remove one of them", "fields", name)
