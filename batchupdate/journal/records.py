"""What is handed to the journal, and by it, beside the records of `batchupdate.model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.model import Traffic

Entry = tuple[int, "Sequence[str]", str | None, str | None, "Mapping[str, Any] | None"]
"""One input row as the ingest writes it: key, cells, id, and path and fields if it is to be sent."""

Copy = tuple[int, str, str | None, str | None, str | None, int | None, str | None, int | None, int]
"""A row of the table `row` with its checksum, and whether its request may have been applied."""


class Session(NamedTuple):
    """How far one process's work on a run is: its number, the Unix time, and its requests so far; see `Traffic`.

    `limit_per_s` is the rate that it keeps now, in requests/s; None for none.
    """

    number: int
    now: float
    sent: int = 0
    retried: int = 0
    throttled: int = 0
    waited_s: float = 0.0
    allowed_per_s: float | None = None
    limit_per_s: float | None = None

    @classmethod
    def at(cls, number: int, now: float, traffic: Traffic, limit_per_s: float | None = None) -> Session:
        """The session's state at a time."""
        return cls(number, now, *traffic, limit_per_s)


def with_rows(kept: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """What a journal tells of the input of several files, with how many rows each has."""
    files = [{**file, "rows": count} for file, count in zip(kept["files"], rows, strict=True)]
    return {**kept, "files": files}
