"""Which headers, parameters and members of a body hold a secret, as far as their names and values tell.

Where a name leaves it open, it is taken for one: a header too many under `auth` is seen at once, and a key in a file
that is passed on is not.
"""

from __future__ import annotations

import re
from itertools import pairwise

_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SECRET = frozenset(
    {"token", "secret", "auth", "authentication", "authorization", "password", "passwd", "pwd", "passphrase", "pass"}
    | {"credential", "credentials", "jwt", "hmac", "sig", "signature", "cookie", "session", "apikey"}
)
_ENDS = re.compile(
    r"(?:api|app|application|access|account|auth|client|license|master|private|secret|service|session|subscription|user)"
    r"(?:key|token|secret|password)"
)
_PLAIN_KEYS = frozenset(
    {"cache", "correlation", "dedup", "dedupe", "deduplication", "foreign", "group", "idempotence", "idempotency"}
    | {"idempotent", "lookup", "object", "order", "partition", "primary", "public", "range", "row", "sort", "surrogate"}
)
"""Before `Key`: it names or orders something, and is told to everybody."""
_PLAIN_TOKENS = frozenset(
    {"concurrency", "continuation", "cursor", "lock", "next", "page", "pagination", "sync", "version"}
)
"""Before `Token`, likewise."""
_IDEMPOTENCY = re.compile(r"(?i)(?:x-)?idempoten(?:cy|ce|t)-?(?:key|token)")
_TOKEN = re.compile(r"(?i)(?:bearer|basic|token) [^\s,;]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*")
_SHORTEST = 16


def is_key(name: str) -> bool:
    """Whether a header or a parameter of this name holds a secret: `X-Acme-Key`, `access_token`, `sessionId`."""
    words = [word.lower() for word in _WORD.findall(name)]
    before, last = (words[-2] if len(words) > 1 else ""), words[-1] if words else ""
    if (last == "key" and before in _PLAIN_KEYS) or (last == "token" and before in _PLAIN_TOKENS):
        return False
    pairs = set(pairwise(words))
    return (
        last == "key"
        or not _SECRET.isdisjoint(words)
        or not pairs.isdisjoint({("api", "key"), ("access", "key")})
        or any(_ENDS.search(word) for word in words)
    )


def is_token(value: str) -> bool:
    """Whether a value is a secret by its looks, whatever it is called: `Bearer …`, or a JSON Web Token."""
    return bool(_TOKEN.fullmatch(value))


def is_secret_member(name: str, value: str) -> bool:
    """Whether a member of a body holds a secret; a key may name something there, and a signature be a closing line."""
    if len(value.split()) != 1:
        return False
    words = _WORD.findall(name)
    if len(words) == 1 and words[0].lower() == "key":
        return len(value) >= _SHORTEST and bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))
    return is_key(name)


def is_idempotency_key(name: str) -> bool:
    """Whether a header is one by which an API recognises a repeated request."""
    return bool(_IDEMPOTENCY.fullmatch(name))
