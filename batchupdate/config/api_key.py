"""The API key: where it comes from, and what it must look like."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from batchupdate.config.secret_file import KEY_MAX_BYTES, read_secret_file
from batchupdate.config.secrets import SHORTEST_SECRET
from batchupdate.errors import ConfigError
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchupdate.config.settings import Settings

COMMAND_S = 60
"""Seconds that a command may take to print a key."""

_COMMAND_HINT = "'key_command' names it; it must print the key, and nothing else, on standard output."


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


class TypedKey(dict[str, str]):
    """An environment in which the key is one that somebody has typed."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a secret comes from: `place` is a part of a sentence; `renewable` says that it can be had anew at any time.

    `read` raises a `ConfigError` where there is none, or it can't be a key.
    """

    place: str
    read: Callable[[], SecretStr]
    renewable: bool = False


def key_source(variable: str, settings: Settings, environ: Mapping[str, str] | None = None) -> KeySource:
    """Where the API key comes from.

    That is the environment variable that the target names, else `key_file`, `key_command`, or the system keyring.

    Raises:
        MissingKey: nothing of that is set.
    """
    environ = os.environ if environ is None else environ
    if text := environ.get(variable):
        place = f"the environment variable {variable}"
        shown = "what was typed at the question" if isinstance(environ, TypedKey) else place
        return KeySource(shown, lambda: clean_key(text, place))
    if path := settings.key_file:
        place = f"the key file {path}"
        return KeySource(place, lambda: clean_key(read_secret_file(path, f"The key file {path}"), place))
    if command := settings.key_command:
        place = f"the command {quoted(command)}"
        return KeySource(place, lambda: clean_key(_output_of(command), place), renewable=True)
    if entry := settings.keyring:
        place = f"the keyring entry {entry}"
        return KeySource(place, lambda: clean_key(_read_keyring(entry), place))
    raise MissingKey(variable, environ)


def _output_of(command: str) -> str:
    """What a command prints. It is run without a shell, so that nothing in it has a meaning of its own."""
    try:
        words = shlex.split(command, posix=sys.platform != "win32")
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False)  # noqa: S603 - the user's own
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"The command {quoted(command)} can't be run: {reason}.", _COMMAND_HINT) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"The command {quoted(command)} has not ended after {COMMAND_S} s.", _COMMAND_HINT) from error
    if done.returncode:
        raise ConfigError(f"The command {quoted(command)} failed with exit code {done.returncode}.", _COMMAND_HINT)
    return done.stdout[: KEY_MAX_BYTES + 1].decode("utf-8-sig", "replace")


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


def clean_key(text: str, place: str) -> SecretStr:
    """A text as a key, without the white space around it; `place` is where it comes from.

    Raises:
        ConfigError: it can't be one.
    """
    place = place[0].upper() + place[1:]
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
