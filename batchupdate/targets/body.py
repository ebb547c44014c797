"""How a row's fields become a request body, as a target's YAML declares it under `body`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pydantic import Field, JsonValue, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets import body_formats, field_path
from batchupdate.targets.value_types import HeaderValue
from batchupdate.targets.variables import PLACEHOLDER
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from batchupdate.targets.place import Place

FIELDS = "{fields}"
SPREAD = "..."
"""The name in a template under which the fields stand as members beside others."""

_JSON_TYPE = re.compile(r"application/(?:json|[a-z0-9!#$&^_.-]+\+json)")
_TYPES = {
    "json": "application/json",
    "merge-patch": "application/merge-patch+json",  # RFC 7396
    "json-patch": "application/json-patch+json",  # RFC 6902
    "form": "application/x-www-form-urlencoded",
}


class Body(Strict):
    """How the fields become a body. `format` is what the API takes.

    - `json`: an object with the fields. `wrap: [properties]` gives `{"properties": {…}}`, and `constants` are placed
      beside the wrapped fields. `template` is the whole body where that does not suffice: in it, `"{fields}"` stands
      for the object with the fields, the member `...: "{fields}"` for the fields as members beside others, and
      `{name}` for a part of the record's id.
    - `merge-patch`: the same by another name (RFC 7396), in which null removes a member.
    - `json-patch`: an operation for each field (RFC 6902).
    - `form`: the same object as a web form, with nested members as `address[city]` and items as `labels[0]`, or with
      `lists: repeated` as `labels` each.

    `content_type` is what the API calls it, where that is not the format's own. `nested` says what the API does with an
    object inside the body: `replace` it as a whole, so that members which are not sent are lost, or `merge` it with
    what is there. Without it, it is known of the patch formats only, which leave alone what they do not name.

    `base: read` is for an API that replaces the whole record: it is read, changed and sent, without the members that
    `omit` names, which the API does not take back.
    """

    format: Literal["json", "merge-patch", "json-patch", "form"] = "json"
    wrap: tuple[str, ...] = Field(default=(), strict=False)
    constants: dict[str, JsonValue] = Field(default={})
    template: dict[str, JsonValue] | list[JsonValue] | None = None
    content_type: HeaderValue | None = None
    lists: Literal["indexed", "repeated"] = "indexed"
    nested: Literal["replace", "merge"] | None = None
    base: Literal["read"] | None = None
    omit: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.content_type is not None:
            _check_type(self.content_type, self.format)
        if self.lists == "repeated" and self.format != "form":
            raise MisplacedError("this is about web forms; remove lists, or make the format form", "lists")
        for index, name in enumerate(self.wrap):
            if "." in name:
                message = f"a dot means nothing here; for objects in objects, write [{', '.join(name.split('.'))}]"
                raise MisplacedError(message, "wrap", index)
        if self.template is not None:
            self._check_template()
        if self.base and self.format in {"json-patch", "merge-patch"}:
            raise MisplacedError(f"a {self.format} holds changes alone; remove base, or make the format json", "base")
        if self.omit and not self.base:
            raise MisplacedError("omit is for base: read", "omit")
        if SPREAD in self.constants:
            raise MisplacedError(
                'a member "..." has no value of its own: it stands for the fields', "constants", SPREAD
            )
        if self.format == "json-patch" and self.constants:
            raise MisplacedError("a JSON Patch is a list of operations, and has no room for constants", "constants")
        return self

    def _check_template(self) -> None:
        if short := "wrap" if self.wrap else "constants" if self.constants else "":
            raise MisplacedError(f"template is the whole body; write what {short} says into it", short)
        if self.format == "json-patch":
            raise MisplacedError("a JSON Patch is a list of operations, and has no template", "template")
        if (count := sum(1 for slot in _slots(self.template) if slot)) != 1:
            found = "nowhere" if count == 0 else f"{count} times"
            raise MisplacedError(f'"{{fields}}" must stand in the template once, and stands there {found}', "template")

    @property
    def nesting(self) -> Literal["replace", "merge"] | None:
        """What becomes of members that are not set: as `nested` says, or else as the format has it.

        Where the whole record is sent, nothing is lost.
        """
        if self.base:
            return "merge"
        patches = self.format in {"merge-patch", "json-patch"}
        return self.nested or ("merge" if patches else None)

    @property
    def media_type(self) -> str:
        """The `Content-Type` of the body."""
        return self.content_type or _TYPES[self.format]

    @property
    def whole(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body as a template, whichever way it is declared."""
        if self.template is not None:
            return self.template
        if not self.wrap:
            return {**self.constants, SPREAD: FIELDS}
        inner: Any = FIELDS
        for name in reversed(self.wrap[1:]):
            inner = {name: inner}
        return {**self.constants, self.wrap[0]: inner}

    def check(self, paths: Mapping[str, tuple[str, ...]], places: Mapping[str, Place]) -> None:
        """Refuses members that the fields or the wrapping would overwrite, and places that the format does not have.

        Raises:
            MisplacedError: there is one.
        """
        if self.format == "json-patch" and places:
            message = "a JSON Patch can't say where this is, because the list's items have no fixed numbers"
            raise MisplacedError(message, "fields", next(iter(places)), "at")
        taken = {path[0] for path in paths.values()} | {place.first for place in places.values()}
        if self.wrap:
            if self.wrap[0] in self.constants:
                raise MisplacedError("the body has this member already; remove it", "body", "constants", self.wrap[0])
            return
        for beside in _beside_fields(self.whole):
            if twice := [name for name in beside if name in taken]:
                place = ("constants", twice[0]) if self.template is None else ("template",)
                raise MisplacedError(f"the body has this member already ({twice[0]}); remove it", "body", *place)


def _check_type(text: str, form: str) -> None:
    """Refuses a content type that contradicts the format, or an encoding other than UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    if set(parameters) - {"charset=utf-8"}:
        raise MisplacedError("the body is in UTF-8; leave the parameter out, or write charset=utf-8", "content_type")
    is_patch = media_type == _TYPES["json-patch"]
    if form != "json-patch" and is_patch:
        raise MisplacedError("for a JSON Patch (RFC 6902), write format: json-patch", "content_type")
    if form == "form" and media_type != _TYPES["form"]:
        raise MisplacedError(f"a form is {_TYPES['form']}; for JSON, write format: json", "content_type")
    if form != "form" and not _JSON_TYPE.fullmatch(media_type):
        message = "the body is JSON; write application/json, or a type that ends with +json"
        raise MisplacedError(f"{message}; for a form, write format: form", "content_type")


def _slots(template: Any) -> Iterator[bool]:  # noqa: ANN401 - JSON is anything
    """For each place where fields may stand, and for each in which they can't: whether they do."""
    if isinstance(template, str):
        if FIELDS in template:
            if template != FIELDS:
                raise MisplacedError(
                    f'"{{fields}}" stands for an object, so nothing can stand beside it: {template!r}', "template"
                )
            yield True
    elif isinstance(template, list):
        for part in template:
            yield from _slots(part)
    elif isinstance(template, dict):
        for name, part in template.items():
            if name == SPREAD and part != FIELDS:
                raise MisplacedError('the member "..." is for "{fields}" alone', "template")
            yield from _slots(part)


def _beside_fields(template: Any) -> Iterator[list[str]]:  # noqa: ANN401
    """The members beside the fields, where these are members themselves."""
    if isinstance(template, dict):
        if SPREAD in template:
            yield [name for name in template if name != SPREAD]
        for part in template.values():
            yield from _beside_fields(part)
    elif isinstance(template, list):
        for part in template:
            yield from _beside_fields(part)


class _IdPart(NamedTuple):
    """A part of the record's id, in a text of the body."""

    name: str


class _Fields(NamedTuple):
    """The fields: as an object, or as members, after a comma where others stand before them."""

    spread: bool
    comma: str = ""


class BodyBuilder:
    """Builds the request bodies of one target.

    Args:
        body: the declaration.
        paths: the members that lead to each field, by field name.
        places: where fields are to which members alone do not lead, by field name.
        ids: the names of the parts of a record's id.
    """

    def __init__(
        self, body: Body, paths: Mapping[str, tuple[str, ...]], places: Mapping[str, Place], ids: Container[str]
    ) -> None:
        self._paths, self._places = paths, places
        self._nested = bool(places) or any(path != (name,) for name, path in paths.items())
        self._format, self._wrap = body.format, body.wrap
        self._repeated = body.lists == "repeated"
        self._omitted = [field_path.split(name) for name in body.omit]
        pieces = [*_pieces(body.whole, ids)]
        at, self._slot = next((at, piece) for at, piece in enumerate(pieces) if isinstance(piece, _Fields))
        self._before, self._after = _joined(pieces[:at]), _joined(pieces[at + 1 :])
        self.ids = tuple({piece.name: None for piece in pieces if isinstance(piece, _IdPart)})
        """The parts of the record's id that stand in the body."""

    def build(self, fields: str, ids: Mapping[str, str], record: str = "") -> bytes:
        """The body for a row.

        Args:
            fields: the JSON text of an object with a member for each field, by field name.
            ids: the parts of the record's id by name; only those in `ids` are looked at.
            record: the JSON text of the record that the fields are changed in; '' for the fields alone.
        """
        if self._format == "json-patch":
            return body_formats.json_patch(exact_json.loads(fields), self._wrap, self._paths).encode()
        if self._nested or record:
            start = exact_json.loads(record) if record else {}
            for path in self._omitted:
                field_path.remove(start, path)
            fields = exact_json.dumps(self._placed(exact_json.loads(fields), start))
        if self._slot.spread:
            members = fields[1:-1]
            fields = self._slot.comma + members if members else ""
        text = f"{_text(self._before, ids)}{fields}{_text(self._after, ids)}"
        if self._format == "form":
            return body_formats.form(exact_json.loads(text), repeated=self._repeated).encode()
        return text.encode()

    def _placed(self, values: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """The record with the fields in the places where the API has them."""
        plain = {name: value for name, value in values.items() if name not in self._places}
        field_path.nest(plain, self._paths, record)
        for name, place in self._places.items():
            if name in values:
                place.put(record, values[name])
        return record


def _pieces(template: Any, ids: Container[str]) -> Iterator[str | _IdPart | _Fields]:  # noqa: ANN401 - JSON is anything
    """The template's JSON text, with what each row has of its own."""
    if template == FIELDS:
        yield _Fields(spread=False)
    elif isinstance(template, str):
        texts = PLACEHOLDER.split(_dumps(template))  # texts and names in turn
        for position, text in enumerate(texts):
            is_id = position % 2 and text in ids
            yield _IdPart(text) if is_id else text if position % 2 == 0 else f"{{{text}}}"
    elif isinstance(template, list):
        yield "["
        for position, part in enumerate(template):
            yield "," if position else ""
            yield from _pieces(part, ids)
        yield "]"
    elif isinstance(template, dict):
        yield "{"
        members = {name: part for name, part in template.items() if name != SPREAD}
        for position, (name, part) in enumerate(members.items()):
            yield f"{',' if position else ''}{_dumps(name)}:"
            yield from _pieces(part, ids)
        if SPREAD in template:
            yield _Fields(spread=True, comma="," if members else "")
        yield "}"
    else:
        yield _dumps(template)


def _joined(pieces: Iterable[str | _IdPart | _Fields]) -> list[str | _IdPart]:
    """The same with texts that follow each other in one."""
    made: list[str | _IdPart] = []
    for piece in pieces:
        if isinstance(piece, str) and made and isinstance(made[-1], str):
            made[-1] += piece
        elif not isinstance(piece, _Fields):
            made.append(piece)
    return made


def _text(pieces: Sequence[str | _IdPart], ids: Mapping[str, str]) -> str:
    if len(pieces) == 1 and isinstance(pieces[0], str):
        return pieces[0]
    return "".join(piece if isinstance(piece, str) else _dumps(ids[piece.name])[1:-1] for piece in pieces)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
