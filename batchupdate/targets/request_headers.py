"""The headers of a request: those that a target may fix for every request, and those that each row has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from batchupdate.config.yaml_file import MisplacedError

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the client sets itself: how a request is framed (RFC 9112), and what it contains.
_SET_BY_CLIENT = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)
_NAMESPACE = UUID("5f0c1b0e-6a0b-4f0e-9d3b-2f7f1f4b7a11")  # chosen once; another one would change every key


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


def idempotency_key(run_id: str, row: int) -> str:
    """The key of one row: the same for all its attempts, also after a resume, and different in every other run.

    It is derived from the run and the row (RFC 9562, section 5.5), so that it doesn't have to be stored.

    Args:
        run_id: the run's id.
        row: the row's number in its run; see `batchupdate.model`.
    """
    return str(uuid5(_NAMESPACE, f"{run_id}/{row}"))
