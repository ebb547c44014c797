"""The key by which an API recognises a repeated request."""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("5f0c1b0e-6a0b-4f0e-9d3b-2f7f1f4b7a11")  # chosen once; another one would change every key


def idempotency_key(run_id: str, row: int) -> str:
    """The key of one row: the same for all its attempts, also after a resume, and different in every other run.

    It is derived from the run and the row (RFC 9562, section 5.5), so that it doesn't have to be stored.

    Args:
        run_id: the run's id.
        row: the row's number in its run; see `batchupdate.model`.
    """
    return str(uuid5(_NAMESPACE, f"{run_id}/{row}"))
