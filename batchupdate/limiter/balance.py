"""Counts what a limit gives back, where replies tell what remains of it, but not at which rate it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from batchupdate.limiter.history import History
    from batchupdate.limiter.told import Told

LEAST_S = 1.0
TRIPS = 4.0
REQUESTS = 8
"""It is counted over this time, and what the limit holds is used up in it: the longest of the three, where requests
that are less than one a second count as one a second."""

RESERVE = 0.005
"""Share of a limit that is not touched, beside the last request."""


class Balance(NamedTuple):
    """What was counted, in requests per second."""

    given: float | None
    """What the limit gives back; None where it was full meanwhile, and so nobody knows."""
    spend: float
    """What to spend: that, and what the limit holds."""


def balance(
    tank: Told, history: History, now: float, sent_at: float, number: int, sent_since: int, rate: float, trip_s: float
) -> Balance | None:
    """Counts at the reply to the request of turn `number`, of `sent_at`, since which `sent_since` have left.

    A bucket gives back at its own rate, a sliding window what left a window ago. Both come to rest nearly empty.
    """
    if tank.remaining is None or tank.limit is None:
        return None
    over_s = max(LEAST_S, TRIPS * trip_s, min(LEAST_S, 1 / rate) * REQUESTS)
    since, held, most = tank.held(sent_at - over_s)
    span_s = sent_at - since
    if span_s < over_s / 2:
        return None
    left = tank.remaining - sent_since - max(1.0, RESERVE * tank.limit)
    over_s = max(over_s, tank.horizon_s)
    if most >= tank.limit - 1:
        return Balance(None, max(rate, left / over_s))
    given = max(0.0, history.let_in(since, number) + tank.remaining - held) / span_s
    return Balance(given, given + (left + given * (now - sent_at)) / over_s)
