"""The proxy that requests go through; apart from the client, so that whoever only asks for it need not load aiohttp."""

from __future__ import annotations

import urllib.request
from contextlib import suppress
from urllib.parse import urlsplit

from batchupdate.errors import ConfigError
from batchupdate.util.loopback import LOOPBACK


def proxy_from_environment(base_url: str) -> str | None:
    """The proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) for this URL.

    Read here, not by aiohttp's `trust_env`, which would also put a password from ~/.netrc in the key's place.
    """
    parts = urlsplit(base_url)
    if parts.hostname in LOOPBACK or urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def checked_proxy(proxy: str | None) -> str | None:
    """The proxy as it is.

    Raises:
        ConfigError: it is none that we can use.
    """
    if proxy is None:
        return None
    with suppress(ValueError):
        parts = urlsplit(proxy)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return proxy
    # Not a word of what it is: it may hold a password.
    hint = "It stands in the setting 'proxy' or in the environment; write it as http://host:port."
    raise ConfigError("The proxy can't be used.", hint)
