"""Which headers a target's YAML may set, so that no header is set twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.config.yaml_file import MisplacedError

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the client sets itself: how a request is framed (RFC 9112), and what it contains.
_SET_BY_CLIENT = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)


def check_headers(names: Iterable[str], auth_header: str, idempotency_header: str | None) -> None:
    """Refuses headers that something else sets: authentication, the client, or the idempotency key.

    Args:
        names: of the headers under `headers`.
        auth_header: the header that carries the API key.
        idempotency_header: the header that carries the row's idempotency key, if the target has one.

    Raises:
        MisplacedError: there is such a header.
    """
    key_headers = {"authorization", auth_header.lower()}
    own = (idempotency_header or "").lower()
    if own in key_headers | _SET_BY_CLIENT:
        raise MisplacedError(f"{idempotency_header} is already used for something else", "idempotency_header")
    for name in names:
        if name.lower() in key_headers:
            message = "a key must not be written into this file; declare under auth how it is sent"
            raise MisplacedError(message, "headers", name)
        if name.lower() == own:
            message = "idempotency_header sets this header, to another value in every row; remove it here"
            raise MisplacedError(message, "headers", name)
