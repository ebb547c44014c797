"""A target's declaration, made of a curl command that updates one record: a beginning, to be looked over by a person.

The key goes to an environment variable, the record's id to a column, and the members of the body become fields.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import yaml

from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError, UsageError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets.curl_auth import auth_of, holds_key
from batchupdate.targets.curl_command import OF_A_BROWSER, CurlRequest, read_curl
from batchupdate.targets.field_path import escaped
from batchupdate.targets.key_names import is_idempotency_key, is_secret_member
from batchupdate.targets.target import Target
from batchupdate.util.json import dumps, exact

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

_CHANGES = {"PATCH", "PUT", "POST"}
_PLACEHOLDER = re.compile(
    r"\{\{?([^{}]+)\}?\}|<([^<>]+)>|:([A-Za-z_]\w*)|\$\{?(\w+)\}?|%(\w+)%|((?:[A-Z]+_)*(?:YOUR|ID)(?:_[A-Z]+)*)"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ULID = re.compile(r"([a-z]+_)?[0-7][0-9A-HJKMNP-TV-Z]{25}")
_NO_ID = re.compile(r"v?\d{1,2}(\.\d+)*|v\d+.*|20\d\d-\d\d(-\d\d)?|[a-z]+v?[0-9]")


@dataclass(frozen=True, slots=True)
class Draft:
    """A declaration, the cells of the row that the command stands for, and what a person should know of it."""

    target: Target
    text: str
    cells: Mapping[str, str]
    notes: Sequence[str]


@dataclass(slots=True)
class _Body:
    declared: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)


def draft_from_curl(command: str, ids: Mapping[str, str] | None = None, name: str | None = None) -> Draft:
    """The declaration for a command.

    Args:
        command: as it was pasted; see `curl_command`.
        ids: the parts of the record's id by name, as they stand in the URL; None to look for them.
        name: what the target is called; None to make a name of the URL.

    Raises:
        UsageError: it is none that a target can be made of, with what to do about it.
    """
    request = read_curl(command)
    notes = [f"Left out: {', '.join(dict.fromkeys(request.left_out))}."] if request.left_out else []
    if request.method not in _CHANGES:
        raise UsageError(
            f"The curl command sends a {request.method}, and a target sends a PATCH, PUT or POST with a body.",
            "Paste the command that updates a record.",
        )
    parts = _address(request)
    host = parts.netloc.rpartition("@")[2]
    label = _label(parts.hostname or "")
    query, keys = _split_query(parts.query, {*(ids or {}).values()})
    auth = auth_of(request, keys, label, notes)
    path, found, shown = _path(parts.path or "/", query, ids)
    body = _body(request, found, notes)
    if renamed := _renamed(found, body.fields):
        for old, new in renamed.items():
            path = path.replace(f"{{{old}}}", f"{{{new}}}")
        found, shown = ({renamed.get(key, key): value for key, value in one.items()} for one in (found, shown))
        body = _body(request, found, [])
    title = name or _name(label, path)
    declared: dict[str, Any] = {
        "name": title,
        "title": f"{label.capitalize()}: {request.method} {path.partition('?')[0]}",
    }
    declared |= {"base_url": f"{parts.scheme}://{host}", "method": request.method, "path": path, "auth": auth}
    declared |= _headers(request, notes, has_key=auth["scheme"] != "none")
    declared["id"] = {key: _id_rule(value) for key, value in found.items()}
    declared["fields"] = body.fields
    if body.declared:
        declared["body"] = body.declared
    text = _HEAD + yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=110) + _TAIL
    try:
        target = parse(text.encode(), Target, "target", f"{title}.yaml")
    except ConfigError as error:
        raise UsageError(f"The declaration that this command makes is not possible. {error}") from error
    if parts.scheme == "http":
        notes.append("The address is http, which would send your key unencrypted; use https if the API has it.")
    return Draft(target, text, {**shown, **body.cells}, notes)


def _renamed(ids: Mapping[str, str], fields: Iterable[str]) -> dict[str, str]:
    """Other names for ids that are called as a field is."""
    headings = {normalise_heading(name) for name in fields}
    return {name: f"record_{name}" for name in ids if normalise_heading(name) in headings}


_HEAD = "# Made of a curl command. Look it over, and try it: batchupdate targets test FILE\n"
_TAIL = (
    "\n# repeatable: true   # if sending the same request twice leaves the record as sending it once does\n"
    "# read: {}           # if a GET at the same path gives the record\n"
    "# rate: 5/s          # if the API publishes a limit\n"
)


# ---- the address ----


def _address(request: CurlRequest) -> SplitResult:
    """The URL's parts; a user in it becomes that of the request."""
    parts = urlsplit(request.url if "://" in request.url else f"https://{request.url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError("The curl command's URL is not a web address.", "It begins with https://.")
    if parts.username is not None and request.user is None:
        request.user = unquote(f"{parts.username}:{parts.password or ''}")
    return parts


def _label(host: str) -> str:
    """What an API is called by its host: `acme` of api.acme.example, and of acme.co.uk."""
    labels = host.split(".")
    if len(labels) == 1 or labels[-1].isdigit():
        return "local"
    at = -3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else -2  # noqa: PLR2004 - co.uk
    return re.sub(r"[^a-z0-9]+", "-", labels[at].lower()).strip("-") or "api"


def _name(label: str, path: str) -> str:
    literal = [part for part in re.split(r"[/?]", path.partition("?")[0]) if part and "{" not in part]
    last = next((part for part in reversed(literal) if not _NO_ID.fullmatch(part)), "")
    return re.sub(r"[^a-z0-9]+", "-", f"{label}-{last}".lower()).strip("-")[:64]


def _split_query(query: str, ids: Container[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The parts of a query that stay, such as ids, and those that are keys."""
    stay, keys = [], []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if unquote(value) not in ids and holds_key(unquote(name), unquote(value)):
            keys.append((unquote(name), unquote(value)))
        else:
            stay.append(part)
    return stay, keys


def _path(path: str, query: list[str], ids: Mapping[str, str] | None) -> tuple[str, dict[str, str], dict[str, str]]:
    """The path with the ids as variables; the ids' values by name, '' for a placeholder; and as cells."""
    segments = [unquote(part) for part in path.split("/")]
    found = _given(segments, query, ids) if ids else _guessed(segments)
    if not found:
        named = ", ".join(part for part in segments if part)
        raise UsageError(
            f"No part of the path looks like a record's id ({named}).", "Say which it is: --id id=VALUE, as in the URL."
        )
    pieces, used = [], {}
    for at, part in enumerate(segments):
        name = found.get(at)
        stem, dot, ending = part.partition(".json")
        if name is None:
            pieces.append(quote(part, safe="!$&'()*+,;=:@~"))
            continue
        value = stem if dot and not ending else part
        used[name] = "" if _PLACEHOLDER.fullmatch(value) else value
        pieces.append(f"{{{name}}}{dot if dot and not ending else ''}")
    text = "/".join(pieces)
    for part in query:
        name, equals, value = part.partition("=")
        key = next((one for one, known in (ids or {}).items() if unquote(value) == known and one not in used), None)
        if key:
            used[key] = unquote(value)
        text += ("&" if "?" in text else "?") + (
            f"{name}={{{key}}}" if key else name + equals + quote(value, safe=_QUERY)
        )
    return text, used, {name: value or "1" for name, value in used.items()}


_QUERY = "%!$'()*+,;:@~/?=[]-._"


def _given(segments: list[str], query: list[str], ids: Mapping[str, str]) -> dict[int, str]:
    found = {}
    for name, value in ids.items():
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise UsageError(f"--id {name}: a name consists of letters, digits and underscores.")
        at = next((at for at, part in enumerate(segments) if value in {part, part.removesuffix(".json")}), None)
        if at is None and value not in [unquote(part.partition("=")[2]) for part in query]:
            raise UsageError(f"--id {name}={value}: the URL has no such part.", "Give a whole segment of the path.")
        if at is not None:
            found[at] = name
    if not found:
        raise UsageError("No id is in the path.", "Give one that is: --id id=VALUE")
    return found


def _guessed(segments: list[str]) -> dict[int, str]:
    """All placeholders, or else the last segment that looks like an id; by their place."""
    marked = {at: _PLACEHOLDER.fullmatch(part.removesuffix(".json")) for at, part in enumerate(segments)}
    found: dict[int, str] = {}
    for at, match in marked.items():
        if match:
            raw = next(group for group in match.groups() if group)
            name = re.sub(r"\W+", "_", raw if not raw.isupper() else raw.lower(), flags=re.ASCII).strip("_") or "id"
            name = name if not name[0].isdigit() else f"id_{name}"
            found[at] = name if name not in found.values() else f"{name}_{at}"
    if found:
        return found
    for at in range(len(segments) - 1, 0, -1):
        if _looks_like_id(segments[at].removesuffix(".json")):
            return {at: "id"}
    return {}


def _looks_like_id(part: str) -> bool:
    if _NO_ID.fullmatch(part) and not part.isdigit():
        return False
    return bool(re.search(r"\d", part) or re.fullmatch(r"[^@]+@[^@]+\.[^@]+", part))


def _id_rule(value: str) -> dict[str, Any]:
    if _UUID.fullmatch(value):
        return {"format": "uuid"}
    if match := _ULID.fullmatch(value):
        return {"format": "ulid", **({"prefix": match[1]} if match[1] else {})}
    if value.isdigit():
        return {"pattern": "^[0-9]+$", "example": value}
    return {}


# ---- headers ----


def _headers(request: CurlRequest, notes: list[str], *, has_key: bool) -> dict[str, Any]:
    """The headers that go along with every request, and the one by which the API recognises a repeated one."""
    declared: dict[str, Any] = {}
    if kept := _kept_headers(request, notes):
        declared["headers"] = kept
        if not has_key:
            notes.append(f"These headers are in the file with their values: {', '.join(kept)}.")
    for name, value in request.headers:
        if is_idempotency_key(name):
            notes.append(f"Every row gets a key of its own in {name}; see idempotency in docs/targets.md.")
            declared["idempotency"] = {"header": name, **({"quoted": True} if value.startswith('"') else {})}
    return declared


def _kept_headers(request: CurlRequest, notes: list[str]) -> dict[str, str]:
    kept, dropped = {}, []
    for name, value in request.headers:
        if name.lower() == "content-type" or is_idempotency_key(name):
            continue
        if holds_key(name, value):
            continue
        if name.lower() == "accept" and value.lower() in {
            "application/json",
            "*/*",
            "application/json, text/plain, */*",
        }:
            continue
        if OF_A_BROWSER.fullmatch(name) or not (value.isascii() and value.isprintable()):
            dropped.append(name)
        else:
            kept[name] = value
    if dropped:
        notes.append(f"Headers that mean nothing here were left out: {', '.join(dropped)}.")
    return kept


# ---- the body ----


def _body(request: CurlRequest, ids: Mapping[str, str], notes: list[str]) -> _Body:
    text = request.body
    if not text.strip():
        raise UsageError("The curl command has no body, so it sets nothing.", "Paste a command with -d or --json.")
    kind = (request.header("content-type") or ("application/json" if request.is_json else "")).strip()
    media_type = kind.partition(";")[0].strip().lower()
    looks_json = text.lstrip()[:1] in {"{", "["}
    if media_type in {"", "application/x-www-form-urlencoded"} and not looks_json:
        made = _form(text)
        _say_secrets(made, notes)
        return made
    if media_type in {"", "application/x-www-form-urlencoded"}:
        notes.append(
            "The body is JSON, but the command does not say so (curl would call it a form); it is sent as JSON."
        )
    try:
        data = json.loads(text, parse_float=exact)
    except (ValueError, RecursionError) as error:
        raise UsageError("The curl command's body is neither JSON nor a form.", "Check its quotation marks.") from error
    if not isinstance(data, dict) or not data or "json-patch" in media_type:
        raise UsageError("The curl command's body is not a JSON object with members.", "Declare this API by hand.")
    made = _Body()
    if media_type == "application/merge-patch+json":
        made.declared["format"] = "merge-patch"
    elif media_type not in {"", "application/json", "application/x-www-form-urlencoded"}:
        made.declared["content_type"] = kind
    _unwrap(data, ids, made)
    _say_secrets(made, notes)
    return made


def _unwrap(data: dict[str, Any], ids: Mapping[str, str], made: _Body) -> None:
    """Finds the object with the fields, and what stands around it."""
    inner, outer = data, None
    name, only = next(iter(data.items()))
    if len(data) == 1 and isinstance(only, dict) and only and "." not in name:  # a dot means nothing in wrap
        outer, inner = name, only
    own = {name: key for name, one in inner.items() for key, value in ids.items() if value and one == value}
    attributes = inner.get("attributes")
    if outer == "data" and isinstance(inner.get("type"), str) and isinstance(attributes, dict) and attributes:
        around = {
            name: f"{{{own[name]}}}" if name in own else one for name, one in inner.items() if name != "attributes"
        }
        if secret := next((name for name, one in around.items() if name not in own and _has_secret(name, one)), None):
            raise UsageError(
                f"The body has a key in {secret!r}, beside the fields, and a target sends none there.",
                "Remove it from the command; if the API takes the key in a header, write that instead.",
            )
        made.declared["template"] = {outer: {**around, "attributes": "{fields}"}}
        inner = attributes
    elif own:
        template = {**{name: f"{{{key}}}" for name, key in own.items()}, "...": "{fields}"}
        made.declared["template"] = {outer: template} if outer else template
        inner = {name: one for name, one in inner.items() if name not in own}
    elif outer:
        made.declared["wrap"] = [outer]
    for name, value in inner.items():
        _add(made, escaped(name), value)


def _add(made: _Body, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """A field for a member; one for each member of an object, as deep as they go."""
    if isinstance(value, dict) and value:
        for inner, one in value.items():
            _add(made, f"{name}.{escaped(inner)}", one)
        return
    made.fields[name], made.cells[name] = _field(value)
    _leave_out_secret(made, name, value)


def _leave_out_secret(made: _Body, name: str, value: object) -> None:
    """Leaves a secret out of the row; its field stays."""
    if _has_secret(re.split(r"(?<!\\)\.", name)[-1], value):
        made.cells[name] = ""
        made.secrets.append(name)


def _say_secrets(made: _Body, notes: list[str]) -> None:
    if made.secrets:
        names = ", ".join(made.secrets)
        notes.append(
            f"What the command has for {names} looks like a secret and is not kept; the cell is blank. "
            "Fill it in if it is to be set. A key that every request needs can't be declared in the body."
        )


def _has_secret(name: str, value: object) -> bool:
    """Whether a member is a secret, or has one in it."""
    if isinstance(value, dict):
        return any(_has_secret(inner, one) for inner, one in value.items())
    if isinstance(value, list):
        return any(_has_secret(name, one) for one in value)
    return isinstance(value, str) and not _PLACEHOLDER.fullmatch(value) and is_secret_member(name, value)


def _field(value: Any) -> tuple[dict[str, Any], str]:  # noqa: ANN401, PLR0911 - any JSON value; a table
    if value is None:
        return {"nullable": True}, "<null>"
    if isinstance(value, bool):
        return {"type": "boolean"}, str(value).lower()
    if isinstance(value, int):
        return {"type": "integer"}, str(value)
    if isinstance(value, str):
        return ({"format": "url"} if re.fullmatch(r"https?://[^\s/]+\S*", value) else {}), value or "<empty>"
    if isinstance(value, list):
        kinds = {type(one).__name__ for one in value}
        items = {"str": {}, "int": {"items": {"type": "integer"}}}.get("/".join(kinds))
        return ({"type": "json", "json_type": "array"} if items is None else {"type": "list", **items}), dumps(value)
    if isinstance(value, dict):
        return {"type": "json", "json_type": "object"}, dumps(value)
    return {"type": "number"}, dumps(value)


def _form(text: str) -> _Body:
    made = _Body({"format": "form"})
    lists: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        members = re.findall(r"[^\[\]]+", name)
        if re.search(r"\[\d*\]$", name):
            members = members[: -1 if re.search(r"\[\d+\]$", name) else None]
            lists.setdefault(".".join(map(escaped, members)), []).append(value)
            continue
        called = ".".join(map(escaped, members))
        made.fields[called], made.cells[called] = {}, value or "<empty>"
        _leave_out_secret(made, called, value)
    for called, values in lists.items():
        made.fields[called], made.cells[called] = {"type": "list"}, dumps(values)
    if not made.fields:
        raise UsageError("The curl command's body sets nothing.", "Paste a command with -d 'name=value' or JSON.")
    return made
