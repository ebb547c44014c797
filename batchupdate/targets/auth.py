"""How requests prove who sends them: what a target's YAML declares under `auth`, and one strategy for each scheme.

A strategy is asked for its headers whenever a request is built, never once for a whole run: a token can expire in the
middle of one. To add a scheme, write a strategy and let `Auth.strategy` return it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from pydantic import SecretStr, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.value_types import HeaderName, HeaderValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class AuthStrategy(Protocol):
    """Gives the headers that authenticate one request."""

    async def headers(self) -> Mapping[str, str]:
        """The headers for the next request. It may wait, as for a token that has to be renewed first."""
        ...

    def secrets(self) -> Sequence[SecretStr]:
        """Everything in these headers that must never be written down."""
        ...


class NoAuth:
    """For an API that wants no key."""

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        return {}

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`."""
        return ()


@dataclass(frozen=True, slots=True)
class KeyInHeader:
    """The key in one header: `Authorization: Bearer KEY` and its relatives. `{key}` in `template` is the key."""

    key: SecretStr
    name: str = "Authorization"
    template: str = "Bearer {key}"

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        return {self.name: self.template.replace("{key}", self.key.get_secret_value())}

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`."""
        return (self.key,)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """HTTP's Basic scheme (RFC 7617) with the key as the password."""

    user: str
    key: SecretStr

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        return {"Authorization": f"Basic {self._credentials()}"}

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`. In Base64, too, the key can be read by anybody."""
        return (self.key, SecretStr(self._credentials()))

    def _credentials(self) -> str:
        return base64.b64encode(f"{self.user}:{self.key.get_secret_value()}".encode()).decode("ascii")


class Auth(Strict):
    """How the API key is sent. `scheme` is `bearer`, `basic` (`user`, and the key as password), `header` or `none`.

    `header` sends `value`, with `{key}` replaced, in the header `name`. `env` names the environment variable that
    holds the key.
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
            raise MisplacedError("scheme none uses no key; remove env", "env")
        if self.scheme == "basic" and "user" not in self.model_fields_set:
            raise ValueError("scheme basic needs user, the name that goes before the key; user: '' stands for none")
        if ":" in self.user:  # RFC 7617, section 2: what follows it would be taken for the password
            raise MisplacedError("a user's name can't contain a colon; the key is added after it", "user")
        if self.user and self.scheme != "basic":
            raise MisplacedError("user is for scheme basic; change the scheme, or remove it", "user")
        if self.scheme == "header" and "{key}" not in self.value:
            raise MisplacedError("value must contain {key}", "value")
        return self

    def strategy(self, key: SecretStr | None) -> AuthStrategy:
        """The strategy for this key. With scheme `none`, or without a key, nothing is sent."""
        if self.scheme == "none" or key is None:
            return NoAuth()
        if self.scheme == "basic":
            return BasicAuth(self.user, key)
        if self.scheme == "header":
            return KeyInHeader(key, self.name, self.value)
        return KeyInHeader(key)
