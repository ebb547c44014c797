"""Everything that authenticates the requests of a run, joined: the client asks it before each of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchupdate.config import Secrets
from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import SecretStr

    from batchupdate.config.api_key import KeySource
    from batchupdate.model import Fault, Reply
    from batchupdate.targets import AuthStrategy
    from batchupdate.targets.auth import ExpiryRule

UNAUTHORIZED = 401


class NoCredentialsError(Exception):
    """The credentials for a request can't be had; `fault` says why, and whether they may be had later."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Credentials:
    """What goes along with each request.

    Args:
        strategies: one for each thing that authenticates by headers.
        secrets: what must never be written down; tokens that come later are added to it.
        query: parameters with keys for the URL, encoded: `key=…`; '' for none.
        place: where the key comes from, as a part of a sentence; '' where there is none.
        expired: by which replies the API asks for new ones; a 401 where none are declared.
        sign: gives the headers to add to one request, from its method, URL, headers and body; None where nothing is
            signed.
    """

    def __init__(
        self,
        strategies: Sequence[AuthStrategy] = (),
        secrets: Secrets | None = None,
        *,
        query: str = "",
        place: str = "",
        expired: Sequence[ExpiryRule] = (),
        sign: Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]] | None = None,
    ) -> None:
        self.sign = sign
        self._strategies = tuple(strategies)
        self.secrets = Secrets() if secrets is None else secrets
        self.query, self.place = query, place
        self._expired = tuple(expired)
        self._parts: list[Mapping[str, str]] = []
        self._joined: Mapping[str, str] = {}

    async def headers(self) -> Mapping[str, str]:
        """The headers for the next request: the same object as before as long as nothing has changed.

        Raises:
            NoCredentialsError: there are none.
        """
        parts = [await strategy.headers() for strategy in self._strategies]
        if parts != self._parts:  # lists look first whether their items are the very same
            self._parts = parts
            self._joined = {name: value for part in parts for name, value in part.items()}
        return self._joined

    def expires(self, reply: Reply) -> bool:
        """Whether a reply asks for new credentials."""
        if not self._expired:
            return reply.status == UNAUTHORIZED
        return any(rule.matches(reply) for rule in self._expired)

    @property
    def asks_in_success(self) -> bool:
        """Whether a reply with a status of 2xx can ask for new credentials, so that its body has to be looked at."""
        return any(status < 300 for rule in self._expired for status in rule.status)  # noqa: PLR2004 - 2xx

    def reject(self, headers: Mapping[str, str]) -> bool:
        """The API asked for other credentials than these; returns whether the next request has others."""
        if headers is not self._joined:
            return True  # they have been renewed meanwhile
        rejected = [strategy.reject() for strategy in self._strategies]  # each of them, not the first alone
        return any(rejected)


class PrintedKey:
    """A key that a command prints; it is run again when the API no longer takes it.

    Args:
        source: the command.
        strategy: how a key is sent.
        secrets: where each new key is added.
        fault: makes a fault of a sentence.
    """

    def __init__(
        self,
        source: KeySource,
        strategy: Callable[[SecretStr], AuthStrategy],
        secrets: Secrets,
        fault: Callable[[str], Fault],
    ) -> None:
        self._source, self._strategy, self._secrets, self._fault = source, strategy, secrets, fault
        self._current: AuthStrategy | None = strategy(source.read())
        secrets.add(self.secrets())
        self._lock = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """See `AuthStrategy`."""
        if self._current is None:
            async with self._lock:
                if self._current is None:
                    await self._renew()
        assert self._current is not None  # noqa: S101 - renewed, or raised
        return await self._current.headers()

    async def _renew(self) -> None:
        try:
            self._current = self._strategy(await asyncio.to_thread(self._source.read))
        except ConfigError as error:
            raise NoCredentialsError(self._fault(str(error))) from error
        self._secrets.add(self._current.secrets())

    def reject(self) -> bool:
        """See `AuthStrategy`."""
        self._current = None
        return True

    def secrets(self) -> Sequence[SecretStr]:
        """See `AuthStrategy`."""
        return () if self._current is None else self._current.secrets()


NO_CREDENTIALS = Credentials()
"""For an API that wants none."""
