"""Whether so many rows failed that a run stops itself (`max_failures`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import SafetyStop
from batchupdate.model import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.config import MaxFailures
    from batchupdate.model import Outcome

ENOUGH_FOR_A_SHARE = 20
"""A share of failures means nothing before this many rows."""


def too_many_failures(
    limit: MaxFailures | None, counts: Mapping[Outcome, int], counted: Mapping[Outcome, int]
) -> SafetyStop | None:
    """Why a run stops; None if it goes on.

    `counts` are its results so far by outcome, and `counted` those of the rows that went first.
    """
    if limit is None:
        return None
    sums = {outcome: count + counted.get(outcome, 0) for outcome, count in counts.items()}
    failures = sum(count for outcome, count in sums.items() if outcome not in SUCCEEDED)
    done = sum(sums.values())
    if limit.count is not None:
        too_many = failures > limit.count
    else:
        too_many = done >= ENOUGH_FOR_A_SHARE and failures * 100 > (limit.percent or 0.0) * done
    if not too_many:
        return None
    message = f"Stopped: {failures} of {done} rows failed, and --max-failures allows {limit}."
    return SafetyStop(message, "See failed.csv for the reasons.")
