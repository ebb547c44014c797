"""A target's URL: its base, and the template of a record's path, such as `/crm/contacts/{id}?idProperty=email`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from batchupdate.config.yaml_file import MisplacedError
from batchupdate.errors import ConfigError
from batchupdate.targets.id_encoding import ENCODINGS
from batchupdate.util.loopback import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

_DEFAULT_PORTS = {"http": 80, "https": 443}
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_VARIABLE = re.compile(r"\w+", re.ASCII)  # RFC 6570, section 2.3, without its dots and percents


# ---- the base URL ----


def normalise_base_url(text: str) -> str:
    """A base URL in one spelling, so that two spellings of it don't count as two APIs.

    Raises:
        ValueError: it is not one, with the reason.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not a web address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _VISIBLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a web address such as https://api.example.com")
    if set("@?#") & set(text):
        shown = repr(text) if "@" not in text else "it"  # it may contain a password
        raise ValueError(f"{shown} must have no user, query or fragment")
    if set("{}") & set(text):
        raise ValueError(f"{text!r} has braces: only a target's own base_url can have variables")
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _declared_base_url(text: str) -> str:
    """A base URL in which variables may stand; one at the very beginning may be a whole address."""
    if "{" not in text:
        return normalise_base_url(text)
    normalise_base_url(_PLACEHOLDER.sub("x", ("https://" if text.startswith("{") else "") + text))
    return text.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_declared_base_url)]


def safe_base_url(target: str, declared: str | None, override: str | None, *, allow_http: bool) -> str:
    """The base URL to use: https, or http to this machine, or http that the user allows.

    Args:
        target: the target's name, for messages.
        declared: the target's own base URL.
        override: the user's, which wins.
        allow_http: whether plain http may leave this machine.

    Raises:
        ConfigError: there is none, or it would send the key over the network in the clear.
    """
    url = override or declared
    if not url:
        raise ConfigError(f"The target {target} has no base URL.", "Give one with --base-url.")
    try:
        url = normalise_base_url(url)
    except ValueError as error:
        raise ConfigError(f"The base URL {error}.") from error
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not allow_http:
        raise ConfigError(
            f"The base URL {url} would send your key unencrypted.",
            "Use https, or set 'allow_http: true' in the config if you trust the network.",
        )
    return url


# ---- the path ----


def is_encoded_path(text: str) -> bool:
    """Whether a text is a path, maybe with a query, in which everything that needs it is percent-encoded."""
    return text.startswith("/") and _VISIBLE.fullmatch(text) is not None and "#" not in text


class UrlTemplate:
    """A path with `{variables}`, each of which stands for one part of a record's id.

    Args:
        text: the template; see `check`.
        encodings: by variable the name of its encoding, where that is another than `percent`; see `id_encoding`.
    """

    def __init__(self, text: str, encodings: Mapping[str, str] | None = None) -> None:
        self.text = text
        self.variables = tuple(part[1:-1] for part in _PLACEHOLDER.findall(text))
        """The variables' names in the order in which the path uses them."""
        self._parts = _PLACEHOLDER.split(text)
        self._names = [(encodings or {}).get(name, "percent") for name in self.variables]
        self._encodings = [ENCODINGS[name] for name in self._names]
        self._pattern: re.Pattern[str] | None = None

    def check(self, known: Container[str]) -> None:
        """Refuses a template that does not make one path out of a record's id.

        Args:
            known: the names that a variable may have.

        Raises:
            MisplacedError: it is such a template.
        """
        fixed = "".join(self._parts)
        if not self.text.startswith("/"):
            raise MisplacedError("path must start with '/'", "path")
        if set("{}") & set(fixed):
            raise MisplacedError("path has an unpaired brace", "path")
        if not _VISIBLE.fullmatch(fixed) or "#" in fixed:
            raise MisplacedError("path must be percent-encoded: no spaces, no '#', ASCII only", "path")
        for name in self.variables:
            if not _VARIABLE.fullmatch(name):
                message = f"{{{name}}}: a variable's name consists of letters, digits and underscores"
                raise MisplacedError(message, "path")
            if self.variables.count(name) > 1:
                raise MisplacedError(f"path uses {{{name}}} twice", "path")
            if name not in known:
                raise MisplacedError(f"path uses {{{name}}}, which is not declared under id or variables", "path")
        if self._names.count("path") > 1:
            last = self.variables[len(self._names) - 1 - self._names[::-1].index("path")]
            raise MisplacedError("only one part of an id can be of several path segments", "id", last, "encode")

    def expand(self, ids: Sequence[str]) -> str:
        """The path of one record; `ids` in the order of `variables`.

        Every id is encoded as its encoding says, so that it stays in its place; see `id_encoding`.
        """
        if len(ids) == 1:  # nearly always, and there can be millions
            return f"{self._parts[0]}{self._encodings[0].encode(ids[0])}{self._parts[1]}"
        pieces = [self._parts[0]]
        for value, encoding, text in zip(ids, self._encodings, self._parts[1:], strict=True):
            pieces += (encoding.encode(value), text)
        return "".join(pieces)

    def match(self, path: str) -> dict[str, str] | None:
        """The ids in an expanded path, still encoded, by variable; None if the path is not of this template.

        An encoded id contains no character that has a meaning in a path.
        """
        if self._pattern is None:
            known = zip(self.variables, self._encodings, strict=True)
            names = [f"(?P<{name}>{encoding.pattern})" for name, encoding in known]
            pairs = zip(self._parts, [*names, ""], strict=True)
            self._pattern = re.compile("".join(re.escape(part) + name for part, name in pairs))
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None

    def fill(self, encoded: dict[str, str]) -> str:
        """The path with ids that are encoded already."""
        return _PLACEHOLDER.sub(lambda name: encoded[name[0][1:-1]], self.text)
