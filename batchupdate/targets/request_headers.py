"""The headers of a request: those that a target may fix for every request, and those that each row has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.config.yaml_file import MisplacedError

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the client sets itself: how a request is framed and routed (RFC 9112), and what it contains.
FRAMING = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_SET_BY_CLIENT = FRAMING | {"accept", "content-type", "user-agent"}
# With a GET they would be wrong, or make a change of it.
_FOR_CHANGES = frozenset(
    {"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "prefer"}
    | {"idempotency-key", "x-http-method", "x-http-method-override", "x-method-override"}
)


def check_headers(names: Iterable[str], auth_headers: Iterable[str], idempotency_header: str | None) -> None:
    """Refuses headers that something else sets: authentication, the client, or the idempotency key.

    Args:
        names: of the headers under `headers`.
        auth_headers: the headers that carry API keys, in lower case.
        idempotency_header: the header that carries the row's idempotency key, if the target has one.

    Raises:
        MisplacedError: there is such a header.
    """
    key_headers = {"authorization", *auth_headers}
    own = (idempotency_header or "").lower()
    if own in key_headers | _SET_BY_CLIENT:
        raise MisplacedError(f"{idempotency_header} is already used for something else", "idempotency", "header")
    for name in names:
        if name.lower() == "content-type":
            message = "body.format and body.content_type say what the body is; declare it there"
            raise MisplacedError(message, "headers", name)
        if name.lower() in FRAMING:
            way_out = "give the host in base_url" if name.lower() == "host" else "remove it"
            raise MisplacedError(f"this header is set for every request by itself; {way_out}", "headers", name)
        if name.lower() in key_headers:
            message = "a key must not be written into this file; declare under auth how it is sent"
            raise MisplacedError(message, "headers", name)
        if name.lower() == own:
            message = "idempotency.header sets this header, to another value in every row; remove it here"
            raise MisplacedError(message, "headers", name)


def check_guard(names: Iterable[str], guard: str) -> None:
    """Refuses headers under `headers` that `precondition` sets.

    Raises:
        MisplacedError: there is such a header.
    """
    for name in names:
        if name.lower() == guard.lower():
            raise MisplacedError(
                "precondition sets this header, to each record's version; remove it here", "headers", name
            )


def for_changes_only(name: str) -> bool:
    """Whether a header belongs to a change, and must not go out with a GET."""
    return name.lower() in _FOR_CHANGES or name.lower().startswith("content-")
