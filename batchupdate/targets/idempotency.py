"""The key by which an API knows a repeated request again."""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("5f0c1b0e-6a0b-4f0e-9d3b-2f7f1f4b7a11")  # made up once; another one would change every key


def idempotency_key(run_id: str, row: int) -> str:
    """The key of one row: the same for all its attempts, also after a resume, and another in every other run.

    It is derived, not drawn (RFC 9562, section 5.5: a UUID from a name), so that nothing has to be written down.

    Args:
        run_id: what tells this run from all others.
        row: the row's number in its run; see `batchupdate.model`.
    """
    return str(uuid5(_NAMESPACE, f"{run_id}/{row}"))
