"""The API key, and keeping it out of whatever is written down."""

from __future__ import annotations

import base64
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from batchupdate.errors import ConfigError
from batchupdate.util.unescape import has_escapes, levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchupdate.config.settings import Settings
    from batchupdate.util.unescape import Unescaped

KEY_MAX_BYTES = 16_384
REDACTED = "[redacted]"
SHORTEST_SECRET = 6
"""A shorter text is refused as a key: redacting it would blot out harmless words."""


SHORTEST_CUT = 8
"""So much of a key that was cut off is redacted; fewer characters are what all keys of a vendor begin with."""

_CUT = re.compile(r"…|\.\.|\*|\W*\Z").match
"""What follows a text that was cut off."""

_known: set[str] = set()
"""What this process must never write down, for the one file that is written where nothing else is known any more."""


class MissingKey(ConfigError):  # noqa: N818 - it says what is missing
    """There is no API key. `variable` is the environment variable that may hold it."""

    def __init__(self, variable: str, environ: Mapping[str, str]) -> None:
        super().__init__(
            "There is no API key.",
            f"Type for example: {_set_variable(variable, environ)}; or name a file with 'key_file' in the config.",
        )
        self.variable = variable


def _set_variable(variable: str, environ: Mapping[str, str]) -> str:
    """The line that sets a variable in the user's shell."""
    if Path(environ.get("SHELL", "")).name == "fish":
        return f"set -x {variable} YOUR-KEY"
    if sys.platform == "win32" and "SHELL" not in environ:  # PowerShell, or the old prompt
        return (
            f'$env:{variable} = "YOUR-KEY"' if "PSMODULEPATH" in map(str.upper, environ) else f"set {variable}=YOUR-KEY"
        )
    return f"export {variable}=YOUR-KEY"


class Secrets:
    """Knows the texts that must never be written down, and blots them out of any other text.

    A text is found in each of its usual spellings: percent-encoded, with JSON's or HTML's escapes, in Base64 or in
    hexadecimal digits. `redact` also takes out one that was cut off.
    """

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        plain = {text for secret in secrets if len(text := secret.get_secret_value()) >= SHORTEST_SECRET}
        _known.update(plain)
        self._texts = sorted({spelling for text in plain for spelling in _encodings(text)}, key=len, reverse=True)

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


def find_key(variable: str | None, settings: Settings, environ: Mapping[str, str] | None = None) -> SecretStr | None:
    """The API key: from the environment variable that the target names, else `key_file`, else the system keyring.

    None where the target names no variable, because it wants no key.

    Raises:
        MissingKey: there is none.
        ConfigError: it can't be a key, or can't be read.
    """
    if variable is None:
        return None
    environ = os.environ if environ is None else environ
    if text := environ.get(variable):
        return _clean_key(text, f"The environment variable {variable}")
    if settings.key_file:
        return _clean_key(_read_key_file(settings.key_file), f"The key file {settings.key_file}")
    if settings.keyring:
        return _clean_key(_read_keyring(settings.keyring), f"The keyring entry {settings.keyring}")
    raise MissingKey(variable, environ)


class TypedKey(dict[str, str]):
    """An environment in which the key is one that somebody has typed."""


def key_place(variable: str | None, settings: Settings, environ: Mapping[str, str] | None = None) -> str:
    """Where `find_key` finds the key, as a part of a sentence; '' where there is none."""
    environ = os.environ if environ is None else environ
    if variable is None:
        return ""
    if environ.get(variable):
        typed = isinstance(environ, TypedKey)
        return "what was typed at the question" if typed else f"the environment variable {variable}"
    if settings.key_file:
        return f"the key file {settings.key_file}"
    return f"the keyring entry {settings.keyring}" if settings.keyring else ""


def _read_key_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(KEY_MAX_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"The key file {path} is not text.") from error
    except OSError as error:
        raise ConfigError(f"The key file {path} can't be read: {error.strerror or error}.") from error


def _read_keyring(entry: str) -> str:
    service, _, user = entry.partition(":")
    try:
        import keyring  # noqa: PLC0415 - an extra
    except ImportError as error:
        hint = "Install it with: pip install 'batchupdate[keyring]'"
        raise ConfigError("'keyring' is set, but the keyring library is not installed.", hint) from error
    try:
        text: str | None = keyring.get_password(service, user)
    except Exception as error:  # each back end of keyring has errors of its own
        raise ConfigError(f"The system keyring can't be read: {type(error).__name__}.") from error
    if not text:
        hint = f"Store it with: keyring set {service} {user or 'USER'}; write the setting as SERVICE:USER."
        raise ConfigError(f"The system keyring has no entry {entry!r}.", hint)
    return text


def _clean_key(text: str, place: str) -> SecretStr:
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
        raise ConfigError(
            f"{place} has quotation marks around the key.", "Remove them: they would be sent as part of it."
        )
    if not key:
        raise ConfigError(f"{place} is empty.")
    if len(key) < SHORTEST_SECRET:
        raise ConfigError(f"{place} does not contain a key: a key has at least {SHORTEST_SECRET} characters.")
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > KEY_MAX_BYTES:
        raise ConfigError(f"{place} does not contain a key: a key is one word of printable ASCII characters.")
    return SecretStr(key)
