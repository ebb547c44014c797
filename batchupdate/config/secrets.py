"""Keeping the API key, and whatever else is secret, out of all that is written down."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from pydantic import SecretStr

from batchupdate.util.unescape import has_escapes, levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchupdate.util.unescape import Unescaped

REDACTED = "[redacted]"
SHORTEST_SECRET = 6
"""A shorter text is refused as a key: redacting it would blot out harmless words."""


SHORTEST_CUT = 8
"""So much of a key that was cut off is redacted; fewer characters are what all keys of a vendor begin with."""

_CUT = re.compile(r"…|\.\.|\*|\W*\Z").match
"""What follows a text that was cut off."""

_known: set[str] = set()
"""What this process must never write down, for the one file that is written where nothing else is known any more."""


class Secrets:
    """Knows the texts that must never be written down, and blots them out of any other text.

    A text is found in each of its usual spellings: percent-encoded, with JSON's or HTML's escapes, in Base64 or in
    hexadecimal digits. `redact` also takes out one that was cut off.
    """

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        self._texts: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[SecretStr]) -> None:
        """Takes in more of them, such as a token that was fetched a moment ago."""
        plain = {text for secret in secrets if len(text := secret.get_secret_value()) >= SHORTEST_SECRET}
        _known.update(plain)
        spellings = {spelling for text in plain for spelling in _encodings(text)}
        self._texts = sorted({*self._texts, *spellings}, key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._texts)

    def redact(self, text: str) -> str:
        """The text with every secret replaced."""
        spans = sorted(self._spans(text)) if self._texts else ()
        if not spans:
            return text
        pieces: list[str] = []
        done = -1
        for start, end in spans:
            if start >= done:
                pieces += (text[max(done, 0) : start], REDACTED)
            done = max(done, end)
        return "".join([*pieces, text[done:]])

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes with every secret replaced; a secret is ASCII."""
        if not (data and self._texts):
            return data
        return self.redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def within(self, text: str) -> bool:
        """Whether a whole secret stands in the text."""
        for secret in self._texts:  # asked for every reply, and half as dear as `any`
            if secret in text:
                return True
        if not has_escapes(text):
            return False
        return any(secret in each[-1].text for each in levels(text) for secret in self._texts)

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where secrets stand, and what was cut off of them; the spans can overlap."""
        for level in levels(text):
            for secret in self._texts:
                for start, end in _occurrences(level[-1].text, secret):
                    yield _origin(level, start), _origin(level, end)


def redact_known(text: str) -> str:
    """The text without any secret that this process has come to know, and without passwords in URLs."""
    return _IN_URL.sub(f"://{REDACTED}@", Secrets(map(SecretStr, _known)).redact(text))


_IN_URL = re.compile(r"://[^/@\s]+@")


def _encodings(text: str) -> Iterator[str]:
    """The text, and what no unescaping would lead back to it."""
    data = text.encode()
    yield text
    yield data.hex()
    yield data.hex().upper()
    for before in range(3):  # Base64 makes four characters of three bytes: the same text has three forms
        encoded = base64.b64encode(bytes(before) + data).decode("ascii")
        core = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]  # of this text's bits alone
        yield core
        yield core.replace("+", "-").replace("/", "_")  # RFC 4648, section 5


def _occurrences(text: str, secret: str) -> Iterator[tuple[int, int]]:
    beginning = secret[:SHORTEST_CUT]
    start = text.find(beginning)
    while start >= 0:
        if text.startswith(secret, start):
            yield start, start + len(secret)
        else:
            end = start + next(at for at in range(len(secret)) if text[start + at : start + at + 1] != secret[at])
            if _CUT(text, end):
                yield start, end
        start = text.find(beginning, start + 1)


def _origin(level: Sequence[Unescaped], place: int) -> int:
    for each in reversed(level):
        place = each.origin(place)
    return place
