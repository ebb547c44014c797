"""Finds the sentence in an error body of any shape: a string, an object, a list of objects, or no JSON at all."""

from __future__ import annotations

import html
import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.config.json_path import UnexpectedReplyError, search
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_CHARACTERS = 300
MAX_DEPTH = 6
MAX_SENTENCES = 5
MAX_ITEMS = 50
"""Of a list, or of the members of an object, no more are looked at: a sick server can send thousands."""
MAX_BODY_BYTES = 100_000
MAX_TEXT = 20_000

# Names are compared in lower case and without the signs between their words.
_DETAILS = (
    "errors",
    "details",
    "invalidparams",
    "validation",
    "violations",
    "fieldviolations",
    "fielderrors",
    "errorcauses",
    "errormessages",
    "params",
    "data",
)
"""Where an object says which fields are wrong and why, beside the general sentence."""

_TELLING = (
    "detail",
    "message",
    "defaultmessage",
    "errorsummary",
    "errordescription",
    "error",
    "errors",
    "errormessages",
    "title",
    "description",
    "reason",
    "msg",
    "code",
)
"""Where an object has its sentence, the most informative first."""

_PLACE = (
    "path",
    "field",
    "fields",
    "loc",
    "param",
    "parameter",
    "pointer",
    "source",
    "property",
    "in",
    "target",
    "name",
)
"""Where an object names the field that is wrong, the surest first."""

_WHOLE = frozenset({"non_field_errors", "__all__", "base", "_error", "_errors", "detail", "details", "data", "params"})
"""Names that stand where a field's name would, and mean the record as a whole."""

_NOT_FIELDS = frozenset({*_DETAILS, *_TELLING, "formerrors"}) - {"title", "description", "reason", "code"}
"""Names that an object with lists of sentences gives to the sentences, and seldom to a field."""

_ERROR = frozenset({"message", "error", "code"})
_NO_PLACE = frozenset({"body", "query", "path", "header", "cookie", "data", "attributes"})
_NO_NAME = re.compile(r".*(?:Error|Exception)")
# None of these looks at a character more than a few times, whatever a sick server sends.
_TAGS = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?:script|style)\b.*?(?:</(?:script|style)>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE
)
_TITLE = re.compile(r"<title\b[^<>]*>(.*?)(?:</title>|\Z)", re.DOTALL | re.IGNORECASE)


def error_sentence(body: bytes, paths: Sequence[str] = ()) -> str:
    """The API's own words, on one line of at most 300 characters; empty if there are none.

    Args:
        body: the reply's body.
        paths: JMESPath expressions tried first.
    """
    text = body[:MAX_BODY_BYTES].decode("utf-8-sig", "replace").strip()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return one_line(_plain(text[:MAX_TEXT]), MAX_CHARACTERS)
    if data in ({}, [], "", None):
        return ""
    for path in paths:
        if sentences := _unique(_sentences(_find(path, data))):
            return one_line(sentences, MAX_CHARACTERS)
    return one_line(_unique(_sentences(data)) or text[:MAX_TEXT], MAX_CHARACTERS)


def _find(path: str, data: object) -> object:
    try:
        return search(path, data, "errors.paths")
    except UnexpectedReplyError:  # a function of the expression got a type it can't take
        return None


def _plain(text: str) -> str:
    if "<" not in text:
        return text
    title = _TITLE.search(text)
    return html.unescape(_TAGS.sub(" ", title[1] if title and title[1].strip() else text))


class _Said(NamedTuple):
    """A sentence, and the field that it is about: '' where it names none."""

    place: str
    text: str

    @property
    def is_specific(self) -> bool:
        """Whether it says more than a code does."""
        return bool(self.place) or " " in self.text.strip()

    def __str__(self) -> str:
        if not self.place or re.search(rf"(?<!\w){re.escape(self.place)}(?!\w)", self.text, re.IGNORECASE):
            return self.text.strip()
        return f"{self.place}: {self.text.strip()}"


def _sentences(data: Any) -> Iterator[str]:  # noqa: ANN401 - JSON is anything
    if isinstance(data, dict) and data and all(isinstance(value, list | dict) for value in data.values()):
        found = [*_said(data, "", 0)] or [*_by_field(data, "", 0)]
        return map(str, found)
    return map(str, _said(data, "", 0))


def _said(data: Any, place: str, depth: int) -> Iterator[_Said]:  # noqa: ANN401
    """What a value says, about the field at `place` unless it names another."""
    if depth > MAX_DEPTH:
        return
    if isinstance(data, str):
        if data.strip():
            yield _Said(place, data)
    elif isinstance(data, list):
        for item in data[:MAX_ITEMS]:
            yield from _said(item, place, depth + 1)
    elif isinstance(data, dict):
        yield from _object(data, place, depth)


def _object(data: dict[str, Any], place: str, depth: int) -> Iterator[_Said]:
    if _is_by_field(data):
        for key, value in islice(data.items(), MAX_ITEMS):
            whole = _plain_name(key) in _NOT_FIELDS
            yield from _said(value, place, depth + 1) if whole else _by_field({key: value}, place, depth)
        return
    named = {_plain_name(name): value for name, value in data.items()}
    place = _place_in(named, top=depth == 0) or place
    details = [each for name in _DETAILS for each in _detail(name, named.get(name), place, depth + 1)]
    if specific := [each for each in details if each.is_specific]:
        yield from specific
        return
    if named.keys() == {"lang", "value"}:  # OData: a sentence with its language
        yield from _said(named["value"], place, depth + 1)
        return
    general = [found for name in _TELLING if (found := [*_said(named.get(name), place, depth + 1)])]
    sentences = (found for found in general if any(" " in each.text.strip() for each in found))
    yield from next(sentences, general[0] if general else ())


def _detail(name: str, data: Any, place: str, depth: int) -> Iterator[_Said]:  # noqa: ANN401
    """What the member of this name says of single fields."""
    if name in {"data", "details"} and isinstance(data, dict):
        yield from _beside(data, depth)
    elif isinstance(data, dict) and isinstance(data.get("message"), str):
        yield from _object(data, place, depth)
    elif isinstance(data, dict):
        yield from _by_field(data, place, depth)
    elif name != "data":
        yield from _said(data, place, depth)


def _beside(data: dict[str, Any], depth: int) -> Iterator[_Said]:
    """The same of an object that may well be a record: only what is clearly an error counts."""
    named = {_plain_name(name): value for name, value in data.items()}
    for name in _DETAILS:
        if name in named and depth <= MAX_DEPTH:
            yield from _detail(name, named[name], "", depth + 1)
    for key, value in islice(data.items(), MAX_ITEMS):
        for part in value[:MAX_ITEMS] if isinstance(value, list) else (value,):
            if isinstance(part, dict) and _ERROR & part.keys() and _plain_name(key) not in _DETAILS:
                yield from _object(part, key, depth + 1)


def _is_by_field(data: dict[str, Any]) -> bool:
    """Whether an object has lists of sentences by field, as in `{"title": ["is taken"]}`.

    There `title`, which has the sentence elsewhere, is a field, as in Django REST framework and Rails.
    """
    if not all(isinstance(value, list | dict) for value in data.values()):
        return False
    texts = {
        name for name, value in data.items() if isinstance(value, list) and all(isinstance(one, str) for one in value)
    }
    no_fields = {name for name in data if name in _WHOLE or _plain_name(name) in _NOT_FIELDS}
    return no_fields <= texts and any(data[name] for name in texts - no_fields)


def _by_field(data: dict[str, Any], place: str, depth: int) -> Iterator[_Said]:
    """The sentences of `{"name": ["is too long"]}`, and of `{"address": {"zip": …}}`."""
    for key, value in islice(data.items(), MAX_ITEMS):
        inner = place if key in _WHOLE else ".".join(filter(None, (place, key)))
        found = [*_said(value, inner, depth + 1)]
        if found or depth > MAX_DEPTH:
            yield from found
        else:
            for part in value[:MAX_ITEMS] if isinstance(value, list) else (value,):
                if isinstance(part, dict):
                    yield from _by_field(part, inner, depth + 1)


def _plain_name(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _place_in(named: Mapping[str, Any], *, top: bool) -> str:
    """The field that an object names; the path of a whole reply is that of its request."""
    for name in _PLACE:
        value = named.get(name)
        if isinstance(value, dict):  # JSON:API: {"source": {"pointer": …}}
            value = value.get("pointer") or value.get("parameter")
        if top and (name == "name" or (name == "path" and isinstance(value, str) and value.startswith("/"))):
            continue
        if name == "name" and isinstance(value, str) and _NO_NAME.fullmatch(value):
            continue  # JavaScript: the name of an error's class
        if isinstance(value, str | list) and (place := _dotted(value)):
            return place
    return ""


def _dotted(value: str | list[Any]) -> str:
    """A path of names, JSON pointer (RFC 6901) or text as `a.b`, without what only says that it is in the body."""
    parts = [str(part) for part in value] if isinstance(value, list) else [value]
    if len(parts) == 1 and parts[0].startswith(("/", "#/")):
        parts = parts[0].lstrip("#").split("/")[1:]
    while parts and parts[0] in _NO_PLACE:
        del parts[0]
    return ".".join(parts)


def _unique(sentences: Iterator[str]) -> str:
    found: dict[str, None] = {}
    for sentence in sentences:
        found.setdefault(sentence.strip())
        if len(found) >= MAX_SENTENCES:
            break
    return "; ".join(found)
