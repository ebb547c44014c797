"""OAuth 2: tokens that are fetched once for all workers, and renewed before they expire or when the API asks for it."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from pydantic import SecretStr

from batchupdate.api.client import Client
from batchupdate.api.credentials import NoCredentialsError
from batchupdate.api.error_message import error_sentence
from batchupdate.config import Secrets
from batchupdate.errors import ConfigError
from batchupdate.model import Fault, FaultKind, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.targets import Auth
    from batchupdate.util.clock import Clock

EARLY_SHARE = 0.2
"""A token is renewed when this share of its life is left,"""

EARLY_MOST_S = 60.0
"""or so many seconds: a request must not be on its way when it ends."""

ASSERTION_S = 300
"""How long a signed assertion is valid, in seconds; servers refuse more than an hour, or a few minutes."""

_GRANTS = {
    "client_credentials": "client_credentials",  # RFC 6749, section 4.4
    "refresh_token": "refresh_token",  # section 6
    "jwt_bearer": "urn:ietf:params:oauth:grant-type:jwt-bearer",  # RFC 7523, section 2.1
}


class TokenEndpoint:
    """Asks for tokens.

    Args:
        auth: the declaration, of scheme `oauth2`.
        known: the values of `client_id`, `client_secret`, `refresh_token`, `private_key` and `subject`, as far as they
            are declared.
        settings: timeouts, proxy and certificates.
        clock: where time comes from.
        secrets: kept out of sentences.
    """

    def __init__(
        self, auth: Auth, known: Mapping[str, str], settings: Settings, clock: Clock, secrets: Secrets
    ) -> None:
        parts = urlsplit(auth.token_url or "")
        self._auth, self._known, self._settings, self._clock, self._secrets = (
            auth,
            dict(known),
            settings,
            clock,
            secrets,
        )
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.host = parts.hostname or ""
        if auth.grant == "jwt_bearer":
            self._sign = _signer(auth, self._known, clock)

    async def ask(self) -> tuple[str, float]:
        """A new token, and for how many seconds it is valid.

        Raises:
            NoCredentialsError: there is none.
        """
        form, headers = self._form()
        async with Client(
            self._origin,
            "POST",
            headers,
            self._settings,
            concurrency=1,
            clock=self._clock,
            secrets=Secrets(),  # a token that comes a second time must be read
            change_headers={"Content-Type": "application/x-www-form-urlencoded"},
            keep_bodies=True,
        ) as client:
            answer = await client.send(self._path, urlencode(form).encode())
        if isinstance(answer, Fault):
            kind = FaultKind.CONNECT if answer.kind is not FaultKind.CERTIFICATE else answer.kind  # nothing was sent
            raise NoCredentialsError(Fault(kind, f"no token from {self.host}: {answer.message}"))
        if answer.status != HTTPStatus.OK:
            raise NoCredentialsError(self._refusal(answer))
        try:
            return self._token_in(json.loads(answer.body))
        except (ValueError, RecursionError, AttributeError) as error:
            raise NoCredentialsError(
                self._unfit("its answer is not a token response (RFC 6749, section 5.1)")
            ) from error

    def _form(self) -> tuple[dict[str, str], dict[str, str]]:
        """The request's parameters, and its headers."""
        auth, known = self._auth, self._known
        form = {"grant_type": _GRANTS[auth.grant or ""]}
        if auth.grant == "jwt_bearer":
            return {**form, "assertion": self._sign(), **auth.parameters}, {}
        if auth.grant == "refresh_token":
            form["refresh_token"] = known["refresh_token"]
        if auth.scopes:
            form["scope"] = " ".join(auth.scopes)
        if auth.audience:
            form["audience"] = auth.audience
        form |= auth.parameters
        secret = known.get("client_secret")
        if secret is None or auth.client_auth == "body":
            return form | {"client_id": known["client_id"]} | ({"client_secret": secret} if secret else {}), {}
        pair = f"{quote(known['client_id'], safe='')}:{quote(secret, safe='')}"  # RFC 6749, section 2.3.1
        return form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}

    def _token_in(self, data: Mapping[str, Any]) -> tuple[str, float]:
        token, lifetime = data.get("access_token"), data.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise NoCredentialsError(self._unfit("its answer has no access_token"))
        if isinstance(renewed := data.get("refresh_token"), str) and renewed:
            self._known["refresh_token"] = renewed
            self._secrets.add([SecretStr(renewed)])
        try:
            valid_s = float(lifetime) if lifetime is not None else math.inf
        except (TypeError, ValueError):
            valid_s = math.inf
        return token, valid_s if valid_s > 0 else math.inf

    def _refusal(self, answer: Reply) -> Fault:
        """The endpoint answered, and gave no token."""
        said = error_sentence(answer.body, ["error_description", "error"])
        text = f"no token from {self.host}: {answer.status}" + (f" {self._secrets.redact(said)}" if said else "")
        later = answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Fault(FaultKind.CONNECT if later else FaultKind.NO_CREDENTIALS, text)

    def _unfit(self, reason: str) -> Fault:
        return Fault(FaultKind.NO_CREDENTIALS, f"no token from {self.host}: {reason}")


class OAuth2:
    """The strategy for tokens of one endpoint.

    Args:
        endpoint: where they come from.
        auth: how they are sent.
        clock: where time comes from.
        secrets: where each token is added.
    """

    def __init__(self, endpoint: TokenEndpoint, auth: Auth, clock: Clock, secrets: Secrets) -> None:
        self._endpoint, self._clock, self._secrets = endpoint, clock, secrets
        self._name, self._template = auth.name or "Authorization", auth.template
        self._headers: Mapping[str, str] = {}
        self._renew_at = -math.inf
        self._lock = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        if self._clock.monotonic() >= self._renew_at:
            async with self._lock:
                if self._clock.monotonic() >= self._renew_at:
                    await self._renew()
        return self._headers

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        token, valid_s = await self._endpoint.ask()
        self._secrets.add([SecretStr(token)])
        self._headers = {self._name: self._template.replace("{key}", token)}
        self._renew_at = asked_at + valid_s - min(EARLY_MOST_S, EARLY_SHARE * valid_s)

    def reject(self) -> bool:
        """See `AuthStrategy`."""
        self._renew_at = -math.inf
        return True

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`; tokens add themselves."""
        return ()


def _signer(auth: Auth, known: dict[str, str], clock: Clock) -> Callable[[], str]:
    """What makes a signed assertion (RFC 7523) of a private key in PEM format, or of a Google service account's file.

    Raises:
        ConfigError: the key is none, or the library that signs is not installed.
    """
    try:
        import jwt  # noqa: PLC0415 - an extra
    except ImportError as error:
        hint = "Install it with: pip install 'batchupdate[oauth]'"
        raise ConfigError("The grant jwt_bearer needs PyJWT, which is not installed.", hint) from error
    pem, account = known["private_key"], {}
    if pem.lstrip().startswith("{"):
        try:
            account = json.loads(pem)
            pem = account["private_key"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError("'private_key' is JSON, but not a service account's: it has no private_key.") from error
    issuer = known.get("client_id") or account.get("client_email")
    if not issuer:
        raise ConfigError("The grant jwt_bearer needs client_id, the issuer of the assertion.")
    algorithm = "ES256" if "EC PRIVATE KEY" in pem else "RS256"
    headers = {"kid": account["private_key_id"]} if account.get("private_key_id") else None

    def sign() -> str:
        now = int(clock.unix())
        claims = {
            "iss": issuer,
            "sub": known.get("subject") or issuer,
            "aud": auth.audience or auth.token_url,
            "iat": now,
            "exp": now + ASSERTION_S,
            **({"scope": " ".join(auth.scopes)} if auth.scopes else {}),
        }
        return jwt.encode(claims, pem, algorithm, headers)

    try:
        sign()
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise ConfigError("'private_key' holds no private key in PEM format.") from error
    return sign
