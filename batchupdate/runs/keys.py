"""What authenticates the requests of a run: found where the target and the settings say, and never written down."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import SecretStr

from batchupdate.api.credentials import NO_CREDENTIALS, Credentials, PrintedKey
from batchupdate.config import Secrets
from batchupdate.config.api_key import MissingKey, clean_key, key_source
from batchupdate.config.secret_file import read_secret_file
from batchupdate.errors import ConfigError
from batchupdate.model import Fault, FaultKind
from batchupdate.targets.auth import SecretPlace
from batchupdate.targets.hooks import HookError, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.config.api_key import KeySource
    from batchupdate.targets import Auth, AuthStrategy, Target
    from batchupdate.targets.hooks import Hooks
    from batchupdate.util.clock import Clock

_REDACTED = ("client_secret", "refresh_token")
_SECRET = (*_REDACTED, "private_key")
_KNOWN = ("client_id", *_SECRET, "subject")


def credentials_of(target: Target, settings: Settings, environ: Mapping[str, str] | None, clock: Clock) -> Credentials:
    """The credentials for a target's API.

    Args:
        target: says what its API wants.
        settings: where else the key can come from.
        environ: where it is looked up first; None for the process's own environment.
        clock: where time comes from.

    Raises:
        MissingKey: there is none.
        ConfigError: something can't be a key, or can't be read.
    """
    environ = os.environ if environ is None else environ
    auth, secrets = target.auth, Secrets()
    signs = target.hooks is not None and "sign" in target.hooks.names
    if auth.scheme == "none" and not signs:
        return NO_CREDENTIALS
    strategies: list[AuthStrategy] = []
    query: list[str] = []
    place, key, user = "", SecretStr(""), ""
    for part in auth.parts:
        if part.scheme == "none":
            continue
        if part.scheme == "oauth2":
            strategies.append(_oauth(part, settings, environ, clock, secrets))
            place = place or f"the tokens of {part.token_url}"
            continue
        source = key_source(part.env or "", _settings_for(part, auth, settings), environ)
        place = place or source.place
        if part.scheme == "signed":
            key, user = source.read(), _user(part, environ)
            secrets.add([key])
        elif part.scheme == "query":
            parameter = source.read()
            secrets.add(_spellings(parameter))
            query.append(f"{quote(part.name or '', safe='')}={quote(parameter.get_secret_value(), safe='')}")
        else:
            strategies.append(_key(part, source, environ, secrets))
    sign = _PackageSigner(target.hooks, clock, secrets, key, user).sign if target.hooks and signs else None
    return Credentials(strategies, secrets, query="&".join(query), place=place, expired=auth.expired, sign=sign)


@dataclass(frozen=True, slots=True)
class _PackageSigner:
    """Lets the target's package sign requests; what it says when it fails is shown without the key."""

    hooks: Hooks
    clock: Clock
    secrets: Secrets
    key: SecretStr
    user: str

    def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        key = self.key.get_secret_value()
        try:
            return self.hooks.sign(Outgoing(method, url, headers, body, self.clock.now(), key, self.user))
        except HookError as error:
            raise HookError(error.package, self.secrets.redact(error.fault.message)) from None


_NO_KEY = {"key_file": None, "key_command": None, "keyring": None}
"""The settings that stand for the first key alone."""


def _settings_for(part: Auth, auth: Auth, settings: Settings) -> Settings:
    return settings if part is auth else settings.model_copy(update=_NO_KEY)


def _key(auth: Auth, source: KeySource, environ: Mapping[str, str], secrets: Secrets) -> AuthStrategy:
    user = _user(auth, environ)
    if source.renewable:
        return PrintedKey(source, partial(auth.strategy, user=user), secrets, partial(Fault, FaultKind.NO_CREDENTIALS))
    strategy = auth.strategy(source.read(), user)
    secrets.add(strategy.secrets())
    return strategy


def _user(auth: Auth, environ: Mapping[str, str]) -> str:
    return _value(auth.user, "user", environ) if isinstance(auth.user, SecretPlace) else auth.user


def _oauth(auth: Auth, settings: Settings, environ: Mapping[str, str], clock: Clock, secrets: Secrets) -> AuthStrategy:
    from batchupdate.api.oauth import OAuth2, TokenEndpoint  # noqa: PLC0415 - it loads aiohttp

    declared = {name: place for name in _KNOWN if (place := getattr(auth, name)) is not None}
    known = {name: _value(place, name, environ) for name, place in declared.items()}
    secrets.add([SecretStr(known[name]) for name in _REDACTED if name in known])
    return OAuth2(TokenEndpoint(auth, known, settings, clock, secrets), auth, clock, secrets)


def _value(place: str | SecretPlace, name: str, environ: Mapping[str, str]) -> str:
    """A declared value, or what stands where it says."""
    if isinstance(place, str):
        return place
    if place.env is not None:
        text = environ.get(place.env, "")
        if not text:
            raise MissingKey(place.env, environ)
    else:
        path = Path(place.file or "").expanduser()
        text = read_secret_file(path, f"The file {path} with '{name}'")
    if name in {"private_key", "user", "subject", "client_id"}:  # of several lines, or of any form
        return text.strip()
    shown = f"the environment variable {place.env}" if place.env else f"the file {place.file}"
    return clean_key(text, shown).get_secret_value()


def only_secrets(target: Target, settings: Settings, environ: Mapping[str, str] | None, _clock: Clock) -> Credentials:
    """What must never be written down, where nothing is sent: a file that holds the key is refused by `check` as well.

    Each key is looked up by itself: one that is missing, or can't be read, is left out, and the others are known all
    the same. A command that prints a key is not run for it.
    """
    environ = os.environ if environ is None else environ
    secrets, settings = Secrets(), settings.model_copy(update={"key_command": None})
    for part in target.auth.parts:
        for found in _look_ups(part, _settings_for(part, target.auth, settings), environ):
            with suppress(ConfigError):
                secrets.add(found())
    return Credentials(secrets=secrets)


def _look_ups(
    part: Auth, settings: Settings, environ: Mapping[str, str]
) -> Iterator[Callable[[], Sequence[SecretStr]]]:
    """What finds the secrets of one part, as they are sent; each raises a `ConfigError` where there are none."""
    if part.scheme == "oauth2":
        for name in _REDACTED:
            if (place := getattr(part, name)) is not None:
                yield partial(_declared_secret, place, name, environ)
    elif part.scheme != "none":
        yield lambda: _spellings(key_source(part.env or "", settings, environ).read())
        if part.scheme == "basic":
            yield lambda: _key(part, key_source(part.env or "", settings, environ), environ, Secrets()).secrets()


def _declared_secret(place: SecretPlace, name: str, environ: Mapping[str, str]) -> Sequence[SecretStr]:
    return (SecretStr(_value(place, name, environ)),)


def _spellings(key: SecretStr) -> Sequence[SecretStr]:
    """A key as it is, and as it stands in a URL."""
    return key, SecretStr(quote(key.get_secret_value(), safe=""))
