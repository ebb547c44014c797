"""When a worker pool gives up, and how far it goes ahead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from batchupdate.engine.batches import Packing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchupdate.config import MaxFailures
    from batchupdate.model import Outcome, Reply, Request

CLAIM_BATCH = 512
"""Rows claimed ahead at the most. After a power cut, the claimed rows without a result are unanswered."""

LOOK_UP_S = 30.0
"""Looking up is a favour: an API that can't be read is not waited for as long as one that can't be written."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """When to give up, and how far to go ahead.

    Times are in seconds; `retry_budget` is how many requests may be repeats after errors, as a share of the first
    tries, beside the first hundred; `request_id_headers` say where a reply's id may stand. `claim_batch` is how many
    rows are claimed ahead at the most: few where an unanswered row can't simply be sent again after a power cut.
    `about_key` is said when the API refuses the key. `reads_first` says whether a request is for the read of its
    record; such a row comes twice, the second time for its change. `packing` says how many rows go out as one request.
    `counted` are the results of rows that went first, which `max_failures` counts too.
    `capture` says what is kept of the reply to a change. `resumes` is whether the same command goes on where this ends.
    """

    max_attempts: int = 5
    give_up_after_s: float = 600.0
    max_failures: MaxFailures | None = None
    retry_budget: float = 0.2
    request_id_headers: tuple[str, ...] = ()
    claim_batch: int = CLAIM_BATCH
    about_key: str = ""
    reads_first: Callable[[Request], bool] | None = None
    packing: Callable[[], Packing] = Packing
    counted: Mapping[Outcome, int] = field(default_factory=dict)
    capture: Callable[[Reply], str] | None = None
    resumes: bool = True

    def for_look_ups(self) -> Self:
        """The same for rows that are looked up, one with each request."""
        return replace(
            self, max_failures=None, max_attempts=2, give_up_after_s=LOOK_UP_S, packing=Packing, capture=None
        )
