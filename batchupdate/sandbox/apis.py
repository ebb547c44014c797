"""How the two vendors' APIs behave: their paths, checks, answers and errors, read off their documentation by hand.

Nothing here knows the product's own rules, so that the two can disagree. What the documentation leaves open is marked
as our guess, and listed in `docs/sandbox.md`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from batchupdate.sandbox.records import LangdockRecord, NairiRecord, iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME_MAX = 40  # characters; Langdock, "Update Integration", request body
DESCRIPTION_MAX = 90  # as above

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_HEX_COLOR = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)
_TYPE_NAMES = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, without its key. `path` is still percent-encoded, and `query` is what follows its question mark."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    query: str = ""
    if_match: str = ""
    if_none_match: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API answers. `written` are the fields it changed, None where it changed nothing; `id` the record's.

    `batch` are the changes of a request that changes many records: the id of each, and its fields.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, Any] | None = None
    id: str = ""
    batch: Sequence[tuple[str, Mapping[str, Any]]] = ()

    @property
    def changes(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """The records that were changed, each with its fields."""
        return self.batch if self.written is None else [(self.id, self.written)]


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names at one API: `one` record, its `icon`, `all`, or a `batch`; and the id in it, decoded."""

    what: str
    id: str = ""


class Api(Protocol):
    """One API with its records."""

    @property
    def name(self) -> str:
        """What the sandbox calls it, such as `langdock`."""
        ...

    @property
    def key_prefix(self) -> str:
        """How this API's keys start; no other API accepts such a key."""
        ...

    def place(self, path: str) -> Place | None:
        """What this path names here, or None for a path of another API."""
        ...

    def answer(self, call: Call, place: Place, now: datetime) -> Answer:
        """Does what an authorized request asks."""
        ...

    def error(self, status: int, message: str = "") -> Answer:
        """An error in this API's shape; without a message, the one usual for the status."""
        ...


def to_json(value: object) -> bytes:
    """JSON as these APIs send it."""
    return json.dumps(value, separators=(",", ":")).encode()


class _NotJsonError(ValueError):
    """The body is not JSON, or not announced as such."""


def _parse(call: Call) -> Any:  # noqa: ANN401 - JSON can be anything
    """The body as JSON (RFC 8259: UTF-8, and no NaN), if the content type says so."""
    if call.content_type.partition(";")[0].strip().lower() != "application/json":
        raise _NotJsonError
    try:
        return json.loads(call.body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _NotJsonError from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class Langdock:
    """Langdock's integrations: https://docs.langdock.com, "Update Integration" and its siblings.

    Args:
        records: what it holds.
        name_or_description: refuses a change that sets neither, as somebody reports of the real one.
    """

    name = "langdock"
    key_prefix = "sk-ld-"
    _root = "/integrations/v1/"
    _usual: Mapping[int, str] = {
        400: "Invalid request body or integration ID",
        401: "Invalid or missing API key",
        403: "No access to this integration",
        404: "Integration not found",
        405: "Method not allowed",
        413: "Request body too large",
        429: "Rate limit for public API exceeded",
        500: "Internal server error",
        503: "Service unavailable",
    }

    def __init__(self, records: Sequence[LangdockRecord], *, name_or_description: bool = False) -> None:
        self.records = {record.id: record for record in records}
        self._needed = ("name", "description") if name_or_description else tuple(_CHECKS)

    def place(self, path: str) -> Place | None:
        """What a path names: an integration, its icon, or all of them."""
        if not path.startswith(self._root):
            return None
        first, slash, rest = path.removeprefix(self._root).partition("/")
        if not slash:
            return Place("all" if first == "get" else "one", unquote(first))
        return Place("icon", unquote(first)) if rest == "icon" else None

    def find(self, record_id: str) -> LangdockRecord | None:
        """The record with this id; letter case doesn't count (RFC 9562, section 4)."""
        return self.records.get(record_id.lower())

    def error(self, status: int, message: str | list[dict[str, Any]] = "") -> Answer:
        """`{"message": …}`, where a 400 may have a list of objects."""
        return Answer(status, to_json({"message": message or self._usual[status]}))

    def answer(self, call: Call, place: Place, now: datetime) -> Answer:  # noqa: ARG002 - Nairi needs the time
        """Reads or changes: first the id is checked, then the body, then whether the record is there and ours."""
        if call.method == "GET" and place.what == "all":
            return self._list()
        if call.method not in ({"GET"} if place.what == "icon" else {"GET", "PATCH"}):
            allow = "GET" if place.what == "icon" else "GET, PATCH"
            return replace(self.error(405), headers={"Allow": allow})
        if not _UUID.fullmatch(place.id):
            return self.error(400, "Invalid integration ID")
        if call.method == "PATCH":
            return self._patch(call, place.id)
        record = self.find(place.id)
        if record is None or record.forbidden:
            return self.error(403 if record else 404)
        return Answer(200, to_json({"iconUrl": record.icon_url} if place.what == "icon" else _whole(record)))

    def _list(self) -> Answer:
        shown = [_in_list(record) for record in self.records.values() if not record.forbidden]
        return Answer(200, to_json({"integrations": shown}))

    def _patch(self, call: Call, record_id: str) -> Answer:
        fields = self._fields(call)
        if isinstance(fields, Answer):
            return fields
        record = self.find(record_id)
        if record is None:
            return self.error(404)
        if record.forbidden or record.built_by_langdock:
            return self.error(403)
        record = _changed(record, fields)
        self.records[record.id] = record
        shown = {"id": record.id, "name": record.name, "description": record.description}
        return Answer(200, to_json({"integration": shown}), written=fields, id=record.id)

    def _fields(self, call: Call) -> dict[str, Any] | Answer:
        """The fields to set, or the error that the body earns."""
        try:
            body = _parse(call)
        except _NotJsonError:
            return self.error(400, "Request body is not valid JSON")
        if not isinstance(body, dict):
            return self.error(400, [_wrong_type([], "object", body)])
        fields = {name: body[name] for name in _CHECKS if name in body}  # others are dropped, as zod does: our guess
        if issues := [issue for name, value in fields.items() for issue in _CHECKS[name](name, value)]:
            return self.error(400, issues)
        if not any(name in fields for name in self._needed):
            return self.error(400, f"At least one field ({' or '.join(self._needed)}) must be provided")
        return fields


def _changed(record: LangdockRecord, fields: Mapping[str, Any]) -> LangdockRecord:
    return replace(
        record,
        name=fields.get("name", record.name),
        description=fields.get("description", record.description),
        icon_url=fields.get("iconUrl", record.icon_url),
        color=fields.get("color", record.color),
    )


def _whole(record: LangdockRecord) -> dict[str, Any]:
    """One integration as its GET shows it: neither colour nor icon."""
    shown: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "authType": record.auth_type,
        "authTestCode": None,
        "authFields": [],
        "oauthClient": None,
        "actions": [],
        "triggers": [],
    }
    return {"integration": shown}


def _in_list(record: LangdockRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "authType": record.auth_type,
        "buildByLangdock": record.built_by_langdock,
        "actions": [],
    }


def _wrong_type(path: list[str], expected: str, value: object) -> dict[str, Any]:
    received = _TYPE_NAMES.get(type(value), "string")
    sentence = f"Expected {expected}, received {received}"
    return {"code": "invalid_type", "expected": expected, "received": received, "path": path, "message": sentence}


def _size(code: str, bound: str, size: int, name: str) -> dict[str, Any]:
    sentence = f"String must contain at {'most' if bound == 'maximum' else 'least'} {size} character(s)"
    return {"code": code, bound: size, "type": "string", "inclusive": True, "path": [name], "message": sentence}


def _check_name(name: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, str):
        return [_wrong_type([name], "string", value)]
    if not value:  # our guess: nothing is said of an empty name
        return [_size("too_small", "minimum", 1, name)]
    return [_size("too_big", "maximum", NAME_MAX, name)] if len(value) > NAME_MAX else []


def _check_description(name: str, value: object) -> list[dict[str, Any]]:
    if value is not None and not isinstance(value, str):
        return [_wrong_type([name], "string", value)]
    return [_size("too_big", "maximum", DESCRIPTION_MAX, name)] if value and len(value) > DESCRIPTION_MAX else []


def _check_icon_url(name: str, value: object) -> list[dict[str, Any]]:
    return _check_form(name, value, _WEB_ADDRESS, "url")


def _check_color(name: str, value: object) -> list[dict[str, Any]]:
    return _check_form(name, value, _HEX_COLOR, "hex color")


def _check_form(name: str, value: object, form: re.Pattern[str], what: str) -> list[dict[str, Any]]:
    """Our guess: null and empty text clear such a field."""
    if value is not None and not isinstance(value, str):
        return [_wrong_type([name], "string", value)]
    if not value or form.fullmatch(value):
        return []
    return [{"code": "invalid_string", "validation": what, "path": [name], "message": f"Invalid {what}"}]


_CHECKS = {
    "name": _check_name,
    "description": _check_description,
    "iconUrl": _check_icon_url,
    "color": _check_color,
}


class Nairi:
    """Nairi's LLM integrations: "Update LLM integration"."""

    name = "nairi"
    key_prefix = "nr_"
    _root = "/api/public/v1/integrations/llm/"
    _usual: Mapping[int, str] = {
        401: "invalid or missing API key",
        404: "LLM integration not found",
        405: "method not allowed",
        413: "request body too large",
        429: "rate limit exceeded",
        500: "internal server error",
        503: "service unavailable",
    }

    def __init__(self, records: Sequence[NairiRecord]) -> None:
        self.records = {record.id.removeprefix("ai_").upper(): record for record in records}

    def place(self, path: str) -> Place | None:
        """What a path names: an LLM integration, or nothing."""
        rest = path.removeprefix(self._root)
        return None if rest == path or "/" in rest else Place("one", unquote(rest))

    def find(self, record_id: str) -> NairiRecord | None:
        """The record with this id, with or without its prefix; letter case of the ULID doesn't count."""
        return self.records.get(record_id.removeprefix("ai_").upper())

    def error(self, status: int, message: str = "") -> Answer:
        """`{"error": …}`, always a text."""
        return Answer(status, to_json({"error": message or self._usual[status]}))

    def answer(self, call: Call, place: Place, now: datetime) -> Answer:
        """Renames: first the id is checked, then the body, then whether the record is there."""
        if call.method != "PATCH":  # no endpoint that reads one was found
            return replace(self.error(405), headers={"Allow": "PATCH"})
        if not _ULID.fullmatch(place.id.removeprefix("ai_")):
            return self.error(400, "integration ID must be a valid ULID")
        name = self._new_name(call)
        if isinstance(name, Answer):
            return name
        record = self.find(place.id)
        if record is None:
            return self.error(404)
        record = replace(record, name=name, updated_at=_later(record.updated_at, now))
        self.records[record.id.removeprefix("ai_").upper()] = record
        shown = {
            "id": record.id,
            "type": record.type,
            "name": record.name,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }
        return Answer(200, to_json(shown), written={"name": name}, id=record.id)

    def _new_name(self, call: Call) -> str | Answer:
        """The name to set, or the error that the body earns. What is no JSON or of a wrong type: our guess."""
        try:
            body = _parse(call)
        except _NotJsonError:
            return self.error(400, "invalid request body")
        if not isinstance(body, dict):
            return self.error(400, "invalid request body")
        name = body.get("name")
        if name is None or name == "":
            return self.error(400, "name is required")
        return name if isinstance(name, str) else self.error(400, "invalid request body")


def _later(before: str, now: datetime) -> str:
    """Now, but always after `before`: `updated_at` moves with every change, even within one millisecond."""
    text = iso_ms(now)
    if text > before:
        return text
    return iso_ms(datetime.fromisoformat(before) + timedelta(milliseconds=1))
