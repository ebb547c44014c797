"""The truth: what the sandbox saw and what it really changed. It never holds an API key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """One change that was written. `seq` is its request's number; `fields` are the API's own names; `at` is UTC."""

    seq: int
    api: str
    id: str
    fields: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived whole.

    `seq` counts from 1. `api` is empty for a path that neither API has, `id` for one that names no record; else `id`
    is the text from the path, decoded. `status` is None where no HTTP answer was sent. `fault` names the fault that
    struck, or is empty. `applied` says whether a record was written.
    """

    seq: int
    at: datetime
    api: str
    id: str
    method: str
    path: str
    body: str
    status: int | None
    fault: str
    applied: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How much happened since the start or the last reset; kept also where single requests are not."""

    requests: int = 0
    applied: int = 0
    throttled: int = 0
    faults: int = 0


class Ledger:
    """Collects what happened.

    Args:
        keep: whether single requests and changes are kept; without, only the counts are, and memory stays flat.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self.requests: list[Seen] = []
        self.applied: list[Applied] = []
        self._seen = self._applied = self._throttled = self._faults = 0

    def next_seq(self) -> int:
        """The number of a request that has just arrived."""
        self._seen += 1
        return self._seen

    def note(self, seen: Seen, changes: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Writes down one request, and the changes it made: each record's own id, and its fields."""
        self._throttled += seen.status == 429  # noqa: PLR2004 - Too Many Requests
        self._faults += bool(seen.fault)
        self._applied += len(changes)
        if self._keep:
            self.requests.append(seen)
            self.applied += (Applied(seen.seq, seen.api, one, fields, seen.at) for one, fields in changes)

    @property
    def counts(self) -> Counts:
        """How much happened so far."""
        return Counts(self._seen, self._applied, self._throttled, self._faults)


def as_json(entry: Applied | Seen) -> dict[str, Any]:
    """An entry as the control API returns it: times in ISO 8601."""
    return {**asdict(entry), "at": entry.at.isoformat()}
