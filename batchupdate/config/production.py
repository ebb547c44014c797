"""`production`: the hosts for which a person types the host's name before many rows are sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST = re.compile(r"(?:\*\.)?[^\s/:*@?#]+|[0-9a-f:]*:[0-9a-f.]*:[0-9a-f:.]*", re.IGNORECASE)


def parse_hosts(value: object) -> object:
    """Reads hosts from a list, or from a text with commas: `api.example.com`, or `*.example.com` for all below it.

    Raises:
        ValueError: one is no host, but a URL for example.
    """
    hosts = value.split(",") if isinstance(value, str) else value
    if not isinstance(hosts, list | tuple) or not all(isinstance(one, str) for one in hosts):
        raise ValueError(f"{value!r} is no list of hosts such as [api.example.com]")
    named = tuple(one.strip().lower().rstrip(".") for one in hosts)
    for one in named:
        if not _HOST.fullmatch(one):
            raise ValueError(f"{one!r} is no host; write its name alone, such as api.example.com or *.example.com")
    return named


def host_of(base_url: str) -> str:
    """The name of the host in a URL, without the port."""
    return urlsplit(base_url).hostname or ""


def is_among(host: str, named: Sequence[str]) -> bool:
    """Whether a host is one of those that were named; `*.example.com` names those below example.com, not itself."""
    host = host.lower().rstrip(".")
    return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in named)
