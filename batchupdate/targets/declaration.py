"""What an API's update endpoint looks like, as its YAML declares it.

The built-in targets and a user's own pass through the same models. `docs/targets.md` is the user's guide to them.
"""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

import jmespath
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PlainSerializer, SecretStr, model_validator

from batchupdate.config.rate import Rate, parse_ceiling, parse_rate
from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.errors import ConfigError
from batchupdate.model import Level, Outcome
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets import field_path
from batchupdate.targets.idempotency import idempotency_key
from batchupdate.targets.pagination import Listing
from batchupdate.targets.texts import HeaderName, HeaderValue, JsonPath, Pattern, TimeFormat, Zone
from batchupdate.targets.throttling import Limits, ThrottleRule
from batchupdate.util import json as exact_json

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Patterns run in pydantic's Rust engine, which never backtracks; see `texts.search`.
UUID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"  # RFC 9562, section 4
ULID = r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"  # 128 bits in Crockford's base 32: the first digit ends at 7
ULID_LENGTH = 26
URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"
HEX_COLOR = r"^#?(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"  # CSS Color 4, section 5.2

FORMATS: dict[str, tuple[str, str]] = {
    "url": (URL, "a web address such as https://example.com/icon.png"),
    "hex-color": (HEX_COLOR, "a hex colour such as #1A73E8"),
    "uuid": (UUID, "a UUID such as 550e8400-e29b-41d4-a716-446655440000"),
}

TRUE_WORDS = frozenset({"true", "yes", "1"})
FALSE_WORDS = frozenset({"false", "no", "0"})

VISIBLE = re.compile(r"[\x21-\x7e]+")
_plain = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII).fullmatch  # RFC 3986, section 2.3: what needs no encoding
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
# What the client sets itself: how a request is framed (RFC 9112) and what it holds.
_TAKEN = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)
VARIABLE = re.compile(r"\w+", re.ASCII)  # RFC 6570, section 2.3, without its dots and percents


_USUAL_PORTS = {"http": 80, "https": 443}


def _base_url(text: str) -> str:
    """A base URL in one spelling, whatever the case of its host: two spellings are no two APIs."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not a web address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not VISIBLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a web address such as https://api.example.com")
    if set("@?#") & set(text):
        shown = repr(text) if "@" not in text else "it"  # it may hold a password
        raise ValueError(f"{shown} must have no user, query or fragment")
    port = "" if parts.port in {None, _USUAL_PORTS[parts.scheme]} else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


BaseUrl = Annotated[str, AfterValidator(_base_url)]
RateText = Annotated[Rate, BeforeValidator(parse_rate), PlainSerializer(str)]
CeilingText = Annotated[Rate, BeforeValidator(parse_ceiling), PlainSerializer(str)]


class Auth(Strict):
    """How the key goes along. `scheme` is `bearer`, `basic` (`user` and the key as password) or `header`.

    `header` sends `value` with `{key}` replaced in the header named `name`. `env` names the environment variable.
    """

    scheme: Literal["bearer", "basic", "header", "none"] = "bearer"
    env: str | None = None
    user: str = ""
    name: HeaderName = "Authorization"
    value: HeaderValue = "{key}"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.scheme != "none" and not self.env:
            raise ValueError("env must name the environment variable that holds the key")
        if self.scheme == "none" and self.env:
            raise MisplacedError("with scheme none there is no key; take env out", "env")
        if self.scheme == "header" and "{key}" not in self.value:
            raise MisplacedError("value must hold {key}", "value")
        return self

    def secrets(self, key: SecretStr) -> list[SecretStr]:
        """Other forms in which the key goes out, and which must not be written down either."""
        if self.scheme != "basic":
            return []
        return [SecretStr(self.headers(key)["Authorization"].removeprefix("Basic "))]

    def headers(self, key: SecretStr | None) -> dict[str, str]:
        """The header that carries the key; empty for scheme `none`."""
        if self.scheme == "none" or key is None:
            return {}
        secret = key.get_secret_value()
        if self.scheme == "bearer":
            return {"Authorization": f"Bearer {secret}"}
        if self.scheme == "basic":
            pair = f"{self.user}:{secret}".encode()
            return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}
        return {self.name: self.value.replace("{key}", secret)}


class IdRule(Strict):
    """What one part of a record's id must look like. Nothing but `.` and `..` is refused where no rule is given."""

    format: Literal["uuid", "ulid"] | None = None
    prefix: str = ""
    prefix_required: bool = False
    pattern: Pattern | None = None
    max_length: int = Field(default=512, ge=1)
    description: str = ""
    aliases: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.format and self.pattern:
            raise MisplacedError("format says it all; take pattern out", "pattern")
        if self.prefix and self.format != "ulid":
            raise MisplacedError("only format ulid has a prefix; use pattern", "prefix")
        return self

    @property
    def regex(self) -> str | None:
        """The pattern of an id by this rule, or None where anything goes."""
        if self.format == "uuid":
            return UUID
        if self.format == "ulid":
            prefix = f"(?:{re.escape(self.prefix)})" if self.prefix else ""
            return f"^{prefix}{'' if self.prefix_required or not prefix else '?'}{ULID}"
        return self.pattern

    @property
    def example(self) -> str:
        """What such an id looks like, for a sentence."""
        if self.format == "uuid":
            return FORMATS["uuid"][1]
        if self.format == "ulid":
            return f"a ULID such as {self.prefix}01KFRX8K1CKQGCV2W5J9C9Z37H"
        return f"text that matches {self.pattern}" if self.pattern else "an id"

    def key(self, value: str) -> str:
        """A text that is equal for two spellings of one id: letter case and an optional prefix don't count."""
        if self.format == "uuid":
            return value.lower()
        if self.format == "ulid":
            return value[-ULID_LENGTH:].upper()
        return value


FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime", "enum", "list", "json"]

# Which options go with which types; what stands nowhere here goes with all of them.
_OPTIONS: dict[str, frozenset[str]] = {
    "min_length": frozenset({"string"}),
    "max_length": frozenset({"string"}),
    "pattern": frozenset({"string"}),
    "format": frozenset({"string"}),
    "enum": frozenset({"string", "enum"}),
    "ignore_case": frozenset({"enum"}),
    "minimum": frozenset({"integer", "number"}),
    "maximum": frozenset({"integer", "number"}),
    "true_words": frozenset({"boolean"}),
    "false_words": frozenset({"boolean"}),
    "input_formats": frozenset({"date", "datetime"}),
    "timezone": frozenset({"datetime"}),
    "items": frozenset({"list"}),
    "separator": frozenset({"list"}),
    "min_items": frozenset({"list"}),
    "max_items": frozenset({"list"}),
    "json_type": frozenset({"json"}),
}


class FieldRule(Strict):
    """What one field may hold, and as which JSON value a cell goes out. Lengths count characters.

    `true_words` and `false_words` are said beside true, yes, 1 and false, no, 0, whatever their case.
    `input_formats` (as Python's strptime has them) are read beside ISO 8601. `timezone` is `required`, or the IANA
    zone of a time that names none. `items` says what each part of a list is, `json_type` what a JSON text must be.
    """

    type: FieldType = "string"
    required: bool = False
    nullable: bool = False
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    pattern: Pattern | None = None
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
    description: str = ""
    aliases: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, types in _OPTIONS.items():
            if self.type not in types and getattr(self, name) != type(self).model_fields[name].default:
                told = f"{name} goes with type {' or '.join(sorted(types))}, and this is {self.type}"
                raise MisplacedError(told, name)
        for least, most in (("min_length", "max_length"), ("minimum", "maximum"), ("min_items", "max_items")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise MisplacedError(f"{least} is larger than {most}", least)
        if self.type == "enum" and self.enum is None:
            raise MisplacedError("type enum needs the list of its values under enum", "type")
        if self.items and (self.items.type in {"list", "json"} or self.items.required or self.items.nullable):
            raise MisplacedError("an item is neither a list nor JSON, and neither required nor nullable", "items")
        self._words_differ()
        return self

    def _words_differ(self) -> None:
        true, false = ({word.casefold() for word in words} for words in (self.true_words, self.false_words))
        if both := (true | TRUE_WORDS) & (false | FALSE_WORDS):
            raise MisplacedError(f"{min(both)!r} would mean both true and false", "false_words")
        if self.enum and self.ignore_case and len({word.casefold() for word in self.enum}) < len(self.enum):
            raise MisplacedError("two values differ by their case alone", "ignore_case")

    @property
    def clearable(self) -> bool:
        """Whether an explicit empty value may be sent: an empty string, or a list without items."""
        if self.type == "list":
            return not self.min_items
        if self.type == "enum" or self.enum is not None:
            return "" in (self.enum or ())
        return self.type == "string" and not self.min_length

    @property
    def empty(self) -> str | list[Any]:
        """The value that `<empty>` sends."""
        return [] if self.type == "list" else ""


class AnyOf(Strict):
    """A row must set at least one of these fields; `level: warning` only tells the user."""

    any_of: tuple[str, ...] = Field(strict=False, min_length=1)
    level: Annotated[Level, Field(strict=False)] = Level.ERROR
    message: str


class Body(Strict):
    """How the fields become a JSON body: `wrap: [properties]` gives `{"properties": {…}}`; `constants` go beside it."""

    wrap: tuple[str, ...] = Field(default=(), strict=False)
    constants: dict[str, JsonValue] = Field(default={})


class Errors(Strict):
    """Where an error body holds its sentence, as JMESPath expressions tried in turn, before the usual places."""

    paths: tuple[JsonPath, ...] = Field(default=(), strict=False)


_IDENTITY = {"name", "method", "path", "id", "fields", "rules", "body"}


class StatusRule(Strict):
    """What one status means here: a sentence for the user, and, where the default table is wrong, what to do."""

    means: str = ""
    action: Literal["give_up", "repeat", "hold", "stop", "done"] | None = None
    outcome: Annotated[Outcome, Field(strict=False)] | None = None


class Read(Strict):
    """How a record's present state is read: GET at `path`, which is the target's own where none is said.

    `record` is where the record stands in the reply, as a JMESPath expression.
    """

    path: str | None = None
    record: JsonPath = "@"


class Target(Strict):
    """One update endpoint of one API.

    `repeatable` says that sending the same request twice leaves the record as sending it once does (RFC 5789,
    section 2: true for a PATCH that sets absolute values), so that a request without an answer may be repeated.
    `rate`, `burst` and `concurrency` are the defaults where the user says nothing; `max_rate` is the ceiling of the
    rate `auto`.

    `idempotency_header` is the header in which the API wants one key per row, the same for all its attempts. The key
    goes out as it is; `idempotency_quoted` puts it in quotes, as draft-ietf-httpapi-idempotency-key-header-07 has it
    (section 2.1, a structured-field string), which few APIs follow.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)
    title: str
    docs: str = ""
    base_url: BaseUrl | None = None
    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    path: str
    auth: Auth
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    id: dict[str, IdRule] = Field(min_length=1)
    fields: dict[str, FieldRule] = Field(min_length=1)
    rules: tuple[AnyOf, ...] = Field(default=(), strict=False)
    body: Body = Body()
    read: Read | None = None
    list: Listing | None = None
    errors: Errors = Errors()
    statuses: dict[Annotated[int, Field(ge=100, le=999)], StatusRule] = Field(default={})
    throttle: tuple[ThrottleRule, ...] = Field(default=(), strict=False)
    limits: Limits = Limits()
    idempotency_header: HeaderName | None = None
    idempotency_quoted: bool = False
    request_id_headers: tuple[str, ...] = Field(
        default=("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray"), strict=False
    )
    repeatable: bool = False
    rate: RateText = Rate(5.0)
    max_rate: CeilingText | None = None
    burst: int = Field(default=1, ge=1)
    concurrency: int = Field(default=8, ge=1, le=1000)
    notes: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_path()
        self._check_fields()
        self._check_names()
        for index, rule in enumerate(self.rules):
            if strangers := [name for name in rule.any_of if name not in self.fields]:
                raise MisplacedError(f"there is no field {strangers[0]!r}", "rules", index, "any_of")
        wrap, constants = self.body.wrap, self.body.constants
        if twice := [name for name in constants if name in (wrap[:1] or {path[0] for path in self.paths.values()})]:
            raise MisplacedError("this stands in the body already; take it out", "body", "constants", twice[0])
        self._check_headers()
        self._check_read()
        self._check_list()
        return self

    def _check_headers(self) -> None:
        """One header must not be set twice, and none that is not the target's to set."""
        key_headers = {"authorization", self.auth.name.lower()}
        own = (self.idempotency_header or "").lower()
        if own in key_headers | _TAKEN:
            raise MisplacedError(f"{self.idempotency_header} has another meaning already", "idempotency_header")
        if self.idempotency_quoted and not own:
            raise MisplacedError("this goes with idempotency_header, which is missing", "idempotency_quoted")
        for name in self.headers:
            if name.lower() in key_headers:
                told = "a key has no place in this file; say under auth how it goes along"
                raise MisplacedError(told, "headers", name)
            if name.lower() == own:
                raise MisplacedError("idempotency_header sets this, to another value for every row", "headers", name)

    def _check_path(self) -> None:
        fixed = PLACEHOLDER.sub("", self.path)
        if not self.path.startswith("/"):
            raise MisplacedError("path must start with '/'", "path")
        if set("{}") & set(fixed):
            raise MisplacedError("path has a brace without its partner", "path")
        if not VISIBLE.fullmatch(fixed) or "#" in fixed:
            raise MisplacedError("path must be percent-encoded: no spaces, no '#', ASCII only", "path")
        if odd := [name for name in self.path_variables if not VARIABLE.fullmatch(name)]:
            raise MisplacedError(f"{{{odd[0]}}}: a variable's name consists of letters, digits and underscores", "path")
        if twice := [name for name in self.path_variables if self.path_variables.count(name) > 1]:
            raise MisplacedError(f"path uses {{{twice[0]}}} twice", "path")
        if strangers := [name for name in self.path_variables if name not in self.id]:
            told = f"path uses {{{strangers[0]}}}, which does not stand under id: {', '.join(self.id)}"
            raise MisplacedError(told, "path")
        if unused := [name for name in self.id if name not in self.path_variables]:
            told = f"path does not use {{{unused[0]}}}; take it out here, or put it into path"
            raise MisplacedError(told, "id", unused[0])

    def _check_read(self) -> None:
        path = self.read.path if self.read else None
        if path is None:
            return
        if not path.startswith("/") or not VISIBLE.fullmatch(PLACEHOLDER.sub("", path)) or "#" in path:
            raise MisplacedError("path must begin with '/' and be percent-encoded", "read", "path")
        named = [part[1:-1] for part in PLACEHOLDER.findall(path)]
        if strangers := [name for name in named if name not in self.id]:
            raise MisplacedError(f"path uses {{{strangers[0]}}}, which does not stand under id", "read", "path")

    def _check_fields(self) -> None:
        """A field's name leads to one place in the body, and no place lies inside a value that has no room for it."""
        for name in self.fields:
            try:
                field_path.split(name)
            except ValueError as error:
                raise MisplacedError(str(error), "fields", name) from error
            if index := field_path.INDEX.search(name):
                whole = name[: index.start()] or name
                told = (
                    f"no item of an array can be a field; for an array of plain values, declare {whole!r} with type "
                    f"list, which has the columns {whole}[0], {whole}[1] and so on; for any other array, with type json"
                )
                raise MisplacedError(told, "fields", name)
        for whole, parts in self.parts.items():
            rule = self.fields[whole]
            if rule.type != "json" or rule.json_type == "array":
                kind = "an array" if rule.json_type else rule.type
                told = f"{whole!r} is declared as {kind}, which has no members; make it type json, or take one out"
                raise MisplacedError(told, "fields", parts[0])
            if needed := [name for name in (whole, *parts) if self.fields[name].required]:
                told = f"a row sets {whole!r} as a whole or by its members, so {needed[0]!r} can't be required"
                raise MisplacedError(told, "fields", needed[0])

    def _check_list(self) -> None:
        if self.list is None:
            return
        path = self.list.path
        if not path.startswith("/") or not VISIBLE.fullmatch(path) or "#" in path or set("{}") & set(path):
            told = "path must begin with '/' and be percent-encoded, and has no variables: it lists all records"
            raise MisplacedError(told, "list", "path")
        for section, named, known in (("id", self.list.id, self.id), ("fields", self.list.fields, self.fields)):
            if strangers := [name for name in named if name not in known]:
                raise MisplacedError(f"{strangers[0]!r} does not stand under {section}", "list", section, strangers[0])
        for index, name in enumerate(self.list.absent):
            if name not in self.fields or name in self.list.fields:
                told = "stands under list.fields, too" if name in self.list.fields else "does not stand under fields"
                raise MisplacedError(f"{name!r} {told}", "list", "absent", index)

    def _check_names(self) -> None:
        """One heading must not be able to mean two things."""
        meant: dict[str, str] = {}
        for section, rules in (("id", self.id), ("fields", self.fields)):
            for name in rules:
                other = meant.setdefault(normalise_heading(name), name)
                if other is not name or not normalise_heading(name):
                    told = f"a column's heading can't tell {name!r} from {other!r}; give one of them another name"
                    raise MisplacedError(told, section, name)
        for section, rules in (("id", self.id), ("fields", self.fields)):
            for name, rule in rules.items():
                for alias in rule.aliases:
                    other = meant.setdefault(normalise_heading(alias), name)
                    if other != name:
                        told = f"{alias!r} means {other!r} already; keep one of them"
                        raise MisplacedError(told, section, name, "aliases")
        lists = {heading: name for heading, name in meant.items() if name in self.lists}
        for heading, name in meant.items():
            if (item := field_path.item_of(heading)) and item[0] in lists:
                section = "id" if name in self.id else "fields"
                told = f"{heading!r} means an item of the list {lists[item[0]]!r} already; take it out"
                raise MisplacedError(told, section, name, "aliases")

    def identity(self) -> dict[str, Any]:
        """What decides which requests a file becomes: two targets that agree in it make the same run of one file."""
        return self.model_dump(mode="json", exclude_unset=True, include=_IDENTITY)

    @cached_property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """Where each field stands in the body and in a record: the members that lead to it, from the outermost on."""
        return {name: field_path.split(name) for name in self.fields}

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The fields that lie inside others, by the field that holds them as a whole."""
        whole_of = {path: name for name, path in self.paths.items()}
        inner: dict[str, tuple[str, ...]] = {}
        for name, path in self.paths.items():
            for depth in range(1, len(path)):
                if whole := whole_of.get(path[:depth]):
                    inner[whole] = (*inner.get(whole, ()), name)
        return inner

    @cached_property
    def lists(self) -> frozenset[str]:
        """The fields that are lists: each can be set by one column, or by a column for every item."""
        return frozenset(name for name, rule in self.fields.items() if rule.type == "list")

    @cached_property
    def _nests(self) -> bool:
        return any(path != (name,) for name, path in self.paths.items())

    @cached_property
    def _template(self) -> str:
        """The path with `{}` for each variable."""
        return PLACEHOLDER.sub("{}", self.path)

    @cached_property
    def path_variables(self) -> tuple[str, ...]:
        """The ids' names in the order in which the path uses them."""
        return tuple(part[1:-1] for part in PLACEHOLDER.findall(self.path))

    def expand(self, ids: tuple[str, ...]) -> str:
        """The path of one record; `ids` in the order of `path_variables`.

        Every id is percent-encoded but for RFC 3986's unreserved characters, as RFC 6570 section 3.2.2 has it, so
        that it stays inside its own segment.
        """
        if len(ids) == 1:  # nearly always, and there can be millions
            head, tail = self._around
            return f"{head}{ids[0] if _plain(ids[0]) else quote(ids[0], safe='')}{tail}"
        return self._template.format(*[value if _plain(value) else quote(value, safe="") for value in ids])

    @cached_property
    def _around(self) -> tuple[str, str]:
        """The path before and after its only variable."""
        head, _, tail = PLACEHOLDER.sub("{}", self.path).partition("{}")
        return head, tail

    def read_path(self, path: str) -> str:
        """Where the record of a request at `path` is read; the ids in it stay encoded as they are."""
        if self.read is None or self.read.path is None:
            return path
        ids = self._ids_in.fullmatch(path)
        if ids is None:  # a journal whose target was another one then
            return path
        return PLACEHOLDER.sub(lambda name: ids[name[0][1:-1]], self.read.path)

    @cached_property
    def _ids_in(self) -> re.Pattern[str]:
        """Finds the ids in an expanded path: encoded as they are, none holds a character that has a meaning there."""
        parts = PLACEHOLDER.split(self.path)
        names = [f"(?P<{name}>[^/?&=#]+)" for name in self.path_variables]
        return re.compile("".join(re.escape(part) + name for part, name in zip(parts, [*names, ""], strict=True)))

    @cached_property
    def body_frame(self) -> tuple[str, str]:
        """The JSON text before and after a row's fields object."""
        head, tail = "", ""
        constants = "".join(f"{_json(name)}:{_json(value)}," for name, value in self.body.constants.items())
        for depth, name in enumerate(self.body.wrap):
            head += "{" + (constants if depth == 0 else "") + _json(name) + ":"
            tail += "}"
        return head, tail

    @cached_property
    def _mere_frame(self) -> tuple[str, str] | None:
        """The body's frame, if a body is that and the fields' text as it is; None where there is more to do."""
        return None if self._nests or (self.body.constants and not self.body.wrap) else self.body_frame

    def body_of(self, fields: str) -> bytes:
        """The request body for a row's fields, which are given by their names as the text of a JSON object."""
        if frame := self._mere_frame:  # nearly always, and there can be millions
            return f"{frame[0]}{fields}{frame[1]}".encode()
        if self._nests:
            fields = exact_json.dumps(field_path.nest(exact_json.loads(fields), self.paths))
        head, tail = self.body_frame
        if self.body.constants and not self.body.wrap:
            constants = _json(self.body.constants)[:-1]
            return f"{constants}{',' if fields != '{}' else ''}{fields[1:]}".encode()
        return f"{head}{fields}{tail}".encode()

    def shows(self, reply: bytes, fields: str) -> bool:
        """Whether a reply to a read shows that the record holds what a row wants; `fields` is JSON, by field name.

        A field that the reply leaves out proves nothing.
        """
        if self.read is None:
            return False
        try:
            record = jmespath.search(self.read.record, json.loads(reply, parse_float=Decimal))
        except (ValueError, RecursionError, jmespath.exceptions.JMESPathError):
            return False
        wanted = json.loads(fields, parse_float=Decimal)
        paths = self.paths
        return isinstance(record, dict) and all(
            _holds(record, paths.get(name, (name,)), value) for name, value in wanted.items()
        )

    def idempotency_headers(self, run_id: str, row: int) -> dict[str, str]:
        """The header by which the API knows a repeat of this row again; empty where the target names none.

        Args:
            run_id: what tells this run from all others.
            row: the row's number in its file.
        """
        if self.idempotency_header is None:
            return {}
        key = idempotency_key(run_id, row)
        return {self.idempotency_header: f'"{key}"' if self.idempotency_quoted else key}

    def base(self, override: str | None, *, allow_http: bool) -> str:
        """The base URL to use, checked: https, or http to this machine, or http that the user allows.

        Raises:
            ConfigError: there is none, or it would send the key over the network in the clear.
        """
        url = override or self.base_url
        if not url:
            raise ConfigError(f"The target {self.name} has no base URL.", "Say it with --base-url.")
        try:
            url = _base_url(url)
        except ValueError as error:
            raise ConfigError(f"The base URL {error}.") from error
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and not allow_http:
            raise ConfigError(
                f"The base URL {url} would send your key unencrypted.",
                "Use https, or set 'allow_http: true' in the config if you know the network.",
            )
        return url


def _holds(record: object, path: tuple[str, ...], value: object) -> bool:
    """Whether a record has this value at the end of the path."""
    for member in path:
        if not isinstance(record, dict) or member not in record:
            return False
        record = record[member]
    return _same(record, value)


def _same(one: object, other: object) -> bool:
    """Whether two JSON values are equal; in Python, true equals 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
