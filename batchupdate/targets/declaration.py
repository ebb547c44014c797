"""What an API's update endpoint looks like, as its YAML declares it.

The built-in targets and a user's own pass through the same models. `docs/targets.md` is the user's guide to them.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cached_property
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

import jmespath
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PlainSerializer, SecretStr, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from batchupdate.declared import MisplacedError, Strict
from batchupdate.errors import ConfigError
from batchupdate.headings import normalise_heading
from batchupdate.model import Level, Outcome
from batchupdate.rates import Rate, parse_rate

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Patterns run in pydantic's Rust engine, which never backtracks.
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

VISIBLE = re.compile(r"[\x21-\x7e]+")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, section 5.6.2
_plain = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII).fullmatch  # RFC 3986, section 2.3: what needs no encoding
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
VARIABLE = re.compile(r"\w+", re.ASCII)  # RFC 6570, section 2.3, without its dots and percents


def _regex(text: str) -> str:
    try:
        SchemaValidator(core_schema.str_schema(pattern=text))
    except SchemaError as error:
        reason = str(error).strip().rpartition("\n")[2].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise ValueError(f"{text!r} can't be used as a pattern: {reason.rstrip('.')}") from error
    return text


def _base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not a web address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not VISIBLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a web address such as https://api.example.com")
    if set("@?#") & set(text):
        raise ValueError(f"{text!r} must have no user, query or fragment")
    return text.rstrip("/")


def _header_name(text: str) -> str:
    if not HEADER_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a header name")
    return text


def _header_value(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("a header's value must be printable ASCII on one line")
    return text


def _jmespath(text: str) -> str:
    try:
        jmespath.compile(text)
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        raise ValueError(f"{text!r} is not a JMESPath expression") from error
    return text


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Pattern = Annotated[str, AfterValidator(_regex)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
RateText = Annotated[Rate, BeforeValidator(parse_rate), PlainSerializer(str)]


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


class FieldRule(Strict):
    """What one field may hold. Lengths count characters."""

    type: Literal["string"] = "string"
    required: bool = False
    nullable: bool = False
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    pattern: Pattern | None = None
    format: Literal["url", "hex-color", "uuid"] | None = None
    enum: tuple[str, ...] | None = Field(default=None, strict=False, min_length=1)
    description: str = ""
    aliases: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_length and self.max_length and self.min_length > self.max_length:
            raise MisplacedError("min_length is larger than max_length", "min_length")
        return self

    @property
    def clearable(self) -> bool:
        """Whether an explicit empty string may be sent."""
        return not self.min_length if self.enum is None else "" in self.enum


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

    paths: tuple[Annotated[str, AfterValidator(_jmespath)], ...] = Field(default=(), strict=False)


class StatusRule(Strict):
    """What one status means here: a sentence for the user, and, where the default table is wrong, what to do."""

    means: str = ""
    action: Literal["give_up", "repeat", "hold", "stop", "done"] | None = None
    outcome: Annotated[Outcome, Field(strict=False)] | None = None


class Target(Strict):
    """One update endpoint of one API.

    `repeatable` says that sending the same request twice leaves the record as sending it once does (RFC 5789,
    section 2: true for a PATCH that sets absolute values), so that a request without an answer may be repeated.
    `rate`, `burst` and `concurrency` are the defaults where the user says nothing.
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
    errors: Errors = Errors()
    statuses: dict[Annotated[int, Field(ge=100, le=999)], StatusRule] = Field(default={})
    request_id_headers: tuple[str, ...] = Field(
        default=("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray"), strict=False
    )
    repeatable: bool = False
    rate: RateText = Rate(5.0)
    burst: int = Field(default=1, ge=1)
    concurrency: int = Field(default=8, ge=1, le=1000)
    notes: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_path()
        self._check_names()
        for index, rule in enumerate(self.rules):
            if strangers := [name for name in rule.any_of if name not in self.fields]:
                raise MisplacedError(f"there is no field {strangers[0]!r}", "rules", index, "any_of")
        wrap, constants = self.body.wrap, self.body.constants
        if twice := [name for name in constants if name in (wrap[:1] or self.fields)]:
            raise MisplacedError("this stands in the body already; take it out", "body", "constants", twice[0])
        for name in self.headers:
            if name.lower() in {"authorization", self.auth.name.lower()}:
                told = "a key has no place in this file; say under auth how it goes along"
                raise MisplacedError(told, "headers", name)
        return self

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
        return self._template.format(*[value if _plain(value) else quote(value, safe="") for value in ids])

    @cached_property
    def body_frame(self) -> tuple[str, str]:
        """The JSON text before and after a row's fields object."""
        head, tail = "", ""
        constants = "".join(f"{_json(name)}:{_json(value)}," for name, value in self.body.constants.items())
        for depth, name in enumerate(self.body.wrap):
            head += "{" + (constants if depth == 0 else "") + _json(name) + ":"
            tail += "}"
        return head, tail

    def body_of(self, fields: str) -> bytes:
        """The request body for a row's fields, which are given as the text of a JSON object."""
        head, tail = self.body_frame
        if self.body.constants and not self.body.wrap:
            constants = _json(self.body.constants)[:-1]
            return f"{constants}{',' if fields != '{}' else ''}{fields[1:]}".encode()
        return f"{head}{fields}{tail}".encode()

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


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
