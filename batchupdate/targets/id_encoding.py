"""How a part of a record's id is written into a URL.

Whatever the encoding, what comes out is ASCII without a space, `?`, `#` or control character, and only `path` lets a
`/` through, between segments of which none is empty, `.` or `..`. So no id leaves the place that the path gives it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

IdEncoding = Literal["percent", "encoded", "path", "tilde", "md5", "md5-lower", "sha256", "sha256-lower"]

_is_unreserved = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII).fullmatch  # RFC 3986, section 2.3: needs no encoding
_is_half_encoded = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_TILDE_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_DOTS = frozenset({".", ".."})


class Encoding(NamedTuple):
    """One way to write an id: how, and how it is found again in a path.

    `decode` is None where the id can't be had back. `key` is equal for two texts that are written the same. `refusal`
    says what is wrong with a text that can't be written so, to follow it in a sentence; '' if nothing is.
    """

    encode: Callable[[str], str]
    decode: Callable[[str], str] | None = unquote
    pattern: str = r"[^/?&=#]+"
    key: Callable[[str], str] = str
    refusal: Callable[[str], str] = lambda _: ""


def _percent(value: str) -> str:
    """Everything but RFC 3986's unreserved characters is encoded, as RFC 6570, section 3.2.2, has it."""
    return value if _is_unreserved(value) else quote(value, safe="")


def _special(value: str) -> str:
    """A server takes these for a step in the path (RFC 3986, section 5.2.4), encoded or not."""
    return "is a special path segment, not an id" if value in _DOTS else ""


def _encoded(value: str) -> str:
    return quote(unquote(value), safe="")


def _not_encoded(value: str) -> str:
    if _is_half_encoded(value):
        return "has a % that is not followed by two hexadecimal digits; this id is percent-encoded in the file"
    text = unquote(value)
    if "\ufffd" in text or not text.isprintable():
        return "stands for characters that no id has"
    return "contains a special path segment" if _DOTS & {*re.split(r"[/\\]", text)} else ""


def _path(value: str) -> str:
    return "/".join(_percent(segment) for segment in value.split("/"))


def _no_path(value: str) -> str:
    segments = value.split("/")
    if "" in segments:
        return "has a slash at its beginning or end, or two in a row"
    return "contains a special path segment" if _DOTS & {*segments} else ""


def _tilde(value: str) -> str:
    """As Datasette has it: https://docs.datasette.io/en/stable/internals.html#tilde-encoding."""
    return "".join(
        chr(byte) if byte in _TILDE_PLAIN else "+" if byte == ord(" ") else f"~{byte:02X}" for byte in value.encode()
    )


def _from_tilde(text: str) -> str:
    return unquote(text.replace("+", " ").replace("~", "%"))


def _hash(name: str, *, lower: bool) -> Encoding:
    def encode(value: str) -> str:
        text = value.lower() if lower else value
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    return Encoding(encode, decode=None, pattern="[0-9a-f]+", key=str.lower if lower else str)


ENCODINGS: dict[str, Encoding] = {
    "percent": Encoding(_percent, refusal=_special),
    "encoded": Encoding(_encoded, key=unquote, refusal=_not_encoded),
    "path": Encoding(_path, pattern=r"[^?&=#]+", refusal=_no_path),
    "tilde": Encoding(_tilde, _from_tilde, pattern=r"[A-Za-z0-9_~+-]+"),
    "md5": _hash("md5", lower=False),
    "md5-lower": _hash("md5", lower=True),
    "sha256": _hash("sha256", lower=False),
    "sha256-lower": _hash("sha256", lower=True),
}
"""By the name that a declaration uses."""
