"""The API key, and keeping it out of whatever is written down."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchupdate.config.settings import Settings

KEY_MAX_BYTES = 16_384
REDACTED = "[redacted]"
SHORTEST_SECRET = 6
"""A shorter text is refused as a key: redacting it would blot out harmless words."""


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
    """Knows the texts that must never be written down, and blots them out of any other text."""

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        self._texts = sorted(
            {text for secret in secrets if len(text := secret.get_secret_value()) >= SHORTEST_SECRET},
            key=len,
            reverse=True,
        )

    def __bool__(self) -> bool:
        return bool(self._texts)

    def redact(self, text: str) -> str:
        """The text with every secret replaced."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes with every secret replaced; a secret is ASCII."""
        for secret in self._texts:
            data = data.replace(secret.encode(), REDACTED.encode())
        return data

    def within(self, text: str) -> bool:
        """Whether the text contains a secret."""
        for secret in self._texts:  # noqa: SIM110 - asked for every reply, and half as dear as `any`
            if secret in text:
                return True
        return False


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
