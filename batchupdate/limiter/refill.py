"""Counts how fast a limit refills, where replies advertise what remains of it but not its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from batchupdate.limiter.advertised import AdvertisedLimit
    from batchupdate.limiter.send_log import SendLog

MEASURE_S = 1.0
"""Rates are measured over this time before a reply,"""

MEASURE_REQUESTS = 12
"""or over so many requests, where that takes longer."""

REFILL_REQUESTS = 8
"""The same for a refill, of which what remains tells more."""


class Refill(NamedTuple):
    """What was counted, in requests per second."""

    per_s: float | None
    """What the limit gives back; None where it was full meanwhile, so that nobody knows."""
    spend_per_s: float
    """What to spend: that, and what the limit holds."""


def count_refill(
    limit: AdvertisedLimit,
    log: SendLog,
    now: float,
    sent_at: float,
    number: int,
    sent_since: int,
    rate: float,
) -> Refill | None:
    """Counts at the reply to request `number`, of `sent_at`, since which `sent_since` have left; None if too early.

    A bucket refills at its own rate, a sliding window with what left a window ago. Both come to rest nearly empty.
    """
    if limit.remaining is None or limit.limit is None:
        return None
    over_s = max(MEASURE_S, min(MEASURE_S, 1 / rate) * REFILL_REQUESTS)
    since, remained, most = limit.remained(sent_at - over_s)
    span_s = sent_at - since
    if span_s < over_s / 2:
        return None
    left = limit.remaining - sent_since - 1.0
    over_s = max(over_s, limit.horizon_s)
    if most >= limit.limit - 1:
        return Refill(None, max(rate, left / over_s))
    per_s = max(0.0, log.let_in(since, number) + limit.remaining - remained) / span_s
    return Refill(per_s, per_s + (left + per_s * (now - sent_at)) / over_s)
