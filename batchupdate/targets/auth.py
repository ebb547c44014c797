"""How requests prove who sends them: what a target's YAML declares under `auth`, and a strategy for each kind of key.

A strategy is asked for its headers whenever a request is built, never once for a whole run: a token can expire in the
middle of one. To add a scheme, write a strategy and let `Auth.strategy` return it; one that has to ask somebody for
tokens stands in `batchupdate.api.oauth`. `batchupdate.runs.keys` opens the keys of a run: a scheme that is no fixed
header with one key needs a line there, too.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.value_types import HeaderName, HeaderValue, Pattern, several
from batchupdate.util.loopback import LOOPBACK
from batchupdate.util.regex import compile_search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.model import Reply


class AuthStrategy(Protocol):
    """Gives the headers that authenticate one request."""

    async def headers(self) -> Mapping[str, str]:
        """The headers for the next request: the same object as before as long as nothing has changed.

        It may wait, as for a token that has to be renewed first.
        """
        ...

    def reject(self) -> bool:
        """The API no longer takes these headers; returns whether the next request can have others."""
        ...

    def secrets(self) -> Sequence[SecretStr]:
        """Everything in these headers that must never be written down."""
        ...


REDACTED = "[redacted]"
_NONE: Mapping[str, str] = {}


class NoAuth:
    """For an API that wants no key."""

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        return _NONE

    def reject(self) -> bool:
        """See `AuthStrategy`."""
        return False

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`."""
        return ()


@dataclass(frozen=True)
class KeyInHeader:
    """The key in one header: `Authorization: Bearer KEY` and its relatives. `{key}` in `template` is the key."""

    key: SecretStr
    name: str = "Authorization"
    template: str = "Bearer {key}"

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        return self._headers

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        return {self.name: self.template.replace("{key}", self.key.get_secret_value())}

    def reject(self) -> bool:
        """See `AuthStrategy`."""
        return False

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`."""
        return (self.key,)


@dataclass(frozen=True)
class BasicAuth:
    """HTTP's Basic scheme (RFC 7617) with the key as the password."""

    user: str
    key: SecretStr

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        return self._headers

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Basic {self._credentials()}"}

    def reject(self) -> bool:
        """See `AuthStrategy`."""
        return False

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`. In Base64, too, the key can be read by anybody."""
        return (self.key, SecretStr(self._credentials()))

    def _credentials(self) -> str:
        return base64.b64encode(f"{self.user}:{self.key.get_secret_value()}".encode()).decode("ascii")


class SecretPlace(Strict):
    """Where a secret is: in an environment variable, or in a file that holds nothing else."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env, an environment variable's name, or file, a path")
        return self


class ExpiryRule(Strict):
    """Replies by which an API says that a token has expired: nothing was applied, and a new token helps.

    A reply must have one of the statuses and, where a pattern is declared, a `body` that contains it.
    """

    status: Annotated[tuple[int, ...], BeforeValidator(several, json_schema_input_type=int | list[int])] = Field(
        strict=False
    )
    body: Pattern | None = None

    def matches(self, reply: Reply) -> bool:
        """Whether the reply is one of these."""
        return reply.status in self.status and (
            self._search is None or self._search(reply.body.decode("utf-8", "replace"))
        )

    @cached_property
    def _search(self) -> Callable[[str], bool] | None:
        return compile_search(self.body) if self.body is not None else None


_OAUTH = (
    *("grant", "token_url", "client_id", "client_secret", "refresh_token", "private_key"),
    *("scopes", "audience", "subject", "client_auth", "parameters"),
)
_NEEDS = {
    "client_credentials": ("token_url", "client_id", "client_secret"),
    "refresh_token": ("token_url", "client_id", "refresh_token"),
    "jwt_bearer": ("token_url", "private_key"),
}


class Auth(Strict):
    """How requests prove who sends them.

    `bearer`, `basic` (`user`, and the key as password), `header` and `query` send the key that `env` names: `header`
    sends `value`, with `{key}` replaced, in the header `name`, and `query` adds the parameter `name` to the URL.
    `oauth2` fetches tokens at `token_url` and sends them as `bearer` does, or as `name` and `value` say. With `signed`,
    the key never leaves: the target's package signs each request with it (`user` may say whose it is). `also` is what
    goes along besides. `expired` says by which replies the API asks for a new token (401 without it).
    """

    scheme: Literal["bearer", "basic", "header", "query", "oauth2", "signed", "none"] = "bearer"
    env: str | None = None
    user: str | SecretPlace = ""
    name: HeaderName | None = None
    value: HeaderValue | None = None
    grant: Literal["client_credentials", "refresh_token", "jwt_bearer"] | None = None
    token_url: str | None = None
    client_id: str | SecretPlace | None = None
    client_secret: SecretPlace | None = None
    refresh_token: SecretPlace | None = None
    private_key: SecretPlace | None = None
    scopes: tuple[str, ...] = Field(default=(), strict=False)
    audience: str | None = None
    subject: str | SecretPlace | None = None
    client_auth: Literal["basic", "body"] = "basic"
    parameters: dict[str, str] = Field(default={})
    expired: tuple[ExpiryRule, ...] = Field(default=(), strict=False)
    also: tuple[Auth, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.scheme == "oauth2":
            self._check_oauth()
        else:
            self._check_key()
        if self.user and self.scheme not in {"basic", "signed"}:
            raise MisplacedError("user is for scheme basic; change the scheme, or remove it", "user")
        if self.value is not None and "{key}" not in self.value:
            raise MisplacedError("value must contain {key}", "value")
        if self.value is not None and self.scheme not in {"header", "oauth2"}:
            raise MisplacedError("value is for scheme header; change the scheme, or remove it", "value")
        if self.scheme == "query" and self.name is None:
            raise ValueError("scheme query needs name, the parameter that holds the key")
        for index, part in enumerate(self.also):
            if part.also or part.scheme in {"oauth2", "signed", "none"}:
                raise MisplacedError("a key that goes along is bearer, basic, header or query", "also", index)
        if twice := next((name for name in self.headers if self.headers.count(name) > 1), None):
            raise MisplacedError(f"the header {twice} would be sent twice", "also")
        return self

    def _check_key(self) -> None:
        if self.scheme != "none" and not self.env:
            raise ValueError("env must name the environment variable that holds the key")
        if self.scheme == "none" and self.env:
            raise MisplacedError("scheme none uses no key; remove env", "env")
        if self.scheme == "basic" and "user" not in self.model_fields_set:
            raise ValueError("scheme basic needs user, the name that goes before the key; user: '' stands for none")
        if isinstance(self.user, str) and ":" in self.user:  # RFC 7617, section 2: what follows would be the password
            raise MisplacedError("a user's name can't contain a colon; the key is added after it", "user")
        fields = type(self).model_fields
        if stray := next((name for name in _OAUTH if getattr(self, name) != fields[name].get_default()), None):
            raise MisplacedError(f"{stray} is for scheme oauth2", stray)

    def _check_oauth(self) -> None:
        if self.env:
            raise MisplacedError(
                "scheme oauth2 takes its secrets from client_secret, refresh_token or private_key", "env"
            )
        if self.grant is None:
            raise ValueError("scheme oauth2 needs grant: client_credentials, refresh_token or jwt_bearer")
        if missing := next((name for name in _NEEDS[self.grant] if getattr(self, name) is None), None):
            raise ValueError(f"grant {self.grant} needs {missing}")
        parts = urlsplit(self.token_url or "")
        if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in LOOPBACK):
            raise MisplacedError("token_url must begin with https://", "token_url")

    @property
    def header(self) -> str | None:
        """The name of the header that authenticates, in lower case; None where there is none."""
        return None if self.scheme in {"query", "signed", "none"} else (self.name or "Authorization").lower()

    @property
    def parts(self) -> tuple[Auth, ...]:
        """This and everything that goes along."""
        return (self, *self.also)

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of all headers that authenticate, in lower case."""
        return tuple(part.header for part in self.parts if part.header is not None)

    @property
    def template(self) -> str:
        """What stands in the header, with `{key}` in the place of what is secret."""
        return self.value or {"basic": "Basic {key}", "header": "{key}"}.get(self.scheme, "Bearer {key}")

    def strategy(self, key: SecretStr | None, user: str = "") -> AuthStrategy:
        """The strategy for this key. With scheme `none`, or without a key, nothing is sent."""
        if self.scheme in {"none", "query", "signed"} or key is None:
            return NoAuth()
        if self.scheme == "basic":
            return BasicAuth(user or (self.user if isinstance(self.user, str) else ""), key)
        return KeyInHeader(key, self.name or "Authorization", self.template)

    def redacted_headers(self) -> dict[str, str]:
        """The headers that authenticate, with `[redacted]` in the place of what is secret, to be shown."""
        return {
            part.name or "Authorization": part.template.replace("{key}", REDACTED)
            for part in self.parts
            if part.header is not None
        }

    def redacted_query(self) -> str:
        """The parameters of the URL that authenticate, in the same way; '' if there are none."""
        names = [quote(part.name or "", safe="") for part in self.parts if part.scheme == "query"]
        return "&".join(f"{name}={REDACTED}" for name in names)
